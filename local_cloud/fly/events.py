"""Events of machines (reference fly 2.3): pure."""

from __future__ import annotations

from typing import Any

from local_cloud.fly.ids import milliseconds, now, ulid

Machine = dict[str, Any]
KEPT = 50


def note(machine: Machine, kind: str, status: str, source: str, request: dict[str, Any]) -> None:
    """Put an event at the head of the machine's list."""
    event = {"id": ulid(), "type": kind, "status": status, "source": source, "timestamp": milliseconds()}
    if request:
        event["request"] = request
    machine["events"] = [event, *machine["events"]][:KEPT]


def exit_fields(code: int, oom: bool, *, requested: bool, restarting: bool) -> dict[str, Any]:
    """An exit event's body."""
    signal = code - 128 if code > 128 else -1
    return {
        "exit_code": code,
        "guest_exit_code": code,
        "guest_signal": signal,
        "signal": signal,
        "oom_killed": oom,
        "requested_stop": requested,
        "restarting": restarting,
        "exited_at": now(),
    }
