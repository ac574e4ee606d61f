"""What happens to machines by itself: schedules, hosts that come and go, old records, a restart of the local cloud."""

from __future__ import annotations

import asyncio
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.fly import engine
from local_cloud.fly.ids import milliseconds
from local_cloud.fly.runner import Runner

Machine = dict[str, Any]
HOURS = {"hourly": 1, "daily": 24, "weekly": 168, "monthly": 720}
LOOKS = 0.5  # seconds between looks
FORGOTTEN = 3600.0  # seconds until a destroyed machine leaves lists with include_deleted too
STATUSES = ("ok", "unknown", "unreachable")


def due(machine: Machine, now: int, hour: float) -> bool:
    """Whether a scheduled machine must run now. now: milliseconds; hour: seconds that one takes."""
    hours = HOURS.get(machine["config"].get("schedule") or "", 0)
    if not hours or machine["state"] != "stopped":
        return False
    return bool(now - (machine.get("scheduled") or machine["born"]) >= hours * hour * 1000)


class Keeper:
    """Works beside the API, on the same runner."""

    def __init__(self, cloud: Cloud, runner: Runner) -> None:
        self.cloud = cloud
        self.runner = runner

    async def watch(self) -> None:
        """Look around, until the process ends."""
        while True:
            await asyncio.sleep(LOOKS)
            now = milliseconds()
            for machine in self.cloud.store.list("machine"):
                if due(machine, now, self.cloud.settings.switches.schedule_hour_seconds):
                    self.runner.save({**machine, "scheduled": now})
                    self.cloud.spawn(self.runner.launch(machine["id"]))
                gone = machine.get("destroyed")
                if gone and now - gone > FORGOTTEN * 1000:
                    self.cloud.store.delete("machine", machine["id"])
                    self.runner.history.forget(machine["id"])

    async def host(self, machine: Machine, status: str) -> None:
        """Change how a machine's host answers. ``unreachable`` takes the machine off the network, standbys start."""
        docker, name = self.cloud.docker, self.runner.name(machine["id"])
        self.runner.save({**machine, "host_status": status})
        running = machine["state"] == "started"
        if status == "unreachable":
            await engine.leave(docker, self.cloud.settings.network, name)
        elif running and machine["host_status"] == "unreachable":
            await self.runner.join(machine)
            await self.runner.started(machine["id"], adopted=True)
        if status != "ok":
            self.runner.stand_in(machine["id"])

    async def restore(self) -> None:
        """After a start of the local cloud: adopt what runs, go on with what was being done."""
        for machine in self.cloud.store.list("machine"):
            self.runner.history.note(machine, always=True)
            await self._restore(machine)
        self.cloud.spawn(self.watch())

    async def _restore(self, machine: Machine) -> None:
        key, state, runner = machine["id"], machine["state"], self.runner
        found = (await self.cloud.docker.inspect(runner.name(key)) or {}).get("State", {})
        if state == "started" and found:
            await runner.started(key, adopted=True)  # one that ended meanwhile is noticed at once
        elif state == "created" and machine.get("rests"):
            await runner.become(key, "stopped", "launch")
        elif state == "restarting":
            self.cloud.spawn(runner.restart(key))
        elif state in ("started", "created", "starting", "replacing"):
            self.cloud.spawn(runner.replace(key))
        elif state in ("stopping", "suspending"):
            self.cloud.spawn(runner.stop(key, "stopped" if state == "stopping" else "suspended"))
        elif state in ("destroying", "launch_failed"):
            self.cloud.spawn(runner.destroy(key))
        elif state == "suspended" and found.get("Running") and not found.get("Paused"):
            self.cloud.spawn(runner.stop(key, "suspended"))
