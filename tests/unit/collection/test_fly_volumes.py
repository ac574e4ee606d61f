"""fly_volume against a Fly.io in memory: waiting, lost answers, restarts, snapshots before the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_fly_volumes import FakeFlyVolumes
from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.runs import run_module

VOLUMES = "/v1/apps/web/volumes"


@pytest.fixture
def fly() -> Iterator[FakeFlyVolumes]:
    fake = FakeFlyVolumes()
    with served(fake):
        yield fake


def converge(fly: FakeFlyVolumes, check: bool = False, **options: Any) -> dict[str, Any]:
    given = {
        "app": "web",
        "name": "data",
        "region": "ewr",
        "wait_timeout": 60,
        "api_url": fly.url,
        "api_token": "token",
    }
    return run_module("fly_volume", check, **{**given, **options})


def test_a_pool_is_made_waited_for_and_left_alone(fly: FakeFlyVolumes) -> None:
    foreseen = converge(fly, True, count=3, size_gb=2)
    assert (len(foreseen["plan"]), fly.writes()) == (3, [])
    made = converge(fly, count=3, size_gb=2)
    assert made["plan"] == foreseen["plan"]
    assert made["diff"] == foreseen["diff"]
    assert [v["state"] for v in made["resource"]["volumes"]] == ["created"] * 3
    assert {v["app"] for v in made["resource"]["volumes"]} == {"web"}
    assert converge(fly, count=3, size_gb=2)["changed"] is False
    assert len(fly.writes()) == 3


def test_other_pools_regions_and_deleted_volumes_do_not_count(fly: FakeFlyVolumes) -> None:
    fly.add(name="other")
    fly.add(region="lhr")
    fly.add(state="pending_destroy")
    assert converge(fly)["plan"] == ["create volume data in ewr with 1 GB"]


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ["lost", "status"])
def test_no_volume_too_many_whatever_happens_to_an_answer(
    fly: FakeFlyVolumes, kind: str, number: int, lag: int
) -> None:
    """The answer to one of three creations is lost after the effect, or is a 503 without one; lists lag behind."""
    fly.lag = lag
    original = fly.fault

    def nth(method: str, path: str) -> Fault | None:
        if (method, path) != ("POST", VOLUMES):
            return original(method, path)
        seen = sum(1 for verb, where, _ in fly.seen if (verb, where) == ("POST", VOLUMES))
        return Fault("POST", VOLUMES, kind) if seen == number + 1 else None

    fly.fault = nth  # type: ignore[method-assign]
    converge(fly, count=3)
    assert len(fly.living()) == 3


def test_a_run_that_was_cut_off_is_gone_on_with(fly: FakeFlyVolumes) -> None:
    fly.add(state="creating")
    result = converge(fly, count=2)
    assert result["plan"] == ["create volume data in ewr with 1 GB"]
    assert [v["state"] for v in fly.living()] == ["created", "created"]


def test_no_room_says_what_to_do(fly: FakeFlyVolumes) -> None:
    fly.faults.append(Fault("POST", VOLUMES, "status", status=412))
    with pytest.raises(CloudError, match="ewr has no room for it; set require_unique_zone to false") as failure:
        converge(fly)
    assert failure.value.status == 412


def held(fly: FakeFlyVolumes, state: str = "started") -> None:
    fly.machines["m1"] = {"id": "m1", "state": state, "updated_at": "2026-11-24T10:00:00Z", "events": []}
    fly.add(attached_machine_id="m1")


def test_a_restart_that_is_needed_is_said(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.needs_restart = True
    result = converge(fly, size_gb=2)
    [warning] = result["warnings"]
    assert warning.startswith("machine m1 sees the new size of volume vol_1 only after a restart: set restart to true")
    assert not [path for dummy, path in fly.writes() if "restart" in path]


def test_a_restart_that_is_needed_and_allowed_is_made(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.needs_restart, fly.leased = True, 2
    result = converge(fly, size_gb=2, restart=True)
    assert "warnings" not in result
    assert fly.machines["m1"]["state"] == "started"
    assert fly.machines["m1"]["updated_at"] > "2026-11-24T11"


@pytest.mark.parametrize(("state", "needs"), [("started", False), ("stopped", True)])
def test_a_restart_that_is_not_needed_is_not_made(fly: FakeFlyVolumes, state: str, needs: bool) -> None:
    held(fly, state)
    fly.needs_restart = needs
    assert "warnings" not in converge(fly, size_gb=2, restart=True)
    assert [path for dummy, path in fly.writes()] == [f"{VOLUMES}/vol_1/extend"]


def test_growing_is_repeated_after_a_lost_answer(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.extends_once = True
    fly.faults.append(Fault("PUT", "extend", "lost"))
    result = converge(fly, size_gb=2)
    assert fly.volumes[0]["size_gb"] == 2
    assert "m1 sees the new size" in result["warnings"][0]  # not known, so said


def test_growing_that_fails_is_an_error(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.faults.append(Fault("PUT", "extend", "status", status=400))
    with pytest.raises(CloudError, match="extend volume vol_1 to 2 GB"):
        converge(fly, size_gb=2)


def test_a_volume_that_its_mount_grows_is_not_shrunk(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.volumes[0]["size_gb"] = 9
    with pytest.raises(CloudError, match="cannot shrink to 3"):
        converge(fly, size_gb=3)
    fly.machines["m1"]["config"] = {"mounts": [{"volume": "vol_1", "extend_threshold_percent": 80}]}
    assert converge(fly, size_gb=3)["changed"] is False


def test_the_end_comes_after_a_complete_snapshot_volume_by_volume(fly: FakeFlyVolumes) -> None:
    fly.add()
    fly.add()
    foreseen = converge(fly, True, state="absent", confirm_destroy="data")
    assert fly.writes() == []
    result = converge(fly, state="absent", confirm_destroy="data")
    assert result["plan"] == foreseen["plan"]
    assert fly.writes() == [
        (verb, f"{VOLUMES}/{volume}{tail}")
        for volume in ("vol_1", "vol_2")
        for verb, tail in (("POST", "/snapshots"), ("DELETE", ""))
    ]
    assert result["resource"]["volumes"] == []
    assert converge(fly, state="absent", confirm_destroy="data")["changed"] is False


def test_an_old_snapshot_is_not_taken_for_a_new_one(fly: FakeFlyVolumes) -> None:
    fly.add()
    fly.snapshot("vol_1")
    fly.snapshots["vol_1"][0]["status"] = "created"
    converge(fly, state="absent", confirm_destroy="data")
    assert [snapshot["status"] for snapshot in fly.snapshots["vol_1"]] == ["created", "created"]


def test_a_volume_without_its_snapshot_stays(fly: FakeFlyVolumes) -> None:
    fly.add()
    fly.snapshot_fails = True
    with pytest.raises(CloudError, match="snapshot vs_vol_1_1 is failed; volume vol_1 is not deleted"):
        converge(fly, state="absent", confirm_destroy="data")
    assert len(fly.living()) == 1


def test_one_volume_of_the_pool_goes(fly: FakeFlyVolumes) -> None:
    held(fly)
    fly.add()
    with pytest.raises(CloudError, match="machine m1 holds it"):
        converge(fly, state="absent", confirm_destroy="data", volume_id="vol_1")
    result = converge(fly, state="absent", confirm_destroy="data", volume_id="vol_2")
    assert [v["id"] for v in result["resource"]["volumes"]] == ["vol_1"]
    fly.add(name="other")
    with pytest.raises(CloudError, match="vol_3 is of pool other in ewr"):
        converge(fly, state="absent", confirm_destroy="data", volume_id="vol_3")


def test_detaching_is_waited_for(fly: FakeFlyVolumes) -> None:
    """The machine has gone, and the volume does not know yet."""
    fly.add(attached_machine_id="m9", detached_after=4)
    converge(fly, state="absent", confirm_destroy="data")
    assert fly.living() == []


def test_the_last_snapshot_of_a_deleted_pool_comes_back(fly: FakeFlyVolumes) -> None:
    fly.add(size_gb=4)
    fly.add(name="other")
    fly.snapshot("vol_2")
    fly.snapshots["vol_2"][0].update(status="created", created_at="2026-11-24T23:00:00Z")
    converge(fly, state="absent", confirm_destroy="data")
    fly.snapshot("vol_1")  # a later one that is not complete
    result = converge(fly, snapshot="last")
    assert result["plan"] == ["create volume data in ewr with 4 GB from snapshot vs_vol_1_1"]
    assert fly.living()[0]["snapshot_id"] == "vs_vol_1_1"
    assert converge(fly, snapshot="last")["changed"] is False
    copy = converge(fly, name="copy", snapshot="last", snapshot_pool="other")
    assert copy["plan"] == ["create volume copy in ewr with 1 GB from snapshot vs_vol_2_1"]
    with pytest.raises(CloudError, match="no volume of pool nothing in app web has a complete snapshot"):
        converge(fly, name="copy2", snapshot="last", snapshot_pool="nothing")


def test_a_named_snapshot_needs_room_where_its_size_is_known(fly: FakeFlyVolumes) -> None:
    fly.add(name="old", size_gb=4)
    fly.snapshot("vol_1")
    with pytest.raises(CloudError, match="2 GB cannot hold snapshot vs_vol_1_1, which has 4 GB"):
        converge(fly, snapshot_id="vs_vol_1_1", size_gb=2)
    assert converge(fly, snapshot_id="vs_of_another_app")["changed"]
    assert fly.living()[0]["snapshot_id"] == "vs_of_another_app"


def test_a_fork_needs_a_source(fly: FakeFlyVolumes) -> None:
    fly.add(name="old", size_gb=4)
    with pytest.raises(CloudError, match="app web has no volume vol_8"):
        converge(fly, source_volume_id="vol_8")
    assert converge(fly, source_volume_id="vol_1")["plan"] == ["create volume data in ewr with 4 GB from volume vol_1"]
    assert fly.living()[0]["source_volume_id"] == "vol_1"
