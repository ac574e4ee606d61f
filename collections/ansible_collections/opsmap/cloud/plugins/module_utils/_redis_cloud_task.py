# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of Redis Cloud followed to their end, and resources to ``active``. Every write there is a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for

Object = dict[str, Any]
Find = Callable[[], "Object | None"]

SERVICE = "redis_cloud"
EARLY_404 = 5  # a fresh task or resource may be missing so many times
ENDED = ("processing-completed", "processing-error")

REMEDIES = {
    "PAYMENT_INFO_NOT_PROVIDED": "give payment_method_id, or payment_method marketplace",
    "PAYMENT_INFO_EXPIRED": "the card has expired; enter a new one in the console",
    "SUBSCRIPTION_PI_NOT_FOUND": "payment_method_id is none of this account",
    "FIXED_PAYMENT_INFO_NOT_ALLOWED_IN_FREE_FIXED_PLAN": "leave payment_method_id out for a free plan",
    "FIXED_SUBSCRIPTION_ACCOUNT_ALREADY_HAS_A_FREE_PLAN": "an account has one free subscription; choose a paid size",
    "FREE_PLAN_IS_ALLOWED_ONLY_FOR_ACCOUNTS_WITH_VALID_PAYMENT_INFO": "enter a payment method in the console",
    "FIXED_SUBSCRIPTION_CREATE_PLAN_NOT_FOUND": "the plan was withdrawn meanwhile; run again",
    "FIXED_SUBSCRIPTION_UPDATE_INVALID_PLAN": "the subscription cannot move to this plan; make a new subscription",
    "DATABASE_NAME_EXISTS": "names are unique in a subscription; choose another name",
    "DATABASE_NAME_DUPLICATE": "names are unique in a subscription; choose another name",
    "DATABASE_PASSWORD_IS_TOO_LONG": "password must be shorter than 50 characters",
    "FIXED_DATABASE_FIXED_SUBSCRIPTION_REACHED_MAX_DATABASES_COUNT": "remove a database or choose a larger size",
    "FIXED_DATABASE_SOURCE_IPS_LIST_IS_GREATER_THAN_PLAN_MAX_COUNT_ALLOWED_SOURCE_IPS": (
        "shorten source_ips or choose a plan with more CIDR rules"
    ),
    "FIXED_DATABASE_ENABLE_TLS_NOT_SUPPORTED_IN_REQUESTED_PLAN": "set enable_tls to false or choose a paid size",
    "DATABASE_INVALID_SIP_FREE_PLAN": "leave source_ips out on the free plan",
}


def busy(code: str) -> bool:
    """Whether a task failed only because something else was in progress."""
    return code.endswith("_NOT_ACTIVE") or "PENDING" in code or code == "CONFLICT_ERROR"


def task_error(operation: str, task: Object) -> CloudError:
    """The failure of a task: ``response.error`` is an object, or by the specification a string."""
    error = (task.get("response") or {}).get("error")
    facts = error if isinstance(error, dict) else {"type": str(error or "GENERAL_ERROR")}
    code = str(facts.get("type") or "GENERAL_ERROR")
    message = facts.get("description") or facts.get("additionalInfo") or task.get("description") or code
    status = str(facts.get("status") or "").partition(" ")[0]
    return CloudError(
        message=str(message),
        service=SERVICE,
        operation=operation,
        status=int(status) if status.isdigit() else None,
        code=code,
        request_id=str(task.get("taskId") or ""),
        hint=REMEDIES.get(code, ""),
    )


def follow(client: RedisCloud, task: Object, operation: str, patience: Patience) -> int | None:
    """Wait for the end of a task; gives the id of what it was about."""
    resource = response_of(client, task, operation, patience).get("resourceId")
    return int(resource) if resource is not None else None


