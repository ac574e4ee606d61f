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
from dataclasses import dataclass
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
    """The release of a version, as a playbook has it. That of version 1 is the same whatever happens to version 2."""
    broken = given.fail if version == 2 else ""
    env = {"VERSION": version, "BOOTS": boots.where, "BAD": broken or "none", "BAD_FROM": given.at if broken else 0}
    made = {
        "app": app.name,
        "image": "registry.fly.io/edge-image:none" if broken == "image" else app.image,
        "count": {"ewr": given.machines},
        "strategy": given.strategy if version == 2 else "immediate",
        "max_unavailable": 1,
        "smoke_seconds": 1,
        "drain_seconds": 1,
        "wait_timeout": given.wait_timeout if broken else 120,
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
    """No room: the k-th update is refused, or the k-th new machine. Interrupted at once: the k-th update has no answer yet."""
    reason = "aborted: could not reserve resource for machine: insufficient memory available to fulfill request"
    full = {"kind": "status", "status": 409, "body": {"error": reason, "status": "insufficient_capacity"}}
    updates = {"service": "fly", "method": "POST", "path": f"/{app.name}/machines/[0-9a-f]+$"}
    creations = {**updates, "path": f"/{app.name}/machines$"}
    if given.fail == "interrupt" and given.strategy == "immediate":
        left = given.machines - given.at + 1
        app.edge.control(
            "POST", "/faults", {**updates, "kind": "delay", "seconds": 6, "skip": given.at - 1, "count": left}
        )
    if given.fail != "capacity":
        return
    if given.strategy == "canary" and given.at > 1:  # the first machine is the canary, and it passes
        app.edge.control("POST", "/faults", {**updates, **full, "skip": given.at - 2})
        app.edge.control("POST", "/faults", {**creations, **full, "skip": 1, "count": -1})
    elif given.strategy in ("rolling", "immediate"):
        app.edge.control("POST", "/faults", {**updates, **full, "skip": given.at - 1})
        app.edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": given.machines})
    else:
        app.edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": given.machines + given.at - 1})


def clear_faults(edge: Edge) -> None:
    """As before set_fault."""
    edge.control("DELETE", "/faults")
    edge.control("POST", "/fly/capacity", {"region": "ewr", "machines": None})


def machines(app: App) -> list[dict[str, Any]]:
    """What is not destroyed."""
    return [m for m in app.edge.call("GET", f"{app.path}/machines") if m["state"] not in ("destroyed", "destroying")]


def settled(app: App, wanted: int, seconds: float = 60) -> bool:
    """Whether after a moment all that should run does, and nothing else is there."""
    end = time.monotonic() + seconds
    while True:
        found = machines(app)
        if len(found) == wanted and {m["state"] for m in found} == {"started"}:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.2)


def in_time(app: App, given: argparse.Namespace, boots: Boots) -> bool:
    """Whether the k-th machine is being changed: it boots, or its update was sent (immediate waits for no boot)."""
    if given.strategy != "immediate":
        return bool(boots.count >= given.at)
    leased = [m for m in app.edge.call("GET", f"{app.path}/machines", include_leases="true") if m.get("lease")]
    return bool(len(leased) == given.machines and boots.count >= given.at - 1)


@dataclass
class Outcome:
    """What became of a deploy. versions: those that run afterwards."""

    load: Load
    versions: set[str]
    settled: bool
    code: int
    output: str


def measure(app: App, given: argparse.Namespace, boots: Boots, folder: Path) -> Outcome:
    """Deploy version 2 under load, over version 1 that runs."""
    boots.count = 0
    set_fault(app, given)
    with Load(app, given.requests) as load:
        second = deploy(app, task(app, given, 2, boots), folder)
        if given.fail == "interrupt":
            until(lambda: in_time(app, given, boots) or second.poll() is not None, 120)
            time.sleep(0.5 if given.strategy == "immediate" else 0)  # the updates follow the leases
            second.send_signal(signal.SIGINT)
        output = second.communicate(timeout=600)[0]
        calm = settled(app, given.machines)
    versions = {str(m["config"]["env"]["VERSION"]) for m in machines(app)}
    clear_faults(app.edge)
    return Outcome(load, versions, calm, second.returncode, output)


def serving(given: argparse.Namespace) -> bool:
    """Whether every request must be served: immediate takes all machines at once, so what does not come up is away until it is back."""
    return bool(given.strategy != "immediate" or given.fail not in ("image", "crash", "check", "timeout"))


def reached(given: argparse.Namespace, boots: Boots, output: str) -> bool:
    """Whether the deploy failed at what was broken, and not before."""
    if given.fail in ("crash", "check", "timeout"):
        return bool(boots.count >= given.at)
    says = {
        "capacity": "insufficient",
        "command": "release command",
        "image": "it did not start",
        "interrupt": "interrupted by SIGINT",
    }
    return says[given.fail] in output


def wrong(given: argparse.Namespace, boots: Boots, found: Outcome) -> str:
    """What is not as it should be after a deploy, or an empty string."""
    if not given.fail:
        problems = {"the deploy failed": found.code != 0, "version 2 does not run alone": found.versions != {"2"}}
    else:
        problems = {
            "the deploy did not fail": found.code == 0,
            "it failed for another reason": not reached(given, boots, found.output),
            "version 1 does not run alone": found.versions != {"1"},
        }
    problems["requests failed"] = bool(found.load.failed) and serving(given)
    problems["not all machines run, or others do"] = not found.settled
    return "; ".join(text for text, is_so in problems.items() if is_so)


def first(app: App, given: argparse.Namespace, boots: Boots, folder: Path) -> str:
    """Deploy version 1, and give what Ansible says."""
    run = deploy(app, task(app, given, 1, boots), folder)
    output = run.communicate(timeout=300)[0]
    assert run.returncode == 0, output
    return output


def options() -> argparse.ArgumentParser:
    """What single runs and the matrix share."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument(
        "--wait-timeout", type=float, default=15, help="patience of the deploy with what is broken, in seconds"
    )
    parser.add_argument("--instance", default="load", help="purpose of the local cloud")
    return parser


def arguments() -> argparse.Namespace:
    parser = options()
    parser.add_argument("--strategy", choices=STRATEGIES, default="rolling")
    parser.add_argument("--fail", choices=FAILURES, default="", help="how version 2 is broken")
    parser.add_argument(
        "--at", type=int, default=1, help="from which machine on, counted from 1; canary counts the canary"
    )
    parser.add_argument("--requests", type=int, default=10_000, help="at least so many")
    return parser.parse_args()


def prepared(instance: Instance) -> Edge:
    """An empty local cloud."""
    instance.playbook("playbooks/local_cloud.yml")
    edge = Edge(instance)
    edge.control("POST", "/reset")
    return edge


def main() -> int:
    given = arguments()
    edge = prepared(Instance(given.instance))
    with tempfile.TemporaryDirectory() as folder:
        app = App(edge, f"load-{int(time.time())}", edge.image(Path(folder)), "shared_v4", "v6")
        boots = Boots(edge.instance)
        first(app, given, boots, Path(folder))
        found = measure(app, given, boots, Path(folder))
        app.remove()
    print("\n".join(line for line in found.output.splitlines() if line.strip())[-4000:])
    for problem in found.load.failed[:5]:
        print(f"failed request: {problem}")
    if problem := wrong(given, boots, found):
        print(f"wrong: {problem}")
    versions = len(found.versions)
    print(f"strategy={given.strategy} requests={found.load.count} failed={len(found.load.failed)} versions={versions}")
    return 1 if wrong(given, boots, found) or found.load.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
