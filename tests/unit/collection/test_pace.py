"""Rate limits: what 50 creations cost against a server that enforces them, and what Retry-After means."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._pace import Pace, seconds_of
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

from tests.unit.collection.virtual_time import VirtualTime


class Limited:
    """A server with the published limits: a token a second for each verb and path, bursts of 3; reads of one, 5 and 10."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.rate: float | None = None  # tokens a second of every kind, where a test wants another than the published
        self.retry_after: Callable[[float], str | None] = lambda wait: None
        self.buckets: dict[tuple[str, str], tuple[float, float]] = {}
        self.made: list[str] = []
        self.refusals: list[float] = []
        self.lock = threading.Lock()
        limited = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                with limited.lock:
                    wait = limited.spend(self.command, self.path, now())
                    if wait is None and body:
                        limited.made.append(json.loads(body)["name"])
                data = b"{}"
                self.send_response(200 if wait is None else 429)
                after = limited.retry_after(wait) if wait is not None else None
                if after is not None:
                    self.send_header("retry-after", after)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def spend(self, verb: str, path: str, now: float) -> float | None:
        """None where the call may pass, else seconds until one may."""
        rate, burst = (5.0, 10.0) if verb == "GET" and path.count("/") > 3 else (1.0, 3.0)
        rate = self.rate or rate
        tokens, then = self.buckets.get((verb, path), (burst, now))
        tokens = min(burst, tokens + (now - then) * rate)
        passes = tokens >= 1 - 1e-9
        self.buckets[(verb, path)] = (tokens - 1 if passes else tokens, now)
        if passes:
            return None
        self.refusals.append(now)
        return (1 - tokens) / rate

    def transport(self, clock: Clock, **options: Any) -> Transport:
        return Transport("fly", f"http://127.0.0.1:{self.server.server_port}", clock=clock, **options)


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def limited(time: VirtualTime) -> Iterator[Limited]:
    made = Limited(time.now)
    yield made
    made.server.shutdown()
    made.server.server_close()


def creations(transport: Transport, count: int) -> list[Callable[[], Any]]:
    def create(name: str) -> Callable[[], Any]:
        body = {"name": name}
        return lambda: transport.call("POST", "/apps/web/machines", operation="create", body=body, repeatable=False)

    return [create(f"web-{number}") for number in range(count)]


@pytest.mark.parametrize("threads", [1, 8, 20])
def test_fifty_machines_without_a_storm(time: VirtualTime, limited: Limited, threads: int) -> None:
    time.run(creations(limited.transport(time.clock), 50), threads)
    assert sorted(limited.made) == sorted(f"web-{number}" for number in range(50))
    assert len(limited.refusals) <= threads  # what was in flight at the first refusal, and nothing after it
    assert max(limited.refusals) == 0
    assert time.now() < 55  # the limit itself takes 47 s


def test_a_server_that_says_when_is_heard(time: VirtualTime, limited: Limited) -> None:
    limited.retry_after = lambda wait: "7"
    time.run(creations(limited.transport(time.clock), 8), 8)
    assert len(limited.made) == 8
    assert len(limited.refusals) <= 8
    assert time.now() >= 7


def test_a_slower_server_than_published_is_found_out(time: VirtualTime, limited: Limited) -> None:
    limited.rate = 0.25
    time.run(creations(limited.transport(time.clock), 12), 4)
    assert len(limited.made) == 12
    assert len(limited.refusals) <= 12
    assert time.now() < 120


def test_each_machine_and_each_verb_has_a_limit_of_its_own(time: VirtualTime, limited: Limited) -> None:
    transport = limited.transport(time.clock)
    reads = [
        lambda machine=machine: transport.get(f"/apps/web/machines/{machine}", operation="get")
        for machine in range(20)
        for _dummy in range(3)
    ]
    time.run([*creations(transport, 3), *reads], 8)
    assert limited.refusals == []
    assert time.now() == 0


def test_nothing_is_slowed_down_without_a_refusal(time: VirtualTime) -> None:
    pace = Pace(time.clock)
    assert not any(pace.wait("POST /x") for _dummy in range(1000))
    assert time.now() == 0


def test_slots_that_were_given_out_are_void_when_the_server_wants_to_be_left_alone(time: VirtualTime) -> None:
    pace, passed = Pace(time.clock), []
    pace.refused("GET /x", reading=True, in_slot=False, after=None)

    def one() -> None:
        pace.wait("GET /x")
        if not passed:
            pace.refused("GET /x", reading=True, in_slot=True, after=30.0)
        passed.append(time.now())

    time.run([one] * 5, 5)
    assert passed[0] < 1
    assert min(passed[1:]) >= 30


def test_a_refusal_that_never_ends_is_an_error(time: VirtualTime, limited: Limited) -> None:
    limited.rate = 1e-9
    transport = limited.transport(time.clock, retries=2)
    with pytest.raises(CloudError) as failure:
        time.run(creations(transport, 4), 1)
    assert (failure.value.status, len(limited.refusals)) == (429, 3)
    assert "raise api_retries" in failure.value.hint


def test_a_server_that_wants_an_hour_is_not_waited_for(time: VirtualTime, limited: Limited) -> None:
    limited.retry_after = lambda wait: "3600"
    with pytest.raises(CloudError, match=r"Retry-After: 3600"):
        time.run(creations(limited.transport(time.clock), 4), 1)
    assert time.now() == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        (format_datetime(datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC), usegmt=True), 30.0),
        (format_datetime(datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC), usegmt=True), 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    now = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC).timestamp()
    assert seconds_of(text, wall=lambda: now) == seconds
