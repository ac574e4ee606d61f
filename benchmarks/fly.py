"""The figure of Fly's rollouts.

rolling12   rolling deploy of 12 machines, one at a time, each ready 1 s after its start, against 12 times what one machine takes
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.edge_app import App, Edge, until
from tests.support import Instance, run

MACHINES = 12
Row = tuple[str, float, float]


def rolling12(bench: Instance) -> list[Row]:
    """One deploy of 12 machines. What one takes is measured with plain calls: from its update until its check passes."""
    run("ansible-playbook", "playbooks/local_cloud.yml", OPSMAP_INSTANCE=bench.purpose)
    edge = Edge(bench)
    edge.control("POST", "/reset")
    with tempfile.TemporaryDirectory() as folder:
        app = App(edge, "rolling", edge.image(Path(folder)))
        book = Path(folder) / "deploy.yml"
        single = [alone(app, str(number)) for number in range(5)]
        release(bench, app, book, version=1, strategy="immediate")
        until(lambda: all(passing(app, machine["id"]) for machine in edge.call("GET", f"{app.path}/machines")), 60)
        took = release(bench, app, book, version=2)
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


def release(bench: Instance, app: App, book: Path, version: int, **more: Any) -> float:
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
    place = {"api_url": f"http://127.0.0.1:{bench.port + 1}", "api_token": bench.token("fly"), "poll_interval": 0.1}
    task = {"opsmap.cloud.fly_machines": {**options, **place, "config": stated, **more}}
    book.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    book.chmod(0o600)
    start = time.monotonic()
    run("ansible-playbook", "--inventory", "localhost,", str(book))
    return time.monotonic() - start
