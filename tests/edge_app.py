"""A small web server as an image, apps that run it, and clients of the proxy. Plain HTTP and sockets, not our client."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.support import ROOT, Instance, run

# One process per connection. On SIGINT it closes the listening sockets, finishes what it has accepted, and ends.
# Upgrade: echo gives lines back, /slow?2 takes 2 s, /reset breaks off, /replay?X asks the proxy for X; anything else
# shows machine, body length and head.
SERVER = r"""
use IO::Socket::INET; use IO::Select; use POSIX ":sys_wait_h";
$| = 1; my $open = 1; my $id = $ENV{FLY_MACHINE_ID}; my $version = $ENV{VERSION} || "";
$SIG{INT} = $SIG{TERM} = sub { $open = 0 }; $SIG{PIPE} = "IGNORE"; $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 };
sleep($ENV{BOOT}) if $ENV{BOOT};
my @all = map { IO::Socket::INET->new(Listen => 256, LocalPort => $_, ReuseAddr => 1) or die "port $_: $!" } (8080, 9000);
my $select = IO::Select->new(@all);
while ($open) {
    for my $ready ($select->can_read(0.1)) {
        my $client = $ready->accept or next;
        my $pid = fork; if ($pid) { close $client; next }
        close $_ for @all; $SIG{INT} = $SIG{TERM} = "IGNORE"; $client->autoflush(1);
        my $port = $client->sockport;
        if ($port == 9000) { while (my $line = <$client>) { print $client "$id $line" } exit 0 }
        my $head = ""; my $length = 0;
        while (my $line = <$client>) {
            last if $line =~ /^\r?\n$/;
            $length = $1 if $line =~ /^content-length: *(\d+)/i; $head .= $line;
        }
        my $body = ""; read($client, $body, $length) if $length;
        exit 0 if $head =~ m{ /reset};
        if ($head =~ /^upgrade: echo/im) {
            print $client "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
            while (my $line = <$client>) { print $client "$id $line" } exit 0;
        }
        my $more = $head =~ m{ /replay\?(\S+)} && $head !~ /^fly-replay-src:/im ? "fly-replay: $1\r\n" : "";
        select(undef, undef, undef, $1) if $head =~ m{ /slow\?([\d.]+)};
        my $text = "machine=$id version=$version body=" . length($body) . "\n$head" . ("z" x 2000);
        my $says = -e "/tmp/sick" ? "500 Sick" : "200 OK";
        print $client "HTTP/1.1 $says\r\n${more}Server: small\r\nContent-Type: text/plain\r\nX-Small: yes\r\n"
            . "Content-Length: " . length($text) . "\r\nConnection: close\r\n\r\n$text";
        exit 0;
    }
}
close $_ for @all; 1 while wait() != -1; exit 0;
"""
H2C = "{\n\tadmin off\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\n:8080 {\n\trespond {http.request.proto}\n}\n"


class Edge:
    """An instance: its APIs and its front doors."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.trust = ssl.create_default_context(cafile=str(instance.folder / "ca.crt"))
        headers = {"Authorization": f"Bearer {instance.token('fly')}"}
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{instance.port + 1}/v1", headers=headers, timeout=90)

    def call(self, method: str, path: str, body: Any = None, expect: int = 200, **query: Any) -> Any:
        """Decoded JSON of a call whose status must be as expected."""
        answer = self.api.request(method, path, json=body, params=query or None)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json() if answer.text else None

    def error(self, method: str, path: str, body: Any = None, expect: int = 400, **query: Any) -> str:
        """The text of a refusal."""
        return str(self.call(method, path, body, expect, **query)["error"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control API."""
        return self.instance.call(0, method, path, "control", body)

    def client(self, **options: Any) -> httpx.Client:
        """Trusts the instance's authority."""
        return httpx.Client(verify=self.trust, timeout=60, **options)

    def url(self, outside: int = 443) -> str:
        """Address of a public port."""
        offset = {443: 5, 80: 6, 8002: 7}[outside]
        return f"{'https' if outside == 443 else 'http'}://127.0.0.1:{self.instance.port + offset}"

    def get(
        self,
        host: str,
        path: str = "/",
        outside: int = 443,
        client: httpx.Client | None = None,
        method: str = "GET",
        **more: Any,
    ) -> httpx.Response:
        """One request by name, as a visitor makes it."""
        headers = {"Host": host, **more.pop("headers", {})}
        with contextlib.ExitStack() as stack:
            used = client or stack.enter_context(self.client())
            extensions = {"sni_hostname": host}
            return used.request(method, self.url(outside) + path, headers=headers, extensions=extensions, **more)

    def connect(self, outside: int) -> socket.socket:
        """A bare connection to a public port."""
        return socket.create_connection(
            ("127.0.0.1", self.instance.port + {443: 5, 80: 6, 8002: 7}[outside]), timeout=20
        )

    def image(self, folder: Path) -> str:
        """Build and push the server's image; its reference as machines name it."""
        self.call("POST", "/apps", {"name": "edge-image", "org_slug": "personal"}, 201)
        base = (ROOT / ".cache" / "base-image").read_text().strip()
        (folder / "server.pl").write_text(SERVER)
        (folder / "Caddyfile").write_text(H2C)
        (folder / "style.css").write_text("body { color: teal }\n")
        (folder / "index.html").write_text("<p>index</p>\n")
        shutil.copy(ROOT / ".venv" / "bin" / "caddy", folder / "caddy")
        (folder / "Dockerfile").write_text(
            f"FROM {base}\nCOPY server.pl Caddyfile caddy /\nCOPY style.css index.html /public/\n"
            'CMD ["perl", "/server.pl"]\n'
        )
        registry = f"localhost:{self.instance.port + 4}"
        run("docker", "build", "--quiet", "--tag", f"{registry}/edge-image:1", str(folder))
        login = {"auths": {registry: {"username": "x", "password": self.instance.token("fly")}}}
        (folder / "docker").mkdir()
        (folder / "docker" / "config.json").write_text(json.dumps(login))
        run("docker", "--config", str(folder / "docker"), "push", "--quiet", f"{registry}/edge-image:1")
        return "registry.fly.io/edge-image:1"


class App:
    """One app that runs the server."""

    def __init__(self, edge: Edge, name: str, image: str, *addresses: str) -> None:
        self.edge, self.name, self.image = edge, name, image
        self.path, self.host = f"/apps/{name}", f"{name}.fly.localhost"
        edge.call("POST", "/apps", {"name": name, "org_slug": "personal"}, 201)
        for kind in addresses:
            edge.call("POST", f"{self.path}/ip_assignments", {"type": kind})

    def config(self, service: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A config with one service."""
        return {"image": self.image, "services": [web(**(service or {}))], **more}

    def create(self, config: dict[str, Any] | None = None, until: str = "started", **body: Any) -> str:
        """A machine's id, when it is in a state."""
        made = self.edge.call("POST", f"{self.path}/machines", {"config": config or self.config(), **body})
        if until:
            self.wait(made["id"], until)
        return str(made["id"])

    def state(self, machine: str) -> str:
        answer = self.edge.api.get(f"{self.path}/machines/{machine}")
        return str(answer.json().get("state", "")) if answer.status_code == 200 else ""

    def wait(self, machine: str, *states: str, seconds: float = 40) -> None:
        until(lambda: self.state(machine) in states, seconds)

    def act(self, machine: str, verb: str, body: Any = None, expect: int = 200) -> Any:
        return self.edge.call("POST", f"{self.path}/machines/{machine}/{verb}", body, expect)

    def update(self, machine: str, config: dict[str, Any], **body: Any) -> None:
        """Put in place, and wait until it runs."""
        self.edge.call("POST", f"{self.path}/machines/{machine}", {"config": config, **body})
        self.wait(machine, "started")

    def execute(self, machine: str, *command: str) -> str:
        done = self.act(machine, "exec", {"command": list(command)})
        assert done["exit_code"] == 0, done
        return str(done["stdout"])

    def destroy(self, machine: str) -> None:
        self.edge.call("DELETE", f"{self.path}/machines/{machine}", force="true")

    def get(self, path: str = "/", **more: Any) -> httpx.Response:
        return self.edge.get(self.host, path, **more)

    def remove(self) -> None:
        self.edge.call("DELETE", self.path, expect=202, force="true")


def web(**more: Any) -> dict[str, Any]:
    """A service as most have it: HTTP and HTTPS on 8080."""
    ports = [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["tls", "http"]}]
    return {"protocol": "tcp", "internal_port": 8080, "ports": ports, **more}


def machine_of(answer: httpx.Response) -> str:
    """Which machine answered."""
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
    return answer.text.split("machine=")[1].split()[0]


def header_of(answer: httpx.Response, name: str) -> str:
    """A header as the machine saw it."""
    for line in answer.text.splitlines():
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What ``look`` finds, as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def names(prefix: str) -> Iterator[str]:
    """Names that were not used before."""
    return (f"{prefix}-{number}" for number in range(1, 1000))
