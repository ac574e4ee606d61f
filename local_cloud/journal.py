"""A record of every request and answer, without secrets; tests read it through the control API."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REDACTED = "********"
SECRET_KEYS = frozenset(
    {"password", "raw_value", "private_key", "token", "uri", "value", "nonce", "secret", "Authorization"}
    | {"stdin", "stdout", "stderr"}  # of commands in machines, which may print their environment
    | {"client_secret", "code", "code_verifier", "access_token", "refresh_token"}  # of OAuth
    | {"Token"}  # of SNS
)
SECRET_ELEMENTS = re.compile(r"<(SecretAccessKey|Token)>[^<]*")  # of XML
IN_URL = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
SECRET_MAPS = frozenset({"values", "env"})
SECRET_VALUES_ONLY_IN = ("/secrets",)  # "value" is harmless elsewhere: tags, trusted sources, metadata
KEPT = 20_000


def redacted(data: Any, path: str, key: str = "") -> Any:
    """JSON of the same shape without what is secret."""
    if isinstance(data, dict):
        if key in SECRET_MAPS:
            return {name: value if value is None else REDACTED for name, value in data.items()}
        return {name: redacted(value, path, name) for name, value in data.items()}
    if isinstance(data, list):
        return [redacted(item, path, key) for item in data]
    harmless = key == "value" and not any(part in path for part in SECRET_VALUES_ONLY_IN)
    if not isinstance(data, str):
        return data
    return REDACTED if key in SECRET_KEYS and not harmless else IN_URL.sub(rf"\1:{REDACTED}@", data)


class Journal:
    """Entries are numbered from 1 on; the oldest are dropped."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._count = 0

    def since(self, number: int, service: str | None = None) -> list[dict[str, Any]]:
        """Entries after a number, of one service or of all."""
        return [e for e in self._entries if e["id"] > number and service in (None, e["service"])]

    @property
    def next(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget the entries; numbers go on."""
        self._entries.clear()

    def add(self, service: str, request: web.Request, body: Any, status: int, answer: Any, seconds: float) -> None:
        """Write one down."""
        self._count += 1
        self._entries.append(
            {
                "id": self._count,
                "service": service,
                "method": request.method,
                "path": request.path,
                "query": redacted(dict(request.query), request.path),
                "status": status,
                "request": redacted(body, request.path),
                "response": redacted(answer, request.path),
                "duration_ms": round(seconds * 1000, 1),
            }
        )

    def middleware(self, service: str) -> Any:
        """Records every request of a service, also the ones that fail."""

        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            start = time.monotonic()
            body = decoded(await request.read(), request.content_type)
            status, answer = 500, None
            try:
                response = await handler(request)
                status, answer = response.status, decoded(getattr(response, "body", None))
                return response
            except web.HTTPException as problem:
                status, answer = problem.status, decoded(problem.text)
                raise
            finally:
                self.add(service, request, body, status, answer, time.monotonic() - start)

        return record


def decoded(data: Any, kind: str = "") -> Any:
    """The fields of a form, JSON if it is JSON, text if it is text, None if there is nothing."""
    if not isinstance(data, (bytes, str)) or not data:
        return None
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(text))
    try:
        return json.loads(text)
    except ValueError:
        return SECRET_ELEMENTS.sub(rf"<\1>{REDACTED}", text)[:1000]
