# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is asked or changed: options that no plan can honour, or not this one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_database import CERTIFICATES, FINGERPRINT


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
    _check_size(params)
    _check_replica(params["replica_of"] or [])
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


def _check_size(params: Mapping[str, Any]) -> None:
    for option in ("dataset_size_gb", "memory_limit_gb"):
        if params[option] is not None and params[option] < 0.1:
            raise bad_option(option, f"{params[option]:g} is too small", "give 0.1 or more")
    if params["use_external_endpoint_for_oss_cluster_api"] and params["support_oss_cluster_api"] is False:
        problem = "needs the cluster API, which support_oss_cluster_api turns off"
        raise bad_option("use_external_endpoint_for_oss_cluster_api", problem, "set support_oss_cluster_api to true")


def _check_replica(sources: list[dict[str, Any]]) -> None:
    for source in sources:
        if not re.fullmatch(r"rediss?://[^\s/@:]+:\d{1,5}/?", source["endpoint"]):
            hint = "write it as redis://host:port; credentials go into username and password"
            raise bad_option("replica_of", "an endpoint is no address", hint)


def check_essentials_options(params: Mapping[str, Any]) -> None:
    """As check_options, for what only Essentials has."""
    if params["number_of_shards"] is not None and params["number_of_shards"] < 1:
        raise bad_option("number_of_shards", f"{params['number_of_shards']} is not possible", "give 1 or more")
    if params["modules"] and params["protocol"] not in (None, "redis"):
        raise bad_option(
            "modules", f"do not go with the protocol {params['protocol']}", "set protocol to redis, or leave them out"
        )
    if params["enable_database_clustering"] is False:
        for option in ("number_of_shards", "regex_rules"):
            if params[option]:
                problem = "needs the clustering that enable_database_clustering turns off"
                raise bad_option(option, problem, "set enable_database_clustering to true, or leave it out")


def check_pro_options(params: Mapping[str, Any]) -> None:
    """As check_options, for what only Pro has."""
    if params["update_password"] == "always" and not (params["sasl_username"] or params["sasl_password"]):
        raise bad_option("update_password", "always has nothing to set", "give sasl_username or sasl_password")
    for option in ("sasl_username", "sasl_password"):
        if params[option] is not None and not params[option].strip():
            raise bad_option(option, "is empty", "give one, or leave it out and the service makes one")
    if params["port"] is not None and not 10000 <= params["port"] <= 19999:
        raise bad_option("port", f"{params['port']} is not possible", "give a number from 10000 to 19999")
    backup = params["remote_backup"] or {"active": False}
    missing = [key for key in ("interval", "storage_type", "storage_path") if not backup.get(key)]
    if backup["active"] and missing:
        raise bad_option("remote_backup", f"{', '.join(missing)} is missing", "an active backup needs it")
    hour = backup.get("time_utc")
    if hour and not re.fullmatch(r"([01]\d|2[0-3]):00", hour):
        raise bad_option("remote_backup", f"time_utc {hour!r} is no full hour", "write it as 14:00, in quotes")
    if hour and backup.get("interval") not in ("every-24-hours", "every-12-hours"):
        raise bad_option("remote_backup", "time_utc does not go with this interval", "leave it out")


def check_protocol(params: Mapping[str, Any], database: Mapping[str, Any] | None) -> None:
    """Refuse users of Pro's one protocol for the other. ``database``: as it is, or None where there is none."""
    protocol = params["protocol"] or (database or {}).get("protocol") or "redis"
    users = {"memcached": ("sasl_username", "sasl_password"), "redis": ("password", "enable_default_user")}
    for other, options in users.items():
        for option in options:
            if other != protocol and params[option] is not None:
                raise bad_option(option, f"is for the protocol {other}, and this is {protocol}", "leave it out")


def check_plan(params: Mapping[str, Any], subscription: Mapping[str, Any]) -> None:
    """Refuse what the subscription's plan does not offer, as far as it tells."""
    wishes = (
        ("data_persistence", params["data_persistence"] not in (None, "none"), "supportDataPersistence"),
        ("replication", params["replication"], "supportReplication"),
        ("enable_tls", params["enable_tls"], "supportSsl"),
        ("periodic_backup_path", params.get("periodic_backup_path"), "supportInstantAndDailyBackups"),
    )
    if params.get("ram_percentage") and subscription.get("memoryStorage") == "ram":
        problem = "is for subscriptions that keep data on flash, and this one's memoryStorage is 'ram'"
        raise bad_option("ram_percentage", problem, "leave it out or use another subscription")
    for option, wished, key in wishes:
        if wished and subscription.get(key) is False:
            raise bad_option(option, "the subscription's plan does not support it", "choose a larger or paid plan")
    if subscription.get("price") == 0:
        for option in ("enable_tls", "source_ips", "periodic_backup_path"):
            if params.get(option):
                raise bad_option(option, "the free plan does not support it", "leave it out or choose a paid size")
    limit = subscription.get("cidrAllowRules")
    if limit and len(params["source_ips"] or []) > limit:
        raise bad_option("source_ips", f"the plan allows {limit}", "give fewer networks or choose a larger plan")
