"""Fly's proxy: which machine answers.

Caddy ends TLS and speaks HTTP/1.1 to this relay, one connection per request (keepalive off). The relay reads the head of
the request, chooses a machine and then only passes bytes on, so websockets and streams work. Machines come and go without
a reload of anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.fly import Fly
from local_cloud.fly.ids import ulid

log = logging.getLogger("local_cloud.proxy")
HEAD_LIMIT = 64 * 1024
CONNECT_SECONDS = 2.0
AUTOSTART_SECONDS = 30.0
REASONS = {301: "Moved Permanently", 404: "Not Found", 502: "Bad Gateway", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Head:
    """The first line and headers of a request."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """A header's first value, or ''."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def host(self) -> str:
        """The host name without its port."""
        return self.get("host").rsplit(":", 1)[0].lower()

    def encoded(self, extra: dict[str, str]) -> bytes:
        """As it is sent on: our headers replace the ones of the same name."""
        ours = {name.lower() for name in extra}
        kept = [(key, value) for key, value in self.headers if key.lower() not in ours]
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            *(f"{key}: {value}" for key, value in [*kept, *extra.items()]),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parsed(raw: bytes) -> Head:
    """The head of a request; a ValueError if it is none."""
    first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"no header: {line[:40]!r}")
        headers.append((name.strip(), value.strip()))
    return Head(method, target, headers)


