"""Redis Cloud modules against an API in memory: tasks, lost answers, unknown states, interrupted runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.fake_redis_cloud import FakeRedisCloud
from tests.unit.collection.runs import run_module

WANTED = {"name": "sup", "provider": "AWS", "region": "us-east-1", "size": "1GB"}


@pytest.fixture
def cloud() -> Iterator[FakeRedisCloud]:
    with served(FakeRedisCloud()) as fake:
        assert isinstance(fake, FakeRedisCloud)
        yield fake


def call(cloud: FakeRedisCloud, module: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    credentials = {"api_url": f"{cloud.url}/v1", "api_key": "key", "api_secret_key": "secret"}
    return run_module(module, check_mode, **credentials, **options)


def subscription(cloud: FakeRedisCloud, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return call(cloud, "redis_cloud_subscription", check_mode, **{**WANTED, **options})


def database(cloud: FakeRedisCloud, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return call(cloud, "redis_cloud_database", check_mode, **{"subscription": "sup", "name": "sessions", **options})


def test_a_subscription_is_made_once_and_awaited(cloud: FakeRedisCloud) -> None:
    checked = subscription(cloud, check_mode=True)
    assert checked["changed"]
    assert checked["resource"] is None
    assert cloud.writes() == []
    made = subscription(cloud)
    assert (
        made["plan"]
        == checked["plan"]
        == ["create subscription sup: 1 GB in AWS us-east-1, Single-zone: 22 USD / Month"]
    )
    assert made["diff"] == checked["diff"]
    assert made["resource"]["status"] == "active"
    again = subscription(cloud)
    assert not again["changed"]
    assert len(cloud.writes()) == 1


def test_a_steady_subscription_costs_two_calls(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    cloud.seen.clear()
    subscription(cloud)
    assert len(cloud.seen) == 2


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_an_answer_in_doubt_makes_no_second_subscription(cloud: FakeRedisCloud, kind: str) -> None:
    cloud.faults = [Fault("POST", "/fixed/subscriptions$", kind)]
    assert subscription(cloud)["resource"]["status"] == "active"
    assert len(cloud.subscriptions) == 1


def test_what_an_interrupted_run_began_is_adopted(cloud: FakeRedisCloud) -> None:
    cloud.post_subscription({"name": "sup", "planId": 9})
    result = subscription(cloud)
    assert result["resource"]["status"] == "active"
    assert not result["changed"]
    assert cloud.writes() == []


def test_one_that_is_being_deleted_is_awaited_and_made_anew(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    old = next(iter(cloud.subscriptions))
    cloud.remove("fixedSubscriptionDeleteRequest", cloud.subscriptions, old)
    assert subscription(cloud)["changed"]
    assert list(cloud.subscriptions) != [old]
    assert len(cloud.subscriptions) == 1


def test_two_of_one_name_need_an_id(cloud: FakeRedisCloud) -> None:
    for _ in range(2):
        cloud.post_subscription({"name": "sup", "planId": 9})
    first, second = cloud.subscriptions
    with pytest.raises(CloudError, match=f"2 are called so: ids {first}, {second}.* -> give subscription_id"):
        subscription(cloud)
    assert subscription(cloud, subscription_id=second)["resource"]["id"] == second


@pytest.mark.parametrize(
    "error",
    [
        {"type": "PAYMENT_INFO_EXPIRED", "status": "400 BAD_REQUEST", "description": "Card expired"},
        "PAYMENT_INFO_EXPIRED",
    ],
)
def test_a_task_that_fails_is_an_error_with_a_remedy(cloud: FakeRedisCloud, error: Any) -> None:
    cloud.fail = {"fixedSubscriptionCreateRequest": error}
    with pytest.raises(CloudError) as caught:
        subscription(cloud)
    assert caught.value.code == "PAYMENT_INFO_EXPIRED"
    assert caught.value.hint == "the card has expired; enter a new one in the console"
    assert caught.value.request_id.startswith("task-")


def test_a_busy_account_is_tried_again(cloud: FakeRedisCloud) -> None:
    cloud.fail = {"fixedSubscriptionCreateRequest": "TOO_MANY_PENDING_SUBSCRIPTIONS"}
    assert subscription(cloud)["resource"]["status"] == "active"
    assert len(cloud.writes()) == 2


def test_a_task_that_stays_missing_is_an_error(cloud: FakeRedisCloud) -> None:
    cloud.early_404 = 99
    with pytest.raises(CloudError, match=r"wait for task task-.*is not there"):
        subscription(cloud)


def test_a_resource_that_stays_pending_runs_into_the_timeout(cloud: FakeRedisCloud) -> None:
    cloud.states = ("pending",) * 500
    with pytest.raises(CloudError, match="still 'pending' after 20 s"):
        subscription(cloud, wait_timeout=20)


def test_a_subscription_moves_to_another_plan(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    moved = subscription(cloud, size="5GB")
    assert moved["resource"]["planId"] == 12
    assert not subscription(cloud, size="5GB")["changed"]


def test_a_subscription_with_databases_is_not_removed(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    database(cloud)
    with pytest.raises(CloudError, match="it holds sessions"):
        subscription(cloud, state="absent", confirm_destroy="sup")
    database(cloud, state="absent", confirm_destroy="sessions")
    gone = subscription(cloud, state="absent", confirm_destroy="sup")
    assert gone["changed"]
    assert gone["resource"] is None
    assert not subscription(cloud, state="absent", confirm_destroy="sup")["changed"]
    assert cloud.subscriptions == {}


EVERYTHING: dict[str, Any] = {
    "protocol": "stack",
    "data_persistence": "aof-every-1-second",
    "source_ips": ["192.0.2.1/32", "198.51.100.0/24"],
    "enable_tls": True,
    "password": "planted-secret",
    "enable_default_user": False,
    "alerts": [{"name": "latency", "value": 3}],
    "tags": {"owner": "sup"},
    "periodic_backup_path": "s3://bucket/x",
}


def test_a_database_gets_everything_and_stays_so(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    made = database(cloud, **EVERYTHING)
    assert made["plan"] == [
        "create database sessions",
        "update database sessions: enable_default_user",
        "set tags of database sessions",
    ]
    security = next(iter(cloud.databases.values()))["security"]
    assert security["defaultUserEnabled"] is False
    assert security["password"] == "planted-secret"
    again = database(cloud, **EVERYTHING)
    assert not again["changed"]
    assert "planted-secret" not in json.dumps([made, again])
    assert "madeByServer" not in json.dumps([made, again])


def test_a_database_changes_and_waits_for_the_new_values(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    database(cloud)
    changed = database(cloud, enable_tls=True, password="another")
    assert changed["plan"] == ["update database sessions: enable_tls, password"]
    assert changed["resource"]["status"] == "active"
    assert "password" not in changed["resource"]["security"]
    assert not database(cloud, enable_tls=True, password="another")["changed"]


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_an_answer_in_doubt_makes_no_second_database(cloud: FakeRedisCloud, kind: str) -> None:
    subscription(cloud)
    cloud.faults = [Fault("POST", "/databases$", kind)]
    assert database(cloud)["resource"]["status"] == "active"
    assert len(cloud.databases) == 1


def test_a_pending_database_is_awaited(cloud: FakeRedisCloud) -> None:
    subscription(cloud)
    cloud.post_database(next(iter(cloud.subscriptions)), {"name": "sessions"})
    cloud.seen.clear()
    assert database(cloud)["resource"]["status"] == "active"
    assert cloud.writes() == []


def test_a_database_without_subscription_is_only_planned(cloud: FakeRedisCloud) -> None:
    assert database(cloud, check_mode=True)["plan"] == ["create database sessions"]
    with pytest.raises(CloudError, match="there is no 'sup' -> make it with redis_cloud_subscription first"):
        database(cloud)
    assert not database(cloud, state="absent")["changed"]


def test_wrong_keys_are_told(cloud: FakeRedisCloud) -> None:
    with pytest.raises(CloudError, match=r"Unable to authenticate you \(HTTP 401\) -> check api_key"):
        run_module("redis_cloud_subscription", api_url=f"{cloud.url}/v1", api_key="key", api_secret_key="no", **WANTED)
