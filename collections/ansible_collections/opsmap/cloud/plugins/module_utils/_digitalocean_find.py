# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters by name, and their way to ``online``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for

Object = dict[str, Any]
T = TypeVar("T")

SERVICE = "digitalocean"
ENGINE = "pg"
BUSY = (409, 412)

CLUSTER_OPTIONS: dict[str, Any] = {"cluster": {"type": "str"}, "cluster_uuid": {"type": "str"}}
CLUSTER_REQUIRED = [("cluster", "cluster_uuid")]


def pick(clusters: list[Object], name: str, engine: str) -> Object | None:
    """The cluster of that name and engine; several are an error. The region is not part of the identity."""
    found = [item for item in clusters if item.get("name") == name and item.get("engine", engine) == engine]
    if len(found) > 1:
        ids = ", ".join(str(item["id"]) for item in found)
        raise CloudError(
            f"{len(found)} are called so: ids {ids}", SERVICE, f"find cluster {name}", code="refused",
            hint="give cluster_uuid",
        )  # fmt: skip
    return found[0] if found else None


def without_replicas(client: DigitalOcean, clusters: list[Object], name: str) -> list[Object]:
    """Of several clusters of a name, those that are no read replica of another: a replica's uuid works as a cluster's."""
    same = [item for item in clusters if item.get("name") == name]
    if len(same) < 2:
        return clusters
    replicas = {replica.get("id") for item in clusters for replica in client.replicas(str(item["id"]))}
    return [item for item in clusters if item.get("id") not in replicas]


def find_cluster(
    client: DigitalOcean, params: Mapping[str, Any], context: Context, option: str = "cluster"
) -> Object | None:
    """The cluster of that uuid or name, awaited until it is online unless in check mode."""
    uuid, name = params.get("cluster_uuid"), params.get(option)
    if uuid:
        found = client.find_cluster(uuid)
    else:
        clusters = without_replicas(client, client.clusters(), str(name))
        found = pick(clusters, str(name), params.get("engine", ENGINE))
    if uuid and found is None and params["state"] == "present":
        raise bad_option("cluster_uuid", f"there is no cluster {uuid}", "correct it or leave it out")
    if found is None or context.check_mode or found.get("status") == "online":
        return found
    return wait_online(client, str(found["id"]), f"cluster {found.get('name')}", context.patience(params))


def home_cluster(client: DigitalOcean, params: Mapping[str, Any], context: Context) -> Object | None:
    """The cluster in which something lives. It may only be missing in check mode, or when nothing is wanted in it."""
    found = find_cluster(client, params, context)
    if found is None and params["state"] == "present" and not context.check_mode:
        raise bad_option("cluster", f"there is no {params['cluster']!r}", "make it with do_database_cluster first")
    return found


def refuse_pooled(operation: str, observed: Mapping[str, Any] | None, key: str, name: str) -> None:
    """A pool must go before its database or user."""
    pools = [pool["name"] for pool in (observed or {}).get("pools") or [] if pool.get(key) == name]
    if pools:
        raise refused(operation, f"the pool {', '.join(pools)} uses it", "remove the pool first, with do_database_pool")


def when_free(what: str, call: Callable[[], T], patience: Patience) -> T:
    """The result of a call that fails while another change is under way, or before the first backup: made again until then."""
    made: list[T] = []

    def attempt() -> str:
        try:
            made.append(call())
        except CloudError as error:
            if error.status not in BUSY:
                raise
            return error.message
        return ""

    wait_for(what, attempt, lambda problem: not problem, patience, state=lambda problem: problem, service=SERVICE)
    return made[0]


def wait_online(
    client: DigitalOcean,
    cluster: str,
    what: str,
    patience: Patience,
    arrived: Callable[[Object], bool] = lambda seen: True,
) -> Object:
    """Wait for ``online`` and for the fields that a change should bring: status alone reads old for an instant.

    A 404 is tolerated, and there is no failure state: only the deadline tells.
    """
    return wait_for(
        what,
        lambda: client.find_cluster(cluster) or {},
        lambda seen: seen.get("status") == "online" and arrived(seen),
        patience,
        state=lambda seen: str(seen.get("status") or "not listed yet"),
        service=SERVICE,
    )
