"""What of the local cloud's Redis Cloud needs no server: the gate, fields, access control, prices."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud.redis_cloud import access, fields, gate, pro_fields, server
from local_cloud.redis_cloud.catalogue import plans
from local_cloud.redis_cloud.subscriptions import Subscriptions
from local_cloud.redis_cloud.tasks import TaskError, Tasks
from local_cloud.store import Store

PLANS = {(p["region"], p["size"], p["availability"]): p for p in plans()}
PAID, FREE = PLANS["us-east-1", 1, "Single-zone"], PLANS["us-east-1", 30, "No replication"]


@pytest.mark.parametrize(
    ("peer", "sources", "allowed"),
    [
        ("172.20.0.1", ["127.0.0.1"], True),  # the gateway is this machine
        ("172.20.0.1", ["172.20.0.0/16"], False),
        ("172.20.0.9", ["172.20.0.0/16"], True),
        ("172.20.0.9", ["0.0.0.0/0"], True),
        ("172.20.0.9", ["192.0.2.0/24", "172.20.0.9"], True),
        ("172.20.0.9", ["192.0.2.0/24"], False),
        ("172.20.0.9", [], False),
    ],
)
def test_the_gate_lets_source_networks_in(peer: str, sources: list[str], allowed: bool) -> None:
    assert gate.allowed(peer, sources, "172.20.0.1") is allowed


def test_the_gateway_is_read_from_the_kernel() -> None:
    table = "Iface Destination Gateway Flags\neth0 000014AC 00000000 0001\neth0 00000000 010014AC 0003\n"
    assert gate.default_gateway(table) == "172.20.0.1"
    assert gate.default_gateway("Iface Destination Gateway\n") == ""


async def test_bytes_go_both_ways_through_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    inner = await asyncio.start_server(echo, "127.0.0.1", 0)
    rules = tmp_path / "gate.json"
    monkeypatch.setattr(gate, "RULES", rules)
    outer = await asyncio.start_server(lambda r, w: gate.admit(r, w, ""), "127.0.0.1", 0)
    async with inner, outer:
        for sources, answer in ((["127.0.0.1"], b"hello\n"), (["192.0.2.1"], b"")):
            rules.write_text(json.dumps({"to": inner.sockets[0].getsockname()[1], "sources": sources}))
            reader, writer = await asyncio.open_connection("127.0.0.1", outer.sockets[0].getsockname()[1])
            writer.write(b"hello\n")
            try:
                assert await reader.read() == answer
            except ConnectionError:  # it was closed before what we wrote was read
                assert answer == b""
            writer.close()


async def test_the_gate_ends_as_its_server_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "gate.json"
    rules.write_text(json.dumps({"listen": 0, "to": 1, "sources": []}))
    monkeypatch.setattr(gate, "RULES", rules)
    monkeypatch.setattr(gate, "default_gateway", lambda text: "")
    assert await gate.main([sys.executable, "-c", "raise SystemExit(7)"]) == 7


@pytest.mark.parametrize(
    ("body", "plan", "code"),
    [
        ({"name": "9"}, PAID, "DATABASE_INVALID_NAME"),
        ({"name": "taken"}, PAID, "DATABASE_NAME_EXISTS"),
        ({"password": "x" * 50}, PAID, "DATABASE_PASSWORD_IS_TOO_LONG"),
        ({"datasetSizeInGb": 1}, PAID, "FIXED_DATABASE_MEMORY_LIMIT_IN_GB_AND_DATA_SET_SIZE_SUPPORTED_ONLY_FOR_PAY_AS_YOU_GO"),
        ({"redisVersion": "9"}, PAID, "DATABASE_REDIS_VERSION_INVALID_VALUE"),
        ({"enableTls": True}, FREE, "FIXED_DATABASE_ENABLE_TLS_NOT_SUPPORTED_IN_REQUESTED_PLAN"),
        ({"replication": True}, FREE, "FIXED_DATABASE_REPLICATION_IS_NOT_SUPPORTED_IN_REQUESTED_PLAN"),
        ({"dataPersistence": "aof-every-write"}, FREE, "FIXED_DATABASE_CLUSTER_DOES_NOT_SUPPORT_DATA_PERSISTENCE"),
        ({"periodicBackupPath": "s3://x"}, FREE, "DATABASE_BACKUP_NOT_SUPPORTED"),
        ({"periodicBackupPath": "x"}, PAID, "DATABASE_INVALID_BACKUP_PATH"),
        ({"dataEvictionPolicy": "allkeys-lrm"}, PAID, "DATABASE_EVICTION_POLICY_NOT_COMPATIBLE_WITH_REDIS_VERSION"),
        ({"alerts": [{"name": "syncsource-lag", "value": 1}]}, PAID, "FIXED_DATABASE_ALERT_NOT_SUPPORTED"),
        ({"sourceIps": ["x"]}, PAID, "DATABASE_INVALID_SIP"),
        ({"sourceIps": ["192.0.2.1"]}, FREE, "DATABASE_INVALID_SIP_FREE_PLAN"),
        ({"clientTlsCertificates": [{"publicCertificatePEMString": "x"}]}, PAID,
         "CLIENT_SSL_CERTIFICATE_IS_NOT_ALLOWED_WITHOUT_ENABLE_TLS_IS_TRUE"),
        ({"enableTls": True, "clientTlsCertificates": [{"publicCertificatePEMString": "x"}]}, PAID, "DATABASE_INVALID_CERT"),
    ],
)  # fmt: skip
def test_what_a_plan_or_a_field_does_not_allow_fails(body: dict[str, Any], plan: dict[str, Any], code: str) -> None:
    with pytest.raises(TaskError) as caught:
        fields.check(body, plan, ["taken"], tls=False)
    assert caught.value.error["type"] == code


def test_fields_read_back_where_the_service_has_them() -> None:
    body = {"name": "a", "enableTls": True, "enableDefaultUser": False, "sourceIps": [], "periodicBackupPath": "s3://x"}
    made = fields.new(1, 2, PAID, 10020, body)
    assert made["security"]["defaultUserEnabled"] is True  # has no effect when a database is made
    assert made["security"]["sourceIps"] == ["0.0.0.0/0"]
    assert made["backup"] == {"remoteBackupEnabled": True, "status": "idle", "destination": "s3://x"}
    assert len(made["security"]["password"]) == 32
    changed = fields.merged({**made, "clients": ["pem"]}, {"enableTls": False, "enableDefaultUser": False})
    assert (changed["clients"], changed["security"]["tlsClientAuthentication"]) == ([], False)
    assert changed["security"]["defaultUserEnabled"] is False


def test_the_servers_config_has_hashes_only() -> None:
    made = fields.new(1, 2, PAID, 10020, {"name": "a", "password": "planted", "dataPersistence": "aof-every-write"})
    text = server.config(made, server.Limits(1024, 256), {"reports": (server.hashed("another"), "+@read ~*")})
    assert "planted" not in text
    assert f"user default on #{server.hashed('planted')} ~* &* +@all -config" in text
    assert f"user reports on #{server.hashed('another')} +@read ~* -config" in text
    assert "appendfsync always" in text
    assert 'save ""' in text


@pytest.fixture
def cloud(tmp_path: Path) -> Any:
    return SimpleNamespace(store=Store(tmp_path / "state.sqlite"))


def test_users_follow_from_roles(cloud: Any) -> None:
    store = cloud.store
    role = {"id": 1, "name": "readers", "redisRules": [{"ruleName": "Read-Only", "databases": [{"databaseId": 5}]}]}
    store.put("redis_acl_role", 1, role)
    store.put("redis_acl_user", 2, {"id": 2, "name": "app", "role": "readers", "hash": "x", "status": "active"})
    store.put("redis_acl_user", 3, {"id": 3, "name": "old", "role": "readers", "hash": "x", "status": "deleting"})
    assert access.users_of(cloud, 5) == {"app": ("x", "+@read ~*")}
    assert access.users_of(cloud, 6) == {}


@pytest.mark.parametrize("text", ["everything", "+@read;~*", ">password", "nopass", "on"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(TaskError):
        access.check_rule(text)


@pytest.mark.parametrize("text", ["+@all ~*", "+@read -@dangerous ~cache:* &events", "+config|get %R~a:* allchannels"])
def test_rules_of_redis_are_taken(text: str) -> None:
    access.check_rule(text)


def test_a_plan_that_cannot_hold_what_is_there_is_refused(cloud: Any) -> None:
    subscriptions = Subscriptions(cloud, Tasks(cloud))
    ours = {"id": 1, "planId": PAID["id"]}
    held = fields.new(1, 1, PAID, 10020, {"name": "a", "enableTls": True})
    cloud.store.put("redis_database", 1, held)
    prefix = "FIXED_SUBSCRIPTION_PLAN"
    multi, small = PLANS["us-east-1", 1, "Multi-zone"], PLANS["us-east-1", 250, "Single-zone"]
    assert subscriptions.refusal(ours, small, used=100) is None
    assert subscriptions.refusal(ours, small, used=300) == f"{prefix}_SIZE_SMALLER_THEN_CURRENT_SUBSCRIPTION_USAGE"
    assert str(subscriptions.refusal(ours, multi, 0)).endswith("_TO_MULTI_ZONE")
    assert subscriptions.refusal(ours, FREE, 0) == f"{prefix}_NOT_SUPPORT_TLS"
    west = PLANS["us-west-2", 1, "Single-zone"]
    assert "REGION" in str(subscriptions.refusal(ours, west, 0))


def test_pro_is_priced_by_memory_and_a_minimum() -> None:
    lines = pro_fields.pricing([{"datasetSizeInGb": 10}, {"memoryLimitInGb": 4, "replication": False}], "us-east-1")
    assert [(line["type"], line["quantity"]) for line in lines] == [("Shards", 24), ("MinimumPrice", 1)]
    assert pro_fields.backup(
        {"active": True, "interval": "every-12-hours", "timeUTC": "14:00", "storagePath": "s3://x"}
    ) == {
        "enableRemoteBackup": True,
        "interval": "every-12-hours",
        "timeUTC": "02:00",
        "destination": "s3://x",
    }
    with pytest.raises(TaskError):
        pro_fields.size({"datasetSizeInGb": 1, "memoryLimitInGb": 2}, True)
