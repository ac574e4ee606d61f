# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for every client: pooling, bounded retries with jitter, Retry-After, paging, one kind of error."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._pace import Pace, seconds_of
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

try:
    import urllib3
    import urllib3.exceptions

    HAS_URLLIB3 = True
except ImportError:
    HAS_URLLIB3 = False

SAFE_VERBS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
BUSY = frozenset({408, 429, 500, 502, 503, 504})
NOT_DONE = frozenset({429, 503})  # the server says that it did nothing: any verb may be sent again
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds
LONGEST_WAIT = 300.0  # seconds that Retry-After may ask for; a server that wants more is an error at once
CONNECTIONS = 32  # kept open for threads

HINTS: dict[int, str] = {
    401: "check the token: it is missing, expired or of another account",
    403: "the token's scope does not cover this; use one that does",
    408: "the cloud did not answer in time; run again, a rerun looks before it creates",
    429: "the rate limit is used up; run again later or raise api_retries",
}


@dataclass(frozen=True)
class Response:
    """An answer: ``body`` is decoded JSON, or None when there is none; ``text`` is the raw text."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


@dataclass
class Transport:
    """One API at one base URL, for any number of threads.

    timeout: seconds for one answer; must exceed the longest server-side wait (60 s on Fly).
    retries: how often a call is sent again; only verbs that are safe to repeat, or when the server says it did nothing.
    ca_path: PEM bundle to trust instead of the system's.
    hints: remedies by HTTP status or API code, before the general ones.
    """

    service: str
    base_url: str
    headers: dict[str, str | Secret] = field(default_factory=dict)
    timeout: float = 75.0
    retries: int = 5
    ca_path: str | None = None
    hints: dict[int | str, str] = field(default_factory=dict)
    clock: Clock = Clock()
    pace: Pace = field(init=False, repr=False)
    _pool: Any = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.clock)

    def call(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str | Secret] | None = None,
        repeatable: bool | None = None,
        accept: tuple[int, ...] = (),
    ) -> Response:
        """Send one request; raise CloudError unless the answer is 2xx or listed in ``accept``.

        repeatable: whether sending it twice is harmless; by default what the verb promises. False, said for a
        create whose 503 may hide a success, leaves only 429 to be repeated here: the caller looks first (_once).
        """
        safe = method in SAFE_VERBS if repeatable is None else repeatable
        url, lane = self._url(path, query), f"{method} {path}"
        attempt = 0
        while True:
            attempt += 1
            in_slot = self.pace.wait(lane)
            try:
                response = self._send(method, url, body, headers)
            except _Unreachable as problem:
                if attempt > self.retries or not (safe or problem.nothing_sent):
                    raise self._unreachable(operation, problem) from None
                self.clock.sleep(_pause(attempt))
                continue
            if response.status < 300 or response.status in accept:
                return response
            again = response.status in (BUSY if safe else NOT_DONE if repeatable is None else {429})
            after = seconds_of(response.headers.get("retry-after"))
            if not again or attempt > self.retries or (after or 0.0) > LONGEST_WAIT:
                raise self._error(operation, response)
            if response.status == 429:
                self.pace.refused(lane, reading=method == "GET", in_slot=in_slot, after=after)
            else:
                self.clock.sleep(_pause(attempt) if after is None else after + random.random() / 10)

    def get(self, path: str, *, operation: str, query: Mapping[str, Any] | None = None) -> Any:
        """The decoded body of a GET."""
        return self.call("GET", path, operation=operation, query=query).body

    def find(self, path: str, *, operation: str, query: Mapping[str, Any] | None = None) -> Any:
        """Like get, but None where the answer is 404."""
        response = self.call("GET", path, operation=operation, query=query, accept=(404,))
        return None if response.status == 404 else response.body

    def pages(self, path: str, key: str, *, operation: str, size: int = 200) -> Iterator[Any]:
        """All items of a list that is paged by ``page`` and ``per_page`` with ``links.pages.next``."""
        page = 1
        while True:
            body = self.get(path, operation=operation, query={"page": page, "per_page": size}) or {}
            yield from body.get(key) or []
            if not ((body.get("links") or {}).get("pages") or {}).get("next"):
                return
            page += 1

    def _url(self, path: str, query: Mapping[str, Any] | None) -> str:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self.base_url.rstrip("/") + path + (f"?{urlencode(given, doseq=True)}" if given else "")

    def _send(self, method: str, url: str, body: Any, headers: Mapping[str, str | Secret] | None) -> Response:
        with self._lock:
            if self._pool is None:
                self._pool = self._connect()
        sent = {"Accept": "application/json", "Content-Type": "application/json", **self.headers, **(headers or {})}
        try:
            answer = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body, default=_reveal).encode(),
                headers={key: _reveal(value) for key, value in sent.items()},
                timeout=self.timeout,
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as problem:
            raise _Unreachable(str(problem), nothing_sent=True) from None
        except urllib3.exceptions.HTTPError as problem:
            raise _Unreachable(str(problem), nothing_sent=False) from None
        text = answer.data.decode(errors="replace")
        return Response(answer.status, {k.lower(): v for k, v in answer.headers.items()}, _decoded(text), text)

    def _connect(self) -> Any:
        if not HAS_URLLIB3:
            raise CloudError("the Python package urllib3 is missing", code="refused", hint="install urllib3")
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CloudError(
                f"api_url is {self.base_url!r}", self.service, code="bad_option", hint="give http(s)://host[:port]"
            )
        trust: dict[str, Any] = {"ca_certs": self.ca_path} if self.ca_path else {}
        return urllib3.PoolManager(maxsize=CONNECTIONS, **trust)

    def _unreachable(self, operation: str, problem: _Unreachable) -> CloudError:
        where = urlsplit(self.base_url)
        return CloudError(
            message=f"no answer from {where.scheme}://{where.netloc}: {problem.cause}",
            service=self.service,
            operation=operation,
            code="unreachable",
            hint="check api_url and the network" if problem.nothing_sent else HINTS[408],
        )

    def _error(self, operation: str, response: Response) -> CloudError:
        message, code = explain(response)
        wait = response.headers.get("retry-after")
        return CloudError(
            message=f"{message} (Retry-After: {wait})" if wait else message,
            service=self.service,
            operation=operation,
            status=response.status,
            code=code,
            request_id=response.headers.get("fly-request-id") or response.headers.get("x-request-id") or _id(response),
            hint=self.hints.get(code) or self.hints.get(response.status) or HINTS.get(response.status, ""),
        )


@dataclass
class _Unreachable(Exception):
    cause: str
    nothing_sent: bool


def explain(response: Response) -> tuple[str, str]:
    """Message and code from the error shapes of the three APIs (reference: fly 1.4, redis-cloud 9, digitalocean 1)."""
    body = response.body if isinstance(response.body, dict) else {}
    texts = (body.get(key) for key in ("message", "error", "msg", "description"))
    raw = response.text.strip()[:300] or f"answered {response.status} without a reason"
    message = next((text for text in texts if isinstance(text, str) and text), raw)
    codes = (body.get(key) for key in ("id", "status", "code"))
    code = next((code for code in codes if isinstance(code, str) and code), "")
    return message, code


def path(template: str, **parts: Any) -> str:
    """A path with its variable parts percent-encoded."""
    return template.format(**{key: quote(str(value), safe="") for key, value in parts.items()})


def _id(response: Response) -> str:
    return str(response.body.get("request_id") or "") if isinstance(response.body, dict) else ""


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _decoded(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return None


def _pause(attempt: int) -> float:
    """Seconds before the next attempt where the server does not say: growing, with jitter."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (attempt - 1)) * (0.5 + random.random())
