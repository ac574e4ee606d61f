"""Machines as containers: start, stop, watch, restart."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp

from local_cloud.cloud import Cloud
from local_cloud.docker import DockerError
from local_cloud.fly import container
from local_cloud.fly.checks import Watch
from local_cloud.fly.durations import seconds
from local_cloud.fly.ids import milliseconds, now, ulid

log = logging.getLogger("local_cloud.fly")
Machine = dict[str, Any]
EVENTS_KEPT = 50
RESTART_WINDOW = 300.0  # seconds in which restarts are counted


class Runner:
    """Brings containers in line with what the API decided. One lock per machine keeps its steps apart."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.watches: dict[str, Watch] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._stopping: set[str] = set()
        self.changed = asyncio.Condition()

    def load(self, machine_id: str) -> Machine | None:
        """The machine as it is stored."""
        return self.cloud.store.get("machine", machine_id)

    def save(self, machine: Machine) -> None:
        """Store it."""
        machine["updated_at"] = now()
        self.cloud.store.put("machine", machine["id"], machine)

    async def become(self, machine_id: str, state: str, event: str = "", source: str = "flyd", **request: Any) -> None:
        """Change the state, note the event, wake those who wait."""
        machine = self.load(machine_id)
        if machine is None:
            return
        machine["state"] = state
        if event:
            note(machine, event, state, source, request)
        self.save(machine)
        async with self.changed:
            self.changed.notify_all()

    def name(self, machine_id: str) -> str:
        """The container's name."""
        return f"{self.cloud.settings.prefix}-m-{machine_id}"

    def secrets(self, app: str) -> dict[str, str]:
        """What the machine's environment gets on top."""
        found = (item for item in self.cloud.store.list("secret") if item["app"] == app)
        return {item["name"]: item["value"] for item in found}

    async def launch(self, machine_id: str) -> None:
        """Start with a fresh root file system."""
        async with self._locks.setdefault(machine_id, asyncio.Lock()):
            machine = self.load(machine_id)
            if machine is None or machine["state"] in ("destroying", "destroyed"):
                return
            await self.become(machine_id, "starting")
            try:
                await asyncio.sleep(self.cloud.settings.switches.machine_start_seconds)
                await self._run(machine)
            except (DockerError, aiohttp.ClientError, OSError) as problem:
                log.warning("machine %s: %s", machine_id, problem)
                await self.become(machine_id, "failed", "launch", error=str(problem))

    async def _run(self, machine: Machine) -> None:
        cloud, app, name = self.cloud, machine["app"], self.name(machine["id"])
        registry = f"localhost:{cloud.settings.port(4)}"
        image = container.image_reference(machine["config"]["image"], registry)
        if await cloud.docker.image(image) is None or "@" not in image:
            await cloud.docker.pull(image, "x", cloud.settings.tokens["fly"])
        found = await cloud.docker.image(image) or {}
        secrets = self.secrets(app)
        names = {"network": cloud.settings.network}
        names.update({f"volume:{m['volume']}": self.volume(m["volume"]) for m in machine["config"].get("mounts") or []})
        body = container.container_config(
            app, machine, image, secrets, names, cloud.settings.labels, (found.get("Config") or {}).get("Env")
        )
        await cloud.docker.remove(name)
        await cloud.docker.create(name, body)
        wanted = container.files(machine["config"], secrets)
        if wanted:
            await cloud.docker.put_files(name, wanted)
        await cloud.docker.start(name)
        await self.started(machine["id"])

    def volume(self, volume_id: str) -> str:
        """The Docker volume of a Fly volume."""
        return f"{self.cloud.settings.prefix}-{volume_id}"

    async def started(self, machine_id: str) -> None:
        """Note addresses, begin to watch."""
        found = await self.cloud.docker.inspect(self.name(machine_id)) or {}
        networks = found.get("NetworkSettings", {}).get("Networks", {})
        own = networks.get(self.cloud.settings.network, {})
        machine = self.load(machine_id)
        if machine is None:
            return
        machine["private_ip"], machine["ip4"] = own.get("GlobalIPv6Address", ""), own.get("IPAddress", "")
        self.save(machine)
        await self.become(machine_id, "started", "start")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        self.watches[machine_id] = Watch(machine["ip4"], machine["config"], self._session, now)
        self.cloud.spawn(self._until_exit(machine_id, found.get("Id", "")))

    async def _until_exit(self, machine_id: str, container_id: str) -> None:
        code = await self.cloud.docker.wait(container_id)
        found = await self.cloud.docker.inspect(container_id) or {}
        self._unwatch(machine_id)
        if machine_id in self._stopping:
            return  # whoever stops it says what it becomes
        await self._exited(machine_id, code, bool(found.get("State", {}).get("OOMKilled")))

    async def _exited(self, machine_id: str, code: int, killed: bool) -> None:
        machine = self.load(machine_id)
        if machine is None or machine["state"] not in ("started", "starting"):
            return
        recent = [at for at in machine.get("restarts", []) if milliseconds() - at < RESTART_WINDOW * 1000]
        again = restarts(machine["config"], code, len(recent))
        exit_event = exit_fields(code, killed, requested=False, restarting=again)
        await self.become(machine_id, "stopped", "exit", exit_event=exit_event, restart_count=len(recent))
        if again:
            machine = self.load(machine_id) or machine
            machine["restarts"] = [*recent, milliseconds()]
            self.save(machine)
            await asyncio.sleep(min(5.0, 0.2 * 2 ** len(recent)))
            current = self.load(machine_id)
            if current and current["state"] == "stopped" and current["instance_id"] == machine["instance_id"]:
                await self.launch(machine_id)
        elif machine["config"].get("auto_destroy"):
            await self.destroy(machine_id)

    async def stop(
        self, machine_id: str, state: str = "stopped", signal: str | None = None, limit: float | None = None
    ) -> None:
        """Stop as its stop_config says; it ends as ``state``."""
        async with self._locks.setdefault(machine_id, asyncio.Lock()):
            await self._stop(machine_id, state, signal, limit)

    async def _stop(self, machine_id: str, state: str, signal: str | None = None, limit: float | None = None) -> None:
        machine = self.load(machine_id)
        if machine is None:
            return
        stop = machine["config"].get("stop_config") or {}
        wait = limit if limit is not None else seconds(stop.get("timeout"), 5.0)
        running = machine["state"] in ("started", "starting", "stopping", "replacing", "restarting", "destroying")
        self._stopping.add(machine_id)
        try:
            self._unwatch(machine_id)
            if running:
                await self.cloud.docker.stop(self.name(machine_id), int(wait), signal or stop.get("signal") or "SIGINT")
            found = await self.cloud.docker.inspect(self.name(machine_id)) or {}
            code = int(found.get("State", {}).get("ExitCode", 0))
            if found and running:
                fields = exit_fields(code, False, requested=True, restarting=False)
                await self.become(machine_id, state, "exit", exit_event=fields)
            else:
                await self.become(machine_id, state)
        finally:
            self._stopping.discard(machine_id)

    async def restart(self, machine_id: str, event: str = "restart") -> None:
        """Stop, then start with a fresh root file system."""
        await self.become(machine_id, "restarting" if event == "restart" else "replacing", event, "user")
        await self.stop(machine_id, "stopped")
        await self.launch(machine_id)

    async def destroy(self, machine_id: str) -> None:
        """Remove the container; the record stays as ``destroyed``, volumes are given back."""
        async with self._locks.setdefault(machine_id, asyncio.Lock()):
            await self.become(machine_id, "destroying", "destroy", "user")
            self._stopping.add(machine_id)
            self._unwatch(machine_id)
            await self.cloud.docker.remove(self.name(machine_id))
            self._stopping.discard(machine_id)
            for volume in self.cloud.store.list("volume"):
                if volume["attached_machine_id"] == machine_id:
                    self.cloud.store.put("volume", volume["id"], {**volume, "attached_machine_id": None})
            await self.become(machine_id, "destroyed", "destroy")

    def _unwatch(self, machine_id: str) -> None:
        watch = self.watches.pop(machine_id, None)
        if watch:
            watch.stop()

    def checks(self, machine_id: str) -> list[dict[str, Any]]:
        """Statuses of the checks as they are now."""
        watch = self.watches.get(machine_id)
        return list(watch.statuses.values()) if watch else []

    async def restore(self) -> None:
        """After a start of the cloud: adopt what runs, start what should run."""
        for machine in self.cloud.store.list("machine"):
            if machine["state"] not in ("started", "starting", "restarting", "replacing"):
                continue
            found = await self.cloud.docker.inspect(self.name(machine["id"]))
            if found and found["State"]["Running"]:
                await self.started(machine["id"])
            else:
                self.cloud.spawn(self.launch(machine["id"]))

    async def close(self) -> None:
        """Give the connections back."""
        if self._session:
            await self._session.close()


def note(machine: Machine, kind: str, status: str, source: str, request: dict[str, Any]) -> None:
    """Put an event at the head of the machine's list."""
    event = {"id": ulid(), "type": kind, "status": status, "source": source, "timestamp": milliseconds()}
    if request:
        event["request"] = request
    machine["events"] = [event, *machine["events"]][:EVENTS_KEPT]


def exit_fields(code: int, oom: bool, *, requested: bool, restarting: bool) -> dict[str, Any]:
    """An exit event's body (reference fly 2.3)."""
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


def restarts(config: dict[str, Any], code: int, so_far: int) -> bool:
    """Whether the restart policy starts it again."""
    policy = config.get("restart") or {}
    kind = policy.get("policy") or "on-failure"
    if config.get("schedule") or config.get("auto_destroy") or kind == "no":
        return False
    if kind == "always":
        return True
    return code != 0 and so_far < int(policy.get("max_retries") or 10)
