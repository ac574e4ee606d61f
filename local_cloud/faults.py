"""Breaks on request: by service, method and path, a number of times."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KINDS = ("status", "reset", "truncate", "lost_answer", "delay")


@dataclass
class Fault:
    """One way to break.

    kind: ``status`` answers with status, headers and body (a text goes out as plain text); ``reset`` cuts before
    anything is done; ``lost_answer`` does it and cuts before the answer; ``truncate`` cuts the answer in its middle;
    ``delay`` waits ``seconds``, then goes on.
    skip: how many matching requests pass first; count: how many are hit, -1 for all.
    """

    kind: str
    service: str = ""
    method: str = ""
    path: str = ""
    skip: int = 0
    count: int = 1
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        re.compile(self.path)

    def hits(self, service: str, request: web.Request) -> bool:
        """Whether this request is broken; counts down."""
        fits = self.service in ("", service) and self.method in ("", request.method)
        if not fits or not re.search(self.path, request.path) or self.count == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.count -= 1
        return True


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def middleware(self, service: str) -> Any:
        """Breaks the requests of a service as asked."""

        @web.middleware
        async def break_it(request: web.Request, handler: Handler) -> web.StreamResponse:
            fault = next((fault for fault in self.active if fault.hits(service, request)), None)
            if fault is None:
                return await handler(request)
            if fault.kind == "status":
                return answer(fault)
            if fault.kind == "reset":
                return cut(request)
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
                return await handler(request)
            response = await handler(request)
            return cut(request) if fault.kind == "lost_answer" else await truncated(request, response)

        return break_it


def answer(fault: Fault) -> web.Response:
    """What a ``status`` fault says."""
    if isinstance(fault.body, str):
        return web.Response(text=fault.body, status=fault.status, headers=fault.headers)
    body = fault.body or {"error": "fault on request"}
    return web.json_response(body, status=fault.status, headers=fault.headers)


def cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500, text="cut off")


async def truncated(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Half of the answer, then nothing."""
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    partial = web.StreamResponse(status=response.status, headers={"Content-Length": str(len(body))})
    partial.content_type = "application/json"
    await partial.prepare(request)
    await partial.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return partial
