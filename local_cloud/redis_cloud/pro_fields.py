"""Fields of a Pro database: what they may be, where they read back, what a new one has (reference 6)."""

from __future__ import annotations

import re
import secrets
from typing import Any

from local_cloud.fly.ids import now
from local_cloud.redis_cloud.fields import VERSION, check_certificates, check_common, password
from local_cloud.redis_cloud.subscriptions import Subscription
from local_cloud.redis_cloud.tasks import TaskError

Object = dict[str, Any]
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
MINIMUM = 0.881  # an hour; invented, as all prices
GB_HOUR = 0.06
PLAIN = ("name", "dataPersistence", "dataEvictionPolicy", "replication", "respVersion", "alerts", "throughputMeasurement",
         "supportOSSClusterApi", "useExternalEndpointForOSSClusterApi", "queryPerformanceFactor", "autoMinorVersionUpgrade",
         "ramPercentage")  # fmt: skip
SECURITY = {"sslClientAuthentication": False, "tlsClientAuthentication": False, "enableTls": False}
UPDATE_ONLY = ("enableDefaultUser", "regexRules")  # without effect when a database is made
REDIS_ONLY = {
    "password": "DATABASE_MEMCACHED_CONTAINS_REDIS_PASSWORD",
    "enableDefaultUser": "DATABASE_MEMCACHED_CONTAINS_REDIS_DEFAULT_USER",
    "modules": "DATABASE_MEMCACHED_CONTAINS_MODULES",
    "supportOSSClusterApi": "DATABASE_MEMCACHED_NOT_SUPPORT_OSS_CLUSTER_API",
    "redisVersion": "DATABASE_REDIS_VERSION_IS_NOT_SUPPORTED_FOR_MEMCACHED",
    "replica": "FIXED_DATABASE_REPLICA_OF_MEMCACHED_IS_NOT_SUPPORTED",
}
MEMCACHED_ONLY = {  # code on a database of redis, code of a blank
    "saslUsername": ("DATABASE_CONTAIN_MEMCACHED_USERNAME", "DATABASE_MEMCACHED_SASL_USERNAME_IS_BLANK"),
    "saslPassword": ("DATABASE_CONTAIN_MEMCACHED_PASSWORD", "DATABASE_MEMCACHED_SASL_PASSWORD_IS_BLANK"),
}
# What is told of each way to spread keys. Only "standard" is established.
HASHING = {"default-regex-rules": "standard", "custom-regex-rules": "custom", "redis-oss-hashing": "oss"}


def size(body: Object, replication: bool) -> tuple[float, float]:
    """Size of the data and memory, in GB; exactly one of them is given."""
    data, memory = float(body.get("datasetSizeInGb") or 0), float(body.get("memoryLimitInGb") or 0)
    if data and memory:
        raise TaskError("DATABASE_SIZE_LIMIT_INVALID_TOO_MANY_MEMORY_SPECIFICATIONS", "Give one size")
    if not data and not memory:
        raise TaskError("DATABASE_SIZE_LIMIT_NOT_DEFINED", "The size is missing")
    copies = 2 if replication else 1
    return (data, data * copies) if data else (memory / copies, memory)


def pricing(databases: list[Object], region: str) -> list[Object]:
    """What an hour costs, line by line."""
    memory = sum(size(body, body.get("replication", True))[1] * body.get("quantity", 1) for body in databases)
    common = {"priceCurrency": "USD", "pricePeriod": "hour", "region": region}
    shards = {
        "type": "Shards",
        "typeDetails": "small",
        "quantity": max(1, round(memory)),
        "quantityMeasurement": "shards",
    }
    least = {"type": "MinimumPrice", "quantity": 1, "quantityMeasurement": "subscription", "pricePerUnit": MINIMUM}
    return [{**shards, "pricePerUnit": GB_HOUR, **common}, {**least, **common}]


