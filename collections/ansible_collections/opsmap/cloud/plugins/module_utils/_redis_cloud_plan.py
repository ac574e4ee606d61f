# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of an Essentials plan by what it offers. Ids and names of plans are never compared: they drift."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

Object = dict[str, Any]

SUPPORT = {"persistence": "supportDataPersistence", "tls": "supportSsl"}  # a subscription does not tell all of them
AVAILABILITY = {"none": "no replication", "single-zone": "single-zone", "multi-zone": "multi-zone"}


def megabytes(size: str) -> float:
    """``1GB`` -> 1024.0; ``250 MB`` -> 250.0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB)", str(size).strip(), re.IGNORECASE)
    if not match:
        raise bad_option("size", f"{size!r} is no size", "give a number with MB or GB, such as 250MB or 1GB")
    return float(match[1]) * (1024 if match[2].upper() == "GB" else 1)


def price(plan: Mapping[str, Any]) -> str:
    """``22 USD / Month``."""
    return f"{plan.get('price', '?')} {plan.get('priceCurrency') or 'USD'} / {plan.get('pricePeriod') or 'Month'}"


def described(plan: Mapping[str, Any]) -> str:
    """A plan as the operator reads it in lists of candidates."""
    flex = ", Redis Flex" if plan.get("redisFlex") else ""
    flex += ", no persistence" if plan.get("supportDataPersistence") is False else ""
    flex += ", no TLS" if plan.get("supportSsl") is False else ""
    return (
        f"{plan.get('size'):g} {plan.get('sizeMeasurementUnit')} in {plan.get('provider')} {plan.get('region')}, "
        f"{plan.get('availability')}{flex}: {price(plan)}"
    )


def listed(plans: Iterable[Mapping[str, Any]]) -> str:
    """Candidates, cheapest first."""
    ordered = sorted(plans, key=lambda plan: plan.get("price") or 0)
    return "; ".join(f"{described(plan)} (plan {plan.get('id')})" for plan in ordered) or "none"


def fits(params: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether a plan, or a subscription with its plan's attributes, is what was asked for."""
    availability = params.get("availability")
    return (
        str(plan.get("provider")).upper() == params["provider"].upper()
        and plan.get("region") == params["region"]
        and abs(megabytes(f"{plan.get('size')}{plan.get('sizeMeasurementUnit')}") - megabytes(params["size"])) < 1
        and (availability is None or str(plan.get("availability")).lower() == AVAILABILITY[availability])
        and bool(plan.get("redisFlex")) == params["redis_flex"]
        and all(params.get(option) in (None, plan.get(key, params.get(option))) for option, key in SUPPORT.items())
    )


def choose(params: Mapping[str, Any], plans: list[Object]) -> Object:
    """The one plan with the asked attributes. None or several: an error that lists them with their prices."""
    matching = [plan for plan in plans if fits(params, plan)]
    ceiling = params.get("max_price")
    payable = [plan for plan in matching if ceiling is None or (plan.get("price") or 0) <= ceiling]
    if len(payable) == 1:
        return payable[0]
    if len(payable) > 1:
        raise bad_option(
            "size",
            f"several plans match: {listed(payable)}",
            "give availability, persistence, tls, or a max_price that leaves one",
        )
    if matching:
        raise bad_option("max_price", f"{ceiling:g} is below every match: {listed(matching)}", "raise it")
    raise _no_match(params, plans)


def _no_match(params: Mapping[str, Any], plans: list[Object]) -> CloudError:
    of_provider = [plan for plan in plans if str(plan.get("provider")).upper() == params["provider"].upper()]
    if not of_provider:
        return bad_option("provider", f"no plan is offered on {params['provider']}", "choose another provider")
    in_region = [plan for plan in of_provider if plan.get("region") == params["region"]]
    if not in_region:
        regions = ", ".join(sorted({str(plan.get("region")) for plan in of_provider}))
        return bad_option(
            "region", f"{params['provider']} offers no plan in {params['region']!r}", f"one of: {regions}"
        )
    asked = " ".join(str(params[key]) for key in ("size", "availability") if params.get(key))
    flex = " with redis_flex" if params["redis_flex"] else ""
    flex += "".join(f" {'with' if params[key] else 'without'} {key}" for key in SUPPORT if params.get(key) is not None)
    return bad_option("size", f"no plan offers {asked}{flex}", f"the candidates are: {listed(in_region)}")


def payment(params: Mapping[str, Any], plan: Mapping[str, Any], methods: list[Object], costs: str = "") -> Object:
    """The part of the create body that pays for the plan. costs: what of it is said when no method is clear."""
    given = params.get("payment_method_id")
    if not plan.get("price"):
        if given is not None:
            raise bad_option("payment_method_id", "the plan is free and takes no payment", "leave it out")
        return {}
    if params.get("payment_method") == "marketplace":
        return {"paymentMethod": "marketplace"}
    known = ", ".join(f"{item['id']} ({item.get('type')} {item.get('creditCardEndsWith', '')})" for item in methods)
    if given is None and len(methods) != 1:
        raise bad_option(
            "payment_method_id",
            f"{costs or 'the plan costs ' + price(plan)} and the account has {len(methods)} payment methods",
            f"choose one of: {known}" if known else "enter a card in the console, or use payment_method marketplace",
        )
    if given is not None and given not in [item["id"] for item in methods]:
        raise bad_option("payment_method_id", f"{given} is none of this account", f"one of: {known or 'none'}")
    return {"paymentMethod": "credit-card", "paymentMethodId": given or methods[0]["id"]}


def payment_changes(params: Mapping[str, Any], subscription: Mapping[str, Any]) -> Object:
    """What of the payment is to be changed. Under marketplace there is no id to compare, on a free plan nothing."""
    method, present = params.get("payment_method"), subscription.get("paymentMethodType")
    identifier, present_id = params.get("payment_method_id"), subscription.get("paymentMethodId")
    found: Object = {}
    if not subscription.get("price"):
        return found
    if method is not None and present not in (None, method):
        found["paymentMethod"] = method
    if identifier is not None and (method or present) != "marketplace" and present_id not in (None, identifier):
        found["paymentMethodId"] = identifier
    return found
