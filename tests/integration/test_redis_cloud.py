"""Redis Cloud modules against the local cloud: real redis-servers, and clients that stay connected."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import yaml
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import RedisCloud

from tests.contract.published import FILES, Description
from tests.edge_app import until
from tests.integration.memcached import Memcached
from tests.support import ROOT, SPECS, Instance, needs_specs, run

TEST = Instance("redis")
MODULES = "ansible_collections.opsmap.cloud.plugins.modules"
PLAN = {"provider": "AWS", "region": "us-east-1", "size": "250MB", "availability": "single-zone"}
OURS = {"subscription": "sup", "name": "sessions"}
PASSWORD = "first-planted-password"


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[None]:
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("playbooks/local_cloud.yml")
    TEST.call(0, "PUT", "/settings", "control", {"provisioning_seconds": 0.4})
    module("redis_cloud_subscription", name="sup", **PLAN)
    module("redis_cloud_database", **OURS, password=PASSWORD)
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def credentials() -> dict[str, Any]:
    return {
        "api_url": f"http://127.0.0.1:{TEST.port + 2}/v1",
        "api_key": TEST.token("redis_cloud_api_key"),
        "api_secret_key": TEST.token("redis_cloud_secret_key"),
    }


def module(module_name: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    """Result of a module in this process, by a clock that passes."""
    found = importlib.import_module(f"{MODULES}.{module_name}")
    spec = found.SPEC["argument_spec"]
    known = {**credentials(), "poll_interval": 0.1, "wait_timeout": 60.0}
    given = {key: value for key, value in known.items() if key in spec} | options
    conditions = {key: value for key, value in found.SPEC.items() if key != "argument_spec"}
    checked = ModuleArgumentSpecValidator(spec, **conditions).validate(given)
    assert not checked.error_messages, checked.error_messages
    result: dict[str, Any] = found.run(dict(checked.validated_parameters), Context(check_mode))
    return result


def writes() -> int:
    """How many requests so far could have changed something."""
    return sum(entry["method"] != "GET" for entry in entries())


def step(module_name: str, /, **options: Any) -> dict[str, Any]:
    """Check mode, the run, and the run again: one plan, no write by the first, no change by the last."""
    before = writes()
    foreseen = module(module_name, True, **options)
    assert writes() == before
    done = module(module_name, **options)
    assert [foreseen[key] for key in ("changed", "plan", "diff")] == [done[key] for key in ("changed", "plan", "diff")]
    before = writes()
    again = module(module_name, **options)
    assert (again["changed"], again["plan"], writes()) == (False, [], before)
    return done


def observed(name: str = "sessions", of: str = "sup") -> dict[str, Any]:
    """The database as the API gives it, with its password."""
    client = RedisCloud({**credentials(), "api_timeout": 30.0, "api_retries": 0, "ca_path": None})
    return next(
        d for s in client.subscriptions() for d in client.databases(s["id"]) if d["name"] == name and s["name"] == of
    )


def client(name: str = "sessions", of: str = "sup", **options: Any) -> redis.Redis:
    """A client of the database's port on this machine."""
    found = observed(name, of)
    security = found["security"]
    given: dict[str, Any] = {"password": security["password"], "socket_timeout": 5, "protocol": 2}
    if security["enableTls"]:
        given.update(ssl=True, ssl_ca_certs=str(TEST.folder / "ca.crt"), ssl_check_hostname=True)
    return redis.Redis("127.0.0.1", int(found["publicEndpoint"].rpartition(":")[2]), **{**given, **options})


class Traffic:
    """A client that writes all the time: how many calls, how many failed, and the longest time without success."""

    def __init__(self, connected: redis.Redis) -> None:
        self.connected = connected
        self.calls = 0
        self.failed: list[str] = []
        self.gap = 0.0
        self.ended = threading.Event()

    def work(self) -> None:
        last = time.monotonic()
        while not self.ended.is_set():
            self.calls += 1
            try:
                self.connected.incr("traffic")
                self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()
            except redis.RedisError as error:
                self.failed.append(str(error))
            time.sleep(0.002)


