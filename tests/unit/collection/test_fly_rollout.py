"""Rollouts that succeed, in the order that the reference gives, with no more calls than needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout import batch_size

from tests.unit.collection.fake_fly import FakeFly
from tests.unit.collection.fake_http import Fault
from tests.unit.collection.fly_runs import CHECKED, fake_fly, metadata, old_machine, release, snapshot


@pytest.fixture
def fly() -> Iterator[FakeFly]:
    with fake_fly() as fake:
        yield fake


def alive(fly: FakeFly) -> list[dict[str, Any]]:
    return [machine for machine in fly.machines.values() if machine["state"] != "destroyed"]


def calls(fly: FakeFly, *words: str) -> list[str]:
    """Writes, shortened: the verb or what was written, by machine."""
    found = []
    for method, path, body in fly.seen:
        rest = path.split("/machines")[-1].strip("/")
        if method == "GET" or "lease" in rest:
            continue
        image = (body or {}).get("config", {}).get("image", "") if isinstance(body, dict) else ""
        text = " ".join(part for part in (method, rest, image) if part)
        if not words or any(word in text for word in words):
            found.append(text)
    return found


def test_a_first_release_and_then_nothing(fly: FakeFly) -> None:
    checked = release(fly, check_mode=True, image="new", count={"ewr": 2})
    assert calls(fly) == []
    made = release(fly, image="new", count={"ewr": 2})
    assert made["plan"] == checked["plan"] == [f"create machine web-app-ewr-{n} in ewr" for n in (1, 2)]
    assert {machine["state"] for machine in made["resource"]["machines"]} == {"started"}
    assert {machine["group"] for machine in made["resource"]["machines"]} == {"app"}
    assert made["resource"]["release"] == made["resource"]["machines"][0]["release"]
    assert all(machine["lease"] is None for machine in alive(fly))
    fly.seen.clear()
    assert not release(fly, image="new", count={"ewr": 2})["changed"]
    assert len(fly.seen) == 1


def test_what_flyctl_made_is_adopted_and_stays_flyctls(fly: FakeFly) -> None:
    kept = metadata("app", fly_flyctl_version="0.3.1")
    del kept["opsmap_owner"], kept["opsmap_release"]
    env = {"FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "ewr"}
    fly.add("quiet-fog-1", {"image": "old", "env": env, "metadata": kept, "dns": {"hostname": "x"}, **CHECKED})
    release(fly, image="new", count={"ewr": 1})
    (machine,) = alive(fly)
    assert machine["id"] == "m1"
    assert machine["config"]["dns"] == {"hostname": "x"}
    written = machine["config"]["metadata"]
    assert {key: written[key] for key in ("fly_release_id", "fly_flyctl_version", "fly_release_version")} == {
        "fly_release_id": "rel_x",
        "fly_flyctl_version": "0.3.1",
        "fly_release_version": "4",
    }


def test_rolling_goes_alone_first_and_then_in_the_window(fly: FakeFly) -> None:
    for number in range(7):
        old_machine(fly, f"web-app-ewr-{number}", "stopped" if number == 5 else "started", **AUTOSTOP)
    down: list[int] = []

    def look(image: str, at: int) -> None:
        down.append(sum(m["state"] not in ("started", "stopped") for m in fly.machines.values()))

    fly.on_write = look
    release(fly, image="new", count={"ewr": 7}, config=AUTOSTOP["config"], max_unavailable=2)
    assert calls(fly, "POST m")[0].startswith(f"POST {sleeping(fly)}")  # what rests goes first, and rests on
    assert max(down) <= 1  # beside the one that is being written
    assert {m["state"] for m in alive(fly) if m["name"] != "web-app-ewr-5"} == {"started"}
    assert {m["config"]["image"] for m in alive(fly)} == {"new"}


AUTOSTOP: dict[str, Any] = {"config": {"services": [{**CHECKED["services"][0], "autostop": "stop", "autostart": True}]}}


def sleeping(fly: FakeFly) -> str:
    return next(m["id"] for m in fly.machines.values() if m["name"] == "web-app-ewr-5")


@pytest.mark.parametrize(("total", "share", "size"), [(10, 0.33, 4), (10, 1, 1), (3, 5, 3), (2, 0.1, 1), (9, 2.9, 2)])
def test_size_of_the_window(total: int, share: float, size: int) -> None:
    assert batch_size(total, share) == size


def test_immediate_changes_all_before_it_waits_for_any(fly: FakeFly) -> None:
    for number in range(3):
        old_machine(fly, f"web-app-ewr-{number}")
    release(fly, image="new", count={"ewr": 3}, strategy="immediate")
    assert {m["config"]["image"] for m in alive(fly)} == {"new"}
    updates = [
        at
        for at, (method, _, body) in enumerate(fly.seen)
        if method == "POST" and isinstance(body, dict) and "config" in body
    ]
    waits = [at for at, (_, path, _) in enumerate(fly.seen) if path.endswith("/wait")]
    assert len(updates) == 3
    assert waits
    assert max(updates) < min(waits)


def test_canary_takes_its_part_and_goes(fly: FakeFly) -> None:
    old_machine(fly, "a")
    old_machine(fly, "b")
    release(fly, image="new", count={"ewr": 2}, strategy="canary", drain_seconds=3)
    made = calls(fly)
    assert made[0] == "POST new"
    canary = next(m for m in fly.machines.values() if m["state"] == "destroyed")
    assert canary["config"]["metadata"]["fly_canary"] == "true"
    assert canary["config"]["dns"] == {"skip_registration": True}
    assert canary["config"]["services"]
    assert made[1:4] == [f"POST {canary['id']}/cordon", f"POST {canary['id']}/stop", f"DELETE {canary['id']}"]
    assert sorted(m["name"] for m in alive(fly)) == ["a", "b"]


def test_bluegreen_in_its_order(fly: FakeFly) -> None:
    old_machine(fly, "a")
    old_machine(fly, "b", "stopped")
    cordoned: list[bool] = []
    fly.on_write = lambda image, at: cordoned.append(list(fly.machines.values())[-1]["cordoned"])
    result = release(fly, image="new", count={"ewr": 2}, strategy="bluegreen")
    assert cordoned == [True, True]
    kinds = [call.split("/")[-1].split(" ")[0] for call in calls(fly)]
    order = ["POST", "POST", "uncordon", "uncordon", "fly_bluegreen_deployment_tag", "fly_bluegreen_deployment_tag"]
    assert kinds == [*order, "cordon", "stop", "DELETE", "DELETE"]
    assert {(m["name"], m["state"], m["cordoned"]) for m in alive(fly)} == {
        ("web-app-ewr-1", "started", False),
        ("web-app-ewr-2", "started", False),  # it rested before, and nothing of its config lets it
    }
    assert result["changed"]
    assert not release(fly, image="new", count={"ewr": 2}, strategy="bluegreen")["changed"]


def test_one_green_is_started_where_all_rest(fly: FakeFly) -> None:
    old_machine(fly, "a", "stopped", **AUTOSTOP)
    old_machine(fly, "b", "stopped", **AUTOSTOP)
    release(fly, image="new", count={"ewr": 2}, config=AUTOSTOP["config"], strategy="bluegreen")
    assert sorted(m["state"] for m in alive(fly)) == ["started", "stopped"]


def test_bluegreen_can_go_back(fly: FakeFly) -> None:
    old_machine(fly, "a")
    release(fly, image="new", count={"ewr": 1}, strategy="bluegreen")
    (green,) = alive(fly)
    result = release(fly, state="previous")
    assert green["config"]["image"] == "old"
    assert result["resource"]["release"] == "20260101T000000Z"
    assert green["config"]["metadata"]["fly_release_version"] == "5"


def test_back_to_the_release_before_for_all_groups(fly: FakeFly) -> None:
    groups = [{"name": "app", "count": {"ewr": 1}}, {"name": "job", "count": {"ewr": 1}}]
    old_machine(fly, "a")
    old_machine(fly, "j", group="job")
    release(fly, image="new", groups=groups)
    assert {m["config"]["image"] for m in alive(fly)} == {"new"}
    result = release(fly, state="previous")
    assert {m["config"]["image"] for m in alive(fly)} == {"old"}
    assert len(result["plan"]) == 2


def test_the_release_command_comes_before_everything(fly: FakeFly) -> None:
    old_machine(fly, "a", config={**CHECKED, "guest": {"cpus": 1, "memory_mb": 1024}})
    left = fly.add("left", {"image": "old", "metadata": metadata("fly_app_release_command")}, "stopped")
    release(fly, image="exit0new", count={"ewr": 0}, config={}, release_command={"command": "migrate"})
    assert [m["name"] for m in alive(fly)] == ["left"]  # nothing to release: it did not run
    old_machine(fly, "b", config={"guest": {"cpus": 1, "memory_mb": 1024}})
    fly.trouble = {"image": "new", "at": 1, "kind": "exit0"}
    fly.seen.clear()
    release(
        fly,
        image="new",
        count={"ewr": 1},
        config={"env": {"A": "1"}},
        files=[{"guest_path": "/f", "content": "x"}],
        release_command={"command": ["python", "-m", "migrate"]},
    )
    made = next(body for method, path, body in fly.seen if method == "POST" and path.endswith("/machines"))
    assert made["skip_launch"] is True
    assert made["region"] == "ewr"
    config = made["config"]
    assert config["init"] == {"cmd": ["python", "-m", "migrate"]}
    assert config["guest"] == {"cpus": 1, "memory_mb": 1024}
    assert config["env"]["RELEASE_COMMAND"] == "1"
    assert config["env"]["A"] == "1"
    assert (config["restart"], config["auto_destroy"]) == ({"policy": "no"}, True)
    assert not {"services", "checks", "mounts"} & set(config)
    assert config["files"]
    assert calls(fly)[:2] == [f"DELETE {left['id']}", "POST new"]
    assert [m["name"] for m in alive(fly)] == ["b"]


@pytest.mark.parametrize(("kind", "says"), [("exit1", "exit code 1"), ("nopull", "did not start"), ("hang", "still")])
def test_a_release_command_that_fails_changes_nothing(fly: FakeFly, kind: str, says: str) -> None:
    old_machine(fly, "a")
    before = snapshot(fly)
    fly.trouble = {"image": "new", "at": 1, "kind": kind}
    with pytest.raises(CloudError, match=says) as caught:
        release(fly, image="new", count={"ewr": 1}, release_command={"command": "migrate", "timeout": 30})
    assert snapshot(fly) == before
    assert all(m["lease"] is None for m in alive(fly))
    assert calls(fly, "POST m1") == []
    if kind == "exit1":
        assert "fly logs" in str(caught.value)


def test_standbys_rest_and_know_whom_they_stand_for(fly: FakeFly) -> None:
    options: dict[str, Any] = {"count": {"ewr": 2}, "standbys": 1, "config": {}}
    release(fly, image="new", **options)
    standby = next(m for m in alive(fly) if m["config"].get("standbys"))
    others = sorted(m["id"] for m in alive(fly) if m is not standby)
    assert standby["config"]["standbys"] == others
    assert standby["config"]["env"]["FLY_STANDBY_FOR"] == ",".join(others)
    fly.clock.sleep(2)
    assert snapshot(fly)[standby["name"]]["state"] == "stopped"
    assert not release(fly, image="new", **options)["changed"]
    release(fly, image="newer", **options)
    assert {m["config"]["image"] for m in alive(fly)} == {"newer"}
    assert snapshot(fly)[standby["name"]]["state"] == "stopped"


def test_a_replacement_comes_first_and_leaves_the_volume(fly: FakeFly) -> None:
    fly.volumes = [
        {"id": "vol_1", "name": "data", "region": "ewr", "state": "created", "attached_machine_id": "m1"},
        {"id": "vol_2", "name": "fresh", "region": "ewr", "state": "created", "attached_machine_id": None},
    ]
    old_machine(fly, "a", config={"mounts": [{"volume": "vol_1", "path": "/data"}], "dns": {"hostname": "kept"}})
    options: dict[str, Any] = {"image": "old", "count": {"ewr": 1}, "config": {}}
    mount = {"volume": "fresh", "path": "/data"}
    with pytest.raises(CloudError, match="give confirm_replace=web"):
        release(fly, **options, mount=mount)
    result = release(fly, **options, mount=mount, confirm_replace="web")
    (machine,) = alive(fly)
    assert machine["config"]["mounts"] == [{"volume": "vol_2", "path": "/data"}]
    assert machine["config"]["dns"] == {"hostname": "kept"}
    assert [volume["attached_machine_id"] for volume in fly.volumes] == [None, machine["id"]]
    assert result["warnings"] == ["these volumes stay, without a machine: vol_1 (data, ewr)"]
    assert not release(fly, **options, mount=mount)["changed"]


def test_without_a_volume_nothing_is_begun(fly: FakeFly) -> None:
    old_machine(fly, "a")
    before = snapshot(fly)
    with pytest.raises(CloudError, match="no free volume of pool data in ewr"):
        release(fly, image="new", count={"ewr": 2}, config={}, mount={"volume": "data", "path": "/d"})
    assert snapshot(fly) == before
    assert calls(fly) == []


@pytest.mark.parametrize(
    "message",
    [
        "aborted: could not reserve resource for machine: insufficient memory",
        "deploys to this host are temporarily disabled",
    ],
)
def test_a_host_without_room_gives_its_machine_away(fly: FakeFly, message: str) -> None:
    old_machine(fly, "a")
    old_machine(fly, "b")
    fly.faults = [Fault("POST", r"/machines/m1$", "status", 409, message=message)]
    release(fly, image="new", count={"ewr": 2})
    assert sorted((m["name"], m["config"]["image"]) for m in alive(fly)) == [("b", "new"), ("web-app-ewr-1", "new")]


def test_an_unreachable_host_is_left_by_force(fly: FakeFly) -> None:
    old_machine(fly, "a", host_status="unreachable")
    release(fly, image="new", count={"ewr": 1})
    (machine,) = alive(fly)
    assert machine["name"] == "web-app-ewr-1"
    assert not release(fly, image="new", count={"ewr": 1})["changed"]


def test_what_was_changed_meanwhile_is_looked_at_again(fly: FakeFly) -> None:
    machine = old_machine(fly, "a")
    answer, moved = fly.answer, []

    def meddling(method: str, path: str, body: Any) -> Any:
        if path.endswith("/lease") and method == "POST" and not moved:
            moved.append(True)
            machine["instance_id"], machine["config"]["dns"] = "01VOTHER", {"hostname": "theirs"}
        return answer(method, path, body)

    fly.answer = meddling  # type: ignore[method-assign]
    release(fly, image="new", count={"ewr": 1})
    assert machine["config"]["image"] == "new"
    assert machine["config"]["dns"] == {"hostname": "theirs"}


def test_what_is_changed_again_and_again_is_refused(fly: FakeFly) -> None:
    machine = old_machine(fly, "a")
    answer = fly.answer

    def meddling(method: str, path: str, body: Any) -> Any:
        if path.endswith("/lease") and method == "POST":
            machine["instance_id"] += "x"
        return answer(method, path, body)

    fly.answer = meddling  # type: ignore[method-assign]
    with pytest.raises(CloudError, match="changed by someone else meanwhile"):
        release(fly, image="new", count={"ewr": 1})
    assert calls(fly) == []
    assert machine["lease"] is None


def test_a_lease_of_another_deploy_is_awaited(fly: FakeFly) -> None:
    machine, said = old_machine(fly, "a"), []
    machine["lease"] = {"nonce": "theirs", "expires_at": fly.clock.now() + 20}
    release(fly, image="new", count={"ewr": 1}, report=said.append)
    assert machine["config"]["image"] == "new"
    assert any("currently held by" in text for text in said)


def test_a_long_wait_outlives_the_lease(fly: FakeFly) -> None:
    """The clock leaps further than the lease lasts, as when the controller was asleep: the lease is taken anew."""
    for number in range(3):
        old_machine(fly, f"web-app-ewr-{number}")
    release(fly, image="new", count={"ewr": 3}, lease_ttl=5, smoke_seconds=30)
    assert {m["config"]["image"] for m in alive(fly)} == {"new"}


@pytest.mark.parametrize(
    ("config", "image"),
    [({"schedule": "daily"}, "new"), ({"auto_destroy": True}, "exit0"), ({}, "exit0")],
    ids=["scheduled", "destroys itself", "ends well"],
)
def test_what_does_not_stay_up_by_its_nature_passes(fly: FakeFly, config: dict[str, Any], image: str) -> None:
    assert release(fly, image=image, count={"ewr": 1}, config=config)["changed"]


def test_a_service_that_ends_well_does_not_pass(fly: FakeFly) -> None:
    old_machine(fly, "a")
    with pytest.raises(CloudError, match="ended with exit code 0 and is not started again"):
        release(fly, image="exit0", count={"ewr": 1})


def test_autostop_that_crashes_does_not_pass(fly: FakeFly) -> None:
    old_machine(fly, "a", **AUTOSTOP)
    with pytest.raises(CloudError, match="exit code 1"):
        release(fly, image="crash", count={"ewr": 1}, config=AUTOSTOP["config"])


def test_restarted_one_after_the_other(fly: FakeFly) -> None:
    old_machine(fly, "a")
    old_machine(fly, "b")
    versions = [m["instance_id"] for m in alive(fly)]
    assert release(fly, state="restarted")["plan"] == ["restart machine a", "restart machine b"]
    assert [m["instance_id"] for m in alive(fly)] == versions
    assert all(m["lease"] is None and m["launched"] > 0 for m in alive(fly))


def test_absent_drains_and_destroys(fly: FakeFly) -> None:
    old_machine(fly, "a")
    old_machine(fly, "j", group="job")
    release(fly, state="absent", confirm_destroy="web")
    assert [m["name"] for m in alive(fly)] == ["j"]


def test_waiting_is_left_to_the_server(fly: FakeFly) -> None:
    """Ten seconds of smoke test are a handful of calls, not one a second."""
    old_machine(fly, "a", config={})
    release(fly, image="new", count={"ewr": 1}, config={})
    assert len([1 for method, path, body in fly.seen if method == "GET"]) <= 12
