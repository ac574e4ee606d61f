"""fly_volume, the modules that read and the inventory against the local cloud, with real data in real volumes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

from tests.support import ROOT, Instance, run

TEST = Instance("volumes")
APP = "volume-tests"
POOL = {"app": APP, "name": "data", "region": "ewr"}
MODULES = "ansible_collections.opsmap.cloud.plugins.modules"


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[None]:
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("playbooks/local_cloud.yml")
    module("fly_app", name=APP)
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def module(module_name: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    """Result of a module in this process, by a clock that passes."""
    found = importlib.import_module(f"{MODULES}.{module_name}")
    spec = found.SPEC["argument_spec"]
    known = {"api_url": f"http://127.0.0.1:{TEST.port + 1}", "api_token": TEST.token("fly"), "poll_interval": 0.2}
    known["wait_timeout"] = 120.0
    given = {key: value for key, value in known.items() if key in spec} | options
    conditions = {key: value for key, value in found.SPEC.items() if key != "argument_spec"}
    checked = ModuleArgumentSpecValidator(spec, **conditions).validate(given)
    assert not checked.error_messages, checked.error_messages
    result: dict[str, Any] = found.run(dict(checked.validated_parameters), Context(check_mode))
    return result


def writes() -> int:
    """How many requests so far could have changed something."""
    entries = TEST.call(0, "GET", "/journal?service=fly", "control")["entries"]
    return sum(entry["method"] != "GET" for entry in entries)


def ids(result: dict[str, Any]) -> set[str]:
    return {volume["id"] for volume in result["resource"]["volumes"]}


def step(**options: Any) -> dict[str, Any]:
    """Check mode, the run, and the run again: one plan, no write by the first, no change by the last."""
    before = writes()
    foreseen = module("fly_volume", True, **options)
    assert writes() == before
    done = module("fly_volume", **options)
    assert {key: foreseen[key] for key in ("changed", "plan", "diff")} == {
        key: done[key] for key in ("changed", "plan", "diff")
    }
    before = writes()
    again = module("fly_volume", **options)
    assert (again["changed"], again["plan"], writes()) == (False, [], before)
    return done


def test_lifecycle() -> None:
    made = step(**POOL, count=2, size_gb=1, snapshot_retention=7, encrypted=True)
    assert [v["state"] for v in made["resource"]["volumes"]] == ["created"] * 2
    changed = step(**POOL, count=2, size_gb=2, snapshot_retention=9, auto_backup_enabled=False)
    assert len(changed["plan"]) == 4
    assert [(v["size_gb"], v["snapshot_retention"], v["auto_backup_enabled"]) for v in changed["resource"]["volumes"]] == [
        (2, 9, False)
    ] * 2
    assert ids(changed) == ids(made)
    with pytest.raises(CloudError, match="cannot shrink to 1"):
        module("fly_volume", **POOL, count=2, size_gb=1)
    fewer = module("fly_volume", **POOL, count=1)
    assert fewer["changed"] is False
    assert "has 2 volumes where 1 are wanted" in fewer["warnings"][0]
    with pytest.raises(CloudError, match="confirm_destroy"):
        module("fly_volume", **POOL, state="absent")
    one = step(**POOL, state="absent", volume_id=min(ids(made)), confirm_destroy="data")
    assert ids(one) == {max(ids(made))}
    none = step(**POOL, state="absent", confirm_destroy="data")
    assert ids(none) == set()
    listed = module("fly_volume_info", app=APP, snapshots=True, deleted=True)["resource"]["volumes"]
    kept = {v["id"]: [s["status"] for s in v["snapshots"]] for v in listed if v["name"] == "data"}
    assert kept == {volume: ["created"] for volume in ids(made)}


@pytest.mark.parametrize("kind", ["lost_answer", "reset", "status"])
def test_no_volume_too_many_when_an_answer_is_lost(kind: str) -> None:
    pool = {**POOL, "name": f"lost_{kind}"}
    TEST.call(0, "POST", "/faults", "control", {"kind": kind, "service": "fly", "method": "POST", "path": "/volumes$", "skip": 1})
    made = module("fly_volume", **pool, count=3)
    TEST.call(0, "DELETE", "/faults", "control")
    assert len(ids(made)) == 3
    assert module("fly_volume", **pool, count=3)["changed"] is False


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "my-data"}, "'my-data' is no pool name -> use lower-case letters, digits and underscores"),
        ({"region": "xyz"}, "region xyz not found"),
        ({"source_volume_id": "vol_nothing"}, "has no volume vol_nothing"),
        ({"snapshot": "last", "snapshot_pool": "nothing"}, "no volume of pool nothing in app"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(CloudError) as failure:
        module("fly_volume", **{**POOL, "name": "refused", **options})
    assert says in str(failure.value)
    assert failure.value.hint or failure.value.request_id


@pytest.fixture(scope="module")
def image() -> str:
    kept = ROOT / ".cache" / "base-image"
    base = kept.read_text().strip() if kept.exists() else "debian:bookworm-slim"
    built = module(
        "container_image",
        repository=f"localhost:{TEST.port + 4}/{APP}",
        source=str(ROOT / "molecule" / "fly_volume" / "image"),
        base_image=base,
        registry_password=TEST.token("fly"),
    )
    return str(built["resource"]["reference"])


def released(image: str, pool: str, count: int = 1) -> list[dict[str, Any]]:
    """Machines of a process group that is called as its pool."""
    options = {"process_group": pool, "count": {"ewr": count}, "mount": {"volume": pool, "path": "/data"}}
    result = module("fly_machines", app=APP, image=image, smoke_seconds=0.2, **options)
    machines: list[dict[str, Any]] = result["resource"]["machines"]
    return machines


def within(machine: str, command: str) -> str:
    """Output of a shell command in the container of a machine."""
    container = next(name for name in TEST.containers() if machine in name)
    return run("docker", "exec", container, "sh", "-c", command).stdout


def test_data_comes_back_from_a_snapshot_and_a_fork(image: str) -> None:
    module("fly_volume", **{**POOL, "name": "kept"})
    [machine] = released(image, "kept")
    within(machine["id"], "echo precious > /data/file && sync")
    [volume] = module("fly_volume_info", app=APP, name="kept")["resource"]["volumes"]
    assert volume["attached_machine_id"] == machine["id"]
    with pytest.raises(CloudError, match=f"machine {machine['id']} holds it"):
        module("fly_volume", **{**POOL, "name": "kept"}, state="absent", confirm_destroy="kept")
    module("fly_volume", **{**POOL, "name": "forked"}, source_volume_id=volume["id"])
    [fork] = released(image, "forked")
    assert within(fork["id"], "cat /data/file") == "precious\n"
    module("fly_machines", app=APP, process_group="kept", state="absent", confirm_destroy=APP)
    step(**{**POOL, "name": "kept"}, state="absent", confirm_destroy="kept")
    assert module("fly_volume_info", app=APP, name="kept")["resource"]["volumes"] == []
    back = step(**{**POOL, "name": "restored"}, snapshot="last", snapshot_pool="kept")
    assert "from snapshot vs_" in back["plan"][0]
    [restored] = released(image, "restored")
    assert within(restored["id"], "cat /data/file") == "precious\n"


def test_growing_restarts_only_when_it_may(image: str) -> None:
    pool = {**POOL, "name": "growing"}
    module("fly_volume", **pool)
    [machine] = released(image, "growing")
    said = module("fly_volume", **pool, size_gb=2)
    assert f"machine {machine['id']} sees the new size" in said["warnings"][0]
    started = within(machine["id"], "stat -c %Y /proc/1")
    grown = module("fly_volume", **pool, size_gb=3, restart=True)
    assert "warnings" not in grown
    assert within(machine["id"], "stat -c %Y /proc/1") != started
    assert [v["size_gb"] for v in grown["resource"]["volumes"]] == [3]


def test_modules_that_read(image: str) -> None:
    module("fly_volume", **{**POOL, "name": "reading"}, count=2)
    released(image, "reading", 2)
    alone = module("fly_machines_info", app=APP, group=["reading"], state=["started"], versions=True)["resource"]
    whole = module("fly_machines_info", org="personal", group=["reading"])["resource"]
    assert {m["id"] for m in alone["machines"]} == {m["id"] for m in whole["machines"]}
    assert len(alone["machines"]) == 2
    assert [release["running"] for release in alone["releases"]] == [[m["name"] for m in alone["machines"]]]
    assert alone["releases"][0]["id"] == alone["machines"][0]["release"]
    assert module("fly_machines_info", app=APP, region=["lhr"])["resource"]["machines"] == []
    volumes = module("fly_volume_info", org="personal", name="reading")["resource"]["volumes"]
    assert {v["attached_machine_id"] for v in volumes} == {m["id"] for m in alone["machines"]}
    [app] = module("fly_app_info", name=APP)["resource"]["apps"]
    assert app["secrets"] == []
    assert APP in [found["name"] for found in module("fly_app_info", org="personal")["resource"]["apps"]]


def test_inventory(image: str, tmp_path: Path) -> None:
    module("fly_volume", **{**POOL, "name": "listed"})
    [machine] = released(image, "listed")
    file = tmp_path / "local.fly.yml"
    file.write_text(f"plugin: opsmap.cloud.fly\napps: [{APP}]\nfilters: {{group: listed}}\n")
    environment = {"FLY_FLAPS_BASE_URL": f"http://127.0.0.1:{TEST.port + 1}", "FLY_API_TOKEN": TEST.token("fly")}
    graph = run("ansible-inventory", "-i", str(file), "--graph", **environment).stdout
    for group in ("fly", "app_volume_tests", "region_ewr", "process_listed", "state_started"):
        assert f"@{group}:\n  |  |--{machine['name']}" in graph
    listed = json.loads(run("ansible-inventory", "-i", str(file), "--list", **environment).stdout)
    assert listed["fly"]["hosts"] == [machine["name"]]
