"""Generated configs on a local cloud: made by plain calls of the API, read back with every row of fly 5.2, planned by the module.

Nothing is launched, so no container and no image is needed. A machine at rest is to be started, and that is no difference.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support import Instance
from tests.unit.collection.fly_configs import MOUNT, SENDABLE, SERVED
from tests.unit.collection.runs import run_module

TEST = Instance("normalise")
COUNT = 50
MARKS = {"fly_platform_version": "v2", "fly_process_group": "app", "opsmap_owner": "opsmap"}
PLACE = {"FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "ewr"}
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


def release(app: str, config: Config, check: bool = True, **options: Any) -> Config:
    """What the module answers for that config."""
    declared = {key: value for key, value in config.items() if key != "image"}
    return run_module(
        "fly_machines",
        check,
        app=app,
        image=config["image"],
        count={"ewr": 1},
        config=declared,
        api_url=f"http://127.0.0.1:{TEST.port + 1}",
        api_token=TEST.token("fly"),
        **options,
    )


def updates(result: Config) -> list[str]:
    """What is planned, but for starting the machine that rests."""
    return [step for step in result["plan"] if not step.startswith("start machine")]


def create(app: str, config: Config) -> str:
    """Make an app with one machine that is not launched; gives the machine's id."""
    fly("POST", "/apps", {"name": app, "org_slug": "personal"})
    env, metadata = {**config.get("env", {}), **PLACE}, {**config.get("metadata", {}), **MARKS}
    whole = {**config, "env": env, "metadata": metadata}
    body = {"name": f"{app}-app-ewr-1", "region": "ewr", "skip_launch": True, "config": whole}
    return str(fly("POST", f"/apps/{app}/machines", body)["id"])


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """A local cloud of its own."""
    TEST.playbook("playbooks/local_cloud.yml")
    TEST.call(0, "POST", "/reset", "control")
    TEST.call(0, "PUT", "/settings", "control", {"fresh_404_seconds": 0})
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(scope="module")
def apps(cloud: None) -> dict[str, Config]:
    """Generated configs, each on a machine of its own."""
    configs = [*generated(SERVED, COUNT // 2), *generated(SENDABLE, COUNT // 2)]
    made = {f"generated-{number}": config for number, config in enumerate(configs)}
    for app, config in made.items():
        create(app, config)
    return made


@pytest.mark.parametrize("rows", [*map(str, range(1, 25)), *COMBINATIONS], ids=lambda rows: f"rows {rows or 'none'}")
def test_a_converged_app_is_unchanged(apps: dict[str, Config], rows: str) -> None:
    inject(rows)
    results = {app: release(app, config) for app, config in apps.items()}
    assert {app: result["diff"] for app, result in results.items() if updates(result)} == {}
    assert len(apps) == COUNT
    asleep = [app for app, config in apps.items() if config.get("schedule")]
    assert asleep
    assert [app for app in asleep if results[app]["changed"]] == []


def test_the_rows_are_really_injected(cloud: None) -> None:
    """Without this the tests above could pass on a cloud that gives every config back as it was sent."""
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
    body = {"name": "plain", "region": "ewr", "skip_launch": True, "config": config}
    fly("POST", "/apps/plain/machines", body)

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
    for number, mount in enumerate(generated(MOUNT, 8)):
        app = f"mounted-{number}"
        fly("POST", "/apps", {"name": app, "org_slug": "personal"})
        volume = fly("POST", f"/apps/{app}/volumes", {"name": "data", "region": "ewr", "size_gb": 1})
        config = {"image": "nginx", "mounts": [{**mount, "volume": volume["id"]}], "env": PLACE, "metadata": MARKS}
        fly(
            "POST",
            f"/apps/{app}/machines",
            {"name": f"{app}-app-ewr-1", "region": "ewr", "skip_launch": True, "config": config},
        )
        for rows in COMBINATIONS:
            inject(rows)
            assert updates(release(app, {"image": "nginx"}, mount={**mount, "volume": "data"})) == []
        moved = release(app, {"image": "nginx"}, mount={**mount, "volume": "data", "size_gb_limit": 321})
        assert moved["diff"]["after"] == {f"{app}-app-ewr-1": {"mounts[0].size_gb_limit": 321}}


def test_a_foreign_change_is_seen_under_every_combination(apps: dict[str, Config]) -> None:
    for (app, config), rows in zip(apps.items(), itertools.cycle(COMBINATIONS)):
        inject(rows)
        declared = {**config, "env": {**config.get("env", {}), "NEW": "1"}}
        result = release(app, declared)
        assert result["diff"]["after"] == {f"{app}-app-ewr-1": {"env.NEW": "1"}}, rows


@pytest.mark.parametrize("rows", COMBINATIONS, ids=lambda rows: f"rows {rows or 'none'}")
def test_a_change_converges_and_what_nobody_knows_survives(apps: dict[str, Config], rows: str) -> None:
    """A scheduled machine rests, so a release updates it without launching anything."""
    inject(rows)
    number = COMBINATIONS.index(rows)
    served = [config for config in apps.values() if config.get("services")]
    before, after = served[2 * number], served[2 * number + 1]
    app = f"changed-{number}"
    unknown = {**before, "unknown": {"deep": [1]}, "schedule": "daily"}
    machine = create(app, unknown)
    wanted = {**after, "schedule": "weekly"}
    first = release(app, wanted, check=False)
    assert updates(first) != []
    second = release(app, wanted)
    assert (second["changed"], second["diff"]) == (False, {"before": {}, "after": {}})
    inject("")
    config = fly("GET", f"/apps/{app}/machines/{machine}")["config"]
    assert config["unknown"] == {"deep": [1]}
    assert release(app, wanted)["changed"] is False
