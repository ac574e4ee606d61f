"""Looking into a running machine: commands, processes, memory (reference fly 2.2)."""

from __future__ import annotations

import shlex
from typing import Any

from aiohttp import web

from local_cloud.docker import DockerError
from local_cloud.fly import engine, listening, schema
from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.machines import Machine, Machines, json_body

EXEC = {"command": [str], "cmd": str, "stdin": str, "timeout": int, "container": str, "machine": bool}
EXEC_SECONDS = 60
MEGABYTE = 2**20
LEAST_MEMORY = 64  # MB; the engine takes no container below a few


class Inside:
    """Handlers on one machine that runs."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.runner = machines.runner
        self.docker = machines.cloud.docker

    def running(self, request: web.Request, change: bool = False) -> tuple[Machine, str]:
        """The machine and its container, or a 412. change: its lease counts."""
        machine = self.machines.held(request) if change else self.machines.machine(request)
        if machine["host_status"] != "ok":
            raise fly_error(408, f"deadline_exceeded: the host of machine {machine['id']} does not answer")
        if machine["state"] != "started":
            raise fly_error(412, "failed_precondition: machine not running")
        return machine, self.runner.name(machine["id"])

    async def execute(self, request: web.Request) -> web.Response:
        _, name = self.running(request)
        body = await json_body(request)
        schema.check(body, EXEC)
        command = body.get("command") or shlex.split(body.get("cmd") or "")
        limit = body.get("timeout") or EXEC_SECONDS
        if not command:
            raise refuse("command is required")
        if body.get("container"):
            raise refuse(f"no container {body['container']} in this machine")
        stdin = (body.get("stdin") or "").encode()
        try:
            code, output, errors = await engine.execute_within(self.docker, name, command, stdin, limit)
        except TimeoutError:
            raise fly_error(408, f"deadline_exceeded: the command did not end within {limit}s") from None
        answer: dict[str, Any] = {"exit_code": code, "exit_signal": code - 128 if code > 128 else 0}
        answer.update(stdout=output.decode(errors="replace"), stderr=errors.decode(errors="replace"))
        return web.json_response(answer)

    async def processes(self, request: web.Request) -> web.Response:
        _, name = self.running(request)
        key, order = request.query.get("sort_by") or "pid", request.query.get("order") or "asc"
        if key not in listening.SORTABLE or order not in ("asc", "desc"):
            raise refuse(f"sort_by is one of {', '.join(listening.SORTABLE)}; order is asc or desc")
        _, output, _ = await engine.execute(self.docker, name, ["/bin/sh", "-c", listening.SCRIPT])
        found = listening.parsed(output.decode(errors="replace"))
        return web.json_response(sorted(found, key=lambda item: item[key], reverse=order == "desc"))

    async def memory(self, request: web.Request) -> web.Response:
        machine, name = self.running(request, change=request.method != "GET")
        if request.method == "PUT":
            limit = (await json_body(request)).get("limit_mb")
            if isinstance(limit, bool) or not isinstance(limit, int) or limit < LEAST_MEMORY:
                raise refuse(f"limit_mb must be a number from {LEAST_MEMORY} on")
            try:
                await engine.limit_memory(self.docker, name, limit * MEGABYTE)
            except DockerError as problem:
                raise fly_error(412, f"failed_precondition: {problem.message}") from None
        return await self.shown(machine)

    async def reclaim(self, request: web.Request) -> web.Response:
        """Nothing is taken back: a container gives memory back by itself."""
        machine, _ = self.running(request, change=True)
        body = await json_body(request) if request.body_exists else {}
        schema.check(body, {"amount_mb": int})
        return await self.shown(machine)

    async def shown(self, machine: Machine) -> web.Response:
        """What it may use, and what of it is free."""
        used, limit = await engine.memory(self.docker, self.runner.name(machine["id"]))
        return web.json_response({"available_mb": max(0, limit - used) // MEGABYTE, "limit_mb": limit // MEGABYTE})
