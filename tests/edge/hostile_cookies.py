"""Hostile names of agents services against the real front door: python tests/edge/hostile_cookies.py

Each value is sent twice: to a door that takes the cookie as a name, and to one that has the dashboard check a signature.
All names exist and all addresses answer, so the door could go wherever a value wants it to. What it opens, and the names
that it asks for, are read from the network itself. The last line counts; the exit status is 0 if nothing leaked.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "supercog" / "shared"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "supercog" / "dashboard"))

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from supercog_dashboard import agents
from supercog_shared.tokens import sign

from tests.edge.front import HERE, Front, Service, opened
from tests.edge.hostile_values import VALUES
from tests.edge.world import World, entered, until

DEFAULT, PREVIEW, TRAP = "fdaa::1", "fdaa::3", "fdaa:bad::1"
NAME = "preview"
KEY = ec.generate_private_key(ec.SECP256R1())
WELL_KNOWN = {22, 25, 53, 80, 443, 2019, 2375, 3306, 5432, 6379, 8000, 8002, 8080, 9091, 11211}
REFUSED = {400, 431}
SIGNED = ["evil.example", "127.0.0.1:22", "[fdaa::3]:8080", "PREVIEW", "preview.internal", "{env.HOME}", "~.*"]


def forged() -> list[bytes]:
    """Signatures that prove nothing, and good ones of names that are not on the list."""
    good = sign(KEY, NAME, agents.AUDIENCE)
    head, claims, signature = good.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    tokens = [
        sign(ec.generate_private_key(ec.SECP256R1()), NAME, agents.AUDIENCE),
        sign(KEY, NAME, "engine"),
        sign(KEY, NAME, agents.AUDIENCE, now=1_000_000_000),
        sign(KEY, NAME, agents.AUDIENCE, now=4_000_000_000),
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{head}.{claims}.{signature[:-2]}AA",
        f"{head}.{claims}.{'A' * 86}",
        f"{head}.{claims}",
        f"{good}.{signature}",
        f"{good[:-1]}",
        f"x{good}",
        f"x; agent_service=x{good}",
        f"{NAME}.{signature}",
        *(sign(KEY, name, agents.AUDIENCE) for name in SIGNED),
    ]
    return [token.encode() for token in tokens]


def trap(port: int, seen: list[int]) -> socket.socket:
    """A listener on every address; it answers nothing and notes that somebody came."""
    server = socket.create_server(
        ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True, backlog=64
    )

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # closed at the end
                return
            seen.append(port)
            client.close()

    threading.Thread(target=accept, daemon=True).start()
    return server


@contextmanager
def checker(port: int) -> Iterator[None]:
    """The dashboard's own code, as Caddy asks it."""
    app = FastAPI()
    app.include_router(agents.router)
    app.state.settings = SimpleNamespace(dash_private_key=KEY, agent_services={NAME, *SIGNED}, agent_service="")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    listener = socket.create_server((HERE, port), reuse_port=True)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started)
    yield
    server.should_exit = True
    thread.join(10)
    listener.close()


def send(front: Front, value: bytes) -> tuple[int, bytes]:
    """Status and body of the first answer to a raw request with this cookie."""
    request = b"GET /login/salesforce/authorized?state=s&code=c HTTP/1.1\r\nHost: " + front.engine.encode()
    request += b"\r\nConnection: close\r\nX-Evil: evil.example:8080\r\nCookie: agent_service=" + value + b"\r\n\r\n"
    with front.connect() as line:
        line.settimeout(15)
        answer = b""
        try:
            line.sendall(request)
            while data := line.recv(65536):
                answer += data
        except ConnectionError:  # refused while it was still being sent
            pass
        except TimeoutError:
            return 0, b"no end of the answer"
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head.startswith(b"HTTP/") else 0, body


def leak(front: Front, world: World, value: bytes, seen: list[int]) -> str:
    """What went wrong with one value; empty if nothing did."""
    seen.clear()
    world.forget()
    status, body = send(front, value)
    world.settle()
    agents_port = front.values["caddy_config_agents_port"]
    own = {(HERE, front.port()), (HERE, front.values["caddy_config_api_upstream"].partition(":")[2])}
    allowed = {(address, int(port)) for address, port in own | {(DEFAULT, agents_port)}}
    names = {front.values["caddy_config_agents_host"]}
    strange = [f"connected to {place}" for place in world.connections if place not in allowed]
    strange += [f"asked for {name!r}" for name in world.asked if name not in names]
    strange += [f"came to port {port}" for port in seen]
    if not (status == 200 and b'"by": "agents"' in body) and status not in REFUSED:
        strange.append(f"was answered with {status} {body[:80]!r}")
    return "; ".join(strange)


def run(
    change: Callable[[Front], None] | None = None,
    said: Callable[[str], None] = print,
    values: list[bytes] | None = None,
) -> tuple[int, int]:
    """Number of values sent, and of those that leaked. `change` spoils the door, to see that leaks are seen."""
    sent = leaked = 0
    ports = WELL_KNOWN | {
        int(port) for value in VALUES for port in re.findall(rb":(\d{2,5})", value) if int(port) < 65536
    }
    with entered() as world, ExitStack() as stack:
        seen: list[int] = []
        world.place("strangers", TRAP)
        world.strangers = [TRAP]
        for port in sorted(ports):
            stack.enter_context(trap(port, seen))
        for path, extra in (("", []), (None, forged() if values is None else [])):
            chosen = {"agent_services": {NAME: "preview.internal"}} | ({"agent_check_path": path} if path == "" else {})
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with opened(world, Path(folder), **chosen) as front, checker(8000):
                services = place_services(world, front)
                positive(front, NAME if path == "" else sign(KEY, NAME, agents.AUDIENCE))
                if change:
                    change(front)
                for value in [*(values or VALUES), *extra]:
                    sent += 1
                    if problem := leak(front, world, value, seen):
                        leaked += 1
                        said(f"{'plain' if path == '' else 'signed'}: {value[:80]!r}: {problem}")
                for service in services:
                    service.end()
    return sent, leaked


def place_services(world: World, front: Front) -> list[Service]:
    """The default service, and the one that a browser may choose."""
    port = front.values["caddy_config_agents_port"]
    world.place(front.values["caddy_config_agents_host"], DEFAULT)
    world.place("preview.internal", PREVIEW)
    return [Service("agents", DEFAULT, port), Service("preview", PREVIEW, port)]


def positive(front: Front, value: str) -> None:
    """The door does let a browser choose what is on the list."""
    answer = front.ask(front.engine, Cookie=f"agent_service={value}")
    assert (answer.status, answer.by) == (200, "preview"), answer


if __name__ == "__main__":
    count, leaks = run()
    print(f"values={count} leaked={leaks}")
    raise SystemExit(1 if leaks else 0)
