"""What every emulated service is handed."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local_cloud.ca import Authority
from local_cloud.config import Settings
from local_cloud.docker import Docker
from local_cloud.faults import Faults
from local_cloud.journal import Journal
from local_cloud.store import Store

log = logging.getLogger("local_cloud")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Cloud:
    """One instance: settings, state and the engine behind it."""

    settings: Settings
    store: Store
    docker: Docker
    ca: Authority
    journal: Journal = field(default_factory=Journal)
    faults: Faults = field(default_factory=Faults)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def provisioning_delay(self) -> float:
        """Seconds that a database takes at least to become ready."""
        return self.settings.switches.provisioning_seconds

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on in the background; what fails there is logged."""
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("background work failed")

    def used_ports(self) -> set[int]:
        """Database ports that are taken."""
        return {document["port"] for document in self.store.list("port")}

    def take_port(self, owner: str) -> int:
        """A free port of the block for a database; published under the same number."""
        used = self.used_ports()
        for offset in range(20, 100):
            port = self.settings.port(offset)
            if port not in used:
                self.store.put("port", port, {"port": port, "owner": owner})
                return port
        raise RuntimeError("all 80 database ports of this local cloud are taken")

    def free_port(self, port: int) -> None:
        """Give a port back."""
        self.store.delete("port", port)

    def app(self, service: str, authorized: Callable[[web.Request], web.Response | None]) -> web.Application:
        """An application of a service: journal outside, then latency, then the token, then faults."""

        @web.middleware
        async def slow(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.settings.switches.latency_ms:
                await asyncio.sleep(self.settings.switches.latency_ms / 1000)
            return await handler(request)

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return authorized(request) or await handler(request)

        middlewares = [self.journal.middleware(service), slow, check, self.faults.middleware(service)]
        return web.Application(middlewares=middlewares, client_max_size=32 * 2**20)


def same(given: str | None, token: str) -> bool:
    """Whether a credential is right, in constant time."""
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def bearer(request: web.Request, *schemes: str) -> str | None:
    """The token of the Authorization header, if its scheme is one of these."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() in {s.lower() for s in schemes} else None
