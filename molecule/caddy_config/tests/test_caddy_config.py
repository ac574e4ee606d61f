from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["local://"]
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
CADDY = Path(sys.executable).parent / "caddy"


@pytest.fixture
def ports() -> dict[str, int]:
    return dict(json.loads((FOLDER / "ports.json").read_text()))


@pytest.fixture
def routes() -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / "routes.json").read_text()))


def test_caddy_takes_it_as_it_is(host: Host) -> None:
    done = host.run("%s validate --adapter caddyfile --config %s", str(CADDY), str(FOLDER / "Caddyfile"))
    assert done.rc == 0, done.stderr
    assert host.run("%s fmt %s", str(CADDY), str(FOLDER / "Caddyfile")).stdout == (FOLDER / "Caddyfile").read_text()


def test_it_listens_on_the_three_ports_that_the_product_says(
    ports: dict[str, int], routes: list[dict[str, Any]]
) -> None:
    listens = {address for route in routes for address in route["listen"]}
    assert listens == {f":{ports[name]}" for name in ("front", "email", "metrics")}


def test_the_engine_goes_to_the_list_and_nowhere_else(ports: dict[str, int], routes: list[dict[str, Any]]) -> None:
    (engine,) = (route for route in routes if route["hosts"] == ["engine.supercog.localhost"])
    assert set(engine["answer"].split(" or ")) == {
        f"supercog-agents-local.internal:{ports['agents']}",
        f"supercog-agents-preview.internal:{ports['agents']}",
        "alice-laptop._peer.internal:9000",
    }


def test_triggersvc_has_one_handler(routes: list[dict[str, Any]]) -> None:
    ways = [route for route in routes if "triggersvc" in route["answer"]]
    assert len(ways) == 2
    assert {(*route["methods"], *route["paths"]) for route in ways} == {("POST", "/email_handler")}