@contextmanager
def traffic(what: str, connected: redis.Redis) -> Iterator[Traffic]:
    """Calls while the block runs; prints what became of them."""
    seen = Traffic(connected)
    thread = threading.Thread(target=seen.work)
    thread.start()
    try:
        yield seen
    finally:
        seen.ended.set()
        thread.join()
        print(f"{what}: {seen.calls} calls, {len(seen.failed)} failed, longest gap {seen.gap * 1000:.0f} ms")
    assert seen.calls > 50


def test_lifecycle() -> None:
    made = step("redis_cloud_subscription", name="other", **{**PLAN, "size": "1GB"}, persistence=True, tls=True)
    assert made["plan"] == ["create subscription other: 1 GB in AWS us-east-1, Single-zone: 22 USD / Month"]
    other = {"subscription": "other", "name": "events"}
    first = step(
        "redis_cloud_database",
        **other,
        protocol="redis",
        modules=["RedisJSON"],
        redis_version="7.2",
        data_persistence="aof-every-1-second",
        enable_default_user=False,
        tags={"owner": "sup"},
        alerts=[{"name": "latency", "value": 3}, {"name": "datasets-size", "value": 70}],
        source_ips=["127.0.0.1", "10.0.0.0/8"],
        periodic_backup_path="s3://bucket/x",
    )
    assert len(first["plan"]) == 3
    changed = step(
        "redis_cloud_database",
        **other,
        redis_version="7.4",
        data_persistence="snapshot-every-1-hour",
        data_eviction_policy="noeviction",
        replication=True,
        resp_version="resp3",
        enable_default_user=True,
        enable_tls=True,
        tags={"owner": "sup", "tier": "1"},
        alerts=[],
        source_ips=[],
    )
    assert changed["plan"][0] == "upgrade database events to Redis 7.4"
    with pytest.raises(CloudError, match=r"modules is .*RedisJSON.* and cannot become"):
        module("redis_cloud_database", **other, modules=["RedisBloom"])
    renamed = step(
        "redis_cloud_database", subscription="other", name="runs", database_id=changed["resource"]["databaseId"]
    )
    assert renamed["resource"]["name"] == "runs"
    with pytest.raises(CloudError, match="it holds runs"):
        module("redis_cloud_subscription", name="other", state="absent", confirm_destroy="other")
    gone = step("redis_cloud_database", subscription="other", name="runs", state="absent", confirm_destroy="runs")
    assert gone["plan"] == ["back up database runs to s3://bucket/x", "delete database runs with all its data"]
    step("redis_cloud_subscription", name="other", state="absent", confirm_destroy="other")


def test_a_password_changes_under_a_connected_client() -> None:
    with traffic("password change", client()) as seen:
        changed = step("redis_cloud_database", **OURS, password="second-planted-password")
        assert client(password="second-planted-password").ping()
        with pytest.raises(redis.AuthenticationError):
            client(password=PASSWORD).ping()
    assert seen.failed == []
    assert changed["plan"] == ["update database sessions: password"]
    assert int(client().get("traffic")) == seen.calls


def test_data_survives_a_plan_change() -> None:
    before = client()
    before.set("kept", "value")
    with traffic("plan change", before) as seen:
        step("redis_cloud_subscription", name="sup", **{**PLAN, "size": "1GB"})
    assert client().get("kept") == b"value"
    assert int(client().info("memory")["maxmemory"]) == 2**30
    assert len(seen.failed) <= 2  # a connection that ends takes the call that is on its way with it
    step("redis_cloud_subscription", name="sup", **PLAN)
    assert int(client().info("memory")["maxmemory"]) == 250 * 2**20
    assert client().get("kept") == b"value"


