"""What is done to a machine without changing its config: start, stop, suspend, restart, signal, cordon (reference fly 2.2)."""

from __future__ import annotations

import signal as numbers
from typing import Any

from aiohttp import web

from local_cloud.fly import schema
from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.machines import RESTING, Machines, json_body
from local_cloud.fly.validate import STOP_SECONDS

SIGNALS = ("ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "TRAP", "USR1", "USR2")
MOVING = ("starting", "replacing", "restarting")
NOT_STARTED = "failed_precondition: unable to {what} machine, it is {state}, not started"


def signal_of(value: Any) -> str:
    """A signal by name or number (reference fly 0), as ``SIG...``; a 400 if it is none that machines take."""
    name = str(value).removeprefix("SIG")
    if isinstance(value, int) and not isinstance(value, bool):
        name = next((known for known in SIGNALS if numbers.Signals[f"SIG{known}"] == value), "")
    if name not in SIGNALS:
        raise refuse(f"unknown signal {value}; use SIG{', SIG'.join(SIGNALS)}")
    return f"SIG{name}"


def duration_of(value: Any) -> float | None:
    """How long a stop may take: a duration, or whole seconds as text; None if it is not said."""
    if value in (None, ""):
        return None
    try:
        found = float(value) if isinstance(value, str) and value.isdigit() else seconds(value, 0.0)
    except ValueError as problem:
        raise refuse(f"timeout: {problem}") from None
    if found > STOP_SECONDS:
        raise refuse(f"timeout must be at most {STOP_SECONDS:g}s")
    return found


class Actions:
    """Handlers on one machine."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.runner = machines.runner
        self.spawn = machines.cloud.spawn

    async def start(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        before = machine["state"]
        if before in RESTING:
            await self.runner.become(machine["id"], "starting", "start", "user")
            self.spawn(self.runner.launch(machine["id"]))
        elif before not in ("started", *MOVING):
            raise fly_error(412, f"failed_precondition: unable to start machine from current state: '{before}'")
        return web.json_response({"previous_state": before, "migrated": False, "new_host": ""})

    async def stop(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        body = await json_body(request) if request.body_exists else {}
        schema.check(body, {"signal": (str, int), "timeout": (str, int)})
        signal = signal_of(body["signal"]) if body.get("signal") else None
        limit = duration_of(body.get("timeout"))
        if machine["state"] in ("started", "suspended", *MOVING):
            await self.runner.become(machine["id"], "stopping", "stop", "user")
            self.spawn(self.runner.stop(machine["id"], "stopped", signal, limit))
        return web.json_response({"ok": True})

    async def suspend(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        if machine["state"] == "started":
            await self.runner.become(machine["id"], "suspending", "suspend", "user")
            self.spawn(self.runner.stop(machine["id"], "suspended"))
        elif machine["state"] not in ("suspending", "suspended"):
            raise fly_error(412, NOT_STARTED.format(what="suspend", state=machine["state"]))
        return web.json_response({"ok": True})

    async def restart(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        signal = signal_of(request.query["signal"]) if request.query.get("signal") else None
        limit = duration_of(request.query.get("timeout"))
        if machine["state"] != "started":
            raise fly_error(412, NOT_STARTED.format(what="restart", state=machine["state"]))
        if request.query.get("force_stop") in ("true", "1"):
            signal = "SIGKILL"
        await self.runner.become(machine["id"], "restarting", "restart", "user")
        self.spawn(self.runner.restart(machine["id"], signal, limit))
        return web.json_response({"ok": True})

    async def signal(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        name = signal_of((await json_body(request)).get("signal"))
        if machine["state"] != "started":
            raise fly_error(412, NOT_STARTED.format(what="signal", state=machine["state"]))
        await self.runner.cloud.docker.kill(self.runner.name(machine["id"]), name)
        return web.json_response({"ok": True})

    async def cordon(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        self.runner.save({**machine, "cordoned": request.path.endswith("/cordon")})
        return web.json_response({"ok": True})
