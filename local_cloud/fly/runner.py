"""Machines as containers: start, stop, suspend, watch, restart."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from local_cloud.cloud import Cloud
from local_cloud.docker import DockerError
from local_cloud.fly import container, engine, policy
from local_cloud.fly.boot import Boot
from local_cloud.fly.checks import Watches
from local_cloud.fly.durations import seconds
from local_cloud.fly.events import exit_fields, note
from local_cloud.fly.history import History
from local_cloud.fly.ids import milliseconds, now, ulid

log = logging.getLogger("local_cloud.fly")
Machine = dict[str, Any]
ONWARD = {"destroying": ("destroying", "destroyed"), "destroyed": ()}  # there is no way back from these
TROUBLE = (DockerError, aiohttp.ClientError, OSError, ValueError)


class Runner:
    """Brings containers in line with what the API decided. One lock per machine keeps its steps apart."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.boot = Boot(cloud)
        self.history = History()
        self.watches = Watches()
        self.changed = asyncio.Condition()
        self._locks: dict[str, asyncio.Lock] = {}
        self._runs: dict[str, str] = {}  # machine -> the run whose end would be news
        self.name, self.volume = self.boot.name, self.boot.volume

    def load(self, machine_id: str) -> Machine | None:
        """The machine as it is stored."""
        return self.cloud.store.get("machine", machine_id)

    def save(self, machine: Machine) -> None:
        """Store it."""
        machine["updated_at"] = now()
        self.cloud.store.put("machine", machine["id"], machine)
        self.history.note(machine)

    async def become(self, machine_id: str, state: str, event: str = "", source: str = "flyd", **request: Any) -> None:
        """Change the state, note the event, wake those who wait."""
        machine = self.load(machine_id)
        if machine is None or state not in ONWARD.get(machine["state"], (state,)):
            return
        machine["state"] = state
        if state == "destroyed":
            machine["destroyed"] = milliseconds()
        if event:
            note(machine, event, state, source, request)
        self.save(machine)
        async with self.changed:
            self.changed.notify_all()
        if state == "failed":
            self.stand_in(machine_id)

    def lock(self, machine_id: str) -> asyncio.Lock:
        """What keeps the steps of one machine apart."""
        return self._locks.setdefault(machine_id, asyncio.Lock())

    async def launch(self, machine_id: str) -> None:
        """Start what rests: with a fresh root file system, or where it was suspended."""
        async with self.lock(machine_id):
            machine = self.load(machine_id)
            if machine is None or machine["state"] in ("started", "destroying", "destroyed"):
                return
            if machine["host_status"] != "ok":
                return
            if machine.get("asleep"):
                await self._resume(machine)
            else:
                await self._boot(machine_id)

    async def _boot(self, machine_id: str, again: bool = False) -> None:
        """again: as the last time, without secrets that were staged since."""
        await self.become(machine_id, "starting")
        try:
            await asyncio.sleep(self.cloud.settings.switches.machine_start_seconds)
            machine = self.load(machine_id)
            if machine is None or machine["state"] != "starting":
                return  # destroyed meanwhile
            made = await self.boot.make(machine, again)
            machine = self.load(machine_id)
            if machine is None or machine["state"] != "starting":
                return
            self.save({**machine, **{key: made[key] for key in ("image", "private_ip") if key in made}})
            await self.cloud.docker.start(self.name(machine_id))
        except TROUBLE as problem:
            log.warning("machine %s: %s", machine_id, problem)
            await self._not_launched(machine_id, str(problem))
            return
        await self.started(machine_id)

    async def _not_launched(self, machine_id: str, reason: str) -> None:
        """``failed`` rests; ``launch_failed``, of a machine that never ran, is destroyed (reference fly 2.2)."""
        machine = self.load(machine_id)
        if machine is None or machine["state"] in ("destroying", "destroyed"):
            return
        ran = any(event["type"] == "start" and event["status"] == "started" for event in machine["events"])
        state = "failed" if ran else self.cloud.settings.switches.launch_failure
        await self.become(machine_id, state, "launch", error=reason)
        if state == "launch_failed":
            self.cloud.spawn(self.destroy(machine_id))

    async def started(self, machine_id: str, adopted: bool = False) -> None:
        """Note addresses, begin to watch. adopted: it ran before this process did."""
        found = await self.cloud.docker.inspect(self.name(machine_id)) or {}
        own = found.get("NetworkSettings", {}).get("Networks", {}).get(self.cloud.settings.network, {})
        machine = self.load(machine_id)
        if machine is None or machine["state"] in ("destroying", "destroyed"):
            return
        machine["private_ip"] = own.get("GlobalIPv6Address") or machine.get("private_ip", "")
        machine["ip4"], machine["asleep"] = own.get("IPAddress", ""), False
        self.save(machine)
        if not adopted:
            await self.become(machine_id, "started", "start")
        self.watches.begin(machine)
        if machine_id not in self._runs:
            self._runs[machine_id] = ulid()
            self.cloud.spawn(self._until_exit(machine_id, self._runs[machine_id]))

    def checks(self, machine_id: str) -> list[dict[str, Any]]:
        """Statuses of the checks as they are now."""
        return self.watches.statuses(machine_id)

    async def _until_exit(self, machine_id: str, run: str) -> None:
        code = await self.cloud.docker.wait(self.name(machine_id))
        found = await self.cloud.docker.inspect(self.name(machine_id)) or {}
        await self.ended(machine_id, run, code, bool(found.get("State", {}).get("OOMKilled")))

    async def ended(self, machine_id: str, run: str, code: int, killed: bool) -> None:
        """What follows when a container ends by itself: a restart, an end, or the machine's own destruction."""
        async with self.lock(machine_id):
            machine = self.load(machine_id)
            if machine is None or self._runs.get(machine_id) != run:
                return  # whoever stopped it says what it becomes
            del self._runs[machine_id]
            self.watches.end(machine_id)
            if machine["state"] == "suspended":
                return  # a start goes on with its files
            recent = [at for at in machine.get("restarts", []) if milliseconds() - at < policy.WINDOW * 1000]
            again = policy.restarts(machine["config"], code, len(recent))
            machine.update(restarts=[*recent, milliseconds()] if again else recent, asleep=False)
            self.save(machine)
            fields = exit_fields(code, killed, requested=False, restarting=again)
            state = "restarting" if again else "stopped"
            await self.become(machine_id, state, "exit", exit_event=fields, restart_count=len(recent))
        if again:
            await asyncio.sleep(policy.pause(len(recent)))
            await self._once_more(machine_id, machine["instance_id"])
        elif machine["config"].get("auto_destroy"):
            await self.destroy(machine_id)

    async def _once_more(self, machine_id: str, instance: str) -> None:
        async with self.lock(machine_id):
            machine = self.load(machine_id)
            if machine and (machine["state"], machine["instance_id"]) == ("restarting", instance):
                await self._boot(machine_id, again=True)

    async def stop(
        self, machine_id: str, state: str = "stopped", signal: str | None = None, limit: float | None = None
    ) -> None:
        """Stop as its stop_config says; it ends as ``state``. ``suspended`` freezes it, if it can be."""
        async with self.lock(machine_id):
            machine = self.load(machine_id)
            if machine is None or machine["state"] == "destroyed":
                return
            if state == "suspended" and container.can_suspend(machine["config"]):
                await self._suspend(machine)
            else:
                await self._stop(machine_id, "stopped" if state == "suspended" else state, signal, limit)

    async def _stop(self, machine_id: str, state: str, signal: str | None = None, limit: float | None = None) -> None:
        """End its container; an exit event is noted if there was one."""
        machine = self.load(machine_id)
        if machine is None:
            return
        self._runs.pop(machine_id, None)
        self.watches.end(machine_id)
        name, docker = self.name(machine_id), self.cloud.docker
        found = (await docker.inspect(name) or {}).get("State", {})
        if found.get("Running"):
            stop = machine["config"].get("stop_config") or {}
            wait = limit if limit is not None else seconds(stop.get("timeout"), 5.0)
            signal = "SIGKILL" if found.get("Paused") else signal or stop.get("signal") or "SIGINT"
            await docker.stop(name, int(wait), signal)
            code = int((await docker.inspect(name) or {}).get("State", {}).get("ExitCode", 0))
            fields = exit_fields(code, False, requested=True, restarting=False)
            await self._rested(machine_id, state, "exit", exit_event=fields)
        else:
            await self._rested(machine_id, state, "stop" if machine["state"] != state else "")

    async def _rested(self, machine_id: str, state: str, event: str, **request: Any) -> None:
        machine = self.load(machine_id)
        if machine is None:
            return
        self.save({**machine, "asleep": False})
        await self.become(machine_id, state, event, **request)

    async def _suspend(self, machine: Machine) -> None:
        """Frozen and off the network, so that no name leads to it."""
        self.watches.end(machine["id"])
        name, docker = self.name(machine["id"]), self.cloud.docker
        try:
            await engine.pause(docker, name)
            await engine.leave(docker, self.cloud.settings.network, name)
        except DockerError as problem:  # it ended just now
            log.info("machine %s cannot be suspended: %s", machine["id"], problem)
            await self._stop(machine["id"], "stopped")
            return
        self.save({**(self.load(machine["id"]) or machine), "asleep": True})
        await self.become(machine["id"], "suspended", "suspend")

    async def _resume(self, machine: Machine) -> None:
        """Go on where it was; if that is not possible a cold start with the same files."""
        await self.become(machine["id"], "starting")
        docker, name = self.cloud.docker, self.name(machine["id"])
        found = await docker.inspect(name) or {}
        if not found:
            await self._boot(machine["id"], again=True)
            return
        try:
            await self.join(machine)
            if found["State"]["Paused"]:
                await engine.unpause(docker, name)
            await docker.start(name)
        except TROUBLE as problem:
            await self._not_launched(machine["id"], str(problem))
            return
        await self.started(machine["id"])

    async def join(self, machine: Machine) -> None:
        """Put it (back) on 6PN."""
        names = container.aliases(machine["app"], machine)
        address, network = machine.get("private_ip", ""), self.cloud.settings.network
        await engine.join(self.cloud.docker, network, self.name(machine["id"]), names, address)

    async def restart(self, machine_id: str, signal: str | None = None, limit: float | None = None) -> None:
        """Stop, then start the same version with a fresh root file system."""
        await self._again(machine_id, True, signal, limit)

    async def replace(self, machine_id: str) -> None:
        """Stop the old version, start the new one."""
        await self._again(machine_id, False, None, None)

    async def _again(self, machine_id: str, same: bool, signal: str | None, limit: float | None) -> None:
        async with self.lock(machine_id):
            machine = self.load(machine_id)
            if machine is None or machine["state"] in ("destroying", "destroyed"):
                return
            await self._stop(machine_id, machine["state"], signal, limit)
            await self._boot(machine_id, again=same)

    async def destroy(self, machine_id: str) -> None:
        """Remove the container; the record stays as ``destroyed``, volumes are given back."""
        machine = self.load(machine_id)
        if machine is None or machine["state"] == "destroyed":
            return
        await self.become(machine_id, "destroying", "destroy", "user")
        self._runs.pop(machine_id, None)
        await self.cloud.docker.kill(self.name(machine_id))  # whoever waits for its end need not wait longer
        async with self.lock(machine_id):
            self.watches.end(machine_id)
            await self.cloud.docker.remove(self.name(machine_id))
            self.cloud.store.delete("boot", machine_id)
            await self.become(machine_id, "destroyed", "destroy")
        self.cloud.spawn(self._detach(machine_id))

    async def _detach(self, machine_id: str) -> None:
        await asyncio.sleep(self.cloud.settings.switches.detach_seconds)
        for volume in self.cloud.store.list("volume"):
            if volume["attached_machine_id"] == machine_id:
                self.cloud.store.put("volume", volume["id"], {**volume, "attached_machine_id": None})

    def stand_in(self, machine_id: str) -> None:
        """Start the machines that stand by for this one (reference fly 2.7, ``standbys``)."""
        for other in self.cloud.store.list("machine"):
            if machine_id in (other["config"].get("standbys") or []) and other["state"] in ("stopped", "suspended"):
                self.cloud.spawn(self.launch(other["id"]))

    async def close(self) -> None:
        """Give the connections back."""
        await self.watches.close()
