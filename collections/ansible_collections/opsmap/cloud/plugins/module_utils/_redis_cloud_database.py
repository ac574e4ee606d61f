# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database is made of, in each family: its field table, its read-back differences and its limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fields import (
    Field,
    absent_is_empty,
    casefolded,
    cidrs,
    differences,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret

Object = dict[str, Any]

EVERYWHERE = ["0.0.0.0/0"]
PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
MOVES_BY_ITSELF = (8, 4)  # from this version on the service upgrades minor versions of its own accord


def sources(value: Any) -> Any:
    """No source IPs read back as every address."""
    return cidrs(value or EVERYWHERE)


def alert_set(value: Any) -> Any:
    """Alerts have no order."""
    return sorted((alert["name"], alert["value"]) for alert in value or [])


def number(value: Any) -> Any:
    """Sizes come back as floats."""
    return None if value is None else round(float(value), 3)


def names(value: Any) -> Any:
    """Modules by name, without order."""
    return sorted(item["name"] if isinstance(item, dict) else item for item in value or [])


def places(value: Any) -> Any:
    """Where sources of a replica are: host and port, whether credentials are told or not."""
    listed = value.get("syncSources") or value.get("endpoints") if isinstance(value, dict) else value
    texts = [item["endpoint"] if isinstance(item, dict) else str(item) for item in listed or []]
    return sorted(re.sub(r"^\w+://([^@]*@)?", "", text).rstrip("/").lower() for text in texts)


def patterns(value: Any) -> Any:
    """Rules for keys are written as texts, and told with their places."""
    rules = sorted(value or [], key=lambda rule: rule.get("ordinal", 0) if isinstance(rule, dict) else 0)
    return [rule.get("pattern") if isinstance(rule, dict) else rule for rule in rules]


def throughput(value: Any) -> Any:
    """What is measured, and how much of it."""
    return value and (value.get("by"), value.get("value"))


def remote_backup(value: Any) -> Any:
    """A backup's hour comes back as the morning's where there are two a day."""
    if not value or not value.get("active", True):
        return None
    interval, hour = value.get("interval"), str(value.get("time_utc") or value.get("timeUTC") or "")
    if interval == "every-12-hours" and hour:
        hour = f"{int(hour.partition(':')[0]) % 12:02d}:00"
    return interval, hour, value.get("storage_path") or value.get("destination")


COMMON = [
    Field("name"),
    Field("protocol", change="create"),
    Field("modules", compare=names, change="create"),
    Field("resp_version", at="respVersion"),
    Field("data_persistence", at="dataPersistence"),
    Field("data_eviction_policy", at="dataEvictionPolicy"),
    Field("replication"),
    Field("dataset_size_gb", at="datasetSizeInGb", compare=number),
    Field("memory_limit_gb", at="memoryLimitInGb", compare=number),
    Field("support_oss_cluster_api", at="supportOSSClusterApi"),
    Field("use_external_endpoint_for_oss_cluster_api", at="useExternalEndpointForOSSClusterApi"),
    Field("regex_rules", at="clustering.regexRules", compare=patterns),
    Field("source_ips", at="security.sourceIps", compare=sources),
    Field("enable_tls", at="security.enableTls"),
    Field("enable_default_user", at="security.enableDefaultUser"),
    Field("alerts", compare=alert_set),
    Field("replica_of", at="replica", compare=places),
]


RENAMED = {
    "dataset_size_gb": "datasetSizeInGb",
    "memory_limit_gb": "memoryLimitInGb",
    "support_oss_cluster_api": "supportOSSClusterApi",
    "use_external_endpoint_for_oss_cluster_api": "useExternalEndpointForOSSClusterApi",
    "replica_of": "replica",
}


@dataclass(frozen=True)
class Family:
    """Essentials or Pro.

    renamed: options that the API takes under another name than theirs in camel case.
    late: options that it does not take when a database is made, so an update follows.
    """

    pro: bool
    fields: list[Field]
    renamed: Mapping[str, str]
    late: tuple[str, ...]

    def key(self, option: str) -> str:
        """The name under which the API takes an option: ``enable_tls`` -> ``enableTls``."""
        head, *tail = option.split("_")
        return self.renamed.get(option, head + "".join(part.capitalize() for part in tail))


