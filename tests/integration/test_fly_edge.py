"""Fly's proxy of the local cloud, by plain HTTP clients and bare sockets (reference fly 3.2 to 3.4)."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.edge_app import App, Edge, header_of, machine_of, until, web
from tests.edge_load import Load

NewApp = Callable[..., App]
CHECK = {"type": "http", "path": "/", "interval": "1s", "timeout": "1s", "grace_period": "1s"}
RAW = {"protocol": "tcp", "internal_port": 9000, "ports": [{"port": 8002}]}


def ports(*specs: dict[str, Any]) -> dict[str, Any]:
    return {"ports": list(specs)}


def tls(**more: Any) -> dict[str, Any]:
    return {"port": 443, "handlers": ["tls", "http"], **more}


def answers(app: App, count: int, **more: Any) -> Counter[str]:
    """Who answers so many requests."""
    with app.edge.client() as client:
        return Counter(machine_of(app.get(client=client, **more)) for _ in range(count))


def listen(app: App, *machines: str) -> None:
    """Until each of them answers: a started machine may not listen yet."""
    for machine in machines:
        assert machine_of(app.get(headers={"fly-force-instance-id": machine})) == machine


def ready(app: App, machine: str) -> None:
    """Until its checks pass."""
    until(
        lambda: {c["status"] for c in app.edge.call("GET", f"{app.path}/machines/{machine}")["checks"]} == {"passing"}
    )


# No failed request


@pytest.mark.slow
def test_no_request_fails_while_machines_change(app: App) -> None:
    def config(version: int) -> dict[str, Any]:
        return app.config({"checks": [CHECK]}, env={"VERSION": str(version)})

    machines = [app.create(config(0)) for _ in range(3)]
    for machine in machines:
        ready(app, machine)
    with Load(app, 2000) as load:
        for version in (1, 2):
            for machine in machines:
                app.update(machine, config(version))
                ready(app, machine)
        more = app.create(config(3))
        ready(app, more)
        app.act(machines[0], "cordon")
        app.act(machines[1], "stop")
        app.wait(machines[1], "stopped")
        app.act(machines[0], "uncordon")
        app.destroy(machines[1])
        app.destroy(machines[2])
    assert load.failed == []
    assert load.count >= 2000
    assert set(load.answered) == {*machines, more}
    assert min(load.asked.values()) > 100
    assert "version=3" in {word for _ in range(20) for word in app.get().text.split()[:2]}


def test_requests_under_way_are_finished(app: App) -> None:
    first, second = app.create(), app.create()
    listen(app, first, second)
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(app.get, "/slow?2") for _ in range(8)]
        time.sleep(0.7)
        app.act(first, "cordon")
        app.act(first, "stop", {"timeout": "10s"})
        time.sleep(0.2)
        assert set(answers(app, 10)) == {second}
        done = Counter(machine_of(answer.result()) for answer in slow)
    assert done == {first: 4, second: 4}
    app.wait(first, "stopped")


def test_a_cordoned_machine_gets_nothing(app: App) -> None:
    first, second = app.create(), app.create(skip_service_registration=True)
    assert set(answers(app, 10)) == {first}
    app.act(second, "uncordon")
    listen(app, second)
    assert set(answers(app, 10)) == {first, second}
    app.act(first, "cordon")
    assert set(answers(app, 10)) == {second}


def test_a_critical_machine_gets_nothing(app: App) -> None:
    config = app.config({"checks": [CHECK]})
    first, second = app.create(config), app.create(config)
    for machine in (first, second):
        ready(app, machine)
    app.execute(first, "touch", "/tmp/sick")
    until(lambda: "critical" in str(app.edge.call("GET", f"{app.path}/machines/{first}")["checks"]))
    assert set(answers(app, 10)) == {second}
    app.execute(second, "touch", "/tmp/sick")
    until(lambda: app.get().status_code == 503)
    app.execute(first, "rm", "/tmp/sick")
    ready(app, first)
    assert set(answers(app, 5)) == {first}


def test_a_machine_that_nobody_listens_in_is_passed_over(app: App) -> None:
    good = app.create()
    app.create(app.config(init={"exec": ["sleep", "600"]}))
    posts = {machine_of(app.get(method="POST", content=b"x" * 5000)) for _ in range(6)}
    assert posts | set(answers(app, 6)) == {good}


def test_what_may_have_been_seen_is_not_sent_twice(app: App) -> None:
    app.create()
    assert app.get("/reset", method="POST", content=b"x").status_code == 502
    assert app.get("/reset").status_code == 502
    assert "body=5000" in app.get("/", method="POST", content=b"x" * 5000).text
    assert "body=3000000" in app.get("/", method="PUT", content=b"x" * 3000000).text


# Limits, autostart, autostop


def test_hard_limit_queues_then_refuses(app: App) -> None:
    app.create(app.config({"concurrency": {"type": "requests", "soft_limit": 1, "hard_limit": 1}}))
    with ThreadPoolExecutor(3) as pool:
        short = [pool.submit(app.get, "/slow?1") for _ in range(3)]
        assert [answer.result().status_code for answer in short] == [200, 200, 200]
        long = pool.submit(app.get, "/slow?12")
        time.sleep(0.3)
        assert app.get().status_code == 503
        assert long.result().status_code == 200


def test_soft_limit_spreads_and_wakes(app: App) -> None:
    config = app.config({"autostart": True, "concurrency": {"type": "requests", "soft_limit": 2, "hard_limit": 50}})
    first, second = app.create(config), app.create(config)
    listen(app, first)
    app.act(second, "stop")
    app.wait(second, "stopped")
    assert set(answers(app, 10)) == {first}
    assert app.state(second) == "stopped"
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(app.get, "/slow?3") for _ in range(4)]
        app.wait(second, "started")
        assert [answer.result().status_code for answer in slow] == [200] * 4


@pytest.mark.parametrize("how", ["stop", "suspend"])
def test_autostart_wakes_for_the_proxy_only(app: App, new_app: NewApp, how: str) -> None:
    sleeper = app.create(app.config({"autostart": True}))
    other = new_app()
    machine = other.create()

    def direct() -> int:
        script = f"exec 3<>/dev/tcp/{app.name}.internal/8080"
        return int(other.act(machine, "exec", {"command": ["timeout", "2", "bash", "-c", script]})["exit_code"])

    assert direct() == 0
    app.act(sleeper, how)
    app.wait(sleeper, "stopped", "suspended")
    assert direct() != 0
    assert app.state(sleeper) in ("stopped", "suspended")
    assert machine_of(app.get()) == sleeper
    app.wait(sleeper, "started")


def test_without_autostart_nothing_is_woken(app: App) -> None:
    machine = app.create()
    app.act(machine, "stop")
    app.wait(machine, "stopped")
    assert app.get().status_code == 503
    assert app.state(machine) == "stopped"


@pytest.mark.parametrize(("how", "state"), [("stop", "stopped"), ("suspend", "suspended"), (True, "stopped")])
def test_autostop(app: App, how: Any, state: str) -> None:
    app.edge.control("PUT", "/settings", {"autostop_seconds": 1})
    service = {"autostart": True, "autostop": how, "min_machines_running": 1}
    here = app.config(service, env={"PRIMARY_REGION": "ewr"})
    machines = [app.create(here, region="ewr") for _ in range(2)]
    away = app.create(here, region="lhr")
    leased = app.create(here, region="ams", lease_ttl=60)
    app.wait(away, state)
    until(lambda: sorted(app.state(machine) for machine in machines) == sorted(["started", state]))
    time.sleep(2.5)
    assert "started" in [app.state(machine) for machine in machines]
    assert app.state(leased) == "started"
    kinds = [event["source"] for event in app.edge.call("GET", f"{app.path}/machines/{away}/events")]
    assert "proxy" in kinds
    assert machine_of(app.get(headers={"fly-force-instance-id": away})) == away


def test_a_busy_machine_is_not_put_to_sleep(app: App) -> None:
    app.edge.control("PUT", "/settings", {"autostop_seconds": 0.5})
    machine = app.create(app.config({"autostart": True, "autostop": "stop"}))
    assert machine_of(app.get("/slow?3")) == machine
    app.wait(machine, "stopped")


def test_a_request_waits_for_a_machine_that_is_replaced(app: App) -> None:
    machine = app.create()
    app.edge.call("POST", f"{app.path}/machines/{machine}", {"config": app.config(env={"VERSION": "2", "BOOT": "1"})})
    assert "version=2" in app.get().text


# Headers, steering, replay


def test_headers(app: App) -> None:
    app.create()
    answer = app.get()
    shared = next(ip["ip"] for ip in app.edge.call("GET", f"{app.path}/ip_assignments")["ips"] if ip["shared"])
    assert header_of(answer, "fly-forwarded-port") == header_of(answer, "x-forwarded-port") == "443"
    assert header_of(answer, "x-forwarded-for") == f"{header_of(answer, 'fly-client-ip')}, {shared}"
    assert (header_of(answer, "x-forwarded-proto"), header_of(answer, "x-forwarded-ssl")) == ("https", "on")
    assert (header_of(answer, "via"), header_of(answer, "fly-region")) == ("1.1 fly.io", "ewr")
    assert header_of(answer, "fly-request-id") == answer.headers["fly-request-id"]
    assert "opsmap" not in answer.text.lower()
    assert answer.headers["server"].startswith("Fly/")
    assert answer.headers["via"] == "2 fly.io"
    assert not [name for name in answer.headers if "opsmap" in name or "caddy" in answer.headers[name].lower()]
    plain = app.get(outside=80, headers={"X-Forwarded-Proto": "https", "Fly-Client-IP": "6.6.6.6"})
    assert (header_of(plain, "x-forwarded-proto"), header_of(plain, "x-forwarded-ssl")) == ("http", "off")
    assert header_of(plain, "fly-client-ip") != "6.6.6.6"
    with app.edge.client(http2=True) as client:
        second = app.get(client=client)
    assert (second.http_version, header_of(second, "via")) == ("HTTP/2", "2 fly.io")


def test_steering(app: App) -> None:
    here, there = app.create(region="ewr"), app.create(region="lhr")
    listen(app, here, there)
    assert set(answers(app, 6, headers={"fly-prefer-region": "lhr"})) == {there}
    assert set(answers(app, 6, headers={"fly-prefer-instance-id": here})) == {here}
    assert set(answers(app, 6, headers={"fly-force-instance-id": there})) == {there}
    app.act(there, "cordon")
    assert set(answers(app, 6, headers={"fly-prefer-region": "lhr"})) == {here}
    assert app.get(headers={"fly-force-instance-id": there}).status_code == 503


def test_replay(app: App, new_app: NewApp) -> None:
    here, there = app.create(region="ewr"), app.create(region="lhr")
    listen(app, here, there)
    other = new_app()
    third = other.create()
    force = {"headers": {"fly-force-instance-id": here}}
    for wish, machine in {"region=lhr": there, f"instance={there};state=x": there, "elsewhere=true": there}.items():
        answer = app.get(f"/replay?{wish}", **force)
        assert machine_of(answer) == machine
        assert f"instance={here};region=ewr" in header_of(answer, "fly-replay-src")
    assert header_of(app.get(f"/replay?instance={there};state=x", **force), "fly-replay-src").endswith("state=x")
    assert machine_of(app.get(f"/replay?app={other.name}", **force)) == third
    posted = app.get("/replay?region=lhr", method="POST", content=b"x" * 900_000, **force)
    assert (machine_of(posted), "body=900000" in posted.text) == (there, True)
    assert app.get("/replay?region=lhr", method="POST", content=b"x" * 1_500_000, **force).status_code == 502
    assert machine_of(app.get("/replay?region=fra;fallback=force_self", **force)) == here
    assert app.get("/replay?region=fra", **force).status_code == 503


# Handlers and options of ports


def test_force_https(app: App) -> None:
    app.create(app.config(ports({"port": 80, "handlers": ["http"], "force_https": True}, tls())))
    answer = app.get("/a?b=1", outside=80)
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{app.host}:{app.edge.instance.port + 5}/a?b=1"
    assert app.get("/a").status_code == 200


def test_http_options(app: App) -> None:
    headers = {"X-Added": "yes", "X-Several": ["a", "b"], "X-Small": False}
    app.create(app.config(ports(tls(http_options={"compress": True, "response": {"headers": headers}}))))
    with (
        app.edge.client() as client,
        client.stream(
            "GET", app.edge.url(), headers={"Host": app.host}, extensions={"sni_hostname": app.host}
        ) as stream,
    ):
        raw = b"".join(stream.iter_raw())
        answer = stream
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).startswith(b"machine=")
    assert (answer.headers["x-added"], answer.headers["x-several"]) == ("yes", "a, b")
    assert "x-small" not in answer.headers


def test_pristine(app: App) -> None:
    app.create(app.config(ports(tls(http_options={"response": {"pristine": True}}))))
    answer = app.get()
    assert answer.headers["server"] == "small"
    assert not {"via", "fly-request-id"} & set(answer.headers)
    assert "content-encoding" not in answer.headers


def test_idle_timeout(app: App) -> None:
    app.create(app.config(ports(tls(http_options={"idle_timeout": 1}))))
    assert app.get("/slow?0.5").status_code == 200
    began = time.monotonic()
    answer = app.get("/slow?6")
    assert (answer.status_code, "idle_timeout" in answer.text) == (502, True)
    assert time.monotonic() - began < 5


def test_tls_options(app: App) -> None:
    app.create(app.config(ports(tls(tls_options={"versions": ["TLSv1.2"], "alpn": ["http/1.1"]}))))

    def handshake(**limits: ssl.TLSVersion) -> tuple[str | None, str | None]:
        context = ssl.create_default_context(cafile=str(app.edge.instance.folder / "ca.crt"))
        context.set_alpn_protocols(["h2", "http/1.1"])
        for name, value in limits.items():
            setattr(context, name, value)
        with app.edge.connect(443) as raw, context.wrap_socket(raw, server_hostname=app.host) as line:
            return line.version(), line.selected_alpn_protocol()

    assert handshake() == ("TLSv1.2", "http/1.1")
    with pytest.raises(ssl.SSLError):
        handshake(minimum_version=ssl.TLSVersion.TLSv1_3)


def test_h2_backend(app: App) -> None:
    config = app.config(ports(tls(http_options={"h2_backend": True})))
    app.create({**config, "init": {"exec": ["/caddy", "run", "--config", "/Caddyfile", "--adapter", "caddyfile"]}})
    assert until(lambda: app.get()).text == "HTTP/2.0"


def test_statics(app: App) -> None:
    statics = [{"guest_path": "/public", "url_prefix": "/static", "index_document": "index.html"}]
    app.create(app.config(statics=statics))
    css = app.get("/static/style.css")
    assert (css.text, css.headers["content-type"]) == ("body { color: teal }\n", "text/css")
    assert app.get("/static/").text == "<p>index</p>\n"
    assert app.get("/static/style.css", method="HEAD").headers["content-length"] == "21"
    for path in ("/static/none.css", "/static/../../server.pl", "/static/%2e%2e/server.pl", "/staticstyle.css"):
        machine_of(app.get(path))
    assert "body=1" in app.get("/static/style.css", method="POST", content=b"x").text


def talk(line: socket.socket, text: bytes, until_end: bool = False) -> bytes:
    line.sendall(text)
    data = line.recv(4096)
    while until_end and (more := line.recv(4096)):
        data += more
    return data


def test_raw_tcp_needs_an_own_address(new_app: NewApp, edge: Edge) -> None:
    shared = new_app("shared_v4")
    shared.create({"image": shared.image, "services": [RAW]})
    with edge.connect(8002) as line:
        assert talk(line, b"hello\n") == b""
    edge.call("POST", f"{shared.path}/ip_assignments", {"type": "v6"})
    with edge.connect(8002) as line:
        assert talk(line, b"hello\n").endswith(b" hello\n")
        assert talk(line, b"again\n").endswith(b" again\n")
    with edge.connect(8002) as line:  # not HTTP for the proxy: the app gets it as it is
        assert b" GET / HTTP/1.1" in talk(line, f"GET / HTTP/1.1\r\nHost: {shared.host}\r\n\r\n".encode())


def test_proxy_proto(new_app: NewApp, edge: Edge) -> None:
    app = new_app("v4")
    service = {**RAW, "ports": [{"port": 8002, "handlers": ["proxy_proto"]}]}
    machine = app.create({"image": app.image, "services": [service]})
    own = edge.call("GET", f"{app.path}/ip_assignments")["ips"][0]["ip"]
    with edge.connect(8002) as line:
        first = talk(line, b"hello\n").decode().split("\r\n")[0].split(" ")
    assert (first[0], first[1:3], first[4], first[6]) == (machine, ["PROXY", "TCP4"], own, "8002")
    service["ports"][0]["proxy_proto_options"] = {"version": "v2"}
    app.update(machine, {"image": app.image, "services": [service]})
    with edge.connect(8002) as line:
        data = until(lambda: talk(line, b"hello\n"))
        while not data.endswith(b"hello\n"):
            data += line.recv(4096)
    assert b"\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" in data.replace(f"{machine} ".encode(), b"")


@pytest.mark.parametrize("handler", ["tls", "pg_tls"])
def test_tls_is_ended_for_bytes(new_app: NewApp, edge: Edge, handler: str) -> None:
    app = new_app("shared_v4")
    app.create({"image": app.image, "services": [{**RAW, "ports": [{"port": 8002, "handlers": [handler]}]}]})
    with edge.connect(8002) as raw:
        if handler == "pg_tls":
            assert talk(raw, bytes.fromhex("0000000804d2162f")) == b"S"
        with edge.trust.wrap_socket(raw, server_hostname=app.host) as line:
            assert talk(line, b"hello\n").endswith(b" hello\n")
    with edge.connect(8002) as raw:
        assert talk(raw, f"GET / HTTP/1.1\r\nHost: {app.host}\r\n\r\n".encode()) == b""


def test_an_upgraded_connection_passes(app: App) -> None:
    app.create()
    with app.edge.connect(443) as raw, app.edge.trust.wrap_socket(raw, server_hostname=app.host) as line:
        request = f"GET / HTTP/1.1\r\nHost: {app.host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        assert b"101 Switching Protocols" in talk(line, request.encode())
        assert talk(line, b"hello\n").endswith(b" hello\n")
        time.sleep(1)
        assert talk(line, b"again\n").endswith(b" again\n")


def test_who_leaves_frees_the_machine(app: App) -> None:
    app.create(app.config({"concurrency": {"type": "requests", "soft_limit": 1, "hard_limit": 1}}))
    with pytest.raises(httpx.TimeoutException), httpx.Client(verify=app.edge.trust, timeout=0.5) as client:
        app.get("/slow?20", client=client)
    began = time.monotonic()
    assert app.get().status_code == 200
    assert time.monotonic() - began < 5


def test_services_of_several_ports_are_matched(app: App) -> None:
    one = app.create(app.config(ports(tls())))
    two = app.create(app.config(ports({"port": 80, "handlers": ["http"]})))
    assert set(answers(app, 4)) == {one}
    assert set(answers(app, 4, outside=80)) == {two}
    assert app.get(outside=8002).status_code == 404


def test_addresses_decide_what_is_reachable(new_app: NewApp, edge: Edge) -> None:
    app = new_app()
    app.create(app.config(ports(tls(), {"port": 8002, "handlers": ["http"]})))
    assert app.get().status_code == 404
    edge.call("POST", f"{app.path}/ip_assignments", {"type": "shared_v4"})
    assert app.get().status_code == 200
    assert app.get(outside=8002).status_code == 404
    edge.call("POST", f"{app.path}/ip_assignments", {"type": "v6"})
    assert app.get(outside=8002).status_code == 200
    udp = new_app("v4")
    udp.create({"image": udp.image, "services": [{**web(), "protocol": "udp"}]})
    assert udp.get().status_code == 404


def test_flycast(new_app: NewApp, edge: Edge) -> None:
    app, other = new_app("private_v6"), new_app()
    service = web(ports=[{"port": 80, "handlers": ["http"]}], autostart=True)
    private = app.create({"image": app.image, "services": [service]})
    client = other.create()
    address = edge.call("GET", f"{app.path}/ip_assignments")["ips"][0]["ip"]
    assert app.get(outside=80).status_code == 404  # no public address

    def asked(host: str) -> str:
        script = f"exec 3<>/dev/tcp/{host}/80 && printf 'GET /x HTTP/1.0\\r\\nHost: any\\r\\n\\r\\n' >&3 && cat <&3"
        done = other.act(client, "exec", {"command": ["timeout", "30", "bash", "-c", script]})
        return str(done["stdout"])

    until(lambda: f"machine={private}" in asked(f"{app.name}.flycast"))
    assert f"machine={private}" in asked(address)
    app.act(private, "stop")
    app.wait(private, "stopped")
    assert f"machine={private}" in asked(f"{app.name}.flycast")
    edge.call("DELETE", f"{app.path}/ip_assignments/{address}", expect=204)
    until(lambda: "machine=" not in asked(address))


def test_many_connections_at_once(app: App) -> None:
    for _ in range(2):
        app.create()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(app.get("/slow?0.5").status_code)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(found) == {200: 40}
