"""Waiting for a state (reference fly 2.4)."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from aiohttp import web

from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.machines import GONE, Machines

Machine = dict[str, Any]
SETTLED = ("started", "stopped", "suspended", "failed", GONE)  # "created" moves on, also when nothing is launched
WAITABLE = ("started", "stopped", "suspended", GONE, "failed", "settled")
LONGEST = 60


def reached(machine: Machine, wanted: list[str], after: str) -> tuple[str, str] | None:
    """State and event that end the wait, or None. after: only what came after this event counts."""
    states = {state for item in wanted for state in (SETTLED if item == "settled" else (item,))}
    events = machine["events"]
    if not after:
        return (machine["state"], events[0]["id"] if events else "") if machine["state"] in states else None
    later = [event for event in reversed(events) if event["id"] > after]
    return next(((event["status"], event["id"]) for event in later if event["status"] in states), None)


class Waiting:
    """The handler of ``wait``."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.runner = machines.runner
        self.store = machines.cloud.store

    async def wait(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = [state for value in query.getall("state", ["started"]) for state in value.split(",")]
        limit = query.get("timeout", str(LONGEST))
        if any(state not in WAITABLE for state in wanted):
            raise refuse(f"invalid state {','.join(wanted)}; use {', '.join(WAITABLE)}")
        if not re.fullmatch(r"\d{1,9}s?", limit) or not 1 <= int(limit.rstrip("s")) <= LONGEST:
            raise refuse(f"timeout must be between 1 and {LONGEST} seconds")
        version = query.get("version") or query.get("instance_id") or ""
        end = time.monotonic() + int(limit.rstrip("s"))
        machine = self.machines.machine(request)
        while True:
            self.same_version(machine, version, wanted)
            found = reached(machine, wanted, query.get("from_event_id", ""))
            if found:
                answer = {"ok": True, "state": found[0], "version": machine["instance_id"], "event_id": found[1]}
                return web.json_response(answer)
            if time.monotonic() >= end:
                state = machine["state"]
                raise fly_error(408, f"machine failed to reach desired state, {wanted[0]}, currently {state}")
            if machine["state"] == GONE:
                raise fly_error(404, f"machine not found: {machine['id']} is destroyed")
            await self.sleep(end)
            machine = self.runner.load(machine["id"]) or {**machine, "state": GONE}

    def same_version(self, machine: Machine, version: str, wanted: list[str]) -> None:
        """Raise when another version runs: the one that is waited for will not come any more."""
        if not version or version == machine["instance_id"] or GONE in wanted:
            return
        if self.store.get("version", f"{machine['id']}/{version}") is None:
            raise refuse(f"machine {machine['id']} has no version {version}")
        raise refuse(f"version {version} is replaced; the current one is {machine['instance_id']}")

    async def sleep(self, end: float) -> None:
        """Until something changes, or the end."""
        async with self.runner.changed:
            try:
                left = max(0.01, min(1.0, end - time.monotonic()))
                await asyncio.wait_for(self.runner.changed.wait(), left)
            except TimeoutError:
                return
