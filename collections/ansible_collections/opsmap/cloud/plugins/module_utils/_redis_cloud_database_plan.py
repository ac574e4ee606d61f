# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a database from what is to what should be, in both families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _redis_cloud_database as database
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_apply import DatabaseWriter
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_database import Family
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_find import find_database, find_subscription
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_limits import check_plan, check_protocol
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import REDACTED, scrubbed

Object = dict[str, Any]


def plan_database(family: Family, params: Mapping[str, Any], observed: Object | None) -> Plan:
    """Steps from the observed database to the desired one."""
    seen = observed or {}
    current = seen.get("database")
    if params["state"] == "absent":
        return _removal(params, current)
    check_plan(params, seen.get("subscription") or {})
    if family.pro:
        check_protocol(params, current)
    result = (
        _creation(family, params) if current is None else _change(family, params, database.canonical(current), seen)
    )
    present = seen.get("tags") or {}
    wanted = database.tags_wanted(params, present)
    if wanted != present:
        result.before["tags"], result.after["tags"] = present, wanted
        result.add("tag", f"set tags of database {params['name']}", tags=wanted)
    return result


def _removal(params: Mapping[str, Any], current: Object | None) -> Plan:
    if current is None:
        return Plan()
    name = current["name"]
    result = Plan(before={"name": name})
    if params["confirm_destroy"] != name:
        raise bad_option("confirm_destroy", f"is not {name!r}", "give the database's name to remove it")
    path = database.canonical(current)["periodicBackupPath"]  # of Pro's backups too
    if path and params["final_backup"]:
        result.add("backup", f"back up database {name} to {path}")
    result.add("delete", f"delete database {name} with all its data")
    return result


def _creation(family: Family, params: Mapping[str, Any]) -> Plan:
    name, certificates = params["name"], params[database.CERTIFICATES]
    if certificates and not params["enable_tls"]:
        raise bad_option(database.CERTIFICATES, "need TLS", "set enable_tls to true")
    options = [field.name for field in family.fields]
    options[1:1] = ["redis_version", "password", database.CERTIFICATES, "sharding_type", *database.SASL]
    given = {option: params[option] for option in options if params.get(option) is not None}
    shown = {
        "password": REDACTED,
        "sasl_password": REDACTED,
        "replica_of": database.places(params["replica_of"]),
        database.CERTIFICATES: certificates and database.counted(certificates),
    }
    result = Plan(after={key: shown.get(key, value) for key, value in given.items()})
    at_once = [option for option in given if option not in family.late]
    result.add("create", f"create database {name}", body=database.body(family, params, at_once))
    later = [option for option in family.late if given.get(option) not in (None, True, [])]  # True, []: as it is made
    if later:
        result.add("update", f"update database {name}: {', '.join(later)}", body=database.body(family, params, later))
    return result


def _change(family: Family, params: Mapping[str, Any], current: Object, seen: Object) -> Plan:
    name, certificates = current.get("name"), params[database.CERTIFICATES]
    if current.get("status") == "error":
        raise refused(f"change database {name}", "it is in the state 'error'", "remove it, or ask the vendor's support")
    found = database.changes(family, params, current)
    security, mark = current["security"], (seen.get("tags") or {}).get(database.FINGERPRINT)
    if certificates and not (security.get("enableTls") or params["enable_tls"]):
        raise bad_option(database.CERTIFICATES, "need TLS", "set enable_tls to true")
    if certificates and mark != database.fingerprint(certificates):
        found[database.CERTIFICATES] = (mark or "unknown", database.counted(certificates))
    result = Plan({"name": name}, {"name": name})
    version, warning = database.upgrade(params["redis_version"], current.get("redisVersion"), seen.get("targets") or [])
    result.warnings = [warning] if warning else []
    for option in database.untold(family, params, current):
        result.warnings.append(f"{option} is not compared: the service does not tell that of database {name}")
    if version:
        result.before["redis_version"], result.after["redis_version"] = current["redisVersion"], version
        result.add("upgrade", f"upgrade database {name} to Redis {version}", version=version)
    if params.get("update_password") == "always":
        found |= {option: ("(unknown)", params[option]) for option in database.SASL if params[option] is not None}
    for option, (present, wanted) in found.items():
        result.before[option] = "(other)" if option == "password" else present
        result.after[option] = REDACTED if option in ("password", "sasl_password") else wanted
    if found:
        result.add("update", f"update database {name}: {', '.join(found)}", body=database.body(family, params, found))
    return result


def beside(client: RedisCloud, params: Mapping[str, Any], subscription: int, found: Object | None) -> Object:
    """What the plan needs beside the database itself, asked for only then."""
    seen: Object = {}
    if not found or params["state"] == "absent":
        return seen
    tls = (found.get("security") or {}).get("tlsClientAuthentication")
    if (
        params["tags"] is not None
        or params[database.CERTIFICATES] is not None
        or (tls and params["enable_tls"] is False)
    ):
        seen["tags"] = client.tags(subscription, found["databaseId"])
    wanted, running = params["redis_version"], str(found.get("redisVersion"))
    if wanted and not f"{running}.".startswith(f"{wanted}."):
        seen["targets"] = client.upgrade_targets(subscription, found["databaseId"])
    return seen


def run_database(family: Family, params: Object, context: Context, maker: str) -> Object:
    """Converge one database. maker: the module that makes subscriptions of the family."""
    client = RedisCloud(params, context.clock, pro=family.pro)
    writer = DatabaseWriter(client, params, context, family)

    def observe() -> Object:
        patience = context.patience(params)
        subscription = find_subscription(client, params, context, patience, option="subscription")
        if subscription is None:
            if params["state"] == "present" and not context.check_mode:
                problem = f"there is no {params['subscription']!r}"
                raise bad_option("subscription", problem, f"make it with {maker} first")
            return {}
        writer.subscription = subscription["id"]
        found = find_database(client, subscription["id"], params, context, patience)
        writer.database = int(found["databaseId"]) if found else None
        return {"subscription": subscription, "database": found, **beside(client, params, subscription["id"], found)}

    return converge(
        observe,
        lambda observed: plan_database(family, params, observed),
        lambda made: apply(made, writer.handlers(), context),
        lambda observed: scrubbed(observed.get("database")),
        context,
    )
