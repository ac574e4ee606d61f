"""Fields of an Essentials database: what they may be, where they read back, what a new one has (reference 6)."""

from __future__ import annotations

import datetime
import ipaddress
import re
import secrets
import string
from typing import Any

from cryptography import x509

from local_cloud.fly.ids import now
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.tasks import TaskError

Database = dict[str, Any]
Plan = dict[str, Any]
PERSISTENCE = ("none", "aof-every-1-second", "aof-every-write", *server.SAVE)
EVICTION = [f"{scope}-{policy}" for scope in ("allkeys", "volatile") for policy in ("lru", "lfu", "random")]
EVICTION += ["volatile-ttl", "noeviction"]
VERSIONS = ("6.2", "7.2", "7.4")
VERSION = VERSIONS[-1]
HIDDEN = ("subscription", "port", "host", "tags", "clients", "keeper", "next", "sasl")
SIZES = "FIXED_DATABASE_MEMORY_LIMIT_IN_GB_AND_DATA_SET_SIZE_SUPPORTED_ONLY_FOR_PAY_AS_YOU_GO"
PAY_AS_YOU_GO = {  # no plan of the catalogue is one: how such a plan is told is not established
    "memoryLimitInGb": SIZES,
    "datasetSizeInGb": SIZES,
    "supportOSSClusterApi": "FIXED_DATABASE_OSS_CLUSTER_API_IS_NOT_SUPPORTED_IN_REQUESTED_PLAN",
    "useExternalEndpointForOSSClusterApi": "FIXED_DATABASE_USE_EXTERNAL_ENDPOINT_FOR_OSS_CLUSTER_API_NOT_SUPPORTED_IN_REQUESTED_PLAN",
    "enableDatabaseClustering": "FIXED_DATABASE_ENABLE_DATABASE_CLUSTERING_SUPPORTED_ONLY_FOR_PAY_AS_YOU_GO",
    "numberOfShards": "FIXED_DATABASE_NUMBER_OF_SHARDS_SUPPORTED_ONLY_FOR_PAY_AS_YOU_GO",
    "regexRules": "FIXED_DATABASE_REGEX_RULES_NOT_SUPPORTED_IN_REQUESTED_PLAN",
}
BACKUP_PATH = re.compile(r"(s3|gs|ftp|ftps|sftp|https?|abs)://\S+")


