"""The front door as it is deployed: the rendered Caddyfile in the real Caddy, with listeners in the place of services."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.edge_docs import render, values
from tests.edge.world import World, until

CADDY = Path(sys.executable).parent / "caddy"
HERE = "127.0.0.1"
OUTSIDE = "203.0.113.50"  # an address that is nobody's proxy


class Service(http.server.ThreadingHTTPServer):
    """Tells who it is and what it got. /stream never ends; a websocket sends back what it gets; /status/N is that status."""

    daemon_threads = True
    allow_reuse_port = True
    request_queue_size = 128

    def __init__(self, name: str, address: str, port: int) -> None:
        self.name, self.seen, self.lines = name, list[dict[str, Any]](), set[socket.socket]()
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is no error here; what else went wrong is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.lines.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.lines.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """As if the machine were gone: connections that are open end too."""
        self.shutdown()
        self.server_close()
        for line in list(self.lines):
            with contextlib.suppress(OSError):  # it has just ended by itself
                line.shutdown(socket.SHUT_RDWR)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def handle_one(self) -> None:
        if self.headers.get("Upgrade"):
            return self._echo()
        if self.path.startswith("/api/stream") or self.path.startswith("/stream"):
            return self._stream()
        length = self._read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = {"method": self.command, "path": self.path, "headers": headers, "length": length}
        self.server.seen.append(seen)
        body = json.dumps({"by": self.server.name, **seen}).encode()
        self.send_response(int(self.path.split("/status/")[1]) if "/status/" in self.path else 200)
        self.send_header("Set-Cookie", "session=hunter2")
        self.send_header("Server", "planted")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return None

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_one

    def _read(self) -> int:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        total = 0
        while size := int(self.rfile.readline() or b"0", 16):
            total += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return total

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        ended = threading.Event()
        while not ended.wait(0.1):
            self.wfile.write(b"data: tick\n\n")

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.close_connection = True
        while data := self.connection.recv(4096):
            self.connection.sendall(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def by(self) -> str:
        """Which service answered, or what the door said itself."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(self.body)["by"])
        return self.body.decode(errors="replace")

    @property
    def got(self) -> dict[str, str]:
        """The headers that the service got."""
        return dict(json.loads(self.body)["headers"])


@dataclass
class Front:
    values: dict[str, Any]
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path
    world: World
    app: str = field(init=False)
    engine: str = field(init=False)

    def __post_init__(self) -> None:
        self.app, self.engine = self.values["caddy_config_app_host"], self.values["caddy_config_engine_host"]

    def port(self, name: str = "") -> int:
        """Of a site: the product's, email or metrics."""
        return int(self.values[f"caddy_config_{name}_port" if name else "caddy_config_port"])

    def connect(self, site: str = "", source: str = HERE, to: str = HERE) -> socket.socket:
        return socket.create_connection((to, self.port(site)), 20, source_address=(source, 0))

    def ask(
        self,
        host: str,
        path: str = "/",
        method: str = "GET",
        site: str = "",
        source: str = HERE,
        to: str = HERE,
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """One request on a connection of its own. Header names have _ for -."""
        connection = http.client.HTTPConnection(to, self.port(site), timeout=20, source_address=(source, 0))
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            with contextlib.suppress(ConnectionError):  # answered before all of the body was sent
                connection.request(method, path, body=body, headers={"Host": host} | named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def reload(self, **changes: Any) -> None:
        """Change variables, render, and have Caddy take it."""
        self.values |= {f"caddy_config_{name}": value for name, value in changes.items()}
        (self.folder / "Caddyfile").write_text(render(self.values))
        self.signal_reload()

    def signal_reload(self) -> None:
        """Done when Caddy says so."""
        said = "reloaded config from file"
        before = self.log.read_text().count(said)
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: self.log.read_text().count(said) > before)


@contextlib.contextmanager
def opened(world: World, folder: Path, **changes: Any) -> Iterator[Front]:
    """A running front door. The variables are those of the project, but for the changes and the folders."""
    site = folder / "site"
    (site / "assets").mkdir(parents=True, exist_ok=True)
    (site / "index.html").write_text("front end")
    (site / "assets" / "app.js").write_text("script")
    mine = {"site_root": str(site), "closed_root": str(folder / "closed")} | changes
    chosen = values("example.test") | {f"caddy_config_{name}": value for name, value in mine.items()}
    file, log = folder / "Caddyfile", folder / "log"
    file.write_text(render(chosen))
    with log.open("wb") as output:
        command = [CADDY, "run", "--adapter", "caddyfile", "--config", file]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        front = Front(chosen, folder, process, log, world)
        until(lambda: process.poll() is not None or socket.socket().connect_ex((HERE, front.port())) == 0)
        assert process.poll() is None, log.read_text()
        yield front
    finally:
        process.terminate()
        process.wait(20)
