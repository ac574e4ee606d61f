"""Any two desired states A and B: from nothing to A to B is as from nothing to B, and then nothing is left to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collection.fake_http import Direct
from tests.unit.collection.fake_redis_cloud import FakeRedisCloud
from tests.unit.collection.runs import run_module

CREDENTIALS = {"api_url": "http://redis.test/v1", "api_key": "key", "api_secret_key": "secret"}
PLAN = {"name": "sup", "provider": "AWS", "region": "us-east-1"}
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
WORDS = st.text("abc123", min_size=1, max_size=4)
ALERTS = st.dictionaries(st.sampled_from(["latency", "datasets-size", "connections-limit"]), st.integers(1, 99))
RULES = ["Full-Access", "Read-Only", "mine"]


def alerts(found: dict[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in found.items()]


@st.composite
def databases(draw: st.DrawFn) -> dict[str, Any]:
    """All options; certificates only where TLS is."""
    tls = draw(st.booleans())
    certificates = st.lists(st.sampled_from([PEM.format(name) for name in ("AAAA", "BBBB", "CCCC")]), unique=True)
    return {
        "data_persistence": draw(st.sampled_from(["none", "aof-every-write", "snapshot-every-1-hour"])),
        "data_eviction_policy": draw(st.sampled_from(["noeviction", "allkeys-lru", "volatile-ttl"])),
        "replication": draw(st.booleans()),
        "resp_version": draw(st.sampled_from(["resp2", "resp3"])),
        "source_ips": draw(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.0/24", "10.0.0.0/8"]), unique=True)),
        "enable_tls": tls,
        "client_tls_certificates": draw(certificates) if tls else [],
        "password": draw(WORDS) + "-password",
        "enable_default_user": draw(st.booleans()),
        "alerts": alerts(draw(ALERTS)),
        "tags": draw(st.dictionaries(WORDS, WORDS, max_size=3)),
        "periodic_backup_path": draw(st.sampled_from(["", "s3://a/b", "s3://c/d"])),
    }


ROLES = st.dictionaries(st.sampled_from(["sup/one", "sup/two", "sup/three"]), st.sampled_from(RULES), min_size=1)


@contextmanager
def cloud() -> Iterator[FakeRedisCloud]:
    fake = FakeRedisCloud(early_404=1, states=("pending",), url="http://redis.test")
    with patch.object(Transport, "_connect", lambda transport: Direct(fake, threading.RLock())):
        yield fake


def converge(module: str, **options: Any) -> dict[str, Any]:
    return run_module(module, **CREDENTIALS, **options)


def stays(fake: FakeRedisCloud, module: str, **options: Any) -> None:
    """Once more, and in check mode: nothing to do, nothing written."""
    before = len(fake.writes())
    for check_mode in (False, True):
        again = run_module(module, check_mode, **CREDENTIALS, **options)
        assert (again["changed"], again["plan"]) == (False, [])
    assert len(fake.writes()) == before


def database_after(*states: dict[str, Any]) -> Any:
    """What the service holds after these states, one after the other."""
    with cloud() as fake:
        converge("redis_cloud_subscription", **PLAN, size="1GB")
        for state in states:
            options = {"subscription": "sup", "name": "sessions", **state}
            converge("redis_cloud_database", **options)
            stays(fake, "redis_cloud_database", **options)
        (number, found), *others = fake.databases.items()
        assert not others
        tags = {tag["key"]: tag["value"] for tag in fake.tags.get(number, [])}
    security = dict(found["security"])
    if not security["defaultUserEnabled"]:  # it is left alone then, and compared when the user may log in again
        del security["password"]
    security["sourceIps"] = sorted(security["sourceIps"])
    certificates = sorted(item["publicCertificatePEMString"] for item in found.pop("certificates"))
    alerts_set = sorted((alert["name"], alert["value"]) for alert in found.pop("alerts"))
    backup = found.pop("backup")
    path = backup.get("destination") if backup.get("remoteBackupEnabled") else None
    names = ("name", "dataPersistence", "dataEvictionPolicy", "replication", "respVersion")
    return security, certificates, alerts_set, path, tags, {name: found[name] for name in names}


@settings(max_examples=60, deadline=None)
@given(first=databases(), second=databases())
def test_databases(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert database_after(first, second) == database_after(second)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.sampled_from(["1GB", "5GB"]), min_size=1, max_size=4))
def test_subscriptions(sizes: list[str]) -> None:
    with cloud() as fake:
        for size in sizes:
            converge("redis_cloud_subscription", **PLAN, size=size)
            stays(fake, "redis_cloud_subscription", **PLAN, size=size)
        (found,) = fake.subscriptions.values()
        assert f"{found['size']}GB" == sizes[-1]


def roles_after(*states: dict[str, str]) -> Any:
    with cloud() as fake:
        converge("redis_cloud_subscription", **PLAN, size="1GB")
        for name in ("one", "two", "three"):
            converge("redis_cloud_database", subscription="sup", name=name)
        for state in states:
            rules = [{"rule": rule, "databases": [name]} for name, rule in state.items()]
            converge("redis_cloud_acl_role", name="readers", rules=rules)
            stays(fake, "redis_cloud_acl_role", name="readers", rules=list(reversed(rules)))
        (found,) = fake.access["roles"].values()
        names = {number: f"sup/{item['name']}" for number, item in fake.databases.items()}
        return {names[d["databaseId"]]: rule["ruleName"] for rule in found["redisRules"] for d in rule["databases"]}


@settings(max_examples=30, deadline=None)
@given(first=ROLES, second=ROLES)
def test_roles(first: dict[str, str], second: dict[str, str]) -> None:
    assert roles_after(first, second) == roles_after(second) == second
