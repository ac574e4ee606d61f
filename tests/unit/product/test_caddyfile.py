"""The Caddyfile of the front door, run by the real Caddy."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest

ROOT = Path(__file__).parents[3]
CADDY = Path(sys.executable).parent / "caddy"
VARIABLES: dict[str, Any] = {
    "port": 3000,
    "email_port": 8002,
    "app_host": "app.example.test",
    "engine_host": "engine.example.test",
    "agents_host": "127.0.0.1",
    "agents_port": 8080,
    "triggersvc_host": "127.0.0.4",
    "triggersvc_port": 8002,
    "api_upstream": "localhost:8000",
    "site_root": "/srv/site",
    "agent_services": {"preview": "127.0.0.2"},
    "trusted_proxies": ["127.0.0.0/8", "fdaa::/16"],
    "upload_limit": "25MB",
}


def render(**changes: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    values = {f"caddy_config_{name}": value for name, value in (VARIABLES | changes).items()}
    return environment.from_string((ROOT / "templates" / "Caddyfile.j2").read_text()).render(values)


def caddy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CADDY, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("changes", [{}, {"agent_services": {}}, {"app_host": "app.supercog.localhost"}])
def test_it_is_valid_and_formatted(tmp_path: Path, changes: dict[str, Any]) -> None:
    file = tmp_path / "Caddyfile"
    file.write_text(render(**changes))
    checked = caddy("validate", "--adapter", "caddyfile", "--config", str(file))
    assert checked.returncode == 0, checked.stderr
    assert caddy("fmt", str(file)).stdout == file.read_text()


@dataclass
class Door:
    port: int
    email_port: int
    log: Path
    seen: list[dict[str, str]]

    def get(self, host: str, path: str, email: bool = False, method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.email_port if email else self.port, timeout=10)
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers={"Host": host} | headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def upstream(address: str, port: int, seen: list[dict[str, str]]) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append({"at": address, **{name.lower(): value for name, value in self.headers.items()}})
            self.send_response(200)
            self.send_header("Set-Cookie", "session=hunter2")
            self.send_header("Content-Length", str(len(address)))
            self.end_headers()
            self.wfile.write(address.encode())

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port() -> int:
    with socket.create_server(("", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("caddy")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("front end")
    (folder / "assets" / "app.js").write_text("script")
    seen: list[dict[str, str]] = []
    made = Door(free_port(), free_port(), folder / "log", seen)
    services = free_port()
    servers = [upstream(f"127.0.0.{number}", services, seen) for number in (1, 2, 3, 4)]
    file = folder / "Caddyfile"
    ports = {"agents_port": services, "triggersvc_port": services, "api_upstream": f"127.0.0.3:{services}"}
    file.write_text(render(port=made.port, email_port=made.email_port, site_root=str(folder), **ports))
    with made.log.open("wb") as log:
        command = [CADDY, "run", "--adapter", "caddyfile", "--config", file]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(100):
            if socket.socket().connect_ex(("127.0.0.1", made.email_port)) == 0:
                break
            time.sleep(0.05)
        yield made
        process.terminate()
        process.wait(15)
    for server in servers:
        server.shutdown()
        server.server_close()


APP, ENGINE = VARIABLES["app_host"], VARIABLES["engine_host"]


@pytest.mark.parametrize(
    ("host", "path", "status", "body"),
    [
        (APP, "/", 200, "front end"),
        (APP, "/sconnections", 200, "front end"),
        (APP, "/assets/app.js", 200, "script"),
        (APP, "/assets/none.js", 404, ""),
        (APP, "/api/me", 200, "127.0.0.3"),
        (APP, "/email_handler", 200, "front end"),
        (ENGINE, "/anything", 200, "127.0.0.1"),
        (ENGINE, "/api/me", 200, "127.0.0.1"),
        (APP, "/up", 200, "ok"),
        ("172.16.0.2:3000", "/up", 200, "ok"),
        ("other.example.test", "/", 404, ""),
        ("other.example.test", "/api/me", 404, ""),
    ],
)
def test_each_host_and_path_has_its_place(door: Door, host: str, path: str, status: int, body: str) -> None:
    assert door.get(host, path) == (status, body)


@pytest.mark.parametrize(
    ("cookie", "place"),
    [
        ("preview", "127.0.0.2"),
        ("127.0.0.3", "127.0.0.1"),
        ("preview2", "127.0.0.1"),
        ("xpreview", "127.0.0.1"),
        ("{env.HOME}", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_cookie_is_looked_up_and_never_used(door: Door, cookie: str, place: str) -> None:
    assert door.get(ENGINE, "/login/salesforce/authorized", Cookie=f"agent_service={cookie}") == (200, place)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/email_handler", 200), ("GET", "/email_handler", 404), ("POST", "/", 404), ("GET", "/health", 404)],
)
def test_the_email_port_has_one_route(door: Door, method: str, path: str, status: int) -> None:
    assert door.get(APP, path, email=True, method=method)[0] == status


def test_email_may_come_over_https_too(door: Door) -> None:
    assert door.get(APP, "/email_handler", method="POST") == (200, "127.0.0.4")


def test_the_client_address_is_the_one_that_the_platform_tells(door: Door) -> None:
    headers = {"Fly-Client-IP": "203.0.113.7", "X-Client-Ip": "198.51.100.1"}
    door.get(APP, "/api/me", **headers)
    assert door.seen[-1]["x-client-ip"] == "203.0.113.7"


def test_the_log_is_json_without_secrets(door: Door) -> None:
    secrets = {"Authorization": "Bearer hunter2", "Cookie": "session=hunter2", "Referer": "https://x/?code=hunter2"}
    door.get(ENGINE, "/login/x?code=hunter2&token=hunter2&access_token=hunter2&marker=here", **secrets)
    for _ in range(100):
        if "marker=here" in door.log.read_text():
            break
        time.sleep(0.05)
    text = door.log.read_text()
    assert "hunter2" not in text
    entry = next(json.loads(line) for line in text.splitlines() if "marker=here" in line)
    assert entry["request"]["uri"].count("REDACTED") == 3
    assert '"uri":"/up"' not in text


def test_the_error_log_has_no_secrets_either(tmp_path: Path) -> None:
    file, log, port = tmp_path / "Caddyfile", tmp_path / "log", free_port()
    text = render(port=port, email_port=free_port(), api_upstream=f"127.0.0.1:{free_port()}")
    file.write_text(text)
    with log.open("wb") as output:
        command = [CADDY, "run", "--adapter", "caddyfile", "--config", file]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            for _ in range(100):
                if socket.socket().connect_ex(("127.0.0.1", port)) == 0:
                    break
                time.sleep(0.05)
            broken = Door(port, 0, log, [])
            assert broken.get(APP, "/api/x?code=hunter2", Cookie="session=hunter2")[0] == 502
        finally:
            process.terminate()
            process.wait(15)
    assert "connection refused" in log.read_text()
    assert "hunter2" not in log.read_text()
