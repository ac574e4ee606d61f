"""The proxy's pure parts: bytes of protocols, heads, routes, replays, choices."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_cloud import edge, wire
from local_cloud.balance import Balancer, Search, Wish
from local_cloud.ca import Authority
from local_cloud.fly import hostnames, names
from local_cloud.fly.ids import milliseconds
from local_cloud.http1 import REPLAY_LIMIT, Upload, parsed
from local_cloud.replay import replay, steering
from local_cloud.routes import Place, Routes, covers, tls_variant
from local_cloud.store import Store


def hello(name: str | None) -> bytes:
    """What a client sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("name", ["web.fly.localhost", None])
def test_name_in_a_tls_hello(name: str | None) -> None:
    data = hello(name)
    assert wire.server_name(data) == (name or "")
    assert [wire.whole_hello(data[:size]) for size in (3, len(data) - 1, len(data))] == [False, False, True]
    assert wire.server_name(data[:50]) == ""


@pytest.mark.parametrize(
    ("data", "is_request", "host"),
    [
        (b"GET / HTTP/1.1\r\nHost: A.test:80\r\n\r\n", True, "a.test"),
        (b"POST", True, ""),
        (b"hello world\r\n", False, ""),
        (b"EHLO\r\nHost: x\r\n", False, "x"),
        (b"\x00\x00\x00\x08", False, ""),
    ],
)
def test_first_bytes(data: bytes, is_request: bool, host: str) -> None:
    assert wire.is_request(data) is is_request
    assert wire.host_header(data) == host


def place(**spec: Any) -> Place:
    machine = {
        "id": "m",
        "state": "started",
        "region": "ewr",
        "cordoned": False,
        "host_status": "ok",
        "ip4": "10.0.0.2",
    }
    return Place(machine, {"internal_port": 8080}, {"port": 443, **spec})


def test_proxy_protocol() -> None:
    ips = [{"ip": "137.66.0.1", "egress": False}, {"ip": "2a09::1", "egress": False}]
    one, two = place(handlers=["proxy_proto"]), place(handlers=["proxy_proto"], proxy_proto_options={"version": "v2"})
    assert wire.proxy_header(place(), "10.0.0.1", ips) == b""
    assert wire.proxy_header(one, "10.0.0.1", ips, 5) == b"PROXY TCP4 10.0.0.1 137.66.0.1 5 443\r\n"
    assert wire.proxy_header(one, "fdaa::1", ips, 5) == b"PROXY TCP6 fdaa::1 2a09::1 5 443\r\n"
    assert wire.proxy_header(one, "10.0.0.1", []) == b"PROXY TCP4 10.0.0.1 127.0.0.1 0 443\r\n"
    block = wire.proxy_header(two, "10.0.0.1", ips, 5)
    assert (block[:12], block[12:16], len(block)) == (wire.SIGNATURE, b"\x21\x11\x00\x0c", 28)
    assert len(wire.proxy_header(two, "fdaa::1", ips, 5)) == 52


def test_heads() -> None:
    head = parsed(b"GET /a?b HTTP/1.1\r\nHost: A.test:443\r\nX-Opsmap-Port: 1\r\nVia: x\r\n\r\n")
    assert (head.method, head.target, head.host) == ("GET", "/a?b", "a.test")
    assert head.encoded({"via": "y"}, ("host",)) == b"GET /a?b HTTP/1.1\r\nvia: y\r\n\r\n"
    assert parsed(b"HTTP/1.1 204 No Content\r\n\r\n").status == 204
    for bad in (b"\r\n\r\n", b"GET / HTTP/1.1\r\nnothing\r\n\r\n"):
        with pytest.raises(ValueError, match="no "):
            parsed(bad)


