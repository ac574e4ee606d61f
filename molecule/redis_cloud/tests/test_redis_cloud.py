from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.support import Instance

TEST = Instance("molecule")
SUBSCRIPTIONS = "/v1/fixed/subscriptions"


@pytest.fixture(scope="session")
def database() -> dict[str, Any]:
    """As the API gives it, with the password of the user default."""
    import urllib.request

    keys = {"x-api-key": TEST.token("redis_cloud_api_key"), "x-api-secret-key": TEST.token("redis_cloud_secret_key")}

    def get(path: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{TEST.port + 2}{path}", headers=keys)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    listed = get(SUBSCRIPTIONS)["subscriptions"]
    number = next(each["id"] for each in listed if each["name"] == "supercog-local")
    found: dict[str, Any] = get(f"{SUBSCRIPTIONS}/{number}/databases")["subscription"]["databases"][0]
    return found


def ask(deployed: Any, database: dict[str, Any], command: str, password: str, tls: bool = True, user: str = "") -> str:
    """What redis-cli says, in the database's container, through the port that clients use."""
    port = database["publicEndpoint"].rpartition(":")[2]
    options = f"-p {port} {'--tls --insecure' if tls else ''} {f'--user {user}' if user else ''}"
    done = deployed("-redis-").run(
        f"REDISCLI_AUTH={password} timeout 5 redis-cli --no-auth-warning {options} {command}"
    )
    return str(done.stdout + done.stderr)


def test_the_user_default_logs_in_over_tls_only(deployed: Any, database: dict[str, Any]) -> None:
    password = database["security"]["password"]
    assert ask(deployed, database, "ping", password) == "PONG\n"
    assert "PONG" not in ask(deployed, database, "ping", password, tls=False)
    assert "NOAUTH" in ask(deployed, database, "ping", "wrong")


def test_the_user_of_the_role_reads_what_it_may(deployed: Any, database: dict[str, Any]) -> None:
    ask(deployed, database, "set cache:a 1", database["security"]["password"])
    assert ask(deployed, database, "get cache:a", "only-for-molecule", user="molecule") == "1\n"
    assert "NOPERM" in ask(deployed, database, "get other", "only-for-molecule", user="molecule")
    assert "NOPERM" in ask(deployed, database, "set cache:a 2", "only-for-molecule", user="molecule")


def test_the_server_keeps_data_as_asked(deployed: Any) -> None:
    config = deployed("-redis-").file("/etc/opsmap/redis.conf")
    assert config.mode == 0o600
    assert config.contains("^appendonly yes$")
    assert config.contains("^maxmemory 1024mb$")
    assert config.contains("^maxmemory-policy noeviction$")
    assert deployed("-redis-").file("/data/appendonlydir").is_directory


def test_source_networks_are_those_that_were_asked_for(deployed: Any) -> None:
    gate = json.loads(deployed("-redis-").file("/etc/opsmap/gate.json").content_string)
    assert sorted(gate["sources"]) == ["10.0.0.0/8", "127.0.0.0/8"]


def test_alerts_are_those_that_were_asked_for(database: dict[str, Any]) -> None:
    assert database["alerts"] == [{"name": "latency", "value": 5}]


def test_passwords_are_hashes_on_the_server(deployed: Any, database: dict[str, Any]) -> None:
    server, password = deployed("-redis-"), database["security"]["password"]
    assert len(password) == 32
    config = server.file("/etc/opsmap/redis.conf").content_string
    assert password not in config
    assert hashlib.sha256(password.encode()).hexdigest() in config
    assert password not in server.check_output("cat /proc/1/cmdline /proc/*/environ")