class Relay:
    """Listens inside the container; Caddy is its only client."""

    def __init__(self, cloud: Cloud, fly: Fly) -> None:
        self.cloud = cloud
        self.fly = fly
        self.load: dict[str, int] = {}

    async def listen(self, port: int) -> asyncio.AbstractServer:
        """Accept connections on 127.0.0.1."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=HEAD_LIMIT)

    def app_of(self, host: str) -> str | None:
        """The app that a host name leads to."""
        suffix = f".fly.{self.cloud.settings.suffix}"
        if host.endswith(suffix):
            name = host.removesuffix(suffix)
            return name if self.cloud.store.get("app", name) else None
        found = self.cloud.store.get("certificate", host)
        wildcard = self.cloud.store.get("certificate", "*." + host.partition(".")[2])
        return (found or wildcard or {}).get("app")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = parsed(await reader.readuntil(b"\r\n\r\n"))
            await self._route(head, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, ConnectionError) as problem:
            log.debug("request given up: %s", problem)
        finally:
            writer.close()

    async def _route(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(head.get("x-opsmap-port") or 443)
        app = self.app_of(head.host)
        if app is None:
            return answer(writer, 404, f"no app answers for {head.host}")
        entry = self.entry(app, port)
        if entry is None:
            return answer(writer, 404, f"app {app} has no service on port {port}, or no public address that serves it")
        service, spec = entry
        if spec.get("force_https") and port != 443:
            outside = self.cloud.settings.port(5)
            return answer(writer, 301, "", {"Location": f"https://{head.host}:{outside}{head.target}"})
        upstream = await self._connect(app, service)
        if upstream is None:
            return answer(writer, 503, f"no machine of app {app} takes requests on port {port}")
        machine, up_reader, up_writer = upstream
        self.load[machine] = self.load.get(machine, 0) + 1
        try:
            up_writer.write(head.encoded(self.extra(head, port)))
            await either(pipe(reader, up_writer), pipe(up_reader, writer))
        finally:
            self.load[machine] -= 1
            up_writer.close()

    def extra(self, head: Head, port: int) -> dict[str, str]:
        """Headers that Fly's proxy adds (reference fly 3.3)."""
        client = head.get("x-forwarded-for").split(",")[0].strip() or "127.0.0.1"
        secure = head.get("x-forwarded-proto") == "https"
        return {
            "Fly-Client-IP": client,
            "Fly-Forwarded-Port": str(port),
            "Fly-Region": "ewr",
            "Fly-Request-Id": f"{ulid()}-ewr",
            "X-Forwarded-Port": str(port),
            "X-Forwarded-SSL": "on" if secure else "off",
            "Via": "1.1 fly.io",
            "X-Opsmap-Port": str(port),
        }

    def entry(self, app: str, port: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Service and port of an app that answer on an outside port, if an address of the app serves it."""
        for machine in self.fly.machines.of_app(app):
            for service in machine["config"].get("services") or []:
                for spec in service.get("ports") or []:
                    low = spec.get("port") or spec.get("start_port")
                    if low and low <= port <= (spec.get("port") or spec.get("end_port")):
                        return (service, spec) if self.reachable(app, port, spec) else None
        return None

    def reachable(self, app: str, port: int, spec: dict[str, Any]) -> bool:
        """Whether the app has a public address that serves this port (reference fly 3.3)."""
        kinds = {kind_of(item) for item in self.fly.apps.ips(app)}
        handlers = set(spec.get("handlers") or [])
        shared = "shared_v4" in kinds and (port in (80, 443) or "tls" in handlers)
        return shared or bool(kinds & {"v4", "v6"})

    def candidates(self, app: str, internal_port: int) -> list[dict[str, Any]]:
        """Machines that may be asked, least busy first."""
        found = []
        for machine in self.fly.machines.of_app(app):
            ports = [service["internal_port"] for service in machine["config"].get("services") or []]
            statuses = [
                c["status"] for c in self.fly.runner.checks(machine["id"]) if c["name"].startswith("servicecheck")
            ]
            wanted = any(service.get("checks") for service in machine["config"].get("services") or [])
            healthy = "critical" not in statuses and (bool(statuses) or not wanted)
            if machine["state"] == "started" and not machine["cordoned"] and internal_port in ports and healthy:
                found.append(machine)
        return sorted(found, key=lambda machine: (self.load.get(machine["id"], 0), self.turn(machine["id"])))

    def turn(self, machine: str) -> int:
        """Equal load goes around."""
        self._turn = getattr(self, "_turn", 0) + 1
        return hash((machine, self._turn)) & 0xFFFF

    async def _connect(
        self, app: str, service: dict[str, Any]
    ) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter] | None:
        port = service["internal_port"]
        end = asyncio.get_running_loop().time() + AUTOSTART_SECONDS
        while True:
            for machine in self.candidates(app, port):
                try:
                    opened = asyncio.open_connection(machine["ip4"], port, limit=HEAD_LIMIT)
                    reader, writer = await asyncio.wait_for(opened, CONNECT_SECONDS)
                    return machine["id"], reader, writer
                except (OSError, TimeoutError):
                    continue
            if not self.wake(app, service) or asyncio.get_running_loop().time() > end:
                return None
            await asyncio.sleep(0.05)

    def wake(self, app: str, service: dict[str, Any]) -> bool:
        """Start a sleeping machine if the service asks for it; whether it is worth to wait."""
        machines = [m for m in self.fly.machines.of_app(app) if not m["cordoned"]]
        if any(machine["state"] == "starting" for machine in machines):
            return True
        asleep = [machine for machine in machines if machine["state"] in ("stopped", "suspended")]
        if not service.get("autostart") or not asleep:
            return False
        self.cloud.spawn(self.fly.runner.launch(asleep[0]["id"]))
        return True


def kind_of(item: dict[str, Any]) -> str:
    """The kind of an address, as clients must guess it too."""
    if item["egress"]:
        return "egress"
    if item["shared"]:
        return "shared_v4"
    if item["ip"].startswith("fdaa:"):
        return "private_v6"
    return "v4" if "." in item["ip"] else "v6"


def answer(writer: asyncio.StreamWriter, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    """Answer in the proxy's own name."""
    body = (text + "\n").encode()
    fields = {"Content-Type": "text/plain", "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{key}: {value}" for key, value in fields.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)


async def either(*works: Coroutine[Any, Any, None]) -> None:
    """Until one ends: a visitor who leaves frees the machine, also from a stream that would go on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the sender is done."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (ConnectionError, OSError):
        writer.close()