def test_a_database_copies_another_until_it_goes_its_own_way() -> None:
    """One of the account's own, by host and port alone; then one with a user, as if it were elsewhere."""
    copy: dict[str, Any] = {"subscription": "copies", "name": "copy"}
    module("redis_cloud_subscription", name="copies", **PLAN)
    module("redis_cloud_database", **copy)
    client().set("kept", "copied")
    endpoint = f"redis://{observed()['publicEndpoint']}"
    made = step("redis_cloud_database", **copy, replica_of=[{"endpoint": endpoint}])
    assert made["diff"]["after"]["replica_of"] == [endpoint.removeprefix("redis://")]
    reader = client("copy", of="copies")
    assert answers(reader).get("kept") == b"copied"
    client().set("kept", "again")
    until(lambda: reader.get("kept") == b"again")
    step("redis_cloud_database", **copy, replica_of=[])
    client().set("kept", "not copied")
    assert reader.info("replication")["role"] == "master"
    assert reader.get("kept") == b"again"
    # By its container's address it is no database of the account, so the password counts.
    password = observed()["security"]["password"]
    container = next(name for name in TEST.containers() if name.endswith(f"-redis-{observed()['databaseId']}"))
    described = json.loads(run("docker", "inspect", container).stdout)[0]
    address = next(network["IPAddress"] for network in described["NetworkSettings"]["Networks"].values())
    elsewhere = {"endpoint": f"redis://{address}:{endpoint.rpartition(':')[2]}", "password": password}
    done = step("redis_cloud_database", **copy, replica_of=[elsewhere])
    assert password not in str(done)
    until(lambda: reader.get("kept") == b"not copied")
    assert password not in str(entries())
    gone = {**copy, "state": "absent", "confirm_destroy": "copy"}
    module("redis_cloud_database", **gone)
    module("redis_cloud_subscription", name="copies", state="absent", confirm_destroy="copies")


def test_a_plan_that_is_too_small_is_not_offered() -> None:
    writer = client()
    for number in range(40):
        writer.set(f"large:{number}", b"x" * 2**20)
    free = {**PLAN, "size": "30MB", "availability": "none"}
    with pytest.raises(CloudError, match=r"it cannot move from 250 MB .* -> it may move to: .*USD / Month"):
        module("redis_cloud_subscription", name="sup", **free)
    writer.flushdb()


def test_persistence_keeps_data_over_a_crash() -> None:
    container = next(name for name in TEST.containers() if "-redis-" in name)
    for persistence, kept in (("aof-every-write", True), ("snapshot-every-1-hour", True), ("none", False)):
        step("redis_cloud_database", **OURS, data_persistence="none")
        client().set("written", persistence)
        step("redis_cloud_database", **OURS, data_persistence=persistence)
        run("docker", "kill", container)
        run("docker", "start", container)
        assert answers(client()).get("written") == (persistence.encode() if kept else None)


def answers(connected: redis.Redis) -> redis.Redis:
    """Once it does."""
    deadline = time.monotonic() + 20
    while True:
        try:
            connected.ping()
            return connected
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_tls_is_enforced() -> None:
    old = client()
    assert old.ping()
    with traffic("TLS turned on", old) as seen:
        step("redis_cloud_database", **OURS, enable_tls=True)
    assert seen.failed == []  # a connection lives on until it is closed
    assert client().ping()
    with pytest.raises(redis.ConnectionError):
        client(ssl=False).ping()
    with pytest.raises(redis.ConnectionError, match=r"self-signed|verify failed"):
        client(ssl_ca_certs=ssl.get_default_verify_paths().cafile).ping()
    step("redis_cloud_database", **OURS, enable_tls=False)
    assert client().ping()


def test_client_certificates_are_demanded(tmp_path: Any) -> None:
    made = [certificate(tmp_path, name) for name in ("one", "two")]
    texts = [Path(path).read_text() for path, _ in made]
    done = step("redis_cloud_database", **OURS, enable_tls=True, client_tls_certificates=texts[:1])
    assert done["plan"] == [
        "update database sessions: enable_tls, client_tls_certificates",
        "set tags of database sessions",
    ]
    with pytest.raises(redis.ConnectionError):
        client().ping()
    one, two = ({"ssl_certfile": path, "ssl_keyfile": key} for path, key in made)
    assert client(**one).ping()
    with pytest.raises(redis.ConnectionError):
        client(**two).ping()
    step("redis_cloud_database", **OURS, client_tls_certificates=texts[1:])
    assert client(**two).ping()
    with pytest.raises(redis.ConnectionError):
        client(**one).ping()
    step("redis_cloud_database", **OURS, enable_tls=False)
    assert client().ping()
    assert observed()["security"]["tlsClientAuthentication"] is False


