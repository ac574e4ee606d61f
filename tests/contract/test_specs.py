"""Routes of the local cloud against the published API descriptions, where these are at hand."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.contract.published import FILES
from tests.support import SPECS

HERE = SPECS.is_dir()


@pytest.mark.skipif(not HERE, reason="the published descriptions (../shared/specs) are not on this machine")
@pytest.mark.parametrize("service", FILES)
def test_emulated_routes_are_published(service: str) -> None:
    """Every route of the emulator exists in the description, with that method."""
    paths: dict[str, Any] = json.loads((SPECS / FILES[service]).read_text())["paths"]
    known = {(method.upper(), shape(path)) for path, item in paths.items() for method in item if method != "parameters"}
    missing = [route for route in routes(service) if route not in known]
    assert missing == []


def shape(path: str) -> str:
    """A path with its parameters blanked, without the version prefix of Redis Cloud."""
    return re.sub(r"\{[^}]*\}", "{}", path.removeprefix("/v1")).rstrip("/") or "/"


def routes(service: str) -> list[tuple[str, str]]:
    """Method and shape of every route of an emulated service."""
    import importlib
    from types import SimpleNamespace

    from aiohttp import web

    cloud = SimpleNamespace(app=lambda *_: web.Application(), settings=None)
    app = importlib.import_module(f"local_cloud.{service}").build(cloud)
    found = [(r.method, shape(r.resource.canonical)) for r in app.router.routes() if r.method != "HEAD" and r.resource]
    return sorted(set(found))
