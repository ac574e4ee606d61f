"""What the front door adds to FastAPI: the rendered Caddyfile in the real Caddy, and the product's own server behind it.

Asked by wrk where it is installed, else by a client of our own; one connection that is kept, one request after the other.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI

from scripts.edge_docs import ROOT, render, values

ROUNDS, SECONDS, REQUESTS = 5, 3, 1500
PATH = "/api/hello"
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
app = FastAPI()


@app.get(PATH)
async def hello() -> dict[str, str]:
    """The least that an API does."""
    return {"hello": "world"}


def free_ports(number: int) -> list[int]:
    """Ports that nobody has."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def started(port: int, log: Path, *command: str) -> Iterator[None]:
    """A process that listens."""
    paths = f"{ROOT}{os.pathsep}{ROOT / 'examples' / 'supercog' / 'shared'}"
    with log.open("wb") as output:
        environment = {**os.environ, "PYTHONPATH": paths}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", port)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} does not listen: {log.read_text()[-1000:]}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


def by_wrk(port: int, host: str) -> float:
    """Median in milliseconds, as wrk has it."""
    command = [
        "wrk",
        "-t1",
        "-c1",
        f"-d{SECONDS}s",
        "--latency",
        "-H",
        f"Host: {host}",
        f"http://127.0.0.1:{port}{PATH}",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"50%\s+([\d.]+)(us|ms|s)", said)
    if found is None or "Non-2xx" in said:
        raise SystemExit(f"wrk: {said}")
    return float(found[1]) * UNITS[found[2]]


def by_ourselves(port: int, host: str) -> float:
    """Median in milliseconds."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    took = []
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(REQUESTS):
            start = time.perf_counter()
            line.sendall(request)
            answer = line.recv(65536)
            while not answer.endswith(b'{"hello":"world"}'):
                more = line.recv(65536)
                if not more:
                    raise SystemExit(f"port {port} answers {answer[:200]!r}")
                answer += more
            took.append(time.perf_counter() - start)
    return statistics.median(took) * 1000


def overhead() -> list[tuple[str, float, float]]:
    """Medians of alternating rounds."""
    api, door, email, figures = free_ports(4)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Caddyfile"
        ports = {"port": door, "email_port": email, "metrics_port": figures, "api_upstream": f"127.0.0.1:{api}"}
        chosen = values() | {f"caddy_config_{name}": value for name, value in ports.items()}
        file.write_text(render(chosen))
        serve = (sys.executable, "-m", "supercog_shared.serve", "benchmarks.edge:app", "--host", "127.0.0.1")
        caddy = (str(Path(sys.executable).with_name("caddy")), "run", "--adapter", "caddyfile", "--config", str(file))
        wrk = shutil.which("wrk")
        median = by_wrk if wrk else by_ourselves
        host = str(chosen["caddy_config_app_host"])
        with (
            started(api, file.with_name("api.log"), *serve, "--port", str(api)),
            started(door, file.with_name("caddy.log"), *caddy),
        ):
            pairs = [(median(api, host), median(door, host)) for _ in range(ROUNDS)]
    direct, through = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"asked by {'wrk' if wrk else 'a Python client (wrk is not installed)'}, one connection, {ROUNDS} rounds")
    print(f"FastAPI, median          {direct:7.3f} ms")
    print(f"through Caddy, median    {through:7.3f} ms")
    return [("caddy_overhead_ms", through - direct, 1.0)]