def certificate(folder: Any, name: str) -> tuple[str, str]:
    """A self-signed client certificate and its key."""
    path, key = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-days", "2"]
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", str(key), "-out", str(path), *subject)  # fmt: skip
    return str(path), str(key)


def test_source_ips_are_enforced() -> None:
    step("redis_cloud_database", **OURS, source_ips=["192.0.2.0/24"])
    with pytest.raises(redis.ConnectionError):
        client().ping()
    step("redis_cloud_database", **OURS, source_ips=["192.0.2.0/24", "127.0.0.1"])
    assert client().ping()
    done = step("redis_cloud_database", **OURS, source_ips=[])
    assert done["resource"]["security"]["sourceIps"] == ["0.0.0.0/0"]


def test_access_control_is_enforced() -> None:
    step("redis_cloud_acl_rule", name="cache-readers", rule="+@read ~cache:*")
    both = [{"rule": "cache-readers", "databases": ["sup/sessions"]}]
    step("redis_cloud_acl_role", name="readers", rules=both)
    step("redis_cloud_acl_user", name="reports", role="readers", password="planted-reports")
    client().set("cache:a", "1")
    reports = client(username="reports", password="planted-reports")
    assert reports.get("cache:a") == b"1"
    with pytest.raises(redis.exceptions.NoPermissionError):
        reports.get("sessions:a")
    with pytest.raises(redis.exceptions.NoPermissionError):
        reports.set("cache:a", "2")
    step("redis_cloud_acl_role", name="readers", rules=[{**both[0], "rule": "Read-Write"}])
    assert reports.set("any", "2")
    with pytest.raises(CloudError, match="it is used by user reports"):
        module("redis_cloud_acl_role", name="readers", state="absent", confirm_destroy="readers")
    with pytest.raises(CloudError, match="There is no role nothing"):
        module("redis_cloud_acl_user", name="reports", role="nothing")
    always = module(
        "redis_cloud_acl_user", name="reports", role="readers", password="another-planted", update_password="always"
    )
    assert always["changed"]
    assert client(username="reports", password="another-planted").ping()
    with pytest.raises(redis.AuthenticationError):
        client(username="reports", password="planted-reports").ping()
    with pytest.raises(CloudError, match="everything is not valid in a rule"):
        module("redis_cloud_acl_rule", name="cache-readers", rule="everything please")
    for kind, name in (("user", "reports"), ("role", "readers"), ("rule", "cache-readers")):
        step(f"redis_cloud_acl_{kind}", name=name, state="absent", confirm_destroy=name)
    with pytest.raises(redis.AuthenticationError):
        client(username="reports", password="another-planted").ping()


def test_the_default_user_can_be_turned_off() -> None:
    step("redis_cloud_database", **OURS, enable_default_user=False)
    with pytest.raises(redis.AuthenticationError):
        client().ping()
    step("redis_cloud_database", **OURS, enable_default_user=True)
    assert client().ping()