def password(length: int = 32) -> str:
    """As the service makes them: letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def new(number: int, subscription: int, plan: Plan, port: int, body: dict[str, Any]) -> Database:
    """A database as a create makes it; ``enableDefaultUser`` has no effect there."""
    made: Database = {
        "databaseId": number,
        "subscription": subscription,
        "port": port,
        "host": f"redis-{port}.c{number}.{plan['region']}-1.local-cloud.internal",
        "tags": {},
        "clients": [],
        "keeper": secrets.token_urlsafe(24),
        "name": body["name"],
        "protocol": body.get("protocol") or "stack",
        "provider": plan["provider"],
        "region": plan["region"],
        "redisVersion": body.get("redisVersion") or VERSION,
        "respVersion": "resp2",
        "status": "draft",
        "planMemoryLimit": plan["size"],
        "memoryLimitMeasurementUnit": plan["sizeMeasurementUnit"],
        "memoryUsedInMb": 2,
        "memoryStorage": "ram",
        "supportOSSClusterApi": False,
        "useExternalEndpointForOSSClusterApi": False,
        "dataPersistence": "none",
        "replication": False,
        "dataEvictionPolicy": "volatile-lru",
        "activatedOn": now(),
        "replicaOf": None,
        "replica": None,
        "clustering": {"enabled": False, "regexRules": [], "hashingPolicy": "standard"},
        "security": {
            "defaultUserEnabled": True,
            "password": password(),
            "sslClientAuthentication": False,
            "tlsClientAuthentication": False,
            "enableTls": False,
            "sourceIps": ["0.0.0.0/0"],
        },
        "modules": body.get("modules") or [],
        "alerts": [{"name": "datasets-size", "value": 80}] if plan["price"] else [],
        "backup": {"remoteBackupEnabled": False, "status": "idle"},
    }
    return merged(made, {key: value for key, value in body.items() if key != "enableDefaultUser"})


def merged(database: Database, body: dict[str, Any]) -> Database:
    """A database with the written fields in the places where they are read."""
    result = {**database, "security": dict(database["security"])}
    security = result["security"]
    for key in ("name", "dataPersistence", "dataEvictionPolicy", "replication", "respVersion", "alerts"):
        if body.get(key) is not None:
            result[key] = body[key]
    renamed = {"password": "password", "enableTls": "enableTls", "enableDefaultUser": "defaultUserEnabled"}
    for written, read in renamed.items():
        if body.get(written) is not None:
            security[read] = body[written]
    if "sourceIps" in body:
        security["sourceIps"] = body["sourceIps"] or ["0.0.0.0/0"]
    if body.get("clientTlsCertificates") is not None:
        result["clients"] = [item["publicCertificatePEMString"] for item in body["clientTlsCertificates"]]
    if not security["enableTls"]:  # turning TLS off erases them
        result["clients"] = []
    security["tlsClientAuthentication"] = bool(result["clients"])
    if "replica" in body:
        result["replica"] = body["replica"] if body["replica"]["syncSources"] else None
    if "periodicBackupPath" in body:
        path = body["periodicBackupPath"]
        result["backup"] = {"remoteBackupEnabled": bool(path), "status": "idle"} | (
            {"destination": path} if path else {}
        )
    return result


def check(body: dict[str, Any], plan: Plan, names: list[str], tls: bool) -> None:
    """Raise TaskError for what the plan or the fields do not allow. ``tls``: whether TLS is on without this body."""
    check_common(body, body.get("sourceIps") or [], names)
    for key, kind in PAY_AS_YOU_GO.items():
        if body.get(key) not in (None, False, []):
            raise TaskError(kind, f"{key} is for pay-as-you-go subscriptions")
    if body.get("modules") and (body.get("protocol") or "stack") == "stack":
        raise TaskError("FIXED_DATABASE_STACK_PROTOCOL_CONTAINS_MODULES", "stack has all modules")
    if body.get("protocol") == "memcached":
        raise TaskError(
            "GENERAL_ERROR", "The local cloud serves memcached in Pro only: its users in Essentials are not established"
        )
    supported = (
        (body.get("enableTls"), "supportSsl", "FIXED_DATABASE_ENABLE_TLS_NOT_SUPPORTED_IN_REQUESTED_PLAN"),
        (
            body.get("replication"),
            "supportReplication",
            "FIXED_DATABASE_REPLICATION_IS_NOT_SUPPORTED_IN_REQUESTED_PLAN",
        ),
        (body.get("periodicBackupPath"), "supportInstantAndDailyBackups", "DATABASE_BACKUP_NOT_SUPPORTED"),
        (
            (body.get("dataPersistence") or "none") != "none",
            "supportDataPersistence",
            "FIXED_DATABASE_CLUSTER_DOES_NOT_SUPPORT_DATA_PERSISTENCE",
        ),
    )
    for wanted, key, kind in supported:
        if wanted and not plan[key]:
            raise TaskError(kind, f"The plan has no {key.removeprefix('support')}")
    for alert in body.get("alerts") or []:
        if alert["name"] not in plan["supportedAlerts"]:
            raise TaskError("FIXED_DATABASE_ALERT_NOT_SUPPORTED", f"Alert {alert['name']} is not supported")
    if body.get("periodicBackupPath") and not BACKUP_PATH.fullmatch(body["periodicBackupPath"]):
        raise TaskError("DATABASE_INVALID_BACKUP_PATH", "The backup path is invalid")
    _check_sources(body.get("sourceIps") or [], plan)
    certificates = [item.get("publicCertificatePEMString", "") for item in body.get("clientTlsCertificates") or []]
    check_certificates(certificates, bool(body.get("enableTls", tls)))


def check_common(body: dict[str, Any], sources: list[str], names: list[str]) -> None:
    """As check, for what both families have."""
    _check_name(body.get("name"), names)
    if len(body.get("password") or "") >= 50:
        raise TaskError("DATABASE_PASSWORD_IS_TOO_LONG", "Password must be under 50 characters")
    if body.get("redisVersion") not in (None, *VERSIONS):
        raise TaskError("DATABASE_REDIS_VERSION_INVALID_VALUE", f"Redis version {body['redisVersion']} is not offered")
    if (body.get("dataPersistence") or "none") not in PERSISTENCE:
        kind = "FIXED_DATABASE_DATA_PERSISTENCE_VALUE_NOT_SUPPORTED_FOR_FIXED"
        raise TaskError(kind, f"{body['dataPersistence']} is no data persistence")
    if (body.get("dataEvictionPolicy") or "noeviction") not in EVICTION:
        kind = "DATABASE_EVICTION_POLICY_NOT_COMPATIBLE_WITH_REDIS_VERSION"
        raise TaskError(kind, f"{body['dataEvictionPolicy']} is not offered by this Redis version")
    for replica in (body.get("replica") or {}).get("syncSources", []):
        if not re.fullmatch(r"rediss?://([^@\s]*@)?[\w.-]+:\d+/?", replica.get("endpoint", "")):
            raise TaskError("DATABASE_REPLICA_OF_BAD_URI", "A replica's source is no Redis URI")
    if len((body.get("replica") or {}).get("syncSources", [])) > 1:
        raise TaskError("DATABASE_REPLICAS_OVER_LIMIT", "One source, since a redis-server follows one")
    for source in sources:
        try:
            ipaddress.IPv4Network(source, strict=False)
        except ValueError:
            raise TaskError("DATABASE_INVALID_SIP", f"{source} is no source IP") from None


def _check_name(name: str | None, names: list[str]) -> None:
    if name is not None and not re.fullmatch(r"[A-Za-z]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?", name):
        raise TaskError("DATABASE_INVALID_NAME", f"Database name {name} is invalid")
    if name in names:
        raise TaskError("DATABASE_NAME_EXISTS", f"Database name {name} exists")


def _check_sources(sources: list[str], plan: Plan) -> None:
    if sources and plan["price"] == 0:
        raise TaskError("DATABASE_INVALID_SIP_FREE_PLAN", "Source IPs are not allowed in the free plan")
    if len(sources) > plan["cidrAllowRules"]:
        kind = "FIXED_DATABASE_SOURCE_IPS_LIST_IS_GREATER_THAN_PLAN_MAX_COUNT_ALLOWED_SOURCE_IPS"
        raise TaskError(kind, f"The plan allows {plan['cidrAllowRules']} source IPs")


def check_certificates(certificates: list[str], tls: bool) -> None:
    """Client certificates: only with TLS, and each must be one that is valid now."""
    if certificates and not tls:
        kind = "CLIENT_SSL_CERTIFICATE_IS_NOT_ALLOWED_WITHOUT_ENABLE_TLS_IS_TRUE"
        raise TaskError(kind, "Client certificates need TLS")
    for text in certificates:
        try:
            certificate = x509.load_pem_x509_certificate(text.encode())
        except ValueError:
            raise TaskError("DATABASE_INVALID_CERT", "A client certificate is no certificate") from None
        if certificate.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
            raise TaskError("DATABASE_EXPIRED_CERT", "A client certificate has expired")