@pytest.mark.parametrize(("size", "whole"), [(10, True), (REPLAY_LIMIT, True), (REPLAY_LIMIT + 1, False)])
async def test_a_body_can_be_sent_again_while_it_is_small(size: int, whole: bool) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * size)
    reader.feed_eof()
    upload, sent = Upload(reader), bytearray()

    async def drain() -> None:
        return None

    writer: Any = SimpleNamespace(write=sent.extend, drain=drain)
    assert await upload.pump(writer)
    assert (len(sent), upload.whole) == (size, whole)
    again = bytearray()
    writer.write = again.extend
    assert await upload.pump(writer)
    assert len(again) == (size if whole else 0)


def test_replays() -> None:
    found = replay("instance=a;state=s;app=b;fallback=force_self", "me")
    assert found
    assert (found.wish, found.app, found.state, found.fallback) == (Wish(instance="a"), "b", "s", "force_self")
    away = replay("elsewhere=true", "me")
    assert away
    assert (away.wish.allows({"id": "me", "region": "x"}), away.wish.allows({"id": "a", "region": "x"})) == (
        False,
        True,
    )
    assert replay("timeout=5s", "me") is None
    asked = steering(parsed(b"GET / HTTP/1.1\r\nFly-Prefer-Region: lhr,ams\r\nfly-force-instance-id: a\r\n\r\n"))
    assert asked == Wish(instance="a", prefer_region="lhr")
    assert [asked.rank({"id": "a", "region": region}) for region in ("lhr", "ewr")] == [0, 1]


def test_ports_and_options() -> None:
    assert [covers({"start_port": 5, "end_port": 7}, port) for port in (4, 5, 7, 8)] == [False, True, True, False]
    assert covers({"port": 5}, 5)
    assert not covers({}, 0)
    assert tls_variant({"versions": ["TLSv1.2"], "alpn": ["http/1.1"]}) == (("TLSv1.2",), ("http/1.1",))
    assert tls_variant({"versions": ["SSLv3"], "alpn": ["odd"]}) == tls_variant(None)
    assert (
        place(http_options={"idle_timeout": 60}).idle_timeout == place(http_options={"idle_timeout": "1m"}).idle_timeout
    )
    assert [Place({}, {"autostop": value}, {}).sleeps for value in (None, False, "off", True, "stop", "suspend")] == [
        *["", "", ""],
        *["stopped", "stopped", "suspended"],
    ]


class World:
    """An app with machines, and the balancer that looks at them."""

    def __init__(self, *machines: dict[str, Any], ips: tuple[str, ...] = ("shared_v4",), **service: Any) -> None:
        self.store = Store(":memory:")
        self.launched: list[str] = []
        self.checks: dict[str, list[dict[str, Any]]] = {}
        settings = SimpleNamespace(suffix="localhost", switches=SimpleNamespace(autostop_seconds=0))
        self.cloud: Any = SimpleNamespace(store=self.store, settings=settings, spawn=lambda work: work.close())
        runner = SimpleNamespace(checks=lambda machine: self.checks.get(machine, []), launch=self._launch)
        fly: Any = SimpleNamespace(runner=runner)
        self.store.put("app", "web", {"name": "web"})
        for number, kind in enumerate(ips):
            fields = {"shared": kind == "shared_v4", "egress": kind.startswith("egress"), "network": None}
            address = f"2a09::{number}" if kind == "v6" else f"1.1.1.{number}"
            self.store.put("ip", number, {"app": "web", "ip": address, **fields})
        for number, more in enumerate(machines):
            config = {"services": [{"internal_port": 8080, "ports": [{"port": 443, "handlers": ["http"]}], **service}]}
            machine = {**place().machine, "id": f"m{number}", "app": "web", "config": config, **more}
            self.store.put("machine", machine["id"], machine)
        self.balancer = Balancer(self.cloud, fly)

    async def _launch(self, machine: str) -> None:
        self.launched.append(machine)

    def chosen(self, times: int = 1, wish: Wish | None = None) -> list[str]:
        found = [self.balancer.choose(Search("web", 443, wish or Wish())) for _ in range(times)]
        return [place.id if place else "" for place in found]