def new(number: int, subscription: Subscription, port: int, body: Object) -> Object:
    """A database as a create makes it."""
    cloud = subscription["cloudDetails"][0]
    region, hashing = cloud["regions"][0]["region"], HASHING[body.get("shardingType") or "default-regex-rules"]
    made: Object = {
        "databaseId": number,
        "subscription": subscription["id"],
        "port": port,
        "host": f"redis-{port}.c{number}.{region}-1.local-cloud.internal",
        "tags": {},
        "clients": [],
        "keeper": secrets.token_urlsafe(24),
        "name": body["name"],
        "protocol": body.get("protocol") or "redis",
        "provider": cloud["provider"],
        "region": region,
        "redisVersion": body.get("redisVersion") or VERSION,
        "respVersion": "resp2",
        "status": "draft",
        "memoryUsedInMb": 2,
        "memoryStorage": subscription["memoryStorage"],
        "supportOSSClusterApi": False,
        "useExternalEndpointForOSSClusterApi": False,
        "autoMinorVersionUpgrade": True,
        "dataPersistence": "none",
        "replication": True,
        "dataEvictionPolicy": "volatile-lru",
        "throughputMeasurement": {"by": "operations-per-second", "value": 1000},
        "activatedOn": now(),
        "clustering": {"numberOfShards": 1, "regexRules": [], "hashingPolicy": hashing},
        "security": {**SECURITY, "sourceIps": _nowhere(subscription)},
        "replica": None,
        "modules": body.get("modules") or [],
        "alerts": [],
        "backup": {"enableRemoteBackup": False},
    }
    if subscription["memoryStorage"] != "ram":
        made["ramPercentage"] = 20
    if made["protocol"] == "memcached":
        made["sasl"] = {"username": f"mc-{password(5)}", "password": password()}
    else:
        made["security"] |= {"enableDefaultUser": True, "password": password()}
    made["datasetSizeInGb"], made["memoryLimitInGb"] = size(body, body.get("replication", True))
    return merged(made, {key: value for key, value in body.items() if key not in UPDATE_ONLY}, subscription)


def _nowhere(subscription: Subscription) -> list[str]:
    """What no sources read back as."""
    return ["0.0.0.0/0"] if subscription["publicEndpointAccess"] else PRIVATE


def merged(database: Object, body: Object, subscription: Subscription) -> Object:
    """A database with the written fields in the places where they are read."""
    given = {key: body[key] for key in PLAIN if body.get(key) is not None}
    result = {**database, **given, "security": dict(database["security"])}
    security = result["security"]
    if "datasetSizeInGb" in body or "memoryLimitInGb" in body:
        result["datasetSizeInGb"], result["memoryLimitInGb"] = size(body, result["replication"])
    elif "replication" in body:
        result["memoryLimitInGb"] = result["datasetSizeInGb"] * (2 if result["replication"] else 1)
    for key in ("password", "enableTls", "enableDefaultUser"):
        if body.get(key) is not None:
            security[key] = body[key]
    sasl = {key: body.get(f"sasl{key.capitalize()}") for key in ("username", "password")}
    if any(sasl.values()):
        result["sasl"] = {**database["sasl"], **{key: value for key, value in sasl.items() if value}}
    if "regexRules" in body:
        rules = [{"ordinal": at, "pattern": pattern} for at, pattern in enumerate(body["regexRules"] or [])]
        result["clustering"] = {**database["clustering"], "regexRules": rules}
    if "sourceIp" in body:
        security["sourceIps"] = body["sourceIp"] or _nowhere(subscription)
    if body.get("clientTlsCertificates") is not None:
        result["clients"] = [item["publicCertificatePEMString"] for item in body["clientTlsCertificates"]]
    if not security["enableTls"]:
        result["clients"] = []
    security["tlsClientAuthentication"] = bool(result["clients"])
    if "replica" in body:
        result["replica"] = body["replica"] if body["replica"]["syncSources"] else None
    if "remoteBackup" in body:
        result["backup"] = backup(body["remoteBackup"])
    return result


