"""The dashboard's container: real Caddy, real supervisor, real uvicorn; a small application in the place of the product's.

It runs with nothing but /tmp to write to, without capabilities, as its user.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.images import FOLDER, build
from tests.support import ROOT, run

PORT, SLOW = 3000, 0.3
APP = f"""
import asyncio
import fastapi

app = fastapi.FastAPI()


@app.get("/api/health")
async def health() -> str:
    return "ok"


@app.get("/api/slow")
async def slow() -> str:
    await asyncio.sleep({SLOW})
    return "done"
"""
CADDYFILE = f"""{{
	admin off
	auto_https off
	persist_config off
	grace_period 10s
}}

http://:{PORT} {{
	handle /up {{
		respond "ok"
	}}
	handle /api/* {{
		reverse_proxy localhost:8000
	}}
	handle {{
		root /srv/site
		file_server
	}}
}}
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    product = ROOT / "examples" / "supercog"
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    built = build(
        repository="opsmap-test-dashboard",
        push=False,
        source=str(product / "dashboard"),
        contexts={"shared": str(product / "shared")},
        files={"caddy": str(FOLDER / "caddy")},
        build_secrets={"ca": str(authorities) if authorities.is_file() else ""},
        labels={"test": "images"},
    )
    yield built.name
    run("docker", "rmi", "--force", built.name)


@dataclass
class Container:
    """The container under test, reached at its own address."""

    name: str
    address: str

    def get(self, path: str, timeout: float = 10) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def process(self, part: str) -> int:
        """Id on this machine of the process whose command holds this."""
        listed = run("docker", "top", self.name, "-eo", "pid,args").stdout.splitlines()[1:]
        return next(int(line.split()[0]) for line in listed if part in line)

    def ended(self) -> int:
        return int(run("docker", "wait", self.name, timeout=30).stdout)

    def log(self) -> str:
        done = run("docker", "logs", self.name)
        return done.stdout + done.stderr


@pytest.fixture
def container(image: str, tmp_path: Path) -> Iterator[Container]:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "Caddyfile").write_text(CADDYFILE)
    options = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--volume", f"{tmp_path}/app.py:/code/supercog_dashboard/app.py:ro"]
    options += ["--volume", f"{tmp_path}/Caddyfile:/etc/caddy/Caddyfile:ro"]
    tmp_path.chmod(0o755)
    name = run("docker", "run", "--detach", *options, image).stdout.strip()
    try:
        described = json.loads(run("docker", "inspect", name).stdout)[0]
        made = Container(name, described["NetworkSettings"]["IPAddress"])
        wait_for(made)
        yield made
    finally:
        run("docker", "rm", "--force", name)


def wait_for(container: Container) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if container.get("/api/health")[0] == 200:
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError(container.log())


def test_front_end_and_api_answer(container: Container) -> None:
    assert container.get("/up") == (200, "ok")
    assert "<html" in container.get("/")[1]
    assert container.get("/api/slow") == (200, '"done"')
    probe = ["python", "-m", "supercog_shared.probe", f"http://127.0.0.1:{PORT}/up", "http://127.0.0.1:8000/api/health"]
    run("docker", "exec", container.name, *probe)
    gone = run("docker", "exec", container.name, *probe[:3], "http://127.0.0.1:8000/nothing", check=False)
    assert (gone.returncode, gone.stderr.strip()) == (1, "probe: http://127.0.0.1:8000/nothing: Not Found")


class Load:
    """Clients that ask again and again, each request on a connection of its own."""

    def __init__(self, container: Container, clients: int = 8) -> None:
        self.container, self.seen, self.over = container, Counter[str](), threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        while not self.over.is_set():
            self.seen[self._once()] += 1

    def _once(self) -> str:
        connection = http.client.HTTPConnection(self.container.address, PORT, timeout=10)
        try:
            connection.connect()
        except OSError:  # nothing was sent: a proxy would take another machine
            time.sleep(0.05)
            return "refused"
        try:
            connection.request("GET", "/api/slow")
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"dropped: {error!r}"
        finally:
            connection.close()
        return "answered" if (status, body) == (200, b'"done"') else f"dropped: {status} {body!r}"

    def end(self) -> Counter[str]:
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        return self.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_under_load_it_answers_what_it_has(container: Container, number: signal.Signals) -> None:
    load = Load(container)
    time.sleep(2)
    begun = time.monotonic()
    run("docker", "kill", "--signal", number.name, container.name)
    assert container.ended() == 0, container.log()
    took = time.monotonic() - begun
    seen = load.end()
    assert seen["answered"] >= 8
    assert [what for what in seen if what.startswith("dropped")] == [], seen
    assert SLOW / 2 < took < 8, "it waited for the requests that it had, and for nothing else"


@pytest.mark.parametrize("process", ["caddy run", "supercog_shared.serve"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_one_process_ends_the_container_fails(container: Container, process: str, number: int) -> None:
    """Also a process that ends well by itself was not asked for."""
    os.kill(container.process(process), number)
    assert container.ended() == 1
    assert "start: " in container.log()


def test_a_caddyfile_for_another_port_is_refused(image: str, tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(CADDYFILE.replace(f":{PORT} ", ":4000 "))
    tmp_path.chmod(0o755)
    mount = f"{tmp_path}/Caddyfile:/etc/caddy/Caddyfile:ro"
    done = run("docker", "run", "--rm", "--volume", mount, image, check=False)
    assert done.returncode == 1
    assert f"no site on port {PORT}" in done.stderr
