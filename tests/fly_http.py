"""Plain HTTP calls to the Machines API of an instance, and a small image to run there. Not our client."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.support import ROOT, Instance, run

# Answers 200 on its port, 500 while /tmp/sick is there, and ends cleanly when it is asked to.
SERVER = r"""
use IO::Socket::INET;
$| = 1;
$SIG{INT} = $SIG{TERM} = sub { exit 0 };
my $port = $ARGV[0] || 8080;
my $socket = IO::Socket::INET->new(Listen => 16, LocalPort => $port, ReuseAddr => 1) or die "port $port: $!";
while (my $client = $socket->accept) {
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    print $client (-e "/tmp/sick" ? "HTTP/1.0 500 Sick\r\n\r\nsick" : "HTTP/1.0 200 OK\r\n\r\nok");
    close $client;
}
"""


class Api:
    """Calls with one token. Every answer must carry a request id."""

    def __init__(self, instance: Instance, token: str) -> None:
        self.instance = instance
        self.token = token
        self.session = requests.Session()

    def call(
        self, method: str, path: str, body: Any = None, *, expect: int | None = 200, nonce: str = "", **query: Any
    ) -> Any:
        """Decoded JSON, or text where it is none; the status must be as expected, None for any."""
        answer = self.raw(method, path, body, nonce=nonce, **query)
        assert expect in (None, answer.status_code), f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        with contextlib.suppress(ValueError):
            return answer.json()
        return answer.text

    def raw(self, method: str, path: str, body: Any = None, *, nonce: str = "", **query: Any) -> requests.Response:
        """The whole answer."""
        headers = {"Authorization": f"Bearer {self.token}", **({"fly-machine-lease-nonce": nonce} if nonce else {})}
        data = body if isinstance(body, bytes) else None
        answer = self.session.request(
            method,
            f"http://127.0.0.1:{self.instance.port + 1}/v1{path}",
            json=None if data is not None else body,
            data=data,
            params=query,
            headers=headers,
            timeout=90,
        )
        assert answer.headers.get("fly-request-id", "").endswith("-ewr"), f"{method} {path} has no request id"
        return answer

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control API."""
        return self.instance.call(0, method, path, "control", body)


class App:
    """One app, and short ways to its machines."""

    def __init__(self, api: Api, name: str, image: str) -> None:
        self.api = api
        self.name = name
        self.path = f"/apps/{name}"
        self.image = image

    def config(self, *command: str, **more: Any) -> dict[str, Any]:
        """A config that runs the server, or another command."""
        init = {"init": {"exec": list(command)}} if command else {}
        return {"image": self.image, **init, **more}

    def create(self, config: dict[str, Any] | None = None, *, until: str = "started", **body: Any) -> dict[str, Any]:
        """A machine, in a state; ``seen`` is as soon as it is found, '' at once."""
        made = self.api.call("POST", f"{self.path}/machines", {"config": config or self.config(), **body})
        if until == "seen":
            eventually(lambda: "id" in self.one("GET", made["id"], expect=None))
        elif until:
            self.wait(made["id"], until, version=made["instance_id"])
        return dict(made)

    def one(self, method: str, machine: str, verb: str = "", body: Any = None, **more: Any) -> Any:
        """A call on a machine."""
        return self.api.call(method, f"{self.path}/machines/{machine}{verb and '/'}{verb}", body, **more)

    def get(self, machine: str) -> dict[str, Any]:
        return dict(self.one("GET", machine))

    def wait(self, machine: str, state: str, **query: Any) -> dict[str, Any]:
        """As a client would: a machine that was just made is not found for a moment."""
        return dict(eventually(lambda: self._wait(machine, state, query)))

    def _wait(self, machine: str, state: str, query: dict[str, Any]) -> Any:
        answer = self.api.raw("GET", f"{self.path}/machines/{machine}/wait", state=state, **query)
        if answer.status_code == 404 and "not found" in answer.text and state != "destroyed":
            return None
        assert answer.status_code == 200, f"wait {state}: {answer.status_code} {answer.text}, {self.get(machine)}"
        return answer.json()

    def run(self, machine: str, *command: str, **body: Any) -> str:
        """What a command inside prints."""
        done = self.one("POST", machine, "exec", {"command": list(command), **body})
        assert done["exit_code"] == 0, done
        return str(done["stdout"])

    def events(self, machine: str, kind: str) -> list[dict[str, Any]]:
        """Events of a kind, newest first."""
        found = self.one("GET", machine, "events", limit=50)
        return [event for event in found if event["type"] == kind]


def eventually(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What ``look`` finds, as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def make_image(instance: Instance, app: str, token: str, folder: Path) -> str:
    """Build the server's image, push it to the app's repository; its reference as machines name it."""
    base = (ROOT / ".cache" / "base-image").read_text().strip()
    (folder / "server.pl").write_text(SERVER)
    (folder / "Dockerfile").write_text(f'FROM {base}\nCOPY server.pl /server.pl\nCMD ["perl", "/server.pl"]\n')
    local = f"localhost:{instance.port + 4}/{app}:1"
    run("docker", "build", "--quiet", "--tag", local, str(folder))
    config = folder / "docker"
    config.mkdir()
    login = {"auths": {f"localhost:{instance.port + 4}": {"username": "x", "password": token}}}
    (config / "config.json").write_text(json.dumps(login))
    run("docker", "--config", str(config), "push", "--quiet", local)
    return f"registry.fly.io/{app}:1"