async def test_requests_go_around_and_stop_at_the_hard_limit() -> None:
    world = World({}, {}, concurrency={"soft_limit": 1, "hard_limit": 2})
    assert sorted(world.chosen(5)) == ["", "m0", "m0", "m1", "m1"]
    world.balancer.release(Place({"id": "m1"}, {}, {}))
    assert world.chosen() == ["m1"]


@pytest.mark.parametrize(
    "machine",
    [
        *({"state": state} for state in ("stopping", "replacing", "restarting", "suspended", "destroying", "created")),
        {"cordoned": True},
        {"host_status": "unreachable"},
        {"ip4": ""},
    ],
)
async def test_who_gets_nothing(machine: dict[str, Any]) -> None:
    assert World(machine).chosen() == [""]
    assert set(World(machine, {}).chosen(4)) == {"m1"}


async def test_all_checks_decide() -> None:
    """A web server in front is up before what is behind it: the first check to pass does not open the door."""
    world = World({}, checks=[{"type": "http", "path": "/up"}, {"type": "http", "path": "/health"}, {"port": 9}])
    up = {"name": "servicecheck-00-http-8080", "status": "passing"}
    for others, chosen in (([], ""), (["critical"], ""), (["passing"], "m0")):
        found = [{"name": "servicecheck-01-http-8080", "status": status} for status in others]
        world.checks["m0"] = [up, *found]
        assert world.chosen() == [chosen]


async def test_checks_decide() -> None:
    world = World({}, {}, checks=[{"type": "tcp"}])
    assert world.chosen() == [""]
    world.checks["m0"] = [{"name": "servicecheck-00-tcp-8080", "status": "critical"}]
    world.checks["m1"] = [
        {"name": "servicecheck-00-tcp-8080", "status": "passing"},
        {"name": "own", "status": "critical"},
    ]
    assert set(world.chosen(3)) == {"m1"}


async def test_waiting_is_worth_it_when_someone_may_come() -> None:
    def patience(machine: dict[str, Any], **service: Any) -> float:
        return World(machine, **service).balancer.patience(Search("web", 443))

    assert patience({"state": "stopped"}) == 0
    assert patience({"state": "stopped"}, autostart=True) > 0
    assert patience({"state": "stopped", "cordoned": True}, autostart=True) == 0
    assert patience({"state": "replacing"}) > 0
    assert patience({}, checks=[{"type": "tcp"}]) > 0
    assert patience({"state": "failed"}, autostart=True) == 0


async def test_idle_machines_are_found_region_by_region() -> None:
    ewr, lhr = {"region": "ewr"}, {"region": "lhr"}
    world = World(ewr, ewr, lhr, autostop="stop")
    assert sorted(place.machine["region"] for place in world.balancer.excess("web", 0)) == ["ewr", "lhr"]
    world.balancer.load["m2"] = 1
    assert {place.machine["region"] for place in world.balancer.excess("web", 0)} == {"ewr"}
    world.balancer.waiting["web"] = 1
    assert world.balancer.excess("web", 0) == []
    assert World(ewr, autostop="stop", min_machines_running=1).balancer.excess("web", 0) == []
    assert World(ewr, autostop="off").balancer.excess("web", 0) == []
    leased = {"lease": {"expires_at": milliseconds() / 1000 + 60}}
    assert World(leased, autostop="stop").balancer.excess("web", 0) == []


@pytest.mark.parametrize(
    ("ips", "handlers", "port", "reachable"),
    [
        (("shared_v4",), ["http"], 443, True),
        (("shared_v4",), ["http"], 8002, False),
        (("shared_v4",), ["tls", "http"], 8002, True),
        (("shared_v4",), [], 443, False),
        (("v4",), [], 8002, True),
        (("v6",), [], 8002, True),
        (("egress_v4",), ["http"], 443, False),
        ((), ["http"], 443, False),
    ],
)
def test_addresses_and_ports(ips: tuple[str, ...], handlers: list[str], port: int, reachable: bool) -> None:
    world = World({}, ips=ips, ports=[{"port": port, "handlers": handlers}])
    assert bool(world.balancer.routes.entry("web", port)) is reachable
    udp = World({}, ips=ips, ports=[{"port": port, "handlers": handlers}], protocol="udp")
    assert udp.balancer.routes.entry("web", port) is None


