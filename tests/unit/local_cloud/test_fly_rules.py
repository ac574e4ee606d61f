"""What the emulated Machines API decides without an engine: limits, leases, restarts, waits, history, tokens, placements."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import web

from local_cloud.config import Switches
from local_cloud.fly import leases, policy
from local_cloud.fly.access import Grant
from local_cloud.fly.actions import duration_of, signal_of
from local_cloud.fly.capacity import spread
from local_cloud.fly.durations import rendered, seconds
from local_cloud.fly.events import exit_fields, note
from local_cloud.fly.history import History
from local_cloud.fly.ids import ulid
from local_cloud.fly.keeper import due
from local_cloud.fly.limits import ORDINARY, Buckets, key_of
from local_cloud.fly.listening import parsed
from local_cloud.fly.view import image_ref
from local_cloud.fly.waiting import reached


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_its_burst_pass_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert [buckets.take(("a",), ORDINARY) for _ in range(4)] == [0, 0, 0, 1.0]
    assert buckets.take(("b",), ORDINARY) == 0, "each key has its own"
    clock.now += 0.5
    assert buckets.take(("a",), ORDINARY) == 0.5
    clock.now += 0.5
    assert buckets.take(("a",), ORDINARY) == 0
    clock.now += 100
    assert [buckets.take(("a",), ORDINARY) for _ in range(4)] == [0, 0, 0, 1.0], "no more than the burst is saved"


def test_what_a_request_counts_for() -> None:
    one = "/v1/apps/{app}/machines/{machine}"
    assert key_of("GET", one, {"app": "web", "machine": "1"}) == ("GET", one, "1")
    assert key_of("GET", "/v1/apps/{app}/machines", {"app": "web"}) == ("GET", "/v1/apps/{app}/machines", "web")
    assert key_of("DELETE", "/v1/apps/{app}", {"app": "a"}) == key_of("DELETE", "/v1/apps/{app}", {"app": "b"})
    assert key_of("GET", "/v1/apps", {}) is None


def test_history_shows_what_was() -> None:
    clock = Clock()
    history = History(clock)
    machine = {"id": "1", "state": "created"}
    history.note(machine)
    assert history.at(machine, 1.0) is None, "it was not there yet"
    clock.now += 2
    history.note({**machine, "state": "started"})
    clock.now += 2
    assert [(history.at(machine, ago) or {}).get("state") for ago in (0, 1, 3, 5)] == [
        "created",
        "started",
        "created",
        None,
    ]
    clock.now += 1000
    history.note({**machine, "state": "stopped"})
    assert (history.at(machine, 100.0) or {})["state"] == "started", "the last old copy is kept"
    history.note({"id": "2", "state": "started"}, always=True)
    assert history.at({"id": "2"}, 200.0) == {"id": "2", "state": "started"}


def test_leases_end() -> None:
    lease = leases.acquire(None, None, 30, "", "v")
    with pytest.raises(leases.Held, match="lease currently held by"):
        leases.acquire(lease, "other", 30, "", "v")
    later = leases.acquire(lease, lease["nonce"], 60, "", "v")
    assert (later["nonce"], later["expires_at"] > lease["expires_at"]) == (lease["nonce"], True)
    over = {**lease, "expires_at": time.time() - 1}
    leases.check(over, None)
    assert leases.acquire(over, lease["nonce"], 30, "", "v")["nonce"] != lease["nonce"]


@pytest.mark.parametrize(
    ("config", "code", "so_far", "again"),
    [
        ({}, 0, 0, False),
        ({}, 1, 9, True),
        ({}, 1, 10, False),
        ({"restart": {"policy": ""}}, 1, 0, True),
        ({"restart": {"policy": "on-failure", "max_retries": 0}}, 1, 0, False),
        ({"restart": {"policy": "on-failure", "max_retries": 2}}, 1, 1, True),
        ({"restart": {"policy": "no"}}, 1, 0, False),
        ({"restart": {"policy": "always"}}, 0, 50, True),
        ({"schedule": "daily"}, 1, 0, True),
        ({"auto_destroy": True, "restart": {"policy": "no"}}, 1, 0, False),
    ],
)
def test_restart_policy(config: dict[str, Any], code: int, so_far: int, again: bool) -> None:
    assert policy.restarts(config, code, so_far) is again


def test_pauses_grow_up_to_a_limit() -> None:
    assert [policy.pause(number) for number in (0, 1, 2, 9)] == [0.2, 0.4, 0.8, 5.0]


def test_exit_events_tell_signals() -> None:
    killed = exit_fields(137, False, requested=False, restarting=True)
    assert (killed["guest_signal"], killed["exit_code"]) == (9, 137)
    assert exit_fields(3, True, requested=True, restarting=False)["guest_signal"] == -1


def machine_with(*states: str) -> dict[str, Any]:
    machine: dict[str, Any] = {"events": [], "state": states[-1]}
    for state in states:
        note(machine, "start", state, "flyd", {})
    return machine


def test_wait_looks_at_the_state_or_at_what_came_after_an_event() -> None:
    machine = machine_with("created", "started", "stopped")
    newest, middle, oldest = (event["id"] for event in machine["events"])
    assert reached(machine, ["stopped"], "") == ("stopped", newest)
    assert reached(machine, ["started"], "") is None
    assert reached(machine, ["settled"], "") == ("stopped", newest)
    assert reached(machine, ["started"], oldest) == ("started", middle)
    assert reached(machine, ["started"], middle) is None
    assert reached(machine, ["settled"], newest) is None
    assert reached(machine_with("created"), ["settled"], "") is None, "it is about to move"


def test_ids_sort_by_time_also_within_a_millisecond() -> None:
    made = [ulid() for _ in range(2000)]
    assert made == sorted(set(made))


def test_schedules_are_due_by_their_period() -> None:
    machine = {"config": {"schedule": "daily"}, "state": "stopped", "born": 0}
    assert not due(machine, 23_000, 1.0)
    assert due(machine, 24_000, 1.0)
    assert not due({**machine, "scheduled": 20_000}, 24_000, 1.0)
    assert not due({**machine, "state": "started"}, 24_000, 1.0)
    assert not due({**machine, "config": {}}, 24_000, 1.0)


@pytest.mark.parametrize(
    ("grant", "method", "path", "allowed"),
    [
        (Grant("org"), "DELETE", "/v1/apps/web", True),
        (Grant("readonly"), "GET", "/v1/apps/web", True),
        (Grant("readonly"), "POST", "/v1/apps/web/machines", False),
        (Grant("deploy", apps=["web"]), "POST", "/v1/apps/web/machines", True),
        (Grant("deploy", apps=["web"]), "GET", "/v1/apps/web2", False),
        (Grant("deploy", apps=["web"]), "POST", "/v1/apps", False),
        (Grant("deploy", apps=["web"]), "GET", "/v1/tokens/current", True),
    ],
)
def test_scopes(grant: Grant, method: str, path: str, allowed: bool) -> None:
    assert grant.allows(method, path) is allowed


@pytest.mark.parametrize(("given", "name"), [("SIGTERM", "SIGTERM"), ("USR1", "SIGUSR1"), (9, "SIGKILL")])
def test_signals_by_name_and_number(given: str | int, name: str) -> None:
    assert signal_of(given) == name


@pytest.mark.parametrize("given", ["SIGWINCH", 28, True, None, 0])
def test_other_signals_are_refused(given: Any) -> None:
    with pytest.raises(web.HTTPBadRequest, match=r"."):
        signal_of(given)


def test_durations_of_a_stop() -> None:
    assert [duration_of(value) for value in ("30s", "30", None, 2_000_000_000)] == [30.0, 30.0, None, 2.0]
    for wrong in ("301s", "soon"):
        with pytest.raises(web.HTTPBadRequest):
            duration_of(wrong)


def test_durations() -> None:
    assert [seconds(value, 7.0) for value in ("1m30s", 15_000_000_000, None, "1h", "250ms")] == [90, 15, 7, 3600, 0.25]
    assert [rendered(value) for value in ("90s", "60s", "1h", "250ms", 15_000_000_000)] == [
        "1m30s",
        "1m0s",
        "1h0m0s",
        "250ms",
        "15s",
    ]


def test_machines_are_spread_where_there_is_room() -> None:
    assert spread(5, {"ewr": None, "fra": 1, "nrt": 0}) == {"ewr": 4, "fra": 1}
    assert spread(3, {"ewr": 1}) == {"ewr": 1}
    assert spread(4, {"ewr": None, "fra": None}) == {"ewr": 2, "fra": 2}


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("registry-1.docker.io", "nginx", "latest", "sha256:d")),
        ("flyio/hello:1", ("registry-1.docker.io", "flyio/hello", "1", "sha256:d")),
        ("registry.fly.io/web@sha256:a", ("registry.fly.io", "web", "", "sha256:a")),
    ],
)
def test_references_are_resolved(image: str, parts: tuple[str, ...]) -> None:
    found = image_ref(image, "sha256:d")
    assert (found["registry"], found["repository"], found["tag"], found["digest"]) == parts


PROCESSES = """\
7|/srv|7 (my |prog) S 1 7 7 0 -1 4194560 1 2 0 0 150 50 0 0 20 0 1 0 5000 1000000 300 0|41 42 |python server
9||9 (x) Z|43 |gone
tcp   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
tcp    0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41 1 0 100 0
tcp    1: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0
tcp6    0: 00000000000000000000000000000000:0050 0:0 0A 0:0 0:0 0 0 0 42 1 0 100 0
uptime 100.5
"""


def test_processes_and_what_they_listen_on() -> None:
    text = PROCESSES.replace("(my |prog)", "(my  prog)")
    [found] = parsed(text)
    assert found == {
        "pid": 7,
        "command": "python server",
        "directory": "/srv",
        "cpu": 2,
        "rss": 300 * 4096,
        "rtime": 50,
        "stime": 50,
        "listen_sockets": [
            {"proto": "tcp", "address": "0.0.0.0:8080"},
            {"proto": "tcp", "address": "[::]:80"},
        ],
    }


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"nothing": 1}, "nothing is no setting"),
        ({"rate_limit": 1}, "rate_limit must be true or false"),
        ({"list_lag_seconds": -1}, "0 or more"),
        ({"list_lag_seconds": True}, "must be a number"),
        ({"launch_failure": "never"}, "must be one of failed, launch_failed"),
        ({"launch_failure": 1}, "must be a string"),
    ],
)
def test_switches_refuse_and_leave_all_as_it_was(values: dict[str, Any], problem: str) -> None:
    switches = Switches()
    with pytest.raises(ValueError, match=problem):
        switches.update({"latency_ms": 5, **values})
    assert switches == Switches()


def test_switches_are_set() -> None:
    switches = Switches()
    switches.update({"latency_ms": 5, "rate_limit": True, "launch_failure": "launch_failed"})
    assert (switches.latency_ms, switches.rate_limit, switches.launch_failure) == (5.0, True, "launch_failed")
