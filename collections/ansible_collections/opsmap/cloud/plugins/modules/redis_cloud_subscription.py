#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_subscription
short_description: Make, change or remove a Redis Cloud Essentials subscription
version_added: 0.1.0
description:
  - A subscription is a plan in one region, in which databases live. Its price is told before it is made.
  - The plan is chosen by what it offers, never by an id. No match or several are an error that lists the candidates
    with their prices; the cheapest is not silently taken.
  - A subscription whose plan has the same attributes is unchanged, whatever the plan's id is by now.
  - One that is still being made is awaited, one that is being deleted is awaited until it is gone.
options:
  name:
    description: Name of the subscription. Redis Cloud does not keep names unique; see O(subscription_id).
    type: str
    required: true
  subscription_id:
    description: Id of the subscription, for when several have the name, or to rename it.
    type: int
  provider:
    description: The cloud below. Required to have the subscription present.
    type: str
    choices: [AWS, GCP, Azure]
  region:
    description: Region of the provider, such as V(us-east-1). Required to have the subscription present.
    type: str
  size:
    description: Memory of the plan, such as V(250MB) or V(1GB). Required to have the subscription present.
    type: str
  availability:
    description: Replication of the plan. Not compared when not given.
    type: str
    choices: [none, single-zone, multi-zone]
  persistence:
    description: Whether the plan must be able to keep data on disk. Not compared when not given.
    type: bool
  tls:
    description: Whether the plan must offer TLS. Not compared when not given.
    type: bool
  redis_flex:
    description: Whether the plan keeps part of the data on flash.
    type: bool
    default: false
  max_price:
    description: Highest price for the plan's period; dearer plans are no candidates.
    type: float
  payment_method:
    description: How it is paid. V(credit-card) when not given and the plan is not free.
    type: str
    choices: [credit-card, marketplace]
  payment_method_id:
    description: Id of the payment method. Not needed when the account has exactly one, not allowed for a free plan.
    type: int
  state:
    description: Whether the subscription should be there. One with databases is not removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a subscription, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a subscription of 1 GB that survives the loss of a node
  opsmap.cloud.redis_cloud_subscription:
    name: supercog
    provider: AWS
    region: us-east-1
    size: 1GB
    availability: single-zone
    max_price: 30

- name: Remove it
  opsmap.cloud.redis_cloud_subscription:
    name: supercog
    state: absent
    confirm_destroy: supercog
"""

RETURN = r"""
resource:
  description: The subscription as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {id: 2206742, name: supercog, status: active, size: 1, sizeMeasurementUnit: GB, price: 22}
plan:
  description: The steps that were made, or would be in check mode. They tell the price.
  returned: always
  type: list
  elements: str
  sample: ["create subscription supercog: 1 GB in AWS us-east-1, Single-zone: 22 USD / Month"]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _redis_cloud_plan as plans
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS, RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_apply import SubscriptionWriter
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_find import observe_subscription

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "subscription_id": {"type": "int"},
        "provider": {"type": "str", "choices": ["AWS", "GCP", "Azure"]},
        "region": {"type": "str"},
        "size": {"type": "str"},
        "availability": {"type": "str", "choices": ["none", "single-zone", "multi-zone"]},
        "persistence": {"type": "bool"},
        "tls": {"type": "bool"},
        "redis_flex": {"type": "bool", "default": False},
        "max_price": {"type": "float"},
        "payment_method": {"type": "str", "choices": ["credit-card", "marketplace"]},
        "payment_method_id": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("provider", "region", "size"))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not params["name"].strip():
        raise bad_option("name", "is empty", "give the subscription a name")
    if params["size"]:
        plans.megabytes(params["size"])


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed subscription to the desired one."""
    seen = observed or {}
    current = seen.get("subscription")
    if params["state"] == "absent":
        return _removal(params, current, seen.get("databases") or [])
    if current is None:
        chosen = plans.choose(params, seen.get("plans") or [])
        pays = plans.payment(params, chosen, seen.get("payment_methods") or [])
        name = params["name"]
        result = Plan(after={"name": name, "plan": plans.described(chosen), **pays})
        body = {"name": name, "planId": chosen["id"], **pays}
        result.add("create", f"create subscription {name}: {plans.described(chosen)}", body=body)
        return result
    return _change(params, current, seen)


def _removal(params: dict[str, Any], current: dict[str, Any] | None, databases: list[str]) -> Plan:
    if not current:
        return Plan()
    name = current["name"]  # by id it may be another than the option
    result = Plan(before={"name": name, "plan": plans.described(current)})
    if params["confirm_destroy"] != name:
        raise bad_option("confirm_destroy", f"is not {name!r}", "give the subscription's name to remove it")
    if databases:
        raise refused(f"delete subscription {name}", f"it holds {', '.join(databases)}", "remove its databases first")
    result.add("delete", f"delete subscription {name}", subscription=current["id"])
    return result


def _change(params: dict[str, Any], current: dict[str, Any], seen: dict[str, Any]) -> Plan:
    name, what, offered = params["name"], f"change subscription {current['name']}", seen.get("offered") or []
    if current.get("status") == "error":
        raise refused(what, "it is in the state 'error'", "remove it with state absent, or ask the vendor's support")
    before, after, body = {"name": current["name"]}, {"name": name}, {}
    if current["name"] != name:
        body["name"] = name
    if not plans.fits(params, current):
        moves = [offer for offer in offered if plans.fits(params, offer)]
        if not moves:
            keys = ("size", "provider", "region", "availability", "persistence", "tls")
            wanted = ", ".join(f"{key}={params[key]}" for key in keys if params[key] is not None)
            reason = f"it cannot move from {plans.described(current)} to {wanted}"
            raise refused(what, reason, f"it may move to: {plans.listed(offered)}")
        chosen = plans.choose(params, moves)
        body["planId"] = chosen["id"]
        if not current.get("price"):  # from a free plan to one that must be paid
            body.update(plans.payment(params, chosen, seen.get("payment_methods") or []))
        before["plan"], after["plan"] = plans.described(current), plans.described(chosen)
    else:
        paid = plans.payment_changes(params, current)
        body.update(paid)
        before.update({key: current.get("paymentMethodType" if key == "paymentMethod" else key) for key in paid})
        after.update(paid)
    result = Plan(before=before, after=after)
    ceiling = params["max_price"]
    if ceiling is not None and "planId" not in body and (current.get("price") or 0) > ceiling:
        result.warnings.append(f"subscription {name} costs {plans.price(current)}, more than max_price {ceiling:g}")
    if body:
        changes = "; ".join(f"{key} {value}" for key, value in after.items() if value != before.get(key))
        result.add("update", f"update subscription {current['name']}: {changes}", subscription=current["id"], body=body)
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one subscription."""
    validate(params)
    client = RedisCloud(params, context.clock)
    writer = SubscriptionWriter(client, params, context)
    return converge(
        lambda: observe_subscription(client, params, context),
        lambda observed: plan(params, observed),
        lambda made: apply(made, writer.handlers(), context),
        lambda observed: observed["subscription"],
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
