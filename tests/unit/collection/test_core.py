"""Waiter, fields, plan and secret: the parts below every module."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import (
    Field,
    absent_is_empty,
    as_set,
    cidrs,
    differences,
    major,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock, Patience, wait_for


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self.now += seconds

        return Clock(now=lambda: self.now, sleep=sleep)


def test_waiting_goes_on_through_states_that_nobody_announced() -> None:
    states = iter(["draft", "a-state-of-next-year", "active"])
    told: list[str] = []
    patience = Patience(60, 1, Time().clock(), told.append)
    assert wait_for("database", lambda: next(states), lambda s: s == "active", patience, state=str) == "active"
    assert told == ["database: draft (0 s of at most 60 s)", "database: a-state-of-next-year (1 s of at most 60 s)"]


def test_waiting_ends_at_once_on_a_failure_state() -> None:
    with pytest.raises(CloudError, match="wait for database: it says error") as failure:
        wait_for(
            "database",
            lambda: "error",
            lambda s: False,
            Patience(60, 1, Time().clock()),
            failed=lambda s: "it says error",
        )
    assert failure.value.code == "failed_state"


def test_waiting_ends_at_the_deadline_with_the_state_last_seen() -> None:
    time = Time()
    with pytest.raises(CloudError, match="still 'pending' after 5 s") as failure:
        wait_for("database", lambda: "pending", lambda s: False, Patience(5, 2, time.clock()), state=str)
    assert (failure.value.code, time.now) == ("timeout", 5.0)


@pytest.mark.parametrize(
    ("field", "wanted", "present", "found"),
    [
        (Field("size"), 2, 1, {"size": (1, 2)}),
        (Field("size"), None, 1, {}),
        (Field("tls", at="security.enableTls"), True, {"enableTls": False}, {"tls": (False, True)}),
        (Field("tls", at="security.enableTls"), True, None, {"tls": (None, True)}),
        (Field("tags", compare=as_set), ["b", "a"], ["a", "b"], {}),
        (Field("env", compare=absent_is_empty), {}, None, {}),
        (Field("ips", compare=cidrs), ["192.0.2.1"], ["192.0.2.1/32"], {}),
        (Field("version", compare=major), "16", "16.4", {}),
        (Field("gb", change="grow"), 5, 3, {"gb": (3, 5)}),
    ],
)
def test_differences(field: Field, wanted: Any, present: Any, found: dict[str, Any]) -> None:
    observed = {"security": present} if field.at else {field.name: present}
    assert differences("thing", [field], {field.name: wanted}, observed) == found


@pytest.mark.parametrize(
    ("field", "wanted", "says"),
    [
        (Field("gb", change="grow"), 1, "gb is 3 and cannot shrink to 1"),
        (Field("gb", change="create"), 4, "gb is 3 and cannot become 4"),
    ],
)
def test_changes_that_cannot_be_made_are_refused(field: Field, wanted: Any, says: str) -> None:
    with pytest.raises(CloudError, match=says) as failure:
        differences("thing", [field], {"gb": wanted}, {"gb": 3})
    assert failure.value.code == "refused"
    assert failure.value.hint


def test_check_mode_and_run_come_from_one_plan() -> None:
    calls: list[str] = []

    def plan(observed: Any) -> Plan:
        made = Plan(before={}, after={"name": "x"})
        if not calls:
            made.add("create", "create x", name="x")
        return made

    def run(check_mode: bool) -> dict[str, Any]:
        context = Context(check_mode=check_mode)
        handlers = {"create": lambda name: calls.append(name)}
        return converge(lambda: None, plan, lambda p: apply(p, handlers, context), lambda o: o, context)

    foreseen = run(True)
    assert calls == []
    done = run(False)
    assert calls == ["x"]
    assert {key: foreseen[key] for key in ("changed", "diff", "plan")} == {
        key: done[key] for key in ("changed", "diff", "plan")
    }
    assert run(False)["changed"] is False


def test_a_secret_does_not_print_pickle_or_format_itself() -> None:
    secret = Secret("planted-77aa")
    assert "planted" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("planted-77aa") != Secret("other")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