def test_what_the_service_keeps_to_itself_is_refused() -> None:
    for command in ("CONFIG GET maxmemory", "ACL LIST", "SHUTDOWN", "REPLICAOF NO ONE"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client().execute_command(*command.split())
    assert client().acl_whoami() == "default"


@pytest.mark.parametrize("kind", ["lost_answer", "reset", "status"])
def test_an_answer_in_doubt_makes_no_second_one(kind: str) -> None:
    for number, (name, path) in enumerate({"acl_rule": "/redisRules$", "subscription": "/subscriptions$"}.items()):
        fault = {"kind": kind, "service": "redis_cloud", "method": "POST", "path": path}
        TEST.call(0, "POST", "/faults", "control", fault)
        options: dict[str, Any] = {"rule": "+@read ~*"} if number == 0 else PLAN
        called = f"doubt-{kind.replace('_', '-')}"
        module(f"redis_cloud_{name}", name=called, **options)
        TEST.call(0, "DELETE", "/faults", "control")
        read = module("redis_cloud_info", gather=["subscriptions", "acl"])["resource"]
        listed = read["acl"]["rules"] if number == 0 else read["subscriptions"]
        assert [item["name"] for item in listed].count(called) == 1
        module(f"redis_cloud_{name}", name=called, state="absent", confirm_destroy=called)


def test_info_reads_everything_but_passwords() -> None:
    kinds = ["subscriptions", "databases", "plans", "acl", "payment_methods", "tasks"]
    read = module("redis_cloud_info", gather=kinds)["resource"]
    assert list(read) == kinds
    assert observed()["security"]["password"] not in str(read)
    near = module("redis_cloud_info", gather=["plans"], provider="AWS", region="us-east-1")["resource"]["plans"]
    assert [plan["price"] for plan in near] == sorted(plan["price"] for plan in near)
    assert {plan["region"] for plan in near} == {"us-east-1"}
    with pytest.raises(CloudError, match="there is no 'nothing'"):
        module("redis_cloud_info", subscription="nothing")


def test_pro() -> None:
    wanted: dict[str, Any] = {
        "name": "pro",
        "provider": "AWS",
        "region": "us-east-1",
        "first_database": {"name": "first", "dataset_size_gb": 1},
    }
    with pytest.raises(CloudError, match=r"max_price_per_hour: subscription pro costs 0\.881 an hour, more than 0\.5"):
        module("redis_cloud_pro_subscription", **wanted, max_price_per_hour=0.5)
    assert module("redis_cloud_info", pro=True)["resource"] == {"subscriptions": [], "databases": []}
    step("redis_cloud_pro_subscription", **wanted, max_price_per_hour=1)
    ours = {"subscription": "pro", "name": "sessions"}
    backup = {
        "interval": "every-12-hours",
        "time_utc": "14:00",
        "storage_type": "aws-s3",
        "storage_path": "s3://bucket/x",
    }
    made = step(
        "redis_cloud_pro_database",
        **ours,
        dataset_size_gb=0.5,
        throughput={"value": 2000},
        enable_tls=True,
        enable_default_user=True,
        source_ips=["127.0.0.1"],
        remote_backup=backup,
        password="pro-planted",
        tags={"owner": "sup"},
    )
    assert made["resource"]["memoryLimitInGb"] == 1
    port = int(made["resource"]["publicEndpoint"].rpartition(":")[2])
    trust = str(TEST.folder / "ca.crt")
    with redis.Redis("127.0.0.1", port, password="pro-planted", ssl=True, ssl_ca_certs=trust) as connected:
        connected.set("kept", "value")
        step(
            "redis_cloud_pro_database", **ours, dataset_size_gb=2, replication=False, data_persistence="aof-every-write"
        )
        assert connected.get("kept") == b"value"
        assert connected.info("memory")["maxmemory"] == 2 * 2**30
    step(
        "redis_cloud_acl_role",
        name="both",
        rules=[{"rule": "Read-Only", "databases": ["pro/sessions", "sup/sessions"]}],
    )
    module("redis_cloud_acl_role", name="both", state="absent", confirm_destroy="both")
    with pytest.raises(CloudError, match=r"port is .* and cannot become 12345"):
        module("redis_cloud_pro_database", **ours, port=12345)
    step("redis_cloud_pro_subscription", **{**wanted, "name": "pro"}, public_endpoint_access=False)
    step("redis_cloud_pro_database", **ours, source_ips=[])
    read = module("redis_cloud_info", pro=True)["resource"]
    assert read["subscriptions"][0]["pricing"][0]["type"] == "Shards"
    assert {found["name"] for found in read["databases"]} == {"first", "sessions"}
    with pytest.raises(CloudError, match="it holds first, sessions"):
        module("redis_cloud_pro_subscription", name="pro", state="absent", confirm_destroy="pro")
    for name in ("first", "sessions"):
        gone = {"subscription": "pro", "name": name, "state": "absent", "confirm_destroy": name}
        step("redis_cloud_pro_database", **gone)
    step("redis_cloud_pro_subscription", name="pro", state="absent", confirm_destroy="pro")


def test_rules_for_keys_flash_and_the_cluster_api() -> None:
    """Fields of Pro that only some databases have; Essentials has them in pay-as-you-go subscriptions."""
    first = {"name": "first", "dataset_size_gb": 1}
    place = {"provider": "AWS", "region": "us-east-1", "memory_storage": "ram-and-flash"}
    module("redis_cloud_pro_subscription", name="flash", **place, first_database=first)
    ours = {"subscription": "flash", "name": "keys", "dataset_size_gb": 1, "sharding_type": "custom-regex-rules"}
    made = step("redis_cloud_pro_database", **ours, ram_percentage=30, regex_rules=[r"(?<tag>.*):.*", "(?<tag>.*)"])
    assert made["resource"]["ramPercentage"] == 30
    assert [rule["pattern"] for rule in made["resource"]["clustering"]["regexRules"]] == [
        r"(?<tag>.*):.*",
        "(?<tag>.*)",
    ]
    with pytest.raises(CloudError, match="no expression with a group named tag"):
        module("redis_cloud_pro_database", **ours, regex_rules=["no group"])
    api = {"support_oss_cluster_api": True, "use_external_endpoint_for_oss_cluster_api": True}
    step("redis_cloud_pro_database", **ours, **api, ram_percentage=10, query_performance_factor="2x")
    with pytest.raises(CloudError, match="Only with custom-regex-rules"):
        module("redis_cloud_pro_database", subscription="flash", name="first", regex_rules=["(?<tag>.*)"])
    with pytest.raises(CloudError, match="supportOSSClusterApi is for pay-as-you-go subscriptions"):
        module("redis_cloud_database", **OURS, support_oss_cluster_api=True, number_of_shards=2)
    remove_pro("flash", "first", "keys")


def test_memcached_has_a_user_of_its_own() -> None:
    place = {"provider": "AWS", "region": "us-east-1"}
    first = {"name": "legacy", "dataset_size_gb": 1, "protocol": "memcached"}
    module("redis_cloud_pro_subscription", name="cached", **place, first_database=first)
    ours = {"subscription": "cached", "name": "cache", "protocol": "memcached"}
    made = step(
        "redis_cloud_pro_database", **ours, dataset_size_gb=0.1, sasl_username="app", sasl_password="planted-one"
    )
    port = int(made["resource"]["publicEndpoint"].rpartition(":")[2])
    with Memcached(port, "app", "planted-one") as connected:
        assert connected.set("kept", "value")
        again = {"sasl_username": "other", "sasl_password": "planted-two", "update_password": "always"}
        assert module("redis_cloud_pro_database", **ours, **again)["changed"]
        assert connected.get("kept") == "value"
    assert "planted" not in json.dumps(module("redis_cloud_info", pro=True))
    with pytest.raises(PermissionError):
        Memcached(port, "app", "planted-one")
    step("redis_cloud_pro_database", **ours, enable_tls=True, sasl_username="app", sasl_password="not sent")
    trust = ssl.create_default_context(cafile=str(TEST.folder / "ca.crt"))
    with Memcached(port, "other", "planted-two", trust) as connected:
        assert connected.get("kept") == "value"
    with pytest.raises(CloudError, match="password: is for the protocol redis, and this is memcached"):
        module("redis_cloud_pro_database", **ours, password="planted-three")
    remove_pro("cached", "legacy", "cache")


def remove_pro(subscription: str, *databases: str) -> None:
    """A subscription with what it holds."""
    for name in databases:
        gone = {"subscription": subscription, "name": name, "state": "absent", "confirm_destroy": name}
        module("redis_cloud_pro_database", **gone)
    module("redis_cloud_pro_subscription", name=subscription, state="absent", confirm_destroy=subscription)


def test_a_killed_run_is_gone_on_with() -> None:
    """SIGKILL after the POST: the next run finds what was begun, waits for it, and makes nothing."""
    TEST.call(0, "PUT", "/settings", "control", {"provisioning_seconds": 3})
    start = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    options = " ".join(f"{key}={value}" for key, value in {**credentials(), **PLAN, "name": "killed"}.items())
    command = ["ansible", "localhost", "-c", "local", "-m", "opsmap.cloud.redis_cloud_subscription", "-a", options]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    ansible = subprocess.Popen(
        [str(ROOT / ".venv" / "bin" / command[0]), *command[1:]],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not [e for e in entries(start) if e["method"] == "POST"]:
        assert ansible.poll() is None
        time.sleep(0.05)
    os.killpg(ansible.pid, signal.SIGKILL)
    ansible.wait()
    found = module("redis_cloud_subscription", name="killed", **PLAN)
    assert (found["changed"], found["resource"]["status"]) in ((False, "active"), (True, "active"))
    assert [e["path"] for e in entries(start) if e["method"] == "POST"] == ["/v1/fixed/subscriptions"]
    TEST.call(0, "PUT", "/settings", "control", {"provisioning_seconds": 0.2})
    module("redis_cloud_subscription", name="killed", state="absent", confirm_destroy="killed")


def entries(since: int = 0) -> list[dict[str, Any]]:
    """The journal of this API."""
    found: list[dict[str, Any]] = TEST.call(0, "GET", f"/journal?since={since}&service=redis_cloud", "control")[
        "entries"
    ]
    return found


def test_any_way_to_a_state_ends_in_it() -> None:
    """As tests/unit/collection/test_redis_cloud_properties.py, with real servers and a few chosen at random."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chosen = random.Random(seed)

    def state() -> dict[str, Any]:
        return {
            "data_persistence": chosen.choice(["none", "aof-every-write", "snapshot-every-1-hour"]),
            "data_eviction_policy": chosen.choice(["noeviction", "allkeys-lru"]),
            "enable_tls": chosen.random() < 0.5,
            "enable_default_user": chosen.random() < 0.7,
            "source_ips": chosen.choice([[], ["127.0.0.1"], ["192.0.2.1"]]),
            "password": f"planted-{chosen.randrange(100)}",
            "alerts": chosen.choice([[], [{"name": "latency", "value": 5}]]),
            "tags": chosen.choice([{}, {"owner": "sup"}]),
        }

    def seen(number: int) -> dict[str, Any]:
        client = RedisCloud({**credentials(), "api_timeout": 30.0, "api_retries": 0, "ca_path": None})
        (sid,) = (s["id"] for s in client.subscriptions() if s["name"] == "any")
        found = client.find_database(sid, number) or {}
        if not found["security"]["defaultUserEnabled"]:
            del found["security"]["password"]
        kept = ("security", "dataPersistence", "dataEvictionPolicy", "alerts", "backup")
        return {**{key: found[key] for key in kept}, "tags": client.tags(sid, number)}

    module("redis_cloud_subscription", name="any", **PLAN)
    ours = {"subscription": "any", "name": "one"}
    for _ in range(3):
        first, second = state(), state()
        ends = []
        for way in ([first, second], [second]):
            for wanted in way:
                done = step("redis_cloud_database", **ours, **wanted)
            ends.append(seen(done["resource"]["databaseId"]))
            step("redis_cloud_database", **ours, state="absent", confirm_destroy="one")
        assert ends[0] == ends[1]
    module("redis_cloud_subscription", name="any", state="absent", confirm_destroy="any")


@needs_specs
def test_deviations_from_the_description_are_listed() -> None:
    """Every request and answer of this file; the last test of it."""
    listed = yaml.safe_load((ROOT / "tests" / "contract" / "deviations.yml").read_text())["redis_cloud"]
    described = Description(SPECS / FILES["redis_cloud"])
    seen = entries()
    problems = {text for entry in seen for text in described.problems(entry)}
    assert [text for text in problems if not any(part in text for part in listed["values"])] == []
    assert {part for part in listed["values"] if any(part in text for text in problems)} == set(listed["values"])
    account = [{"method": "GET", "path": path, "status": 200, "response": read(path)} for path in ("/v1/",)]
    beyond = {member for entry in [*seen, *account] for member in described.undeclared(entry)}
    whole = {name.partition(".")[0] for name in listed["undeclared"] if name.endswith(".*")}
    found = {f"{name.partition('.')[0]}.*" if name.partition(".")[0] in whole else name for name in beyond}
    assert found == set(listed["undeclared"])


def read(path: str) -> Any:
    """One answer, by a client that is not ours."""
    keys = {"x-api-key": TEST.token("redis_cloud_api_key"), "x-api-secret-key": TEST.token("redis_cloud_secret_key")}
    return httpx.get(f"http://127.0.0.1:{TEST.port + 2}{path}", headers=keys, timeout=30).json()
