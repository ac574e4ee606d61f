"""The product is closed and opened again without a deploy: a page is put into the container, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.conftest import House
from tests.edge.front import Front

PAGE = "<!doctype html><title>Back soon</title>"


@pytest.fixture
def closed(house: House) -> Iterator[Front]:
    folder = Path(house.front.values["caddy_config_closed_root"])
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(PAGE)
    yield house.front
    (folder / "index.html").unlink(missing_ok=True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("host", "path"),
    [("app", "/"), ("app", "/api/me"), ("app", "/assets/app.js"), ("engine", "/run_oauth"), ("x", "/")],
)
def test_everything_shows_the_page(house: House, closed: Front, host: str, path: str, method: str) -> None:
    before = [len(service.seen) for service in house.services]
    answer = closed.ask(getattr(closed, host, "other.example.test"), path, method)
    assert answer.status == 503
    assert answer.by == ("" if method == "HEAD" else PAGE)
    assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("120", "no-store")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert [len(service.seen) for service in house.services] == before


def test_a_page_that_a_browser_has_kept_is_no_way_around(closed: Front) -> None:
    tag = closed.ask(closed.app, "/").headers.get("etag", '"x"')
    assert (
        closed.ask(closed.app, "/", If_None_Match=tag, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT").status == 503
    )
    assert closed.ask(closed.app, "/", Range="bytes=0-3").status == 503


def test_mail_is_refused_so_that_sns_tries_again(house: House, closed: Front) -> None:
    before = len(house.triggers.seen)
    for site in ("email", ""):
        assert closed.ask(closed.app, "/email_handler", "POST", site, body=b"{}").status == 503
    assert len(house.triggers.seen) == before


def test_the_platform_still_finds_the_machine_healthy(closed: Front) -> None:
    assert closed.ask("172.16.0.2", "/up").by == "ok"
    assert closed.ask(closed.app, "/api/health").by == "api"
    assert closed.ask(closed.app, "/api/health/../me").status == 503


def test_it_opens_at_once_and_without_a_reload(closed: Front) -> None:
    loads = closed.log.read_text().count("reloaded config")
    assert closed.ask(closed.app, "/").status == 503
    (Path(closed.values["caddy_config_closed_root"]) / "index.html").unlink()
    assert closed.ask(closed.app, "/").by == "front end"
    assert closed.ask(closed.engine, "/x").by.startswith("agents ")
    assert closed.log.read_text().count("reloaded config") == loads
