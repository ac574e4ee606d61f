# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known beside a cluster to plan its way: asked only when it matters, so a steady cluster costs few calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _digitalocean_cluster as cluster
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import pick
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_plan import OFFERED, grows_by_itself

Object = dict[str, Any]


def around(client: DigitalOcean, params: Mapping[str, Any], found: Object | None) -> Object:
    """The rest of what the plan observes."""
    if params["state"] == "absent":
        return before_removal(client, params, found) if found else {}
    if found is None:
        return before_creation(client, params)
    number = str(found["id"])
    storage = params["storage_size_mib"]
    shrinks = storage is not None and storage < (found.get("storage_size_mib") or 0)
    autoscale = client.autoscale(number) if params["autoscale"] or shrinks else {}
    changes = cluster.changes(params, found, grows_by_itself(params, autoscale))
    asks = any(option in changes for option in OFFERED)
    return {
        "options": client.options(params["engine"]) if asks else None,
        "autoscale": autoscale,
        "config": client.config(number) if params["config"] else None,
        "service_cnames": client.service_cnames(number) if params["service_cnames"] is not None else None,
    }


def before_removal(client: DigitalOcean, params: Mapping[str, Any], found: Object) -> Object:
    """Its backups, and whether the name of the copy is free."""
    fork = params["fork_before_destroy"]
    there = pick(client.clusters(), fork, params["engine"]) if fork else None
    return {"backups": client.backups(str(found["id"])), "fork": there}


def before_creation(client: DigitalOcean, params: Mapping[str, Any]) -> Object:
    """What is offered, who has the name, and what it is restored from."""
    clusters = client.clusters()
    found: Object = {"options": client.options(params["engine"]), "taken": _owner(client, clusters, params["name"])}
    if params["restore_from"]:
        source = pick(clusters, params["restore_from"], params["engine"])
        backups = client.backups(str(source["id"])) if source else []
        found["source"] = {"cluster": source, "backups": backups} if source else None
    return found


def _owner(client: DigitalOcean, clusters: list[Object], name: str) -> str:
    """Who has a name that no cluster of this engine has."""
    for item in clusters:
        if item.get("name") == name:
            return f"a cluster with the engine {item.get('engine')}"
        if any(replica.get("name") == name for replica in client.replicas(str(item["id"]))):
            return f"a read replica of cluster {item.get('name')}"
    return ""