def backup(wanted: Object) -> Object:
    """How backups read back. Of two a day, the morning's hour is told."""
    if not wanted.get("active"):
        return {"enableRemoteBackup": False}
    hour = wanted.get("timeUTC")
    if hour and wanted["interval"] == "every-12-hours":
        hour = f"{int(hour.partition(':')[0]) % 12:02d}:00"
    shown = {"interval": wanted["interval"], "timeUTC": hour, "destination": wanted["storagePath"]}
    return {"enableRemoteBackup": True, **{key: value for key, value in shown.items() if value}}


def check_pro(body: Object, names: list[str], current: Object) -> None:
    """Raise TaskError for what a Pro database cannot have. current: it, or of a new one what is known."""
    check_common(body, body.get("sourceIp") or [], names)
    _check_backup(body.get("remoteBackup") or {})
    _check_keys(body, current)
    _check_protocol(body, body.get("protocol") or current.get("protocol") or "redis")
    flash, percentage = current["memoryStorage"] != "ram", body.get("ramPercentage")
    if percentage is not None and not flash:
        raise TaskError("DATABASE_RAM_PERCENTAGE_NOT_ALLOWED", "The subscription keeps no data on flash")
    if percentage not in (None, 10, 20, 30, 40, 50):
        raise TaskError("DATABASE_RAM_PERCENTAGE_IS_INVALID", "10, 20, 30, 40 or 50")
    certificates = [item.get("publicCertificatePEMString", "") for item in body.get("clientTlsCertificates") or []]
    tls = current.get("security", {}).get("enableTls", False)
    check_certificates(certificates, bool(body.get("enableTls", tls)))


def _check_backup(wanted: Object) -> None:
    complete = wanted.get("interval") and wanted.get("storageType") and wanted.get("storagePath")
    if wanted.get("active") and not complete:
        raise TaskError("DATABASE_INVALID_BACKUP_CONFIGURATION", "An active backup needs interval, type and path")
    if wanted.get("timeUTC") and wanted.get("interval") not in ("every-12-hours", "every-24-hours"):
        raise TaskError("DATABASE_INVALID_BACKUP_INTERVAL_AND_TIME_UTC_MISMATCH", "No hour with this interval")


def _check_keys(body: Object, current: Object) -> None:
    """How keys are spread over shards, and clients get to them."""
    if body.get("shardingType") not in (None, *HASHING):
        raise TaskError("DATABASE_SHARDING_TYPE_IS_NOT_SUPPORTED", f"There is no {body['shardingType']}")
    if body.get("shardingType") and "databaseId" in current:
        raise TaskError("DATABASE_SHARDING_TYPE_IS_IMMUTABLE", "Set when the database is made")
    if body.get("regexRules") and current.get("clustering", {}).get("hashingPolicy") != "custom":
        raise TaskError("DATABASE_REGEX_RULES_CHANGES_BLOCKED", "Only with custom-regex-rules")
    for rule in body.get("regexRules") or []:
        try:
            groups = re.compile(rule.replace("(?<", "(?P<")).groupindex
        except re.error:
            groups = {}
        if "tag" not in groups:
            raise TaskError("DATABASE_INVALID_REGEX_RULES", "A rule is no expression with a group named tag")
    api = body.get("supportOSSClusterApi", current.get("supportOSSClusterApi"))
    if body.get("useExternalEndpointForOSSClusterApi") and not api:
        raise TaskError("DATABASE_EXTERNAL_ENDPOINT_WITHOUT_OSS_CLUSTER", "Needs supportOSSClusterApi")


def _check_protocol(body: Object, protocol: str) -> None:
    """What one protocol has and the other not."""
    for key, (wrong, blank) in MEMCACHED_ONLY.items():
        if body.get(key) is not None and protocol == "redis":
            raise TaskError(wrong, "The protocol is redis")
        if body.get(key) is not None and not body[key].strip():
            raise TaskError(blank, f"{key} is blank")
    if protocol == "redis":
        return
    for key, kind in REDIS_ONLY.items():
        if body.get(key) not in (None, False, []):
            raise TaskError(kind, "The protocol is memcached")
    if body.get("clientTlsCertificates"):
        raise TaskError("GENERAL_ERROR", "The local cloud serves memcached without client certificates")
