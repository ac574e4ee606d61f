"""Fly's proxy for HTTP: which machine answers, and what happens when it does not.

Caddy speaks HTTP with clients and sends every request on a connection of its own to this relay. The relay reads the head,
chooses a machine and passes bytes on, so websockets and streams work. A request that did not reach a machine goes to another
one; so does one that got no answer, if it may be sent twice. Machines come and go without a reload of anything.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from local_cloud import http1
from local_cloud.balance import Balancer, Search, Wish
from local_cloud.cloud import Cloud
from local_cloud.fly import Fly
from local_cloud.fly.ids import milliseconds, ulid
from local_cloud.http1 import Head, Upload, answer
from local_cloud.replay import HOPS, Replay, replay, steering
from local_cloud.routes import Place
from local_cloud.statics import Statics
from local_cloud.wire import BRIDGE_PORT, proxy_header

log = logging.getLogger("local_cloud.proxy")
CONNECT_SECONDS = 2.0
RESETS = 3  # answers that break off before they begin, until the client hears of it
EDGE_REGION = "ewr"


@dataclass
class Exchange:
    """One request on its way."""

    head: Head
    upload: Upload
    writer: asyncio.StreamWriter
    port: int
    search: Search
    extra: dict[str, str]


@dataclass(frozen=True)
class Unanswered:
    """A machine that gave no answer; ``reached`` when it may have seen the request."""

    reached: bool


class Relay:
    """Listens inside the container; Caddy is its only client."""

    def __init__(self, cloud: Cloud, fly: Fly) -> None:
        self.cloud = cloud
        self.balancer = Balancer(cloud, fly)
        self.routes = self.balancer.routes
        self.statics = Statics(cloud)

    async def listen(self, port: int) -> asyncio.AbstractServer:
        """Accept connections on 127.0.0.1."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=http1.HEAD_LIMIT, backlog=1024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._route(await http1.read_head(reader), Upload(reader), writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, ConnectionError) as problem:
            log.debug("request given up: %s", problem)
        finally:
            writer.close()

    async def _route(self, head: Head, upload: Upload, writer: asyncio.StreamWriter) -> None:
        port, address = int(head.get("x-opsmap-port") or 443), head.get("x-opsmap-address")
        app = self.routes.app_at(address) or self.routes.app_of(head.host)
        if app is None:
            return answer(writer, 404, f"no app answers for {head.host}")
        entry = self.routes.entry(app, port, address)
        if entry is None or "http" not in entry.handlers:
            return answer(writer, 404, f"app {app} has no service on port {port}, or no public address that serves it")
        if entry.spec.get("force_https") and head.get("x-forwarded-proto") != "https":
            where = f"https://{head.host}:{self.cloud.settings.port(5)}{head.target}"
            return answer(writer, 301, "", {"Location": where})
        static = await self.statics.find(entry.machine, head.method, head.target)
        if static:
            fields = {"Content-Type": static.kind, "Server": "Fly"}
            return answer(writer, 200, static.content, fields, head.method != "HEAD")
        search = Search(app, port, steering(head))
        return await self._forward(Exchange(head, upload, writer, port, search, self.extra(app, head, port)))

    async def _forward(self, exchange: Exchange) -> None:
        """Attempts until one is answered, or none can be."""
        for _ in range(HOPS + 1):
            place, outcome = await self._answered(exchange)
            if place is None:
                return None
            if outcome is None:
                return None
            if not exchange.upload.whole:
                return answer(exchange.writer, 502, "a body of more than 1 MB cannot be replayed")
            exchange.extra["Fly-Replay-Src"] = self.source(place, outcome)
            exchange.search = self.next_search(exchange, place, outcome)
        return answer(exchange.writer, 502, f"the request was replayed {HOPS} times")

    async def _answered(self, exchange: Exchange) -> tuple[Place | None, Replay | None]:
        """Who answered at last, and what it wants instead if that is a replay; no place: the client knows."""
        search = exchange.search
        while place := await self.balancer.acquire(search):
            try:
                outcome = await self._attempt(exchange, place)
            finally:
                self.balancer.release(place)
            if not isinstance(outcome, Unanswered):
                return place, outcome
            search.avoid(place)
            search.resets += outcome.reached
            search.began = 0.0 if outcome.reached else search.began  # an answer may have been long in coming
            again = exchange.upload.whole and exchange.head.method in http1.IDEMPOTENT
            if outcome.reached and (not again or search.resets >= RESETS):
                answer(exchange.writer, 502, f"machine {place.id} of app {search.app} broke off the connection")
                return None, None
        answer(exchange.writer, 503, f"no machine of app {search.app} takes requests on port {search.port}")
        return None, None

    def next_search(self, exchange: Exchange, place: Place, outcome: Replay) -> Search:
        """Where a replayed request goes; ``fallback`` sends it back when the target cannot answer."""
        app = outcome.app or exchange.search.app
        search = Search(app, exchange.port, outcome.wish)
        if outcome.fallback and not any(self.balancer.takes(found) for found in self.balancer.wanted(search)):
            wish = Wish(instance=place.id) if outcome.fallback == "force_self" else Wish(prefer_instance=place.id)
            return Search(exchange.search.app, exchange.port, wish)
        return search

    def source(self, place: Place, outcome: Replay) -> str:
        """Tells the next machine who replayed the request."""
        parts = [f"instance={place.id}", f"region={place.machine['region']}", f"t={milliseconds() * 1000}"]
        return ";".join([*parts, f"state={outcome.state}"] if outcome.state else parts)

    async def _attempt(self, exchange: Exchange, place: Place) -> Unanswered | Replay | None:
        """One machine: None when it answered."""
        address, port = str(place.machine["ip4"]), int(place.service["internal_port"])
        bridged = bool(place.options.get("h2_backend"))
        try:
            opened = asyncio.open_connection(address, port, limit=http1.HEAD_LIMIT)
            reader, writer = await asyncio.wait_for(opened, CONNECT_SECONDS)
            if bridged:  # Caddy speaks HTTP/2 with the machine; now we know that it listens
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", BRIDGE_PORT, limit=http1.HEAD_LIMIT)
        except (OSError, TimeoutError):
            return Unanswered(reached=False)
        try:
            writer.write(proxy_header(place, exchange.extra["Fly-Client-IP"], self.routes.ips(exchange.search.app)))
            sent = exchange.head.encoded(exchange.extra, ("x-forwarded-host",))
            writer.write(
                sent.replace(b"\r\n", f"\r\nX-Opsmap-Upstream: {address}:{port}\r\n".encode(), 1 if bridged else 0)
            )
            return await self._converse(exchange, place, reader, writer)
        finally:
            writer.close()

    async def _converse(
        self, exchange: Exchange, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Unanswered | Replay | None:
        pump = http1.begun(exchange.upload.pump(writer))
        try:
            head = await self._answer_head(exchange, place, reader, pump)
            if head is None or isinstance(head, Unanswered):
                return head
            wanted = replay(head.get("fly-replay"), place.id) if head.get("fly-replay") else None
            if wanted:
                return wanted
            exchange.writer.write(head.encoded(*self.shown(exchange, place, head)))
            pulse = http1.Pulse()
            down = http1.begun(http1.pipe(reader, exchange.writer, pulse))
            if pump.done():  # the machine reads no more, but it still answers
                await http1.either(down, http1.begun(pulse.idle(place.idle_timeout)))
            else:
                await http1.either(down, self._until_left(pump), http1.begun(pulse.idle(place.idle_timeout)))
            return None
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    def _until_left(self, pump: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Done when the client is gone; a machine that reads no more is no reason to stop its answer."""

        async def watch() -> None:
            if not await asyncio.shield(pump):
                await asyncio.Event().wait()

        return http1.begun(watch())

    async def _answer_head(
        self, exchange: Exchange, place: Place, reader: asyncio.StreamReader, pump: asyncio.Future[Any]
    ) -> Head | Unanswered | None:
        """The answer's head; interim ones are passed on. None: the client left, or was told that it took too long."""
        while True:
            task, limit = http1.begun(http1.read_head(reader)), place.idle_timeout
            who = {task} if pump.done() and not pump.result() else {task, pump}
            await asyncio.wait(who, timeout=limit or None, return_when=asyncio.FIRST_COMPLETED)
            left = pump.done() and pump.result()
            if not task.done() and (left or not pump.done()):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if not left:
                    answer(exchange.writer, 502, f"machine {place.id} sent nothing for {limit:g} s (idle_timeout)")
                return None
            try:
                head: Head = await task
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, ConnectionError, OSError):
                return Unanswered(reached=True)
            if head.status == 101 or head.status >= 200:
                return head
            exchange.writer.write(head.encoded({}))

    def extra(self, app: str, head: Head, port: int) -> dict[str, str]:
        """Headers that Fly's proxy adds (reference fly 3.3)."""
        clients = head.get("x-forwarded-for") or "127.0.0.1"
        public = [item["ip"] for item in self.routes.ips(app) if not item["egress"]]
        return {
            "Fly-Client-IP": clients.split(",")[0].strip(),
            "Fly-Forwarded-Port": str(port),
            "Fly-Region": EDGE_REGION,
            "Fly-Request-Id": f"{ulid()}-{EDGE_REGION}",
            "X-Forwarded-For": ", ".join([clients, *public[:1]]),
            "X-Forwarded-Port": str(port),
            "X-Forwarded-SSL": "on" if head.get("x-forwarded-proto") == "https" else "off",
            "Via": "2 fly.io" if head.get("x-opsmap-protocol") == "HTTP/2.0" else "1.1 fly.io",
        }

    def shown(self, exchange: Exchange, place: Place, head: Head) -> tuple[dict[str, str], tuple[str, ...]]:
        """Headers of the answer that the proxy sets and drops; Caddy removes what begins with X-Opsmap."""
        response = place.options.get("response") or {}
        wanted = {name: value for name, value in (response.get("headers") or {}).items() if value}
        dropped = tuple(name.lower() for name, value in (response.get("headers") or {}).items() if not value)
        fields = {name: ", ".join(v) if isinstance(v, list) else str(v) for name, v in wanted.items()}
        if place.options.get("compress"):
            fields["X-Opsmap-Compress"] = "1"
        if not response.get("pristine"):
            ours = {"Server": f"Fly/{self.cloud.settings.instance}", "X-Opsmap-Via": "1"}
            fields = {**ours, "Fly-Request-Id": exchange.extra["Fly-Request-Id"], **fields}
        elif not head.get("server") and "Server" not in fields:
            fields["X-Opsmap-Bare"] = "1"  # Caddy must not name itself
        return fields, dropped
