# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a cluster: pure, from the options and what was observed.

Observed: ``cluster``; ``options`` when something is asked of the offer; ``config``, ``autoscale`` and ``service_cnames`` when they
are wanted; ``backups`` when it goes; when it is made, ``taken`` (who has the name) and ``source`` (what it is restored from);
``fork`` (a cluster that has the fork's name).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _digitalocean_cluster as cluster
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_config import config_changes
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan

Object = dict[str, Any]
OFFERED = ("region", "version", "size", "num_nodes")
NO_BACKUP = "none"
FORKED = ("engine", "version", "size", "num_nodes", "region", "private_network_uuid", "project_id", "storage_size_mib")


def cluster_plan(params: Mapping[str, Any], seen: Mapping[str, Any]) -> Plan:
    """Steps from the observed cluster to the desired one."""
    current = seen.get("cluster")
    if params["state"] == "absent":
        return _removal(params, seen, current)
    return _creation(params, seen) if current is None else _change(params, seen, current)


def _removal(params: Mapping[str, Any], seen: Mapping[str, Any], current: Object | None) -> Plan:
    result = Plan(before={"name": params["name"]} if current else {})
    if not current:
        return result
    named = current.get("name")  # by uuid it may be another
    if params["confirm_destroy"] != named:
        raise bad_option("confirm_destroy", f"is not {named!r}", "give the cluster's name to remove it")
    backups = seen.get("backups") or []
    newest = str(backups[0]["created_at"]) if backups else NO_BACKUP
    fork = params["fork_before_destroy"]
    if fork:
        _fork(fork, newest, seen.get("fork"), current, result)
    elif params["confirm_last_backup"] != newest:
        last = f"its last backup is of {newest}" if backups else "it has no backup"
        hint = f"set fork_before_destroy to the name of a copy, or confirm_last_backup to '{newest}'"
        raise bad_option("confirm_last_backup", f"{last}, and is removed with it", hint)
    result.add("delete", f"delete cluster {named} with all databases and backups")
    return result


def _fork(fork: str, newest: str, there: Object | None, current: Object, result: Plan) -> None:
    """The copy that stays. One that was begun by an interrupted run is awaited."""
    named = current["name"]
    if newest == NO_BACKUP:
        hint = f"wait for the first backup, or set confirm_last_backup to '{NO_BACKUP}' to lose it all"
        raise bad_option("fork_before_destroy", f"cluster {named} has no backup yet", hint)
    if there and str(there.get("created_at")) <= newest:
        problem = f"there is a cluster {fork!r}, older than the last backup of {named}"
        raise bad_option("fork_before_destroy", problem, "give a name that is free")
    body = {key: current[key] for key in FORKED if current.get(key) is not None}
    body = {"name": fork, **body, "backup_restore": {"database_name": named, "backup_created_at": newest}}
    result.after["fork"] = fork
    result.add("fork", f"fork cluster {named} to {fork} from its backup of {newest}", body=body)


def _creation(params: Mapping[str, Any], seen: Mapping[str, Any]) -> Plan:
    name = params["name"]
    if seen.get("taken"):
        raise refused(f"create cluster {name}", f"the name is that of {seen['taken']}", "choose another name")
    cluster.check_offer(params, params, seen.get("options") or {})
    body = {option: params[option] for option in cluster.AT_CREATION if params[option] is not None}
    if params["autoscale"]:
        body["autoscale"] = {"storage": _given(params["autoscale"])}
    if params["service_cnames"]:
        body["do_settings"] = {"service_cnames": params["service_cnames"]}
    if params["restore_from"]:
        body["backup_restore"] = _restored(params, seen.get("source"))
    result = Plan(after=dict(body))
    origin = f" from a backup of {params['restore_from']}" if params["restore_from"] else ""
    result.add("create", f"create cluster {name}{origin}", body=body)
    if params["maintenance_window"]:
        result.after["maintenance_window"] = params["maintenance_window"]
        result.add("maintain", f"set maintenance window of cluster {name}", window=_window(params))
    if params["config"]:
        _configure(name, config_changes(params["config"], {}), result)
    return result


def _restored(params: Mapping[str, Any], source: Mapping[str, Any] | None) -> Object:
    """What to restore from; it must be there and not larger."""
    origin, at = params["restore_from"], params["restore_backup"]
    if source is None:
        raise bad_option("restore_from", f"there is no cluster {origin!r}", "give the name of a cluster that is there")
    made = [str(backup["created_at"]) for backup in source.get("backups") or []]
    if not made:
        raise bad_option("restore_from", f"cluster {origin} has no backup yet", "wait for its first backup")
    if at and at not in made:
        raise bad_option("restore_backup", f"{at!r} is no backup of {origin}", f"one of: {', '.join(made)}")
    size = source["cluster"].get("size")
    if cluster.weight(params["size"]) < cluster.weight(str(size)):
        raise bad_option("size", f"{params['size']!r} is smaller than the {size} of {origin}", f"give {size} or larger")
    return {"database_name": origin, **({"backup_created_at": at} if at else {})}


def grows_by_itself(params: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether the storage does, and goes on doing so: else the next run would refuse what this one had left alone."""
    return bool(present.get("enabled")) and (params["autoscale"] or {}).get("enabled", True)


def _change(params: Mapping[str, Any], seen: Mapping[str, Any], current: Object) -> Plan:
    autoscale = seen.get("autoscale") or {}
    found = cluster.changes(params, current, grows_by_itself(params, autoscale))
    wanted = {option: params[option] for option in OFFERED if option in found}
    if wanted:
        size = {"size": params["size"]} if "num_nodes" in found else {}
        cluster.check_offer(params, {**wanted, **size}, seen.get("options") or {})
    name = params["name"]
    before = {option: present for option, (present, _target) in found.items()}
    result = Plan({"name": name, **before}, {"name": name, **{option: params[option] for option in found}})
    _steps(params, found, current, result)
    _settings(params, seen, result)
    return result


def _steps(params: Mapping[str, Any], found: Mapping[str, Any], current: Object, result: Plan) -> None:
    """One step for each endpoint, in the order in which they are safe."""
    name = params["name"]
    if "version" in found:
        title = f"upgrade cluster {name} to version {params['version']}"
        result.add("upgrade", title, version=cluster.version_of(params["version"]))
    nodes = {"size": params["size"], "num_nodes": params["num_nodes"]}
    if "size" in found or "num_nodes" in found:
        result.add("resize", f"resize cluster {name} to {nodes['num_nodes']} x {nodes['size']}", body=nodes)
    if "storage_size_mib" in found:  # apart from the other two: together the API may refuse them
        storage = params["storage_size_mib"]
        title = f"grow storage of cluster {name} to {storage} MiB"
        result.add("resize", title, body={**nodes, "storage_size_mib": storage})
    network = params["private_network_uuid"]
    if "region" in found or "private_network_uuid" in found:
        where = params["region"] if "region" in found else f"network {network}"
        body = {"region": params["region"], **({"private_network_uuid": network} if network else {})}
        result.add("migrate", f"move cluster {name} to {where}", body=body)
    if "maintenance_window" in found:
        result.add("maintain", f"set maintenance window of cluster {name}", window=_window(params))
    if "tags" in found:
        present = {str(tag).casefold(): tag for tag in current.get("tags") or []}
        wanted = {tag.casefold(): tag for tag in params["tags"]}
        adds = [tag for key, tag in wanted.items() if key not in present]
        removes = [tag for key, tag in present.items() if key not in wanted]
        result.add("tag", f"set tags of cluster {name}", adds=adds, removes=removes)
    if "project_id" in found:
        result.add("project", f"move cluster {name} to project {params['project_id']}", project=params["project_id"])


def _settings(params: Mapping[str, Any], seen: Mapping[str, Any], result: Plan) -> None:
    """What is not part of the cluster as the API gives it."""
    name = params["name"]
    wanted, present = _given(params["autoscale"] or {}), seen.get("autoscale") or {}
    if any(present.get(key) != value for key, value in wanted.items()):
        result.before["autoscale"], result.after["autoscale"] = present, wanted
        result.add("autoscale", f"set storage autoscaling of cluster {name}", storage={**_given(present), **wanted})
    names = params["service_cnames"]
    if names is not None and set(names) != set(seen.get("service_cnames") or []):
        result.before["service_cnames"], result.after["service_cnames"] = seen.get("service_cnames"), names
        result.add("service_cnames", f"set service_cnames of cluster {name}", names=names)
    if params["config"]:
        _configure(name, config_changes(params["config"], seen.get("config") or {}), result)


def _configure(name: str, found: dict[str, tuple[Any, Any]], result: Plan) -> None:
    if not found:
        return
    result.before["config"] = {key: present for key, (present, _target) in found.items()}
    values = result.after["config"] = {key: target for key, (_present, target) in found.items()}
    result.add("configure", f"configure cluster {name}: {', '.join(sorted(values))}", values=values)


def _window(params: Mapping[str, Any]) -> Object:
    day, hour = cluster.window_of(params["maintenance_window"])
    return {"day": day, "hour": hour}


def _given(values: Mapping[str, Any]) -> Object:
    return {key: value for key, value in values.items() if value is not None}
