# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Essentials database is made of: its field table, its read-back differences and its limits."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import Field, absent_is_empty, cidrs, differences
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret

Object = dict[str, Any]

PERSISTENCE = ["none", "aof-every-1-second", "aof-every-write"]
PERSISTENCE += ["snapshot-every-1-hour", "snapshot-every-6-hours", "snapshot-every-12-hours"]
EVICTION = [f"{scope}-{policy}" for scope in ("allkeys", "volatile") for policy in ("lru", "lfu", "lrm", "random")]
EVICTION += ["volatile-ttl", "noeviction"]
ALERTS = ["dataset-size", "datasets-size", "throughput-higher-than", "throughput-lower-than", "latency"]
ALERTS += ["syncsource-error", "syncsource-lag", "connections-limit"]
EVERYWHERE = ["0.0.0.0/0"]
MOVES_BY_ITSELF = (8, 4)  # from this version on the service upgrades minor versions of its own accord


def sources(value: Any) -> Any:
    """No source IPs read back as every address."""
    return cidrs(value or EVERYWHERE)


def alert_set(value: Any) -> Any:
    """Alerts have no order."""
    return sorted((alert["name"], alert["value"]) for alert in value or [])


FIELDS = [
    Field("name"),
    Field("protocol", change="create"),
    Field("resp_version", at="respVersion"),
    Field("data_persistence", at="dataPersistence"),
    Field("data_eviction_policy", at="dataEvictionPolicy"),
    Field("replication"),
    Field("source_ips", at="security.sourceIps", compare=sources),
    Field("enable_tls", at="security.enableTls"),
    Field("enable_default_user", at="security.enableDefaultUser"),
    Field("alerts", compare=alert_set),
    Field("periodic_backup_path", at="periodicBackupPath", compare=absent_is_empty),
]
CERTIFICATES = "client_tls_certificates"
FINGERPRINT = "opsmap-client-tls"  # tag: the service tells only whether there are certificates, not which
NOT_AT_CREATION = ("enable_default_user",)  # ignored there, so an update follows


def camel(option: str) -> str:
    """The name under which the API takes an option: ``enable_tls`` -> ``enableTls``."""
    head, *tail = option.split("_")
    return head + "".join(part.capitalize() for part in tail)


def canonical(database: Mapping[str, Any]) -> Object:
    """A database with the two fields that read back elsewhere put at one place."""
    security = dict(database.get("security") or {})
    if "defaultUserEnabled" in security:
        security["enableDefaultUser"] = security.pop("defaultUserEnabled")
    backup = database.get("backup") or {}
    backup_path = backup.get("destination") if backup.get("remoteBackupEnabled") else None
    return {**database, "security": security, "periodicBackupPath": backup_path}


def body(params: Mapping[str, Any], options: Iterable[str]) -> Object:
    """The request's form of these options, as far as they are given."""
    given = {camel(option): params[option] for option in options if params[option] is not None}
    if "password" in given:
        given["password"] = Secret(given["password"])
    if camel(CERTIFICATES) in given:
        given[camel(CERTIFICATES)] = [{"publicCertificatePEMString": text} for text in given[camel(CERTIFICATES)]]
    return given


