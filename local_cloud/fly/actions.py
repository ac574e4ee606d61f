"""What is done to a machine without changing its config: start, stop, wait, exec and so on (reference fly 2.2, 2.4)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import fly_error
from local_cloud.fly.machines import GONE, Machines, json_body

SETTLED = ("created", "started", "stopped", "suspended", "failed", GONE)
WAITABLE = ("started", "stopped", "suspended", GONE, "failed", "settled")
SIGNALS = ("ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "TRAP", "USR1", "USR2")


class Actions:
    """Handlers on one machine."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.runner = machines.runner
        self.spawn = machines.cloud.spawn

    async def start(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        before = machine["state"]
        if before != "started":
            self.spawn(self.runner.launch(machine["id"]))
        return web.json_response({"previous_state": before, "migrated": False, "new_host": ""})

    async def stop(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        body = await json_body(request) if request.body_exists else {}
        limit = seconds(body["timeout"], 5.0) if body.get("timeout") else None
        if machine["state"] in ("started", "starting", "replacing", "restarting"):
            await self.runner.become(machine["id"], "stopping", "stop", "user")
            self.spawn(self.runner.stop(machine["id"], "stopped", body.get("signal"), limit))
        return web.json_response({"ok": True})

    async def suspend(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        if machine["state"] == "started":
            await self.runner.become(machine["id"], "suspending", "suspend", "user")
            self.spawn(self.runner.stop(machine["id"], "suspended"))
        return web.json_response({"ok": True})

    async def restart(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        if machine["state"] != "started":
            raise fly_error(412, f"failed_precondition: unable to restart machine, it is {machine['state']}")
        await self.runner.become(machine["id"], "restarting")
        self.spawn(self.runner.restart(machine["id"]))
        return web.json_response({"ok": True})

    async def signal(self, request: web.Request) -> web.Response:
        machine, name = self.machines.held(request), str((await json_body(request)).get("signal"))
        if name.removeprefix("SIG") not in SIGNALS:
            raise fly_error(400, f"invalid_argument: unknown signal {name}")
        await self.runner.cloud.docker.kill(self.runner.name(machine["id"]), "SIG" + name.removeprefix("SIG"))
        return web.json_response({"ok": True})

    async def execute(self, request: web.Request) -> web.Response:
        machine, body = self.machines.machine(request), await json_body(request)
        if machine["state"] != "started":
            raise fly_error(412, "failed_precondition: machine not running")
        command = body.get("command") or ["/bin/sh", "-c", body.get("cmd", "")]
        code, output = await self.runner.cloud.docker.execute(self.runner.name(machine["id"]), command)
        return web.json_response({"exit_code": code, "exit_signal": 0, "stdout": output, "stderr": ""})

    async def cordon(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        self.runner.save({**machine, "cordoned": request.path.endswith("/cordon")})
        return web.json_response({"ok": True})

    async def wait(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = [state for value in query.getall("state", ["started"]) for state in value.split(",")]
        limit = query.get("timeout", "60")
        if any(state not in WAITABLE for state in wanted):
            raise fly_error(400, f"invalid_argument: invalid state {','.join(wanted)}")
        if not limit.rstrip("s").isdigit() or not 1 <= int(limit.rstrip("s")) <= 60:
            raise fly_error(400, "invalid_argument: timeout must be between 1 and 60 seconds")
        version = query.get("version") or query.get("instance_id")
        end = time.monotonic() + int(limit.rstrip("s"))
        machine = self.machines.machine(request)
        while True:
            machine = self.runner.load(machine["id"]) or machine
            if version and machine["instance_id"] != version and GONE not in wanted:
                raise fly_error(400, "invalid_argument: that version is not the current one: replaced")
            state = machine["state"]
            if state in wanted or ("settled" in wanted and state in SETTLED and not self.about_to_start(machine)):
                event = machine["events"][0]["id"] if machine["events"] else ""
                return web.json_response(
                    {"ok": True, "state": state, "version": machine["instance_id"], "event_id": event}
                )
            if time.monotonic() >= end:
                message = f"machine failed to reach desired state, {wanted[0]}, currently {state}"
                raise fly_error(408, message)
            await self.sleep(end)

    def about_to_start(self, machine: dict[str, Any]) -> bool:
        """``created`` is at rest only when nobody starts it."""
        return bool(machine["state"] == "created" and not machine["config"].get("schedule"))

    async def sleep(self, end: float) -> None:
        """Until something changes, or the end."""
        async with self.runner.changed:
            try:
                left = max(0.01, min(1.0, end - time.monotonic()))
                await asyncio.wait_for(self.runner.changed.wait(), left)
            except TimeoutError:
                return
