"""A fly.toml of several process groups, deployed by the roles as docs/fly-toml.md says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_app import Edge, machine_of, until
from tests.support import changed, run

APP = "several"
# Every group listens on 8080 and 9000, but for the worker; only its services say which of them can be reached.
TOML = """
app = "several"
primary_region = "ewr"
kill_timeout = "3s"

[build]
image = "registry.fly.io/edge-image:1"

[env]
VERSION = "7"

[processes]
web = "perl /server.pl web"
echo = "perl /server.pl echo"
worker = "sh -c 'echo $FLY_PROCESS_GROUP $VERSION > /data/worked; exec sleep 7777'"

[http_service]
internal_port = 8080
processes = ["web"]
auto_stop_machines = "off"
[[http_service.checks]]
interval = "1s"
timeout = "2s"
grace_period = "1s"
path = "/"

[[services]]
internal_port = 9000
protocol = "tcp"
processes = ["echo"]
[[services.ports]]
port = 8002

[mounts]
source = "data"
destination = "/data"
processes = ["worker"]

[[vm]]
memory = "512mb"
processes = ["worker"]
"""


def tasks() -> list[dict[str, Any]]:
    """Everything from the file: the app, the worker's volume, the release."""
    pool = "{{ lookup('opsmap.cloud.fly_toml', fly_app_toml).volumes[0] }}"
    volume = {
        "__pool": pool,
        "fly_volume_app": "{{ fly_app_name }}",
        "fly_volume_name": "{{ __pool.name }}",
        "fly_volume_size_gb": "{{ __pool.size_gb | default(1) }}",
        "fly_volume_count": "{{ fly_app_count[__pool.group] }}",
    }
    roles = [
        ("validate", "fly_app"),
        ("plan", "fly_app"),
        ("provide", "fly_app"),
        ("main", "fly_volume"),
        ("release", "fly_app"),
    ]
    return [
        {
            "ansible.builtin.include_role": {"name": role, "tasks_from": step, "rolespec_validate": False},
            "vars": volume if role == "fly_volume" else {},
        }
        for step, role in roles
    ]


class Deployment:
    """The app on a local cloud."""

    def __init__(self, edge: Edge, folder: Path) -> None:
        self.edge, self.folder = edge, folder

    def converge(self) -> int:
        """Deploy; how many tasks have changed something."""
        toml, book = self.folder / "fly.toml", self.folder / "deploy.yml"
        toml.write_text(TOML)
        here = f"http://127.0.0.1:{self.edge.instance.port + 1}"
        fly = {"api_url": here, "api_token": self.edge.instance.token("fly"), "wait_timeout": 90, "poll_interval": 0.2}
        given = {
            "fly_app_name": APP,
            "fly_app_toml": str(toml),
            "fly_app_count": {"web": {"ewr": 2}, "echo": {"ewr": 1, "ams": 1}, "worker": {"ewr": 1}},
            "fly_app_smoke_seconds": 1,
            "fly_app_drain_seconds": 0.5,
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "module_defaults": {"group/opsmap.cloud.fly": fly},
            "vars": given,
            "tasks": tasks(),
        }
        book.write_text(json.dumps([play]))
        book.chmod(0o600)
        return changed(run("ansible-playbook", "--inventory", "localhost,", str(book)).stdout)["localhost"]

    def machines(self, group: str) -> list[dict[str, Any]]:
        """Those of a process group."""
        found = self.edge.call("GET", f"/apps/{APP}/machines")
        return [m for m in found if m["config"]["metadata"]["fly_process_group"] == group]

    def ids(self, group: str) -> set[str]:
        return {machine["id"] for machine in self.machines(group)}

    def commands(self, machine: str) -> list[str]:
        """Command lines of its processes."""
        return [item["command"] for item in self.edge.call("GET", f"/apps/{APP}/machines/{machine}/ps")]

    def inside(self, machine: str, *command: str) -> str:
        done = self.edge.call("POST", f"/apps/{APP}/machines/{machine}/exec", {"command": list(command)})
        assert done["exit_code"] == 0, done
        return str(done["stdout"])

    def echoed(self) -> str:
        """The machine that answers on the port of the group echo."""
        with self.edge.connect(8002) as line:
            line.sendall(b"hello\n")
            return line.recv(4096).decode().split(" ")[0]


@pytest.fixture(scope="module")
def deployed(edge: Edge, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(edge, tmp_path_factory.mktemp("several"))
    assert made.converge() > 0
    yield made
    edge.call("DELETE", f"/apps/{APP}", expect=202, force="true")


def test_every_group_has_its_machines_and_its_command(deployed: Deployment) -> None:
    assert sorted(m["region"] for m in deployed.machines("echo")) == ["ams", "ewr"]
    assert [m["region"] for m in deployed.machines("web")] == ["ewr", "ewr"]
    for group in ("web", "echo"):
        for machine in deployed.ids(group):
            assert f"perl /server.pl {group}" in deployed.commands(machine)
            assert deployed.inside(machine, "printenv", "FLY_PROCESS_GROUP", "VERSION") == f"{group}\n7\n"
    [worker] = deployed.machines("worker")
    assert "sleep 7777" in deployed.commands(worker["id"])
    assert worker["config"]["guest"]["memory_mb"] == 512
    assert {m["config"]["guest"]["memory_mb"] for m in deployed.machines("web")} == {256}


def test_services_reach_their_group_alone(deployed: Deployment) -> None:
    edge, host = deployed.edge, f"{APP}.fly.localhost"
    web, echo = deployed.ids("web"), deployed.ids("echo")
    until(lambda: edge.get(host).status_code == 200)
    assert {machine_of(edge.get(host)) for _ in range(12)} == web
    assert {deployed.echoed() for _ in range(12)} == echo
    kinds = {
        ("." in item["ip"], bool(item["shared"])) for item in edge.call("GET", f"/apps/{APP}/ip_assignments")["ips"]
    }
    assert (True, False) in kinds, "bytes that are no HTTP need an address of their own"


def test_the_mount_is_the_workers(deployed: Deployment) -> None:
    [worker] = deployed.machines("worker")
    assert deployed.inside(worker["id"], "cat", "/data/worked") == "worker 7\n"
    [volume] = deployed.edge.call("GET", f"/apps/{APP}/volumes")
    assert (volume["name"], volume["attached_machine_id"]) == ("data", worker["id"])
    for machine in deployed.ids("web") | deployed.ids("echo"):
        assert "/data" not in deployed.inside(machine, "cat", "/proc/mounts").split()


def test_a_second_run_changes_nothing(deployed: Deployment) -> None:
    before = {m["id"]: m["instance_id"] for group in ("web", "echo", "worker") for m in deployed.machines(group)}
    assert deployed.converge() == 0
    assert before == {
        m["id"]: m["instance_id"] for group in ("web", "echo", "worker") for m in deployed.machines(group)
    }