def changes(params: Mapping[str, Any], database: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Options that differ from the (canonical) database: name -> (is, should be). Passwords are Secrets."""
    what = f"database {params['name']}"
    found = differences(what, FIELDS, dict(params), dict(database))
    security = database.get("security") or {}
    present, wanted = security.get("password"), params["password"]
    default_user = params["enable_default_user"]
    if default_user is None:
        default_user = security.get("enableDefaultUser", True)
    if wanted is not None and present not in (None, wanted) and default_user:  # without that user it is refused
        found["password"] = (Secret(present), Secret(wanted))
    certificates, there = params[CERTIFICATES], bool(security.get("tlsClientAuthentication"))
    if certificates is not None and bool(certificates) != there:
        found[CERTIFICATES] = ("some" if there else "none", counted(certificates))
    return found


def counted(certificates: list[str]) -> str:
    """As the diff shows certificates."""
    return f"{len(certificates)} ({fingerprint(certificates)})" if certificates else "none"


def fingerprint(certificates: Iterable[str]) -> str:
    """Equal for the same certificates, whatever their order and line ends. Lower case, as tags must be."""
    texts = sorted("".join(text.split()) for text in certificates)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def tags_wanted(params: Mapping[str, Any], present: Mapping[str, str]) -> dict[str, str]:
    """The tags that should be there, with the fingerprint of the client certificates among them."""
    own = {key: value for key, value in present.items() if key != FINGERPRINT}
    if params["tags"] is not None:
        own = {key: str(value) for key, value in params["tags"].items()}
    mark = present.get(FINGERPRINT)
    if params["enable_tls"] is False:  # that erases them
        mark = None
    elif params[CERTIFICATES] is not None:
        mark = fingerprint(params[CERTIFICATES]) if params[CERTIFICATES] else None
    return {**own, FINGERPRINT: mark} if mark else own


def upgrade(wanted: str | None, present: str | None, targets: Iterable[str]) -> tuple[str | None, str | None]:
    """The version to upgrade to, if any, and a warning, if any. Versions are compared by prefix.

    Refuses to go back, and what is none of the ``targets``; one that the service has raised by itself is a warning.
    """
    if wanted is None or present is None:
        return None, None
    asked, running = _numbers(wanted), _numbers(present)
    if running[: len(asked)] == asked:
        return None, None
    if running > asked:
        if running[:1] == asked[:1] and running >= MOVES_BY_ITSELF:
            return None, f"redis_version is {present}, ahead of {wanted}: the service has upgraded it"
        raise refused(
            "change the Redis version",
            f"redis_version is {present!r} and cannot go back to {wanted!r}",
            f"set redis_version to {present} or make a new database",
        )
    offered = sorted(targets, key=_numbers)
    fitting = [target for target in offered if _numbers(target)[: len(asked)] == asked]
    if not fitting:
        reason = f"redis_version is {present!r} and cannot be raised to {wanted!r}"
        raise refused("change the Redis version", reason, f"it can be raised to: {', '.join(offered) or 'nothing'}")
    return fitting[-1], None


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse what no plan can honour."""
    name = params["name"]
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?", name):
        raise bad_option(
            "name", f"{name!r} is no database name", "at most 40 letters, digits and dashes, starting with a letter"
        )
    if params["password"] is not None and not 0 < len(params["password"]) < 50:
        raise bad_option("password", "is empty or too long", "give 1 to 49 characters")
    for source in params["source_ips"] or []:
        try:
            ipaddress.IPv4Network(source, strict=False)
        except ValueError:
            raise bad_option("source_ips", f"{source!r} is no IPv4 network", "give CIDR, as 192.0.2.1/32") from None
    for key, value in (params["tags"] or {}).items():
        if (key, str(value)) != (key.lower(), str(value).lower()):
            raise bad_option("tags", f"{key}: {value} has capital letters", "Redis Cloud takes lower-case tags only")
    if FINGERPRINT in (params["tags"] or {}):
        raise bad_option("tags", f"{FINGERPRINT} is set by this module", "leave it out")
    for text in params[CERTIFICATES] or []:
        if not re.fullmatch(r"\s*-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----\s*", text):
            raise bad_option(CERTIFICATES, "hold something else than a certificate", "give one PEM certificate an item")
    if params[CERTIFICATES] and params["enable_tls"] is False:
        raise bad_option(CERTIFICATES, "need TLS", "set enable_tls to true, or leave the certificates out")
    if params["redis_version"] is not None and not re.fullmatch(r"\d+(\.\d+){0,2}", params["redis_version"]):
        raise bad_option("redis_version", f"{params['redis_version']!r} is no version", "give it as 7.4, in quotes")


def check_plan(params: Mapping[str, Any], subscription: Mapping[str, Any]) -> None:
    """Refuse what the subscription's plan does not offer, as far as it tells."""
    wishes = (
        ("data_persistence", params["data_persistence"] not in (None, "none"), "supportDataPersistence"),
        ("replication", params["replication"], "supportReplication"),
        ("enable_tls", params["enable_tls"], "supportSsl"),
        ("periodic_backup_path", params["periodic_backup_path"], "supportInstantAndDailyBackups"),
    )
    for option, wished, key in wishes:
        if wished and subscription.get(key) is False:
            raise bad_option(option, "the subscription's plan does not support it", "choose a larger or paid plan")
    if subscription.get("price") == 0:
        for option in ("enable_tls", "source_ips", "periodic_backup_path"):
            if params[option]:
                raise bad_option(option, "the free plan does not support it", "leave it out or choose a paid size")
    limit = subscription.get("cidrAllowRules")
    if limit and len(params["source_ips"] or []) > limit:
        raise bad_option("source_ips", f"the plan allows {limit}", "give fewer networks or choose a larger plan")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
