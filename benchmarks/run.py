"""Figures of the README: python benchmarks/run.py [noop] [first] [rolling12]. Prints a table, then one line per figure.

noop       second converge of the local environment, against an empty ansible-playbook run with the same plays and hosts
first      first converge with the base image present; layers that the engine has in its cache count as present
rolling12  rolling deploy of 12 machines, one at a time, each ready 1 s after its start, against 12 times what one machine takes
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.edge_app import App, Edge, until
from tests.support import Instance, changed, run

BENCH = Instance("bench")
Row = tuple[str, float, float]
MACHINES = 12


def seconds(*command: str) -> float:
    """Wall time of a run."""
    start = time.monotonic()
    run(*command, OPSMAP_INSTANCE=BENCH.purpose)
    return time.monotonic() - start


def plays() -> int:
    """Number of plays of site.yml."""
    listed = run("ansible-playbook", "site.yml", "--list-tasks", OPSMAP_INSTANCE=BENCH.purpose).stdout
    return sum(line.strip().startswith("play #") for line in listed.splitlines())


def noop() -> list[Row]:
    """Medians of five runs each, alternating."""
    run("ansible-playbook", "site.yml", OPSMAP_INSTANCE=BENCH.purpose)
    count = plays()
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as empty:
        empty.write("- hosts: local\n  tasks: []\n" * count)
        empty.flush()
        pairs = [(seconds("ansible-playbook", empty.name), seconds("ansible-playbook", "site.yml")) for _ in range(5)]
    assert set(changed(run("ansible-playbook", "site.yml", OPSMAP_INSTANCE=BENCH.purpose).stdout).values()) == {0}
    bare, full = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"empty run with {count} plays   {bare:7.2f} s")
    print(f"second converge          {full:7.2f} s")
    return [("noop_ratio", full / bare, 3.0)]


def first() -> list[Row]:
    """Everything from an empty instance."""
    run("ansible-playbook", "playbooks/down.yml", "-e", "confirm=yes", OPSMAP_INSTANCE=BENCH.purpose)
    took = seconds("ansible-playbook", "site.yml")
    print(f"first converge           {took:7.2f} s")
    return [("first_seconds", took, 240.0)]


def rolling12() -> list[Row]:
    """One deploy of 12 machines. What one takes is measured with plain calls: from its update until its check passes."""
    run("ansible-playbook", "playbooks/local_cloud.yml", OPSMAP_INSTANCE=BENCH.purpose)
    edge = Edge(BENCH)
    edge.control("POST", "/reset")
    with tempfile.TemporaryDirectory() as folder:
        app = App(edge, "rolling", edge.image(Path(folder)))
        book = Path(folder) / "deploy.yml"
        single = [alone(app, str(number)) for number in range(5)]
        release(app, book, version=1, strategy="immediate")
        until(lambda: all(passing(app, machine["id"]) for machine in edge.call("GET", f"{app.path}/machines")), 60)
        took = release(app, book, version=2)
        app.remove()
    bound = MACHINES * statistics.median(single)
    print(f"one machine              {statistics.median(single):7.2f} s")
    print(f"rolling deploy of {MACHINES}     {took:7.2f} s")
    return [("rolling12_ratio", took / bound, 1.3)]


def config(app: App, version: object) -> dict[str, Any]:
    """A machine that answers 1 s after it was started."""
    check = {"type": "http", "port": 8080, "path": "/", "interval": "200ms", "timeout": "1s"}
    return app.config({"checks": [check]}, env={"BOOT": "1", "VERSION": str(version)})


def passing(app: App, machine: str) -> bool:
    """Whether its check has passed."""
    seen = app.edge.call("GET", f"{app.path}/machines/{machine}")
    return seen["state"] == "started" and {check["status"] for check in seen["checks"]} == {"passing"}


def alone(app: App, version: str) -> float:
    """Seconds from the update of one machine until it is ready."""
    machine = app.create(config(app, "0"))
    until(lambda: passing(app, machine))
    start = time.monotonic()
    app.edge.call("POST", f"{app.path}/machines/{machine}", {"config": config(app, version)})
    until(lambda: passing(app, machine))
    took = time.monotonic() - start
    app.destroy(machine)
    return took


def release(app: App, book: Path, version: int, **more: Any) -> float:
    """Wall time of a deploy of all machines."""
    options = {
        "app": app.name,
        "image": app.image,
        "count": {"ewr": MACHINES},
        "max_unavailable": 1,
        "smoke_seconds": 0,
    }
    stated = config(app, version)
    stated.pop("image")
    place = {"api_url": f"http://127.0.0.1:{BENCH.port + 1}", "api_token": BENCH.token("fly"), "poll_interval": 0.1}
    task = {"opsmap.cloud.fly_machines": {**options, **place, "config": stated, **more}}
    book.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    book.chmod(0o600)
    start = time.monotonic()
    run("ansible-playbook", "--inventory", "localhost,", str(book))
    return time.monotonic() - start


def main() -> int:
    """0 if every figure reaches its goal."""
    known = {"first": first, "noop": noop, "rolling12": rolling12}
    names = sys.argv[1:] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    rows = [row for name in names for row in known[name]()]
    run("ansible-playbook", "playbooks/down.yml", "-e", "confirm=yes", OPSMAP_INSTANCE=BENCH.purpose)
    for name, value, goal in rows:
        print(f"{name}={value:.2f} goal={goal:g} {'ok' if value <= goal else 'short'}")
    return 0 if all(value <= goal for _, value, goal in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
