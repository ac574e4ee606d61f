from __future__ import annotations

import json
import time
from typing import Any

APP = "supercog-volumes-local"
CONVERGE = ("molecule/fly_volume/converge.yml", "--limit", "agents.local")


def volumes(deployed: Any) -> list[dict[str, Any]]:
    found = deployed.fly(f"/v1/apps/{APP}/volumes")
    return sorted((v for v in found if v["state"] == "created"), key=lambda v: str(v["id"]))


def test_the_pool_is_there(deployed: Any) -> None:
    found = [(v["name"], v["region"], v["encrypted"], v["snapshot_retention"]) for v in volumes(deployed)]
    assert found == [("data", "ewr", True, 7)] * 2


def test_the_machine_has_one_of_them_mounted(deployed: Any) -> None:
    mounted = deployed.machine(APP).mount_point("/data")
    assert mounted.exists
    assert "rw" in mounted.options
    holders = [v["attached_machine_id"] for v in volumes(deployed)]
    assert len([holder for holder in holders if holder]) == 1


def test_what_the_machine_is_inside(inside: Any, deployed: Any) -> None:
    """What the image says runs, as root, with nothing open to anybody, and the volume is its own file system's."""
    machine = deployed.machine(APP)
    [(user, command)] = [(user, text) for user, text in inside.processes(machine) if not text.startswith("sleep")]
    assert (user, command.split(" ")[:2]) == ("root", ["/bin/sh", "-c"])
    assert inside.sockets(machine) == set()
    found = inside.environment(machine, command, "root")
    held = next(v for v in volumes(deployed) if v["attached_machine_id"])
    stated = {"FLY_APP_NAME": APP, "FLY_REGION": "ewr", "FLY_MACHINE_ID": held["attached_machine_id"]}
    assert stated.items() <= found.items()
    assert found["FLY_VM_MEMORY_MB"] == "256"
    assert machine.file("/data").is_directory
    assert machine.file("/data").user == "root"
    assert machine.check_output("stat -c %m /data") == "/data"
    assert not machine.mount_point("/code/storage").exists


def test_data_outlives_its_machine(deployed: Any) -> None:
    """The machine is destroyed and made anew: on the same volume, with a fresh root file system."""
    held = next(v for v in volumes(deployed) if v["attached_machine_id"])
    free = next(v for v in volumes(deployed) if v["id"] != held["id"])
    container = deployed.machine(APP)
    container.check_output("echo kept > /data/file && echo lost > /opt/file")
    deployed.instance.call(1, "DELETE", f"/v1/apps/{APP}/machines/{held['attached_machine_id']}?force=true", "fly")
    deadline = time.monotonic() + 60
    while any(v["attached_machine_id"] for v in volumes(deployed)):
        assert time.monotonic() < deadline, "the volume is still held"
        time.sleep(0.2)
    # the other one goes, so that the new machine gets the one with the data
    deployed.instance.call(1, "DELETE", f"/v1/apps/{APP}/volumes/{free['id']}", "fly")
    deployed.instance.playbook(*CONVERGE, "-e", "{'fly_volume_count': {'ewr': 1}}")
    fresh = deployed.machine(APP)
    assert fresh.backend.name != container.backend.name
    assert fresh.file("/data/file").content_string == "kept\n"
    assert not fresh.file("/opt/file").exists


def test_growing_is_seen_and_keeps_the_data(deployed: Any) -> None:
    deployed.instance.playbook(*CONVERGE, "-e", "fly_volume_size_gb=3", "-e", "fly_volume_restart=true")
    found = volumes(deployed)
    assert [v["size_gb"] for v in found] == [3, 3]  # the second one has come back
    assert deployed.machine(APP).file("/data/file").content_string == "kept\n"


def test_a_shrink_is_refused_before_the_first_write(deployed: Any) -> None:
    since = deployed.instance.call(0, "GET", "/journal?since=0", "control")["next"]
    given = {"fly_app_name": APP, "fly_volume_name": "data", "fly_volume_size_gb": 1}
    arguments = ("playbooks/provide.yml", "--limit", "agents.local", "-e", json.dumps(given))
    output = " ".join(deployed.instance.playbook(*arguments, check=False).split())
    assert "size_gb is 3 and cannot shrink to 1" in output
    made = deployed.instance.call(0, "GET", f"/journal?since={since}", "control")["entries"]
    assert [entry["path"] for entry in made if entry["method"] not in ("GET", "HEAD")] == []


def test_more_than_wanted_stays(deployed: Any) -> None:
    arguments = ("-e", "fly_volume_size_gb=3", "-e", "{'fly_volume_count': {'ewr': 1}}")
    output = " ".join(deployed.instance.playbook(*CONVERGE, *arguments).split())
    assert "pool data in ewr has 2 volumes where 1 are wanted" in output
    assert len(volumes(deployed)) == 2
