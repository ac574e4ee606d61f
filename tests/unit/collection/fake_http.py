"""A small HTTP server in a thread: a table of routes, and faults by method and path."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3

Answer = tuple[int, Any]
Route = tuple[str, str, Callable[..., Answer]]


@dataclass
class Fault:
    """What happens to the next ``count`` matching requests: ``lost`` has the effect but no answer.

    skip: how many matching requests pass before. message: what the answer says.
    """

    method: str
    path: str
    kind: str
    status: int = 503
    count: int = 1
    skip: int = 0
    message: str = "fault"


@dataclass
class Fake:
    """Base of the fake APIs. ``seen`` is the journal: (method, path without query, body).

    query, headers: of the request that is being answered; one is answered at a time.
    """

    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def authorized(self, headers: Any) -> bool:
        raise NotImplementedError

    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.seen if method != "GET"]

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.count and fault.method == method and re.search(fault.path, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                return fault
        return None

    def answer(self, method: str, path: str, body: Any) -> Answer:
        for verb, pattern, handler in self.routes():
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                arguments = [int(part) if part.isdigit() else part for part in match.groups()]
                return handler(*arguments, **({"body": body} if body is not None and method != "DELETE" else {}))
        return 404, {"id": "not_found", "message": f"no route {method} {path}"}


@dataclass(frozen=True)
class Reply:
    """What the transport reads of an answer."""

    status: int
    headers: dict[str, str]
    data: bytes


class Direct:
    """Stands where the transport's pool of connections does: the same answers without sockets, for tests of many calls."""

    def __init__(self, fake: Fake, lock: threading.RLock) -> None:
        self.fake = fake
        self.lock = lock

    def request(self, method: str, url: str, body: bytes | None, headers: dict[str, str], **_: Any) -> Reply:
        parts, fake = urlsplit(url), self.fake
        decoded = json.loads(body) if body else None
        with self.lock:
            fake.query = parse_qs(parts.query)
            fake.headers = {key.lower(): value for key, value in headers.items()}
            fake.seen.append((method, parts.path, decoded))
            fault = fake.fault(method, parts.path)
            if not fake.authorized(fake.headers):
                return Reply(401, {}, b"{}")
            if fault and fault.kind == "status":
                return Reply(fault.status, {}, json.dumps({"message": fault.message}).encode())
            status, answer = fake.answer(method, parts.path, decoded)
        if fault and fault.kind == "lost":
            raise urllib3.exceptions.ProtocolError("connection cut")
        return Reply(status, {}, b"" if answer is None else json.dumps(answer).encode())


@contextmanager
def served(fake: Fake) -> Iterator[Fake]:
    """Serve a fake on a free loopback port."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.split("?")[0]
            with lock:
                fake.query = parse_qs(urlsplit(self.path).query)
                fake.headers = {key.lower(): value for key, value in self.headers.items()}
                fake.seen.append((self.command, path, body))
                fault = fake.fault(self.command, path)
                if not fake.authorized(self.headers):
                    status, answer = 401, {"id": "unauthorized", "message": "Unable to authenticate you"}
                elif fault and fault.kind == "status":
                    status, answer = fault.status, {"message": fault.message}
                else:
                    status, answer = fake.answer(self.command, path, body)
            if fault and fault.kind == "lost":
                self.close_connection = True
                self.connection.close()
                return
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
