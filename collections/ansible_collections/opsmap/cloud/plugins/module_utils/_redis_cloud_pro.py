# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pro subscriptions: what is fixed, what it costs, and the first database that the service demands."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_apply import SubscriptionWriter
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_find import find_subscription
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_plan import payment, payment_changes
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_task import response_of

Object = dict[str, Any]
OWNED = 1  # cloud account of Redis itself
HOURS = {"hour": 1.0, "day": 24.0, "week": 168.0, "month": 730.0}

FIELDS = [
    Field("name"),
    Field("provider", change="create"),
    Field("region", change="create"),
    Field("multiple_availability_zones", change="create"),
    Field("deployment_cidr", change="create"),
    Field("memory_storage", at="memoryStorage", change="create"),
    Field("public_endpoint_access", at="publicEndpointAccess"),
]


def check(params: Mapping[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    if not params["name"].strip():
        raise bad_option("name", "is empty", "give the subscription a name")
    if params["deployment_cidr"] is not None:
        try:
            ipaddress.IPv4Network(params["deployment_cidr"])
        except ValueError:
            problem = f"{params['deployment_cidr']!r} is no network"
            raise bad_option("deployment_cidr", problem, "give CIDR, as 10.0.0.0/24") from None


def canonical(subscription: Mapping[str, Any]) -> Object:
    """A subscription with the facts of its one region at the top."""
    cloud = (subscription.get("cloudDetails") or [{}])[0]
    region = (cloud.get("regions") or [{}])[0]
    network = region.get("networking") or [{}]
    network = network[0] if isinstance(network, list) else network
    return {
        **subscription,
        "provider": cloud.get("provider"),
        "region": region.get("region"),
        "multiple_availability_zones": region.get("multipleAvailabilityZones"),
        "deployment_cidr": network.get("deploymentCIDR"),
    }


def hourly(pricing: list[Object]) -> float:
    """The price of an hour. A minimum price holds where it is higher than the sum of the rest."""
    floor, total = 0.0, 0.0
    for line in pricing:
        hours = HOURS.get(str(line.get("pricePeriod") or "hour").lower(), 1.0)
        price = float(line.get("quantity") or 1) * float(line.get("pricePerUnit") or 0) / hours
        if line.get("type") == "MinimumPrice":
            floor = price
        else:
            total += price
    return max(floor, total)


def plan_pro(params: Mapping[str, Any], observed: Object | None) -> Plan:
    """Steps from the observed subscription to the desired one."""
    seen = observed or {}
    name, current = params["name"], seen.get("subscription")
    if params["state"] == "absent":
        return _removal(params, current, seen.get("databases") or [])
    if current is None:
        return _creation(params, seen.get("payment_methods") or [])
    what = f"change Pro subscription {current['name']}"
    if current.get("status") == "error":
        raise refused(what, "it is in the state 'error'", "remove it with state absent, or ask the vendor's support")
    known = canonical(current)
    desired = {key: value for key, value in params.items() if known.get(key) is not None or key == "name"}
    desired["memory_storage"], desired["public_endpoint_access"] = (
        params["memory_storage"],
        params["public_endpoint_access"],
    )
    found = differences(f"Pro subscription {current['name']}", FIELDS, desired, known)
    result = Plan({"name": current["name"]}, {"name": name})
    body = {
        "publicEndpointAccess" if key == "public_endpoint_access" else key: value[1] for key, value in found.items()
    }
    result.before.update({key: value[0] for key, value in found.items()})
    result.after.update({key: value[1] for key, value in found.items()})
    paid = payment_changes(params, {**current, "price": 1})
    result.before.update({key: current.get("paymentMethodType" if key == "paymentMethod" else key) for key in paid})
    result.after.update(paid)
    body.update(paid)
    if body:
        title = f"update Pro subscription {current['name']}: {', '.join([*found, *paid])}"
        result.add("update", title, subscription=current["id"], body=body)
    return result


def _creation(params: Mapping[str, Any], methods: list[Object]) -> Plan:
    name, first = params["name"], params["first_database"]
    if not first:
        raise bad_option("first_database", "is missing", "a Pro subscription is made with a database")
    pays = payment(params, {"price": 1}, methods, "Pro is paid by the hour")
    networking = {"networking": {"deploymentCIDR": params["deployment_cidr"]}} if params["deployment_cidr"] else {}
    zones = params["multiple_availability_zones"]
    region = {"region": params["region"], **networking}
    region.update({} if zones is None else {"multipleAvailabilityZones": zones})
    spec = {
        "name": first["name"],
        "protocol": first["protocol"],
        "datasetSizeInGb": first["dataset_size_gb"],
        "throughputMeasurement": {"by": "operations-per-second", "value": first["throughput"]},
        "replication": first["replication"],
        "dataPersistence": first["data_persistence"],
    }
    where = {"provider": params["provider"], "cloudAccountId": OWNED, "regions": [region]}
    body: Object = {"name": name, "cloudProviders": [where], "databases": [spec], **pays}
    given = {"memoryStorage": params["memory_storage"], "publicEndpointAccess": params["public_endpoint_access"]}
    body.update({key: value for key, value in given.items() if value is not None})
    place = f"{params['provider']} {params['region']}"
    result = Plan(after={"name": name, "in": place, "first_database": first["name"], **pays})
    result.add("create", f"create Pro subscription {name} in {place} with database {first['name']}", body=body)
    return result


def _removal(params: Mapping[str, Any], current: Object | None, databases: list[str]) -> Plan:
    if not current:
        return Plan()
    name = current["name"]
    if params["confirm_destroy"] != name:
        raise bad_option("confirm_destroy", f"is not {name!r}", "give the subscription's name to remove it")
    if databases:
        reason = f"it holds {', '.join(databases)}"
        raise refused(f"delete Pro subscription {name}", reason, "remove its databases first")
    result = Plan(before={"name": name})
    result.add("delete", f"delete Pro subscription {name}", subscription=current["id"])
    return result


@dataclass
class ProWriter(SubscriptionWriter):
    """As of Essentials, after a dry run that tells the price."""

    def handlers(self) -> Handlers:
        return {**super().handlers(), "create": self.create_priced}

    def create_priced(self, body: Object) -> None:
        """Ask what it costs, then make it."""
        operation = f"dry run of {self.what}"
        started = self.client.create_subscription({**body, "dryRun": True})
        resource = response_of(self.client, started, operation, self.patience).get("resource") or {}
        cost, ceiling = hourly(resource.get("pricing") or []), self.params["max_price_per_hour"]
        self.patience.report(f"{self.what} costs {cost:.3f} an hour, about {cost * HOURS['month']:.0f} a month")
        if ceiling is not None and cost > ceiling:
            problem = f"{self.what} costs {cost:.3f} an hour, more than {ceiling:g}"
            raise bad_option("max_price_per_hour", problem, "raise it, or ask for less")
        self.create(body)


def run_pro(params: Object, context: Context) -> Object:
    """Converge one subscription."""
    client = RedisCloud(params, context.clock, pro=True)
    writer = ProWriter(client, params, context)

    def observe() -> Object:
        current = find_subscription(client, params, context, context.patience(params))
        seen: Object = {"subscription": current}
        if current and params["state"] == "absent":
            seen["databases"] = [database["name"] for database in client.databases(current["id"])]
        elif not current and params["state"] == "present" and params["payment_method"] != "marketplace":
            seen["payment_methods"] = client.payment_methods()
        return seen

    return converge(
        observe,
        lambda observed: plan_pro(params, observed),
        lambda made: apply(made, writer.handlers(), context),
        lambda observed: observed["subscription"],
        context,
    )
