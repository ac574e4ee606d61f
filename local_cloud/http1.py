"""Heads of HTTP/1.1 messages, and bodies as streams of bytes. Nothing of Fly is in here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

HEAD_LIMIT = 64 * 1024
REPLAY_LIMIT = 1024 * 1024  # bytes of a body that are kept, so that the request can be sent again
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
OURS = "x-opsmap-"  # headers between Caddy and the relay; no application sees them
REASONS = {
    101: "Switching Protocols",
    200: "OK",
    301: "Moved Permanently",
    404: "Not Found",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Head:
    """The first line and headers of a request or an answer."""

    first: str
    headers: Headers

    @property
    def method(self) -> str:
        """A request's method."""
        return self.first.split(" ", 1)[0]

    @property
    def target(self) -> str:
        """A request's path and query."""
        return self.first.split(" ", 2)[1]

    @property
    def status(self) -> int:
        """An answer's status."""
        return int(self.first.split(" ", 2)[1])

    def get(self, name: str) -> str:
        """A header's first value, or ''."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def host(self) -> str:
        """The host name without its port."""
        return self.get("host").rsplit(":", 1)[0].lower()

    def encoded(self, extra: dict[str, str], without: tuple[str, ...] = ()) -> bytes:
        """As it is sent on: ``extra`` replaces headers of the same name, the proxy's own marks are left out."""
        replaced = {name.lower() for name in extra} | set(without)
        kept = [(k, v) for k, v in self.headers if k.lower() not in replaced and not k.lower().startswith(OURS)]
        lines = [self.first, *(f"{key}: {value}" for key, value in [*kept, *extra.items()])]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parsed(raw: bytes) -> Head:
    """A head; a ValueError if it is none."""
    first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    if len(first.split(" ", 2)) < 2:
        raise ValueError(f"no first line: {first[:40]!r}")
    headers = []
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"no header: {line[:40]!r}")
        headers.append((name.strip(), value.strip()))
    return Head(first, headers)


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The next head of a stream; IncompleteReadError when the other side is gone."""
    return parsed(await reader.readuntil(b"\r\n\r\n"))


@dataclass
class Upload:
    """What a client sends after the head. The first bytes are kept, so that another machine can have them too."""

    reader: asyncio.StreamReader
    kept: bytearray = field(default_factory=bytearray)
    whole: bool = True  # nothing was sent that is not kept

    async def pump(self, writer: asyncio.StreamWriter) -> bool:
        """Send it on until the client is gone (True) or the receiver is (False)."""
        try:
            if self.kept:
                writer.write(bytes(self.kept))
            while data := await self.reader.read(65536):
                self._keep(data)
                writer.write(data)
                await writer.drain()
        except (ConnectionError, OSError):
            return False
        return True

    def _keep(self, data: bytes) -> None:
        if self.whole and len(self.kept) + len(data) <= REPLAY_LIMIT:
            self.kept += data
        else:
            self.whole = False
            self.kept.clear()


def answer(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes | str,
    headers: dict[str, str] | None = None,
    send: bool = True,
) -> None:
    """Answer in the proxy's own name; ``send`` false for HEAD."""
    content = (body + "\n").encode() if isinstance(body, str) else body
    fields = {"Content-Type": "text/plain", "Content-Length": str(len(content)), "Connection": "close"}
    lines = [f"{key}: {value}" for key, value in {**fields, **(headers or {})}.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} {REASONS[status]}", *lines]) + "\r\n\r\n"
    writer.write(head.encode("latin-1") + (content if send else b""))


async def either(*tasks: asyncio.Future[Any]) -> None:
    """Until one ends: a visitor who leaves frees the machine, also from a stream that would go on."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def begun(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """Work as a task."""
    return asyncio.ensure_future(work)


@dataclass
class Pulse:
    """When bytes passed last."""

    at: float = 0.0

    def beat(self) -> None:
        """Bytes passed."""
        self.at = asyncio.get_running_loop().time()

    async def idle(self, seconds: float) -> None:
        """Return when nothing passed for so long; 0 is never."""
        self.beat()
        while not seconds or self.at + seconds > asyncio.get_running_loop().time():
            await asyncio.sleep(max(0.05, seconds / 10) if seconds else 3600)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pulse: Pulse | None = None) -> None:
    """Pass bytes on until the sender is done. A sender that breaks off closes the other side as well."""
    try:
        while data := await reader.read(65536):
            if pulse:
                pulse.beat()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()  # TLS knows no half
    except (ConnectionError, OSError):
        writer.transport.abort()