def test_names_of_apps() -> None:
    routes = Routes(World({}).cloud)
    assert [routes.app_of(host) for host in ("web.fly.localhost", "none.fly.localhost", "a.test")] == [
        "web",
        None,
        None,
    ]
    routes.cloud.store.put("certificate", "*.a.test", {"hostname": "*.a.test", "app": "web"})
    assert [routes.app_of(host) for host in ("x.a.test", "a.test", "x.y.a.test")] == ["web", None, None]


def test_caddy_accepts_its_configuration(tmp_path: Path) -> None:
    from tests.support import run

    cloud: Any = SimpleNamespace(settings=SimpleNamespace(state=tmp_path, port=lambda offset: 7300 + offset))
    (tmp_path / "Caddyfile").write_text(edge.caddyfile(cloud))
    run("caddy", "validate", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile")


# Certificates and names


def test_custom_certificates_are_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "test")
    chain, key = authority.issue(["a.test", "*.b.test"])
    other = authority.issue(["a.test"])[1]
    old = authority.issue(["a.test"], days=0)
    assert hostnames.problem("a.test", chain, key) is None
    assert hostnames.problem("x.b.test", chain, key) is None
    assert "cover" in str(hostnames.problem("x.y.b.test", chain, key))
    assert "match" in str(hostnames.problem("a.test", chain, other))
    assert "expired" in str(hostnames.problem("a.test", *old))
    assert "PEM certificate" in str(hostnames.problem("a.test", "", key))
    form = serialization.BestAvailableEncryption(b"x")
    sealed = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form
    )
    assert "without a password" in str(hostnames.problem("a.test", chain, sealed.decode()))


def test_status_of_host_names() -> None:
    store = Store(":memory:")

    def status(host: str, **more: Any) -> str:
        return hostnames.status(store, {"hostname": host, "acme": True, **more})

    assert status("a.localhost") == status("*.a.localhost") == "active"
    assert status("a.localhost", checked_at=milliseconds() + 9999) == "pending_validation"
    assert status("a.test") == "pending_validation"
    assert status("a.test", pair={"fullchain": ""}) == "pending_ownership"
    store.put("dns", "a.test", {"configured": True})
    store.put("dns", "*.a.test", {"configured": True})
    assert (status("a.test"), status("*.a.test")) == ("active", "pending_validation")
    assert status("a.test", failures=[milliseconds()] * 5) == "pending_validation"
    assert status("a.test", failures=[milliseconds() - hostnames.HOUR] * 5) == "active"
    until = hostnames.rate_limited_until({"failures": [milliseconds()] * 5})
    assert datetime.datetime.fromisoformat(str(until)) > datetime.datetime.now(datetime.UTC)


def test_names() -> None:
    assert [names.is_app(name) for name in ("a", "a-1", "-a", "a-", "A", "a_b", "x" * 63, "x" * 64, None)] == [
        *[True, True, False, False, False],
        *[False, True, False, False],
    ]
    assert [names.is_volume(name) for name in ("a_1", "a-1", "", "x" * 31)] == [True, False, False, False]
    assert [names.is_secret(name) for name in ("A_1", "_a", "1A", "A-B", "")] == [True, True, False, False, False]
    assert [names.is_network(name) for name in ("own-1", "1own", "a_b", "")] == [True, False, False, False]


def test_the_store_says_when_something_was_written() -> None:
    store = Store(":memory:")
    seen = [store.stamp("a", "b")]
    store.put("a", 1, {})
    seen.append(store.stamp("a", "b"))
    store.put("c", 1, {})
    assert store.stamp("a", "b") == seen[-1]
    store.delete("a", 1)
    seen.append(store.stamp("a", "b"))
    store.clear()
    seen.append(store.stamp("a", "b"))
    assert len(set(seen)) == 4
