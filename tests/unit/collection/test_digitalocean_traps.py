"""Every trap of the reference (section 13) has a test here, or is named where another one has it.

1, 2: test_digitalocean.py (several of one name, answers in doubt). 3, 4, 5, 6, 7, 8, 18: cases/do_database_cluster.
10, 11: cases/do_database_firewall. 13: cases/do_database_user. 14, 15: cases/do_database_pool.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_digitalocean import CA, FakeDigitalOcean
from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.runs import run_module

WANTED: dict[str, Any] = {"name": "sup", "region": "nyc3", "version": "15", "size": "db-s-1vcpu-1gb"}


@pytest.fixture
def cloud() -> Iterator[FakeDigitalOcean]:
    with served(FakeDigitalOcean()) as fake:
        assert isinstance(fake, FakeDigitalOcean)
        yield fake


def call(cloud: FakeDigitalOcean, module: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return run_module(module, check_mode, api_url=cloud.url, api_token="token", **options)


def cluster(cloud: FakeDigitalOcean, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database_cluster", **{**WANTED, **options})


def pool(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    usual = {"cluster": "sup", "name": "engine", "size": 5, "database": "defaultdb", "user": "doadmin"}
    return call(cloud, "do_database_pool", check_mode, **{**usual, **options})


def replica(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database_replica", check_mode, **{"cluster": "sup", "name": "read", **options})


def test_trap_1_another_region_is_a_move_and_no_second_cluster(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    assert cluster(cloud, region="nyc1")["plan"] == ["move cluster sup to nyc1"]
    assert len(cloud.clusters) == 1


def test_trap_2_a_pool_made_by_a_lost_answer_is_the_pool(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.faults = [Fault("POST", "/pools$", "lost"), Fault("GET", "/pools$", "status", status=500, skip=3)]
    assert pool(cloud)["resource"]["name"] == "engine"
    assert len(cloud.clusters["u1"]["pools"]) == 1


def test_trap_9_sources_are_read_where_they_are_kept(cloud: FakeDigitalOcean) -> None:
    cloud.post_cluster({**WANTED, "engine": "pg", "num_nodes": 1, "rules": [{"type": "ip_addr", "value": "192.0.2.1"}]})
    made = call(cloud, "do_database_firewall", cluster="sup", rules=[{"value": "192.0.2.1"}])
    assert made["changed"]  # the cluster was asked to have it, and does not


def test_trap_12_another_change_under_way_is_waited_for(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    for module, options in (("do_database", {}), ("do_database_user", {})):
        cloud.busy = 3
        assert call(cloud, module, cluster="sup", name="app", **options)["resource"]["name"] == "app"
    cloud.busy = 2
    assert pool(cloud, user="app")["resource"]["user"] == "app"


def test_trap_12_an_endless_change_runs_into_the_timeout(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.busy = 10_000
    with pytest.raises(CloudError, match="still 'another operation is in progress' after 5 s"):
        pool(cloud, wait_timeout=5)


def test_trap_15_a_user_that_was_not_given_is_left_alone(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    pool(cloud)
    options = {"cluster": "sup", "name": "engine", "size": 6, "database": "defaultdb"}
    call(cloud, "do_database_pool", **options)
    assert cloud.clusters["u1"]["pools"][0]["user"] == "doadmin"
    assert not call(cloud, "do_database_pool", **options)["changed"]


def test_trap_16_a_password_changes_by_the_action_alone(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    first = call(cloud, "do_database_user", cluster="sup", name="app")
    again = call(cloud, "do_database_user", cluster="sup", name="app")
    reset = call(cloud, "do_database_user", cluster="sup", name="app", reset_password=True)
    assert (again["changed"], reset["changed"]) == (False, True)
    assert "secret" not in json.dumps([first, again, reset])


def test_trap_17_only_given_keys_are_compared_and_sent(cloud: FakeDigitalOcean) -> None:
    wanted = {"config": {"work_mem": 8, "backup_hour": 5, "backup_minute": 0}}
    cluster(cloud, **wanted)
    assert not cluster(cloud, **wanted)["changed"]
    cluster(cloud, config={"backup_hour": 6, "backup_minute": 0})
    assert cloud.clusters["u1"]["config"] == {
        "work_mem": 8, "backup_hour": 6, "backup_minute": 0, "jit": True, "timezone": "UTC",
    }  # fmt: skip


def test_trap_19_a_replica_is_no_second_cluster_of_its_name(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.post_cluster({**WANTED, "engine": "pg", "num_nodes": 1, "name": "other"})
    cloud.post_replica("u2", {"name": "sup"})
    listed = [cloud.shown(item) for item in cloud.clusters.values()]
    cloud.list_all = True
    assert len(listed) == 3
    assert cluster(cloud)["resource"]["id"] == "u1"


def test_trap_19_a_name_that_a_replica_has_is_refused(cloud: FakeDigitalOcean) -> None:
    cluster(cloud, name="other")
    cloud.post_replica("u1", {"name": "sup"})
    with pytest.raises(CloudError, match="the name is that of a read replica of cluster other"):
        cluster(cloud)


def test_trap_20_the_end_of_a_cluster_is_awaited(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.looks = 4
    cluster(cloud, state="absent", confirm_destroy="sup", confirm_last_backup="2026-01-02T03:00:00Z")
    after = cloud.seen[[method for method, *_ in cloud.seen].index("DELETE") :]
    assert [method for method, path, _ in after if path == "/v2/databases/u1"].count("GET") >= 4


def test_trap_21_online_before_a_change_has_begun_is_not_its_end(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    upgraded = cluster(cloud, version="16")  # an upgrade reads as online all the time
    assert upgraded["resource"]["version"] == "16"


def test_trap_22_the_authority_comes_in_both_forms(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    found = call(cloud, "do_database_cluster_info", name="sup")["resource"]["clusters"][0]
    assert found["ca"] == CA
    assert base64.b64decode(found["ca_base64"]).decode() == CA


def test_a_replica_waits_for_the_first_backup(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.clusters["u1"]["backups"] = []
    made = replica(cloud, size="db-s-1vcpu-1gb")
    assert made["plan"] == replica_plan_again(cloud) == ["create replica read of cluster sup"]
    assert made["resource"]["status"] == "online"
    assert not replica(cloud)["changed"]


def replica_plan_again(cloud: FakeDigitalOcean) -> list[str]:
    plan: list[str] = replica(cloud, True, name="another")["plan"]
    return [title.replace("another", "read") for title in plan]


def test_a_replica_grows_is_tagged_and_promoted(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    replica(cloud)
    wanted: dict[str, Any] = {"size": "db-s-2vcpu-4gb", "storage_size_mib": 71680, "tags": ["read"]}
    assert len(replica(cloud, **wanted)["plan"]) == 3
    assert not replica(cloud, **wanted)["changed"]
    promoted = replica(cloud, state="promoted")
    assert promoted["plan"] == ["make replica read a cluster of its own"]
    assert not replica(cloud, state="promoted")["changed"]
    with pytest.raises(CloudError, match="a promoted replica does not come back"):
        replica(cloud)


def test_a_replica_goes_by_its_typed_name(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    replica(cloud)
    assert replica(cloud, state="absent", confirm_destroy="read")["resource"] is None
    assert not replica(cloud, state="absent")["changed"]


def test_a_pool_comes_changes_and_goes(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    checked = pool(cloud, True)
    made = pool(cloud)
    assert made["plan"] == checked["plan"] == ["create pool engine"]
    assert "password" not in json.dumps(made)
    assert pool(cloud, mode="session")["plan"] == ["update pool engine: mode session"]
    assert not pool(cloud, mode="session")["changed"]
    assert pool(cloud, state="absent")["resource"] is None


def test_all_settings_converge(cloud: FakeDigitalOcean) -> None:
    wanted: dict[str, Any] = {
        "config": {"work_mem": 16, "pgbouncer": {"min_pool_size": 2}},
        "autoscale": {"enabled": True, "threshold_percent": 80, "increment_gib": 10},
        "service_cnames": ["db.example.com"],
    }
    cluster(cloud)
    assert len(cluster(cloud, **wanted)["plan"]) == 3
    assert not cluster(cloud, **wanted)["changed"]
    cloud.clusters["u1"]["storage_size_mib"] = 50_000  # grew by itself
    assert not cluster(cloud, storage_size_mib=10240, **wanted)["changed"]


def test_a_restored_cluster_names_its_source(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    copy = cluster(cloud, name="copy", restore_from="sup")
    assert copy["plan"] == ["create cluster copy from a backup of sup"]
    assert not cluster(cloud, name="copy", restore_from="sup")["changed"]


def test_info_reads_what_is_asked_for_and_no_password(cloud: FakeDigitalOcean) -> None:
    cluster(cloud, tags=["prod"])
    pool(cloud)
    details = ["autoscale", "backups", "ca", "config", "databases", "pools", "replicas", "rules", "service_cnames"]
    found = call(cloud, "do_database_cluster_info", tag="prod", details=details)
    assert set(details) <= set(found["resource"]["clusters"][0])
    assert "p@ss" not in json.dumps(found)
    assert call(cloud, "do_database_cluster_info", name="none")["resource"] == {"clusters": []}
