#!/usr/bin/env python3
"""A deploy while visitors come: tests/load/deploy_under_load.py --strategy canary [--fail crash --at 2].

Deploys version 2 of a small server over version 1 with opsmap.cloud.fly_machines, on a local cloud of its own, while requests
go through the proxy: HTTP/1.1 and HTTP/2, connections kept and fresh. Prints last ``strategy=S requests=N failed=N versions=N``;
exits 0 only if no request failed and one version runs: 2, or 1 where the deploy was made to fail.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from tests.edge_app import App, Edge, until
from tests.edge_load import Load
from tests.support import ROOT, Instance, run

STRATEGIES = ("rolling", "canary", "bluegreen", "immediate")
FAILURES = ("image", "crash", "check", "command", "timeout", "capacity", "interrupt")
# Asks how many machines booted before it; from the k-th on it does what it was told to, instead of serving.
BOOT = r"""
use IO::Socket::INET;
my $s = IO::Socket::INET->new(PeerAddr => $ENV{BOOTS}, Timeout => 10) or die "counter: $!";
my $n = <$s>; my $bad = $n >= $ENV{BAD_FROM};
exit 1 if $bad && $ENV{BAD} eq "crash";
if ($bad && $ENV{BAD} eq "check") { open my $f, ">", "/tmp/sick"; close $f }
if ($bad && $ENV{BAD} eq "timeout") { $SIG{INT} = sub { exit 0 }; sleep 1 while 1 }
exec "perl", "/server.pl";
"""
CHECK = {"type": "http", "port": 8080, "path": "/", "interval": "1s", "timeout": "2s", "grace_period": "1s"}


class Boots:
    """Counts the machines that boot. It listens on the private network's own address of this machine."""

    def __init__(self, instance: Instance) -> None:
        shown = run("docker", "network", "inspect", f"opsmap-{instance.name}-6pn").stdout
        networks = json.loads(shown)[0]["IPAM"]["Config"]
        address = next(item["Gateway"] for item in networks if "." in item.get("Gateway", ""))
        self.count = 0
        lock, outer = threading.Lock(), self

        class Answer(StreamRequestHandler):
            def handle(self) -> None:
                with lock:
                    outer.count += 1
                    self.wfile.write(f"{outer.count}\n".encode())

        self.server = ThreadingTCPServer((address, 0), Answer)
        self.server.daemon_threads = True
        self.where = f"{address}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def task(app: App, given: argparse.Namespace, version: int, boots: Boots) -> dict[str, Any]:
    """The release of a version, as a playbook has it."""
    broken = given.fail if version == 2 else ""
    env = {"VERSION": version, "BOOTS": boots.where, "BAD": broken or "none", "BAD_FROM": given.at}
    made = {
        "app": app.name,
        "image": "registry.fly.io/edge-image:none" if broken == "image" else app.image,
        "count": {"ewr": given.machines},
        "strategy": given.strategy if version == 2 else "immediate",
        "max_unavailable": 1,
        "smoke_seconds": 1,
        "drain_seconds": 1,
        "wait_timeout": 15 if broken else 120,
        "poll_interval": 0.2,
        "config": {
            "env": env,
            "size": "shared-cpu-1x",  # comes back with a guest beside it, which the server refuses to be sent
            "init": {"exec": ["perl", "-e", BOOT]} if version == 2 else {},
            "services": [app.config({"checks": [CHECK]})["services"][0]],
        },
    }
    return {**made, "release_command": {"command": ["false"]}} if broken == "command" else made


