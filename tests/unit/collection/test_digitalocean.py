"""DigitalOcean modules against an API in memory: late fields, lost answers, interrupted runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_digitalocean import FakeDigitalOcean
from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.runs import run_module

WANTED: dict[str, Any] = {"name": "sup", "region": "nyc3", "version": "15", "size": "db-s-1vcpu-1gb"}
WINDOW = {"day": "sunday", "hour": "04:00"}


@pytest.fixture
def cloud() -> Iterator[FakeDigitalOcean]:
    with served(FakeDigitalOcean()) as fake:
        assert isinstance(fake, FakeDigitalOcean)
        yield fake


def call(cloud: FakeDigitalOcean, module: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return run_module(module, check_mode, api_url=cloud.url, api_token="token", **options)


def cluster(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database_cluster", check_mode, **{**WANTED, **options})


def user(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database_user", check_mode, **{"cluster": "sup", "name": "app", **options})


def firewall(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database_firewall", check_mode, **{"cluster": "sup", **options})


def database(cloud: FakeDigitalOcean, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    return call(cloud, "do_database", check_mode, **{"cluster": "sup", "name": "app", **options})


def test_a_cluster_is_made_and_awaited(cloud: FakeDigitalOcean) -> None:
    checked = cluster(cloud, True, maintenance_window=WINDOW)
    assert cloud.writes() == []
    made = cluster(cloud, maintenance_window=WINDOW)
    assert made["plan"] == checked["plan"] == ["create cluster sup", "set maintenance window of cluster sup"]
    assert made["resource"]["status"] == "online"
    assert "p@ss" not in json.dumps(made)
    assert made["resource"]["connection"]["uri"].startswith("postgres://doadmin:********@sup.example.com")
    again = cluster(cloud, maintenance_window=WINDOW)
    assert not again["changed"]


def test_a_steady_cluster_costs_one_call(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.seen.clear()
    cluster(cloud)
    assert len(cloud.seen) == 1


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_an_answer_in_doubt_makes_no_second_cluster(cloud: FakeDigitalOcean, kind: str) -> None:
    cloud.faults = [Fault("POST", "/databases$", kind)]
    assert cluster(cloud)["resource"]["status"] == "online"
    assert len(cloud.clusters) == 1


def test_a_cluster_that_an_interrupted_run_began_is_awaited(cloud: FakeDigitalOcean) -> None:
    cloud.post_cluster({**WANTED, "engine": "pg", "num_nodes": 1})
    result = cluster(cloud)
    assert not result["changed"]
    assert result["resource"]["status"] == "online"
    assert cloud.writes() == []


def test_two_of_one_name_need_a_uuid(cloud: FakeDigitalOcean) -> None:
    for _ in range(2):
        cloud.post_cluster({**WANTED, "engine": "pg", "num_nodes": 1})
    with pytest.raises(CloudError, match=r"2 are called so: ids u1, u2.* -> give cluster_uuid"):
        cluster(cloud)
    assert cluster(cloud, cluster_uuid="u2")["resource"]["id"] == "u2"
    with pytest.raises(CloudError, match="there is no cluster u9"):
        cluster(cloud, cluster_uuid="u9")


def test_every_change_is_awaited_before_the_next(cloud: FakeDigitalOcean) -> None:
    cluster(cloud, tags=["old"])
    bigger: dict[str, Any] = {
        "version": "16",
        "size": "db-s-2vcpu-4gb",
        "num_nodes": 2,
        "storage_size_mib": 61440,
        "region": "nyc1",
        "tags": ["new"],
        "project_id": "p-2",
        "maintenance_window": WINDOW,
    }
    changed = cluster(cloud, **bigger)
    assert len(changed["plan"]) == 7
    assert changed["resource"]["num_nodes"] == 2
    assert changed["resource"]["region"] == "nyc1"
    assert not cluster(cloud, **bigger)["changed"]


def test_a_cluster_that_never_arrives_runs_into_the_timeout(cloud: FakeDigitalOcean) -> None:
    cloud.looks = 10_000
    with pytest.raises(CloudError, match="still 'creating' after 20 s"):
        cluster(cloud, wait_timeout=20)


def test_a_cluster_is_removed_and_its_end_awaited(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    gone = cluster(cloud, state="absent", confirm_destroy="sup", confirm_last_backup="2026-01-02T03:00:00Z")
    assert gone["changed"]
    assert gone["resource"] is None
    assert cloud.clusters == {}
    assert not cluster(cloud, state="absent", confirm_destroy="sup")["changed"]


def test_a_cluster_goes_after_its_copy_is_online(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    gone = cluster(cloud, state="absent", confirm_destroy="sup", fork_before_destroy="last")
    assert gone["plan"][0] == "fork cluster sup to last from its backup of 2026-01-02T03:00:00Z"
    assert [(item["name"], item["status"]) for item in cloud.clusters.values()] == [("last", "online")]
    assert next(iter(cloud.clusters.values()))["backup_restore"]["database_name"] == "sup"


def test_a_copy_that_an_interrupted_run_began_is_the_copy(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.faults = [Fault("DELETE", "/databases/u1$", "status", status=400)]
    with pytest.raises(CloudError):
        cluster(cloud, state="absent", confirm_destroy="sup", fork_before_destroy="last")
    cluster(cloud, state="absent", confirm_destroy="sup", fork_before_destroy="last")
    assert [item["name"] for item in cloud.clusters.values()] == ["last"]


def test_a_database_comes_and_goes(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    assert database(cloud)["resource"] == {"name": "app"}
    assert not database(cloud)["changed"]
    assert database(cloud, state="absent", confirm_destroy="app")["resource"] is None


def test_a_database_whose_answer_was_lost_is_not_an_error(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.faults = [Fault("POST", "/dbs$", "lost"), Fault("GET", "/dbs$", "status", status=500, count=2)]
    assert database(cloud)["resource"] == {"name": "app"}


def test_a_user_is_readable_before_the_run_goes_on(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    made = user(cloud)
    assert made["resource"] == {"name": "app", "role": "normal"}
    assert not user(cloud)["changed"]
    reset = user(cloud, reset_password=True)
    assert reset["changed"]
    assert cloud.clusters["u1"]["accounts"]["app"]["password"] == "second:secret"
    assert "secret" not in json.dumps([made, reset])
    assert user(cloud, state="absent", confirm_destroy="app")["resource"] is None


def test_a_user_whose_answer_was_lost_is_made_once(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    cloud.faults = [Fault("POST", "/users$", "lost")]
    assert user(cloud)["resource"]["name"] == "app"


def test_a_users_settings_change_where_they_are_told(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    user(cloud, pg_allow_replication=False)
    assert user(cloud, pg_allow_replication=True)["plan"] == ["update user app: pg_allow_replication True"]
    assert not user(cloud, pg_allow_replication=True)["changed"]


def test_trusted_sources_are_an_exact_set(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    rules = [{"value": "203.0.113.7"}, {"type": "tag", "value": "web"}]
    assert firewall(cloud, rules=rules)["changed"]
    assert not firewall(cloud, rules=[{"value": "203.0.113.7/32"}, rules[1]])["changed"]
    with pytest.raises(CloudError, match="lets everyone in"):
        firewall(cloud, rules=[])
    opened = firewall(cloud, rules=[], allow_everyone=True)
    assert opened["warnings"]
    assert opened["resource"] == {"rules": []}


def test_more_than_a_hundred_sources_are_refused(cloud: FakeDigitalOcean) -> None:
    cluster(cloud)
    with pytest.raises(CloudError, match="101 sources are too many"):
        firewall(cloud, rules=[{"value": f"192.0.2.{number}"} for number in range(101)])


@pytest.mark.parametrize("module", [database, user])
def test_without_a_cluster_it_is_only_planned(cloud: FakeDigitalOcean, module: Any) -> None:
    assert module(cloud, True)["changed"]
    with pytest.raises(CloudError, match="there is no 'sup' -> make it with do_database_cluster first"):
        module(cloud)
    assert not module(cloud, state="absent")["changed"]


def test_a_wrong_token_is_told(cloud: FakeDigitalOcean) -> None:
    with pytest.raises(CloudError, match=r"Unable to authenticate you \(HTTP 401\) -> check api_token"):
        run_module("do_database_cluster", api_url=cloud.url, api_token="wrong", **WANTED)
