"""Each row of the table in docs/edge.md, asked of the real Caddy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.edge_docs import outside, routes, table
from tests.edge.conftest import DOOR, NEIGHBOUR, STRANGER, House
from tests.edge.front import HERE, Answer, Service
from tests.support import ROOT

ROUTES = routes("example.test")
PAGE = "closed for now"


def asked(house: House, route: dict[str, Any]) -> list[tuple[str, Answer]]:
    """Answers to every method, host and path of a row; what it says of nothing is tried with something of that kind."""
    front = house.front
    site = next(name for name in ("", "email", "metrics") if f":{front.port(name)}" == route["listen"][0])
    source = NEIGHBOUR if any(text.startswith("from ") for text in route["when"]) else HERE
    return [
        (method, front.ask(host, path.replace("*", "x"), method, site, source, DOOR if ":" in source else HERE))
        for method in route["methods"] or ["GET", "POST", "DELETE"]
        for host in route["hosts"] or ["other.example.test"]
        for path in route["paths"] or ["/other"]
    ]


def is_by(house: House, wanted: str, method: str, answer: Answer) -> bool:
    """Whether the one that the row names has answered."""
    services = {
        f"{house.front.values['caddy_config_agents_host']}:{house.front.values['caddy_config_agents_port']}": "agents",
        f"{house.front.values['caddy_config_triggersvc_host']}:{house.front.values['caddy_config_triggersvc_port']}": "triggersvc",
        str(house.front.values["caddy_config_api_upstream"]): "api",
    }
    if wanted in services:
        return answer.status == 200 and answer.by.startswith(services[wanted])
    if wanted.startswith("503 files"):
        return (answer.status, answer.by) == (503, PAGE)
    if wanted.startswith("files"):
        return (answer.status, answer.by) == (200, "front end") if method in ("GET", "HEAD") else answer.status == 405
    if wanted.startswith("metrics"):
        return answer.status == 200 and b"caddy_" in answer.body
    if wanted == "the error's status":
        return (answer.status, answer.by) in [(502, "502 Bad Gateway"), (503, "503 Service Unavailable")]
    status, _, body = wanted.partition(" ")
    return (answer.status, answer.by) == (int(status), body)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route['listen'][0]} {route['hosts']} {route['answer']}")
def test_row(house: House, route: dict[str, Any]) -> None:
    if "an error" in route["when"]:
        return broken(house, route)
    page = Path(house.front.values["caddy_config_closed_root"]) / "index.html"
    if any(text.startswith("file ") for text in route["when"]):
        page.parent.mkdir(exist_ok=True)
        page.write_text(PAGE)
    try:
        for method, answer in asked(house, route):
            assert is_by(house, route["answer"], method, answer), (method, answer)
    finally:
        page.unlink(missing_ok=True)
    return None


def broken(house: House, route: dict[str, Any]) -> None:
    """The row of errors: nobody is there to answer."""
    front = house.front
    if route["listen"][0] == f":{front.port('email')}":
        host = front.values["caddy_config_triggersvc_host"]
        front.reload(triggersvc_host="nobody.internal")
        answer = front.ask(front.app, "/email_handler", "POST", "email")
        front.reload(triggersvc_host=host)
    else:
        house.api.end()
        answer = front.ask(front.app, "/api/x")
        house.api = Service(house.api.name, *house.api.server_address[:2])
    assert is_by(house, route["answer"], "", answer), answer


def test_who_is_not_in_the_private_network_gets_the_next_row(house: House) -> None:
    assert house.front.ask("x", "/metrics", site="metrics", source=STRANGER).status == 404


def test_the_page_has_this_table() -> None:
    assert table() in (ROOT / "docs" / "edge.md").read_text()


def test_the_public_comes_to_two_ports_and_never_to_the_figures(house: House) -> None:
    front = house.front
    assert outside() == {str(front.port()): "https 443", str(front.port("email")): f"http {front.port('email')}"}
