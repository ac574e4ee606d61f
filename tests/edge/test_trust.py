"""Whose word counts: client addresses, what is logged, who sees the figures, what may reach triggersvc."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.edge.conftest import DOOR, FLY_PROXY, NEIGHBOUR, STRANGER, House
from tests.edge.front import HERE, Front
from tests.edge.world import until

CLIENT, SPOOFED = "198.51.100.4", "192.0.2.66"
LIES = {
    "Fly_Client_IP": SPOOFED,
    "X_Forwarded_For": f"{SPOOFED}, {SPOOFED}",
    "X_Real_IP": SPOOFED,
    "X_Client_Ip": SPOOFED,
    "Forwarded": f"for={SPOOFED}",
}


@pytest.mark.parametrize(
    ("source", "headers", "client"),
    [
        (STRANGER, {}, STRANGER),
        (STRANGER, LIES, STRANGER),
        ("10.0.0.8", LIES, "10.0.0.8"),
        ("192.168.1.8", LIES, "192.168.1.8"),
        (HERE, LIES, HERE),
        (FLY_PROXY, {"Fly_Client_IP": CLIENT}, CLIENT),
        (FLY_PROXY, {**LIES, "Fly_Client_IP": CLIENT}, CLIENT),
        (FLY_PROXY, {"X_Forwarded_For": f"{SPOOFED}, {CLIENT}"}, CLIENT),
        (FLY_PROXY, {"X_Forwarded_For": f"{SPOOFED}, {CLIENT}, {FLY_PROXY}"}, CLIENT),
        (FLY_PROXY, {"Fly_Client_IP": "2001:db8::9"}, "2001:db8::9"),
        (FLY_PROXY, {"Fly_Client_IP": "nonsense"}, FLY_PROXY),
        (FLY_PROXY, {}, FLY_PROXY),
        (NEIGHBOUR, {"Fly_Client_IP": CLIENT}, CLIENT),
    ],
)
@pytest.mark.parametrize("host", ["app", "engine"])
def test_a_clients_address_is_believed_of_proxies_only(
    house: House, host: str, source: str, headers: dict[str, str], client: str
) -> None:
    front = house.front
    to = DOOR if ":" in source else HERE
    got = front.ask(getattr(front, host), "/api/x", source=source, to=to, **headers).got
    assert (got["x-client-ip"], got["fly-client-ip"]) == (client, client)
    assert SPOOFED not in json.dumps({name: got.get(name) for name in ("x-real-ip", "forwarded")})
    if source not in (FLY_PROXY, NEIGHBOUR):
        assert SPOOFED not in json.dumps(got)


def entries(front: Front, marker: str) -> list[dict[str, Any]]:
    """Log lines of one request. All lines are JSON."""
    found: list[dict[str, Any]] = []

    def read() -> bool:
        lines = [json.loads(line) for line in front.log.read_text().splitlines()]
        found[:] = [line for line in lines if marker in json.dumps(line)]
        return bool(found)

    until(read)
    return found


HEADERS = ["Authorization", "Cookie", "Proxy_Authorization", "Referer", "X_Api_Key"]
QUERY = ["code", "state", "token", "access_token", "id_token", "refresh_token", "client_secret", "code_verifier"]
QUERY += ["password", "secret", "signature", "key", "assertion", "%63ode", "stat%65", "code=x&code"]


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("path", ["/api/x", "/api/status/502"])
def test_no_header_with_a_secret_is_logged(house: House, name: str, path: str) -> None:
    marker = f"header-{name}-{len(path)}"
    house.front.ask(house.front.app, f"{path}?m={marker}", **{name: "planted-hunter2"})
    assert entries(house.front, marker)
    assert "hunter2" not in house.front.log.read_text()


@pytest.mark.parametrize("name", QUERY)
def test_no_secret_of_an_address_is_logged(house: House, name: str) -> None:
    marker = f"query-{QUERY.index(name)}"
    house.front.ask(house.front.engine, f"/login/salesforce/authorized?m={marker}&{name}=hunter2&x=1")
    (entry,) = entries(house.front, marker)
    assert "REDACTED" in entry["request"]["uri"]
    assert entry["request"]["client_ip"] == HERE
    assert "hunter2" not in house.front.log.read_text()


def test_errors_are_logged_without_secrets_too(house: House) -> None:
    house.api.end()
    answer = house.front.ask(house.front.app, "/api/x?m=broken&code=hunter2", Cookie="a=hunter2")
    house.api = type(house.api)("api", HERE, house.api.server_address[1])
    assert answer.status == 502
    (entry,) = entries(house.front, "m=broken")
    assert "connection refused" in entry["error"]
    assert "hunter2" not in house.front.log.read_text()


def test_health_is_not_logged(house: House) -> None:
    for path in ("/up?m=quiet", "/api/health?m=quiet"):
        assert house.front.ask(house.front.app, path).status == 200
    house.front.ask(house.front.app, "/api/x?m=loud")
    entries(house.front, "m=loud")
    assert "m=quiet" not in house.front.log.read_text()


METRICS_PATHS = [
    "/metrics",
    "/metrics/",
    "/METRICS",
    "//metrics",
    "/%6detrics",
    "/x/../metrics",
    "/metrics/x",
    "/metrics?x",
]


@pytest.mark.parametrize("path", METRICS_PATHS)
@pytest.mark.parametrize("host", ["app", "engine", "other"])
@pytest.mark.parametrize("source", [HERE, FLY_PROXY, NEIGHBOUR])
def test_the_front_door_has_no_figures_of_anyone(house: House, source: str, host: str, path: str) -> None:
    front = house.front
    name = getattr(front, host, "other.example.test")
    before = [len(service.seen) for service in house.services]
    answer = front.ask(name, path, source=source, to=DOOR if ":" in source else HERE, Fly_Client_IP="fdaa::1")
    assert answer.status == 404
    assert [len(service.seen) for service in house.services] == before


@pytest.mark.parametrize(
    ("source", "status"),
    [(NEIGHBOUR, 200), (HERE, 200), (STRANGER, 404), (FLY_PROXY, 404), ("10.0.0.8", 404), ("2001:db8::9", 404)],
)
def test_figures_are_for_the_private_network(house: House, source: str, status: int) -> None:
    house.world.place("far", "2001:db8::9")
    to = DOOR if ":" in source else HERE
    answer = house.front.ask("any", "/metrics", site="metrics", source=source, to=to, Fly_Client_IP="fdaa::1")
    assert answer.status == status
    assert (b"caddy_http_requests_total" in answer.body) == (status == 200)


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECTED"]
PATHS = [
    "/email_handler",
    "/",
    "/health",
    "/email_handler/",
    "/email_handler/../health",
    "/email_handler%2f..%2fhealth",
]
PATHS += ["//email_handler", "/EMAIL_HANDLER", "/x/email_handler", "/email_handler;x", "/metrics", "/api/me"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_the_handler_reaches_triggersvc(house: House, path: str, method: str) -> None:
    house.triggers.seen.clear()
    statuses = {
        house.front.ask(host, path, method, site).status
        for site in ("email", "")
        for host in (house.front.app, house.front.engine, "other.example.test")
    }
    got = {(seen["method"], seen["path"]) for seen in house.triggers.seen}
    assert got <= {("POST", "/email_handler")}
    if (method, path) == ("POST", "/email_handler"):
        assert got
        assert statuses <= {200, 404}
