"""Generated configs on a local cloud: made by plain calls of the API, read back with every row of fly 5.2, planned by the module.

Nothing is launched, so no container and no image is needed. A machine at rest is to be started, and that is no difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.modules import fly_machines
from hypothesis import HealthCheck, given, settings

from tests.edge_app import until
from tests.support import Instance
from tests.unit.collection.fly_configs import MOUNT, SENDABLE, SERVED
from tests.unit.collection.runs import run_module
from tests.unit.collection.test_plans import options

TEST = Instance("normalise")
COUNT = 50
APP = "generated"
MARKS = {"fly_platform_version": "v2", "opsmap_owner": "opsmap"}
COMBINATIONS = [
    "all",
    "",
    ",".join(map(str, range(1, 25, 2))),
    ",".join(map(str, range(2, 25, 2))),
    "1,2,4,5,6,8,10,13",
    "3,5,7",
    "10,11,12,17",
    "4,18,22,23",
    "14,15,19,23",
]
Config = dict[str, Any]


def generated(strategy: Any, count: int) -> list[Any]:
    """Different examples of a strategy, the same in every run."""
    found: list[Any] = []

    @settings(
        max_examples=6 * count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(example: Any) -> None:
        if example not in found:
            found.append(example)

    collect()
    rich = sorted(found, key=lambda example: len(json.dumps(example)))[len(found) // 2 :]
    assert len(rich) >= count
    return rich[:: len(rich) // count][:count]


def fly(method: str, path: str, body: Any = None) -> Any:
    """One call of the Machines API."""
    return TEST.call(1, method, f"/v1{path}", "fly", body)


def inject(rows: str) -> None:
    """Choose the rows that machines are read back with."""
    TEST.call(0, "PUT", "/settings", "control", {"wire_noise": True, "wire_noise_rows": rows})


def declared(app: str, group: str, config: Config, **more: Any) -> Config:
    """The module's options for one machine of that config."""
    rest = {key: value for key, value in config.items() if key != "image"}
    place = {"api_url": f"http://127.0.0.1:{TEST.port + 1}", "api_token": TEST.token("fly")}
    return {
        "app": app,
        "process_group": group,
        "image": config["image"],
        "count": {"ewr": 1},
        "config": rest,
        **place,
        **more,
    }


def release(app: str, group: str, config: Config, check: bool = True, **more: Any) -> Config:
    """What the module answers."""
    return run_module("fly_machines", check, **declared(app, group, config, **more))


def steps(plan: list[str]) -> list[str]:
    """What is planned, but for starting the machine that rests."""
    return [step for step in plan if not step.startswith("start machine")]