ESSENTIALS = Family(
    False,
    [
        *COMMON,
        Field("enable_database_clustering", at="clustering.enabled"),
        Field("number_of_shards", at="clustering.numberOfShards"),
        Field("periodic_backup_path", at="periodicBackupPath", compare=absent_is_empty),
    ],
    RENAMED,
    late=("enable_default_user",),
)
PRO = Family(
    True,
    [
        *COMMON,
        Field("throughput", at="throughputMeasurement", compare=throughput),
        Field("port", change="create"),
        Field("ram_percentage", at="ramPercentage"),
        Field("query_performance_factor", at="queryPerformanceFactor", compare=casefolded),
        Field("auto_minor_version_upgrade", at="autoMinorVersionUpgrade"),
        Field("remote_backup", at="backup", compare=remote_backup),
    ],
    {
        **RENAMED,
        "source_ips": "sourceIp",
        "throughput": "throughputMeasurement",
    },
    late=("enable_default_user", "regex_rules"),
)
BUNDLED = 8  # from this major version on modules come with Redis, and are told although never asked for
CERTIFICATES = "client_tls_certificates"
FINGERPRINT = "opsmap-client-tls"  # tag: the service tells only whether there are certificates, not which
NOT_WAITED_FOR = ("replica",)  # how the service tells it is not established, so no wait may hang on it
# Whether the service tells these of every database is not established; the port only once there is an endpoint.
MAYBE_UNTOLD = ("port", "dataset_size_gb", "memory_limit_gb", "number_of_shards", "ram_percentage")
SASL = ("sasl_username", "sasl_password")  # never told


def canonical(database: Mapping[str, Any]) -> Object:
    """A database with the fields that read back elsewhere put at one place."""
    security = dict(database.get("security") or {})
    if "defaultUserEnabled" in security:
        security["enableDefaultUser"] = security.pop("defaultUserEnabled")
    if set(security.get("sourceIps") or []) == PRIVATE:  # Pro without public access and without sources
        security["sourceIps"] = EVERYWHERE
    backup = database.get("backup") or {}
    on = backup.get("remoteBackupEnabled", backup.get("enableRemoteBackup", False))
    found: Object = {**database, "security": security, "periodicBackupPath": backup.get("destination") if on else None}
    found["backup"] = backup if on else None
    found["replica"] = database.get("replica") or database.get("replicaOf")
    port = str(database.get("publicEndpoint") or "").rpartition(":")[2]
    found["port"] = int(port) if port.isdigit() else None
    return found


def body(family: Family, params: Mapping[str, Any], options: Iterable[str]) -> Object:
    """The request's form of these options, as far as they are given."""
    given = {family.key(option): params[option] for option in options if params[option] is not None}
    for key in {"password", "saslPassword"} & set(given):
        given[key] = Secret(given[key])
    if family.key(CERTIFICATES) in given:
        texts = given[family.key(CERTIFICATES)]
        given[family.key(CERTIFICATES)] = [{"publicCertificatePEMString": text} for text in texts]
    if "modules" in given:
        given["modules"] = [{"name": name} for name in given["modules"]]
    if "replica" in given:
        given["replica"] = {"syncSources": [_source(source) for source in given["replica"]]}
    if "remoteBackup" in given:
        named = {"time_utc": "timeUTC", "storage_type": "storageType", "storage_path": "storagePath"}
        wanted = given["remoteBackup"].items()
        given["remoteBackup"] = {named.get(key, key): value for key, value in wanted if value is not None}
    return given


def _source(source: Mapping[str, Any]) -> Object:
    """One source of a replica, with its credentials in the URI, as the API wants them."""
    scheme, _dummy, place = source["endpoint"].partition("://")
    login = f"{quote(source['username'], safe='')}:{quote(source['password'], safe='')}@" if source["password"] else ""
    given = {"endpoint": Secret(f"{scheme}://{login}{place}") if login else source["endpoint"]}
    more = {"encryption": source["encryption"], "serverCert": source["server_cert"]}
    return {**given, **{key: value for key, value in more.items() if value is not None}}


def changes(family: Family, params: Mapping[str, Any], database: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Options that differ from the (canonical) database: name -> (is, should be). Passwords are Secrets."""
    what, desired = f"database {params['name']}", dict(params)
    if (_numbers(str(database.get("redisVersion") or "0")) or (0,))[0] >= BUNDLED:
        desired["modules"] = None
    desired.update(dict.fromkeys(untold(family, params, database)))
    found = differences(what, family.fields, desired, dict(database))
    if "replica_of" in found:
        found["replica_of"] = (places(database.get("replica")), places(params["replica_of"]))
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


def untold(family: Family, params: Mapping[str, Any], database: Mapping[str, Any]) -> list[str]:
    """Options that are given and that the service does not tell of this database, so that they cannot be compared."""
    fields = [field for field in family.fields if field.name in MAYBE_UNTOLD and params[field.name] is not None]
    return [field.name for field in fields if field.read(dict(database)) is None]


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


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
