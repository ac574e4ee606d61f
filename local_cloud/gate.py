"""The public ports: looks at the first bytes of a connection and decides who speaks with the client.

HTTP goes to Caddy, with TLS ended there. Other services get bytes: as they come, or with TLS ended here. One loopback address
stands for the public addresses of all apps, so the app is found by the name in the TLS hello or the Host header; connections
that name nobody belong to the first app that has such a service and an address of its own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud import wire
from local_cloud.balance import Search
from local_cloud.certs import Certificates
from local_cloud.http1 import begun, pipe
from local_cloud.proxy import CONNECT_SECONDS, Relay
from local_cloud.routes import Place, tls_variant

log = logging.getLogger("local_cloud.gate")
HELLO_SECONDS = 10.0  # a client that began to speak must have said who it wants
SILENT_SECONDS = 0.5  # one that says nothing may wait for the server's greeting
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Caller:
    """Where a connection comes from, and which address and port it was made to."""

    client: str
    client_port: int
    address: str
    port: int


class Gate:
    """All listeners that clients reach."""

    def __init__(self, relay: Relay, certificates: Certificates) -> None:
        self.relay = relay
        self.routes = relay.routes
        self.certificates = certificates
        self._tasks: set[asyncio.Future[Any]] = set()

    def listen(self, port: int, outside: int = 0) -> None:
        """Accept on both families. ``outside`` is the port that clients mean; 0: a PROXY line says so (Flycast)."""
        six = Path("/proc/net/if_inet6").exists()  # what the kernel has, not what Python was built with
        families = [socket.AF_INET, socket.AF_INET6] if six else [socket.AF_INET]
        for family in families:
            listening = socket.create_server(("", port), family=family, backlog=1024)
            listening.setblocking(False)
            self._hold(self._accept(listening, outside))

    def _hold(self, work: Any) -> None:
        task = begun(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket, outside: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listening)
            self._hold(self._served(client, outside))

    async def _served(self, client: socket.socket, outside: int) -> None:
        try:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            caller = await self._caller(client, outside)
            if caller:
                await self._route(client, caller)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as problem:
            log.debug("connection given up: %s", problem)
        finally:
            client.close()

    async def _caller(self, client: socket.socket, outside: int) -> Caller | None:
        name = client.getpeername()
        if outside:
            six = ":" in name[0]
            return Caller(name[0], name[1], "::1" if six else "127.0.0.1", outside)
        data = await _peek(client, lambda seen: b"\r\n" in seen, HELLO_SECONDS)
        first = data.split(b"\r\n", 1)[0]
        parts = first.decode("latin-1").split(" ")
        if len(parts) != 6 or parts[0] != "PROXY":
            return None
        client.recv(len(first) + 2)
        return Caller(parts[2], int(parts[4]), parts[3], int(parts[5]))

    async def _route(self, client: socket.socket, caller: Caller) -> None:
        here = self.routes.app_at(caller.address)
        silent = here or self.routes.raw(caller.port)
        data = await _peek(client, _enough, SILENT_SECONDS if silent else HELLO_SECONDS)
        if data == wire.SSL_REQUEST:
            return await self._postgres(client, caller, here)
        if data[:1] == b"\x16":
            return await self._tls(client, caller, wire.server_name(data))
        if wire.is_request(data):
            return await self._request(client, caller, here or self.routes.app_of(wire.host_header(data)))
        if silent:
            return await self._raw(client, caller, silent, None)
        return None

    async def _request(self, client: socket.socket, caller: Caller, app: str | None) -> None:
        entry = self.routes.entry(app, caller.port, caller.address) if app else None
        if entry is None:
            raw = self.routes.raw(caller.port) if app is None else None
            return await (self._raw(client, caller, raw, None) if raw else self._caddy(client, caller, wire.PLAIN_PORT))
        if entry.handlers & {"tls", "pg_tls"}:
            return None  # this port speaks TLS only
        if "http" in entry.handlers:
            return await self._caddy(client, caller, wire.PLAIN_PORT)
        return await self._raw(client, caller, str(app), None)

    async def _tls(self, client: socket.socket, caller: Caller, name: str) -> None:
        app = self.routes.app_at(caller.address) or self.routes.app_of(name) or self.routes.raw(caller.port, "tls")
        entry = self.routes.entry(app, caller.port, caller.address) if app else None
        if entry is None:
            raw = self.routes.raw(caller.port) if app is None else None
            return await (self._raw(client, caller, raw, None) if raw else self._caddy(client, caller, wire.TLS_PORT))
        if {"tls", "http"} <= entry.handlers:
            variant = wire.VARIANTS.index(tls_variant(entry.spec.get("tls_options")))
            return await self._caddy(client, caller, wire.TLS_PORT + variant)
        if entry.handlers & {"tls", "pg_tls"}:
            return await self._raw(client, caller, str(app), self._context(entry, name or self._own(str(app))))
        if "http" in entry.handlers:
            return None  # this port speaks no TLS
        return await self._raw(client, caller, str(app), None)

    async def _postgres(self, client: socket.socket, caller: Caller, here: str | None) -> None:
        loop = asyncio.get_running_loop()
        client.recv(len(wire.SSL_REQUEST))
        await loop.sock_sendall(client, b"S")
        hello = await _peek(client, wire.whole_hello, HELLO_SECONDS)
        name = wire.server_name(hello)
        app = here or self.routes.app_of(name) or self.routes.raw(caller.port, "pg_tls")
        entry = self.routes.entry(app, caller.port, caller.address) if app else None
        if app and entry and "pg_tls" in entry.handlers:
            await self._raw(client, caller, app, self._context(entry, name or self._own(app)))

    def _own(self, app: str) -> str:
        return f"{app}.fly.{self.relay.cloud.settings.suffix}"

    def _context(self, place: Place, name: str) -> ssl.SSLContext | None:
        versions, protocols = tls_variant(place.spec.get("tls_options"))
        context = self.certificates.context(name)
        if context is None:
            raise ValueError(f"there is no certificate for {name}")
        context.minimum_version = ssl.TLSVersion[versions[0].replace(".", "_")]
        context.maximum_version = ssl.TLSVersion[versions[-1].replace(".", "_")]
        if (place.spec.get("tls_options") or {}).get("alpn"):
            context.set_alpn_protocols(list(protocols))
        return context

    async def _caddy(self, client: socket.socket, caller: Caller, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        address = caller.address if (":" in caller.client) == (":" in caller.address) else "::1"
        writer.write(wire.line(caller.client, caller.client_port, address, caller.port))
        await self._splice(client, None, reader, writer)

    async def _raw(self, client: socket.socket, caller: Caller, app: str, context: ssl.SSLContext | None) -> None:
        """Bytes to a machine; another one is asked while none has accepted."""
        entry = self.routes.entry(app, caller.port, caller.address)
        search = Search(app, caller.port)
        while entry and (place := await self.relay.balancer.acquire(search)):
            try:
                opened = asyncio.open_connection(place.machine["ip4"], int(place.service["internal_port"]))
                reader, writer = await asyncio.wait_for(opened, CONNECT_SECONDS)
            except (OSError, TimeoutError):
                self.relay.balancer.release(place)
                search.avoid(place)
                continue
            try:
                ips = self.routes.ips(app)
                writer.write(wire.proxy_header(place, caller.client, ips, caller.client_port))
                return await self._splice(client, context, reader, writer)
            finally:
                self.relay.balancer.release(place)
                writer.close()
        return None

    async def _splice(
        self,
        client: socket.socket,
        context: ssl.SSLContext | None,
        reader: asyncio.StreamReader,
        up: asyncio.StreamWriter,
    ) -> None:
        """Both ways until both are done."""
        loop = asyncio.get_running_loop()
        incoming = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(incoming)
        taken = socket.socket(fileno=client.detach())  # from here the transport closes it, when all is sent
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, taken, ssl=context)
        writer = asyncio.StreamWriter(transport, protocol, incoming, loop)
        try:
            await asyncio.gather(pipe(incoming, up), pipe(reader, writer))
        finally:
            writer.close()
            up.close()


def _enough(data: bytes) -> bool:
    """Whether the first bytes say what this is and whom it wants."""
    if data[:1] == b"\x16":
        return wire.whole_hello(data)
    if data[:1] == b"\x00":
        return len(data) >= len(wire.SSL_REQUEST)
    if wire.is_request(data):
        return b"\r\n\r\n" in data or bool(wire.host_header(data[: data.rfind(b"\r\n") + 1]))
    return bool(data)


async def _peek(client: socket.socket, enough: Callable[[bytes], bool], patience: float) -> bytes:
    """The first bytes, which stay in the socket; fewer when the client says no more."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    data = b""
    while loop.time() < end:
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(client, lambda ready=ready: ready.done() or ready.set_result(None))  # type: ignore[misc]
        try:
            await asyncio.wait_for(ready, end - loop.time())
        except TimeoutError:
            break
        finally:
            loop.remove_reader(client)
        seen = client.recv(16384, socket.MSG_PEEK)
        if enough(seen) or not seen or len(seen) == 16384:
            return seen
        data = seen
        await asyncio.sleep(0.005)
    return data
