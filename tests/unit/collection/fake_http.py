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

Answer = tuple[int, Any]
Route = tuple[str, str, Callable[..., Answer]]


@dataclass
class Fault:
    """What happens to the next ``count`` matching requests: ``lost`` has the effect but no answer."""

    method: str
    path: str
    kind: str
    status: int = 503
    count: int = 1


@dataclass
class Fake:
    """Base of the fake APIs. ``seen`` is the journal: (method, path without query, body)."""

    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def authorized(self, headers: Any) -> bool:
        raise NotImplementedError

    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.seen if method != "GET"]

    def fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.count and fault.method == method and re.search(fault.path, path):
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
                fake.seen.append((self.command, path, body))
                fault = fake.fault(self.command, path)
                if not fake.authorized(self.headers):
                    status, answer = 401, {"id": "unauthorized", "message": "Unable to authenticate you"}
                elif fault and fault.kind == "status":
                    status, answer = fault.status, {"message": "fault"}
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

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

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