def create(app: str, group: str, config: Config) -> str:
    """Make a machine that is not launched, in a group of its own; gives its id."""
    env = {**config.get("env", {}), "FLY_PROCESS_GROUP": group, "PRIMARY_REGION": "ewr"}
    metadata = {**config.get("metadata", {}), **MARKS, "fly_process_group": group}
    body = {"name": f"{app}-{group}-ewr-1", "region": "ewr", "skip_launch": True}
    sent = {**body, "config": {**config, "env": env, "metadata": metadata}}
    return str(fly("POST", f"/apps/{app}/machines", sent)["id"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """A local cloud of its own."""
    TEST.playbook("playbooks/local_cloud.yml")
    TEST.call(0, "POST", "/reset", "control")
    TEST.call(0, "PUT", "/settings", "control", {"fresh_404_seconds": 0, "volume_seconds": 0})
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(scope="module")
def groups(cloud: None) -> dict[str, Config]:
    """Generated configs, each on a machine of a process group of its own."""
    configs = [*generated(SERVED, COUNT // 2), *generated(SENDABLE, COUNT // 2)]
    made = {f"g{number}": config for number, config in enumerate(configs)}
    fly("POST", "/apps", {"name": APP, "org_slug": "personal"})
    for group, config in made.items():
        create(APP, group, config)
    return made


@pytest.mark.parametrize("rows", [*map(str, range(1, 25)), *COMBINATIONS], ids=lambda rows: f"rows {rows or 'none'}")
def test_a_converged_app_is_unchanged(groups: dict[str, Config], rows: str) -> None:
    """All of them through the plan; one in ten, another one for each row, through a whole run."""
    inject(rows)
    machines = fly("GET", f"/apps/{APP}/machines")
    assert len(groups) == len(machines) == COUNT
    for group, config in groups.items():
        params = options(fly_machines.SPEC, declared(APP, group, config))
        fly_machines.validate(params)
        plan = fly_machines.plan(params, {"machines": machines})
        assert (group, steps([step.title for step in plan.steps])) == (group, [])
    for group in list(groups)[len(rows) % 10 :: 10]:
        result = release(APP, group, groups[group])
        assert steps(result["plan"]) == []
        assert result["changed"] == bool(result["plan"])


def test_the_rows_are_really_injected(cloud: None) -> None:
    """Without this the test above could pass on a cloud that gives every config back as it was sent."""
    check = {"type": "http", "port": 80, "interval": "90s", "headers": [{"name": "X-A", "values": ["1"]}]}
    port = {"port": 443, "handlers": ["tls", "http"], "force_https": False}
    service = {"protocol": "tcp", "internal_port": 80, "autostop": "stop", "ports": [port], "checks": [check]}
    config: Config = {
        "image": "nginx",
        "size": "shared-cpu-2x",
        "services": [service, {"protocol": "udp", "internal_port": 81}],
        "statics": [{"guest_path": "/a", "url_prefix": "/s"}],
        "files": [{"guest_path": "/f", "raw_value": "aGk="}],
    }
    fly("POST", "/apps", {"name": "plain", "org_slug": "personal"})
    fly("POST", "/apps/plain/machines", {"name": "plain", "region": "ewr", "skip_launch": True, "config": config})

    def read(rows: str) -> Config:
        inject(rows)
        machine: Config = fly("GET", "/apps/plain/machines")[0]
        return {"config": machine["config"], "image_ref": machine["image_ref"]}

    assert read("")["config"] == config
    seen = [row for row in range(1, 25) if read(str(row)) != read("")]
    # 13 needs a mount, 18 a guest, 19 is refused by the API, 20 needs results of checks, 21 is no difference of a config.
    assert seen == sorted({*range(1, 25)} - {13, 18, 19, 20, 21})
    assert "persist_rootfs" in read("4,18")["config"]["guest"]


def test_a_mount_with_what_its_volume_is(cloud: None) -> None:
    fly("POST", "/apps", {"name": "mounted", "org_slug": "personal"})
    for number, mount in enumerate(generated(MOUNT, 8)):
        group = f"g{number}"
        volume = fly("POST", "/apps/mounted/volumes", {"name": "data", "region": "ewr", "size_gb": 1})
        until(lambda made=volume["id"]: fly("GET", f"/apps/mounted/volumes/{made}")["state"] == "created")
        create("mounted", group, {"image": "nginx", "mounts": [{**mount, "volume": volume["id"]}]})
        pool = {**mount, "volume": "data"}
        for rows in ("all", "", "13"):
            inject(rows)
            assert steps(release("mounted", group, {"image": "nginx"}, mount=pool)["plan"]) == []
        moved = release("mounted", group, {"image": "nginx"}, mount={**pool, "size_gb_limit": 321})
        assert moved["diff"]["after"] == {f"mounted-{group}-ewr-1": {"mounts[0].size_gb_limit": 321}}


def test_a_change_is_seen_under_every_combination(groups: dict[str, Config]) -> None:
    for (group, config), rows in zip(groups.items(), COMBINATIONS, strict=False):
        inject(rows)
        result = release(APP, group, {**config, "env": {**config.get("env", {}), "NEW": "1"}})
        if config.get("auto_destroy"):  # no update reaches what destroys itself
            assert result["diff"]["after"] == {f"{APP}-{group}-ewr-2": {"image": config["image"], "region": "ewr"}}, (
                rows
            )
            assert steps(result["plan"])[0].endswith("auto_destroy fixes its env"), rows
        else:
            assert result["diff"]["after"] == {f"{APP}-{group}-ewr-1": {"env.NEW": "1"}}, rows


@pytest.mark.parametrize("rows", COMBINATIONS, ids=lambda rows: f"rows {rows or 'none'}")
def test_a_change_converges_and_what_nobody_knows_survives(groups: dict[str, Config], rows: str) -> None:
    """A scheduled machine rests, so a release updates it without launching anything."""
    inject(rows)
    number = COMBINATIONS.index(rows)
    before, after = groups[f"g{2 * number}"], groups[f"g{2 * number + 1}"]
    app = f"changed-{number}"
    fly("POST", "/apps", {"name": app, "org_slug": "personal"})
    same = {"auto_destroy": False}  # what a machine does at its end is fixed when it is made
    machine = create(app, "app", {**before, **same, "unknown": {"deep": [1]}, "schedule": "daily"})
    wanted = {**after, **same, "schedule": "weekly"}
    assert steps(release(app, "app", wanted, check=False)["plan"]) != []
    second = release(app, "app", wanted)
    assert (second["changed"], second["diff"]) == (False, {"before": {}, "after": {}})
    inject("")
    config = next(m["config"] for m in fly("GET", f"/apps/{app}/machines") if m["id"] == machine)
    assert config["unknown"] == {"deep": [1]}
    assert release(app, "app", wanted)["changed"] is False
