"""Traps of the Redis Cloud API that need a conversation.

Those of one plan are cases in ``cases/redis_cloud_*``: no sources are everywhere, no order, fields that read back elsewhere or not
at all (``unchanged_as_read_back``), the default user (``create_without_default_user``, ``password_stays_*``), certificates
(``certificates_*``), the service's defaults (``unchanged_defaults_are_left_alone``), versions (``version_*``), payment
(``marketplace_has_no_id``, ``payment_*``), tags (``tags_in_capitals``), plans whose ids drift (``unchanged_other_plan_id``).
Names that are not unique, lost answers and check mode: ``test_redis_cloud.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.fake_redis_cloud import FakeRedisCloud
from tests.unit.collection.runs import run_module

PLAN = {"name": "sup", "provider": "AWS", "region": "us-east-1", "size": "1GB"}


@pytest.fixture
def cloud() -> Iterator[FakeRedisCloud]:
    with served(FakeRedisCloud()) as fake:
        assert isinstance(fake, FakeRedisCloud)
        yield fake


def call(cloud: FakeRedisCloud, module: str, /, **options: Any) -> dict[str, Any]:
    credentials = {"api_url": f"{cloud.url}/v1", "api_key": "key", "api_secret_key": "secret"}
    return run_module(f"redis_cloud_{module}", **credentials, **options)


def database(cloud: FakeRedisCloud, **options: Any) -> dict[str, Any]:
    return call(cloud, "database", **{"subscription": "sup", "name": "sessions", **options})


def test_what_is_not_listed_before_its_task_is_done_is_not_made_twice(cloud: FakeRedisCloud) -> None:
    """The run before was killed after its POST; there is only a task yet."""
    cloud.late = True
    cloud.post_subscription({"name": "sup", "planId": 9})
    assert cloud.subscriptions == {}
    assert call(cloud, "subscription", **PLAN)["resource"]["status"] == "active"
    assert cloud.writes() == []
    cloud.post_database(next(iter(cloud.subscriptions)), {"name": "sessions"})
    assert database(cloud)["resource"]["status"] == "active"
    assert cloud.writes() == []
    cloud.answer("POST", "/v1/acl/redisRules", {"name": "mine", "redisRule": "+@read ~*"})
    assert call(cloud, "acl_rule", name="mine", rule="+@read ~*")["resource"]["status"] == "active"
    assert cloud.writes() == []


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_a_lost_answer_whose_task_is_still_waiting_makes_no_second_one(cloud: FakeRedisCloud, kind: str) -> None:
    cloud.late = True
    cloud.faults = [Fault("POST", "/fixed/subscriptions$", kind), Fault("POST", "/users$", kind)]
    call(cloud, "subscription", **PLAN)
    assert len(cloud.subscriptions) == 1
    call(cloud, "acl_user", name="app", role="readers", password="planted-secret")
    assert len(cloud.access["users"]) == 1


def test_a_fresh_resource_may_be_missing_for_a_moment(cloud: FakeRedisCloud) -> None:
    cloud.hidden = 4
    assert call(cloud, "subscription", **PLAN)["resource"]["status"] == "active"
    assert database(cloud)["resource"]["status"] == "active"


def test_a_resource_that_stays_missing_is_an_error(cloud: FakeRedisCloud) -> None:
    cloud.hidden = 99
    with pytest.raises(CloudError, match=r"wait for subscription sup.*is not there"):
        call(cloud, "subscription", **PLAN)


def test_tasks_may_tell_neither_response_nor_resource(cloud: FakeRedisCloud) -> None:
    cloud.silent = True
    assert call(cloud, "subscription", **PLAN)["resource"]["status"] == "active"
    assert database(cloud)["resource"]["status"] == "active"
    assert call(cloud, "acl_rule", name="mine", rule="+@read ~*")["resource"]["status"] == "active"


def test_a_resource_in_error_ends_the_wait(cloud: FakeRedisCloud) -> None:
    cloud.states = ("pending", "error")
    with pytest.raises(CloudError, match="is in the state 'error'"):
        call(cloud, "subscription", **PLAN)


def test_old_values_of_an_active_database_are_waited_out(cloud: FakeRedisCloud) -> None:
    call(cloud, "subscription", **PLAN)
    database(cloud)
    cloud.stale = 3
    changed = database(cloud, data_persistence="aof-every-write", password="another-one")
    assert changed["resource"]["dataPersistence"] == "aof-every-write"
    cloud.stale = 0
    assert not database(cloud, data_persistence="aof-every-write", password="another-one")["changed"]


def test_a_database_that_is_being_deleted_is_awaited_and_made_anew(cloud: FakeRedisCloud) -> None:
    call(cloud, "subscription", **PLAN)
    old = database(cloud)["resource"]["databaseId"]
    cloud.remove("db", cloud.databases, old)
    assert database(cloud)["resource"]["databaseId"] != old
    cloud.remove("db", cloud.databases, next(iter(cloud.databases)))
    assert not database(cloud, state="absent", confirm_destroy="sessions")["changed"]


@pytest.mark.parametrize("busy", ["DATABASE_NOT_ACTIVE", "DATABASE_SUBSCRIPTION_IN_PENDING_STATUS", "CONFLICT_ERROR"])
def test_what_is_busy_is_tried_again(cloud: FakeRedisCloud, busy: str) -> None:
    call(cloud, "subscription", **PLAN)
    database(cloud)
    cloud.fail = {"db": {"type": busy, "description": "busy"}}
    assert database(cloud, replication=True)["resource"]["replication"] is True


def test_an_update_that_is_refused_is_an_error_though_it_was_accepted(cloud: FakeRedisCloud) -> None:
    call(cloud, "subscription", **PLAN)
    database(cloud)
    cloud.fail = {"db": {"type": "DATABASE_INVALID_BACKUP_PATH", "status": "400 BAD_REQUEST", "description": "No"}}
    with pytest.raises(CloudError) as caught:
        database(cloud, periodic_backup_path="s3://bucket")
    assert (caught.value.status, caught.value.code) == (400, "DATABASE_INVALID_BACKUP_PATH")


def test_fields_that_are_left_out_crash_nothing(cloud: FakeRedisCloud) -> None:
    call(cloud, "subscription", **PLAN)
    database(cloud)
    for found in cloud.databases.values():
        for key in ("security", "alerts", "backup", "protocol"):
            found.pop(key, None)
    assert not database(cloud)["changed"]
    assert database(cloud, state="absent", confirm_destroy="sessions")["changed"]


def test_access_control_that_is_pending_again_is_waited_for(cloud: FakeRedisCloud) -> None:
    options = {"name": "mine", "rule": "+@read ~*"}
    call(cloud, "acl_rule", **options)
    (found,) = cloud.access["redisRules"].values()
    found["passes"] = ["pending", "pending"]
    found["status"] = "pending"
    again = call(cloud, "acl_rule", **options)
    assert (again["changed"], again["resource"]["status"]) == (False, "active")


def test_a_role_that_is_pending_is_asked_again(cloud: FakeRedisCloud) -> None:
    call(cloud, "acl_rule", name="mine", rule="+@read ~*")
    cloud.fail = {"redisRulesUpdateRequest": "ACL_ROLE_IS_IN_PENDING_STATUS_AND_CANNOT_BE_UPDATED"}
    assert call(cloud, "acl_rule", name="mine", rule="+@all ~*")["resource"]["acl"] == "+@all ~*"


def test_passwords_of_users_are_nowhere(cloud: FakeRedisCloud) -> None:
    options = {"name": "app", "role": "readers", "password": "planted-secret"}
    made = call(cloud, "acl_user", **options)
    assert made["resource"] == {"id": made["resource"]["id"], "name": "app", "role": "readers", "status": "active"}
    assert not call(cloud, "acl_user", **options)["changed"]
    always = call(cloud, "acl_user", **options, update_password="always")
    assert always["plan"] == ["update user app: password"]
    assert cloud.seen[-1][0] == "GET"
    assert [body["password"] for verb, _, body in cloud.seen if verb == "PUT"] == ["planted-secret"]
    assert "planted-secret" not in json.dumps([made, always])


def test_databases_of_roles_are_found_by_name(cloud: FakeRedisCloud) -> None:
    call(cloud, "subscription", **PLAN)
    rules = [{"rule": "Read-Only", "databases": ["sup/sessions"]}]
    with pytest.raises(
        CloudError, match="there is no database sup/sessions -> make it with redis_cloud_database first"
    ):
        call(cloud, "acl_role", name="readers", rules=rules)
    number = database(cloud)["resource"]["databaseId"]
    made = call(cloud, "acl_role", name="readers", rules=rules)["resource"]
    assert made["redisRules"][0]["databases"][0]["databaseId"] == number
    gone = call(cloud, "acl_role", name="readers", state="absent", confirm_destroy="readers")
    assert (gone["changed"], gone["resource"]) == (True, None)
