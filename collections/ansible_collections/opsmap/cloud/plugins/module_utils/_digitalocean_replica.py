# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read replicas: field table, plan and writes. A replica's uuid works where a cluster's does: resize and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_cluster import check_name, tag_set, weight
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    SERVICE,
    wait_online,
    when_free,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

Object = dict[str, Any]

READY = ("online", "active")  # the description's enum says the one, its text the other
FIELDS = [
    Field("region", change="create", remedy="remove the replica and make it there, or make a second one"),
    Field("private_network_uuid", change="create", remedy="remove the replica and make it there"),
    Field("size"),
    Field("storage_size_mib", change="grow", remedy="storage only grows; leave it at what is there"),
    Field("tags", compare=tag_set),
]


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse what no replica can have."""
    check_name(params["name"])
    if params["name"] == params["cluster"]:
        raise bad_option("name", "is that of the cluster", "give the replica a name of its own")


def replica_plan(params: Mapping[str, Any], seen: Mapping[str, Any]) -> Plan:
    """Steps. seen: ``primary``, ``replica``, and ``cluster`` that has the replica's name."""
    name, current, own = params["name"], seen.get("replica"), seen.get("cluster")
    if params["state"] == "absent":
        result = Plan(before={"name": name} if current else {})
        if current:
            if params["confirm_destroy"] != name:
                raise bad_option("confirm_destroy", f"is not {name!r}", "give the replica's name to remove it")
            result.add("delete", f"delete replica {name}")
        return result
    if params["state"] == "promoted":
        return _promotion(name, current, own)
    if current:
        return _change(params, current)
    if own:
        problem = "there is a cluster of that name"
        raise refused(f"create replica {name}", problem, "choose another name; a promoted replica does not come back")
    return _creation(params, seen.get("primary") or {})


def _promotion(name: str, current: Object | None, own: Object | None) -> Plan:
    if not current and own:
        return Plan()
    if not current:
        raise refused(
            f"promote replica {name}", "there is neither a replica nor a cluster of that name", "make it first"
        )
    result = Plan({"name": name, "kind": "replica"}, {"name": name, "kind": "cluster"})
    result.add("promote", f"make replica {name} a cluster of its own")
    return result


def _creation(params: Mapping[str, Any], primary: Mapping[str, Any]) -> Plan:
    name, size = params["name"], params["size"] or primary.get("size")
    if params["size"] and weight(params["size"]) < weight(str(primary.get("size"))):
        problem = f"{params['size']!r} is smaller than the {primary['size']} of its cluster"
        raise bad_option("size", problem, f"give {primary['size']} or larger")
    given = {field.name: params[field.name] for field in FIELDS if params[field.name] is not None}
    body = {"name": name, **given, **({"size": size} if size else {})}
    result = Plan(after=dict(body))
    result.add("create", f"create replica {name} of cluster {params['cluster'] or primary.get('name')}", body=body)
    return result


def _change(params: Mapping[str, Any], current: Object) -> Plan:
    name = params["name"]
    what = f"replica {name}"
    desired = {field.name: params[field.name] for field in FIELDS}
    found = differences(what, FIELDS, desired, current)
    if "size" in found and weight(found["size"][1]) < weight(str(found["size"][0])):
        problem = f"size is {found['size'][0]!r} and cannot become {found['size'][1]!r}"
        raise refused(f"change {what}", problem, "nodes only grow; remove it and make a smaller one")
    result = Plan(
        {"name": name, **{key: present for key, (present, _target) in found.items()}},
        {"name": name, **{key: target for key, (_present, target) in found.items()}},
    )
    size = params["size"] or current.get("size")
    if "size" in found:
        result.add("resize", f"resize replica {name} to {size}", body={"size": size, "num_nodes": 1})
    if "storage_size_mib" in found:
        storage = params["storage_size_mib"]
        body = {"size": size, "num_nodes": 1, "storage_size_mib": storage}
        result.add("resize", f"grow storage of replica {name} to {storage} MiB", body=body)
    if "tags" in found:
        present = {str(tag).casefold(): tag for tag in current.get("tags") or []}
        wanted = {tag.casefold(): tag for tag in params["tags"]}
        adds = [tag for key, tag in wanted.items() if key not in present]
        removes = [tag for key, tag in present.items() if key not in wanted]
        result.add("tag", f"set tags of replica {name}", adds=adds, removes=removes)
    return result


@dataclass
class ReplicaWriter:
    """One replica of one cluster."""

    client: DigitalOcean
    params: Mapping[str, Any]
    context: Context
    cluster: str

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)
        self.name = str(self.params["name"])
        self.what = f"replica {self.name}"

    def handlers(self) -> Handlers:
        """By the names that the plan uses."""
        return {
            "create": self.create,
            "resize": self.resize,
            "tag": self.tag,
            "promote": self.promote,
            "delete": self.delete,
        }

    def find(self) -> Object | None:
        """As it is, awaited until it is online unless in check mode."""
        found = self._look()
        if found is None or self.context.check_mode or self.params["state"] == "absent":
            return found
        return self._online() if found.get("status") not in READY else found

    def _look(self) -> Object | None:
        replicas = self.client.replicas(self.cluster) if self.cluster else []
        return next((item for item in replicas if item.get("name") == self.name), None)

    def _online(self, **targets: Any) -> Object:
        return wait_for(
            self.what,
            lambda: self._look() or {},
            lambda seen: seen.get("status") in READY and all(seen.get(key) == item for key, item in targets.items()),
            self.patience,
            state=lambda seen: str(seen.get("status") or "not listed yet"),
            service=SERVICE,
        )

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it follows. Before the first backup the API says 412."""

        def make() -> Object:
            return when_free(self.what, lambda: self.client.create_replica(self.cluster, body), self.patience)

        make_once(self._look, make, self.params["api_retries"], self.context.clock)
        self._online()

    def resize(self, body: Object) -> None:
        """Larger, or with more storage."""
        number, present = self._number()
        storage = body.get("storage_size_mib")
        if storage is not None and storage <= (present.get("storage_size_mib") or 0):  # the larger size brought it
            return
        when_free(f"resize of {self.what}", lambda: self.client.resize(number, body), self.patience)
        self._online(**{key: value for key, value in body.items() if key != "num_nodes"})

    def tag(self, adds: list[str], removes: list[str]) -> None:
        """Tags have an API of their own."""
        number, _present = self._number()
        for tag in adds:
            self.client.tag(number, tag)
        for tag in removes:
            self.client.untag(number, tag)

    def promote(self) -> None:
        """A cluster of its own from now on."""
        number, _present = self._number()
        when_free(self.what, lambda: self.client.promote_replica(self.cluster, self.name), self.patience)
        wait_for(self.what, self._look, lambda seen: seen is None, self.patience, service=SERVICE)
        wait_online(self.client, number, f"cluster {self.name}", self.patience)

    def delete(self) -> None:
        """Remove it."""
        self.client.delete_replica(self.cluster, self.name)
        wait_for(f"end of {self.what}", self._look, lambda seen: seen is None, self.patience, service=SERVICE)

    def _number(self) -> tuple[str, Object]:
        present = self._online()
        return str(present["id"]), present
