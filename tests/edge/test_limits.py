"""What a request may be, how slow a client may be, and what headers an answer has."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.conftest import House
from tests.edge.front import Front

MB = 1_000_000


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length is not told in advance."""
    while size > 0:
        yield b"x" * min(size, MB)
        size -= MB


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 25 * MB, 25 * MB + 1, 40 * MB])
@pytest.mark.parametrize("site", ["app", "engine", "email"])
def test_uploads_to_25_mb_and_no_more(house: House, site: str, size: int, chunked: bool) -> None:
    front = house.front
    host = front.engine if site == "engine" else front.app
    path, port = ("/email_handler", "email") if site == "email" else ("/api/files", "")
    service = {"app": [house.api], "engine": house.agents, "email": [house.triggers]}[site]
    for one in service:
        one.seen.clear()
    answer = front.ask(host, path, "POST", port, body=pieces(size) if chunked else b"x" * size)
    if size <= 25 * MB:
        assert answer.status == 200
        assert [seen["length"] for one in service for seen in one.seen] == [size]
    else:
        assert answer.status == 413
        assert all(seen["length"] < size for one in service for seen in one.seen)


@pytest.mark.parametrize(("size", "status"), [(8_192, 200), (20_000, 200), (40_000, 431)])
def test_heads_to_32_kb(house: House, size: int, status: int) -> None:
    assert house.front.ask(house.front.app, "/api/x", Cookie="a=" + "x" * size).status == status


@pytest.fixture
def impatient(house: House) -> Iterator[Front]:
    house.front.reload(header_timeout="1s", stall_timeout="1s", body_timeout="2s")
    yield house.front
    house.front.reload(header_timeout="10s", stall_timeout="30s", body_timeout="5m")


def ended(line: object, seconds: float) -> float:
    """Seconds until the other side closes."""
    start = time.monotonic()
    line.settimeout(seconds)  # type: ignore[attr-defined]
    try:
        while line.recv(65536):  # type: ignore[attr-defined]
            pass
    except ConnectionError:
        pass
    return time.monotonic() - start


def test_a_head_that_does_not_end_is_cut_off(impatient: Front) -> None:
    with impatient.connect() as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: app.example.test\r\nX-Slow: ")
        assert ended(line, 5) < 3


@pytest.mark.parametrize("pause", [10.0, 0.2])
@pytest.mark.parametrize("length", [1000, 1_000_000])
def test_a_body_that_stalls_or_trickles_keeps_no_service_waiting(
    house: House, impatient: Front, length: int, pause: float
) -> None:
    house.api.seen.clear()
    head = f"POST /api/x HTTP/1.1\r\nHost: app.example.test\r\nContent-Length: {length}\r\n\r\n"
    with impatient.connect() as line:
        line.sendall(head.encode())
        start = last = time.monotonic()
        while not house.api.seen:  # it has given up on the rest
            if time.monotonic() - last >= pause:
                line.sendall(b"x")
                last = time.monotonic()
            assert last - start < 5
            time.sleep(0.05)
    assert house.api.seen[0]["length"] < length
    assert time.monotonic() - start < 4


def test_a_client_that_takes_nothing_is_cut_off(impatient: Front) -> None:
    large = Path(impatient.values["caddy_config_site_root"]) / "assets" / "large.bin"
    large.write_bytes(b"x" * 60 * MB)
    with impatient.connect() as line:
        line.sendall(b"GET /assets/large.bin HTTP/1.1\r\nHost: app.example.test\r\n\r\n")
        time.sleep(3)
        got = 0
        line.settimeout(5)
        try:
            while data := line.recv(MB):
                got += len(data)
        except ConnectionError:
            pass
    assert got < 60 * MB


POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
EVERYWHERE = {"x-content-type-options": "nosniff", "strict-transport-security": "max-age=31536000"}
PAGE = EVERYWHERE | {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-cache",
}


@pytest.mark.parametrize(
    ("host", "path", "status", "headers"),
    [
        ("app", "/", 200, PAGE),
        ("app", "/sconnections", 200, PAGE),
        ("app", "/assets/app.js", 200, PAGE),
        ("app", "/assets/none.js", 404, EVERYWHERE),
        ("app", "/api/x", 200, EVERYWHERE),
        ("app", "/api/status/500", 500, EVERYWHERE),
        ("engine", "/x", 200, EVERYWHERE),
        ("engine", "/metrics", 404, EVERYWHERE),
    ],
)
def test_answers_have_their_headers(house: House, host: str, path: str, status: int, headers: dict[str, str]) -> None:
    answer = house.front.ask(getattr(house.front, host), path)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in headers} == headers
    assert "server" not in answer.headers  # neither ours nor a service's


def test_a_host_that_is_only_of_this_machine_has_no_hsts(house: House) -> None:
    house.front.reload(app_host="app.supercog.localhost")
    answer = house.front.ask("app.supercog.localhost", "/")
    house.front.reload(app_host=house.front.app)
    assert answer.status == 200
    assert "strict-transport-security" not in answer.headers


def test_files_that_are_packed_already_are_sent_so(house: House) -> None:
    file = Path(house.front.values["caddy_config_site_root"]) / "assets" / "packed.js"
    file.write_text("script")
    file.with_name("packed.js.gz").write_bytes(gzip.compress(b"packed script"))
    answer = house.front.ask(house.front.app, "/assets/packed.js", Accept_Encoding="gzip")
    assert (answer.headers["content-encoding"], gzip.decompress(answer.body)) == ("gzip", b"packed script")
    assert house.front.ask(house.front.app, "/assets/packed.js").body == b"script"