def deploy(app: App, release: dict[str, Any], folder: Path) -> subprocess.Popen[str]:
    """ansible-playbook with one task."""
    book = folder / "deploy.yml"
    play = {"hosts": "localhost", "connection": "local", "tasks": [{"opsmap.cloud.fly_machines": release}]}
    book.write_text(json.dumps([{**play, "gather_facts": False}]))
    edge = app.edge.instance
    env = {
        **os.environ,
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "OPSMAP_FLY_API_URL": f"http://127.0.0.1:{edge.port + 1}",
        "FLY_API_TOKEN": edge.token("fly"),
    }
    command = ["ansible-playbook", "--inventory", "localhost,", str(book)]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def set_fault(app: App, given: argparse.Namespace) -> None:
    """No room: the k-th update is refused, and so is every machine more than k - 1 new ones."""
    if given.fail != "capacity":
        return
    reason = "aborted: could not reserve resource for machine: insufficient memory available to fulfill request"
    fault = {
        "kind": "status",
        "service": "fly",
        "method": "POST",
        "path": f"{app.name}/machines/[0-9a-f]+$",
        "status": 409,
    }
    body = {"error": reason, "status": "insufficient_capacity"}
    if given.strategy in ("rolling", "immediate"):
        app.edge.control("POST", "/faults", {**fault, "body": body, "skip": given.at - 1, "count": 1})
        app.edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": given.machines})
    else:
        app.edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": given.machines + given.at - 1})


def machines(app: App) -> list[dict[str, Any]]:
    """What is not destroyed."""
    return [m for m in app.edge.call("GET", f"{app.path}/machines") if m["state"] not in ("destroyed", "destroying")]


def settled(app: App, wanted: int) -> bool:
    """Whether all that should run does, and nothing else is there."""
    found = machines(app)
    return len(found) == wanted and {m["state"] for m in found} == {"started"}


def measure(app: App, given: argparse.Namespace, boots: Boots, folder: Path) -> tuple[Load, set[str], int, str]:
    """Deploy version 2 under load: the load, the versions that run afterwards, exit code and output of the deploy."""
    first = deploy(app, task(app, given, 1, boots), folder)
    output = first.communicate(timeout=300)[0]
    assert first.returncode == 0, output
    set_fault(app, given)
    with Load(app, given.requests) as load:
        second = deploy(app, task(app, given, 2, boots), folder)
        if given.fail == "interrupt":
            until(lambda: boots.count >= given.at or second.poll() is not None, 120)
            second.send_signal(signal.SIGINT)
        output = second.communicate(timeout=600)[0]
        until(lambda: settled(app, given.machines), 60)
    versions = {str(m["config"]["env"]["VERSION"]) for m in machines(app)}
    return load, versions, second.returncode, output


def reached(given: argparse.Namespace, boots: Boots, output: str) -> bool:
    """Whether the deploy failed at what was broken, and not before."""
    if given.fail in ("crash", "check", "timeout", "interrupt"):
        return boots.count >= given.at
    return {"capacity": "insufficient", "command": "release command", "image": "it did not start"}[given.fail] in output


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--strategy", choices=STRATEGIES, default="rolling")
    parser.add_argument("--fail", choices=FAILURES, default="", help="how version 2 is broken")
    parser.add_argument("--at", type=int, default=1, help="from which machine on, counted from 1")
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--requests", type=int, default=10_000, help="at least so many")
    parser.add_argument("--instance", default="load", help="purpose of the local cloud")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    instance = Instance(given.instance)
    instance.playbook("playbooks/local_cloud.yml")
    edge = Edge(instance)
    edge.control("POST", "/reset")
    with tempfile.TemporaryDirectory() as folder:
        app = App(edge, f"load-{int(time.time())}", edge.image(Path(folder)), "shared_v4", "v6")
        boots = Boots(instance)
        load, versions, code, output = measure(app, given, boots, Path(folder))
        edge.control("DELETE", "/faults")
        edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": None})
        app.remove()
    print("\n".join(line for line in output.splitlines() if line.strip())[-4000:])
    for problem in load.failed[:5]:
        print(f"failed request: {problem}")
    failed = code != 0 and bool(given.fail) and reached(given, boots, output)
    as_expected = versions == {"1"} if failed else versions == {"2"} and code == 0 and not given.fail
    print(f"strategy={given.strategy} requests={load.count} failed={len(load.failed)} versions={len(versions)}")
    return 0 if as_expected and not load.failed else 1


if __name__ == "__main__":
    raise SystemExit(main())