def response_of(client: RedisCloud, task: Object, operation: str, patience: Patience) -> Object:
    """Wait for the end of a task; gives what it answers."""
    identifier = str(task.get("taskId") or "")
    if not identifier:
        raise CloudError("the answer holds no taskId", SERVICE, operation, code="unexpected_answer")
    find = tolerant(lambda: client.find_task(identifier), f"task {identifier}")
    ended = wait_for(
        f"task of {operation}",
        lambda: find() or {"status": "received"},
        lambda seen: seen.get("status") in ENDED,
        patience,
        state=lambda seen: str(seen.get("status")),
        service=SERVICE,
    )
    response = ended.get("response") or {}
    if ended.get("status") == "processing-error" or response.get("error"):
        raise task_error(operation, ended)
    return dict(response)


def perform(client: RedisCloud, operation: str, start: Callable[[], Object], patience: Patience) -> int | None:
    """Start a task and follow it. While the account or the resource is busy, start it again: nothing was done."""
    deadline = patience.clock.now() + patience.timeout
    while True:
        try:
            return follow(client, start(), operation, patience)
        except CloudError as error:
            if not busy(error.code) or patience.clock.now() >= deadline:
                raise
            patience.report(f"{operation}: {error.code}, trying again")
        patience.clock.sleep(patience.interval)


def end_of_creates(client: RedisCloud, patience: Patience) -> None:
    """Wait until no create is in progress, so that what a lost call is making can be seen in the lists."""
    for task in client.tasks():
        if str(task.get("commandType")).endswith("CreateRequest") and task.get("status") not in ENDED:
            try:
                follow(client, task, "create", patience)
            except CloudError as error:
                if error.code == "timeout":
                    raise
                patience.report(f"a create that was in progress failed: {error.code}")


def wait_active(
    find: Find, what: str, patience: Patience, settled: Callable[[Object], bool] = lambda seen: True
) -> Object:
    """Wait for ``active`` and for the values that a change should bring. Unknown states are working."""
    tolerated = tolerant(find, what)
    return wait_for(
        what,
        lambda: tolerated() or {},
        lambda seen: seen.get("status") == "active" and settled(seen),
        patience,
        failed=lambda seen: "is in the state 'error'" if seen.get("status") == "error" else None,
        state=lambda seen: str(seen.get("status") or "not listed yet"),
        service=SERVICE,
    )


def wait_gone(find: Find, what: str, patience: Patience) -> None:
    """Wait for the 404."""
    wait_for(f"end of {what}", find, lambda seen: seen is None, patience, state=_status, service=SERVICE)


def settle(
    matches: Iterable[Object],
    key: str,
    find: Callable[[int], Object | None],
    what: str,
    option: str,
    context: Context,
    patience: Patience,
) -> Object | None:
    """The one resource among those of the same name, in a state in which it can be judged.

    A pending one is awaited, one that is being deleted is awaited until it is gone. Check mode does not wait.
    """
    matches = list(matches)
    live = [match for match in matches if match.get("status") != "deleting"]
    if len(live) > 1:
        ids = ", ".join(str(match[key]) for match in live)
        raise CloudError(
            f"{len(live)} are called so: ids {ids}", SERVICE, f"find {what}", code="refused", hint=f"give {option}"
        )
    if not live:
        for match in matches if not context.check_mode else []:
            wait_gone(lambda match=match: find(match[key]), f"{what} {match[key]}", patience)  # type: ignore[misc]
        return None
    if context.check_mode or live[0].get("status") in ("active", "error"):
        return live[0]
    return wait_active(lambda: find(live[0][key]), what, patience)


def tolerant(find: Find, what: str) -> Find:
    """``find`` that fails when the thing is missing more often than a fresh one may be."""
    missing = 0

    def look() -> Object | None:
        nonlocal missing
        found = find()
        missing = 0 if found is not None else missing + 1
        if missing > EARLY_404:
            raise CloudError("is not there", SERVICE, f"wait for {what}", status=404, code="not_found")
        return found

    return look


def _status(seen: Object | None) -> str:
    return str((seen or {}).get("status"))
