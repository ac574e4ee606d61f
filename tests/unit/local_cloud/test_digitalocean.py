"""What the local cloud's DigitalOcean decides without an engine: config, trusted sources, pools, scopes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud.digitalocean import bouncer, server
from local_cloud.digitalocean.access import CREDENTIALS, SCOPES, scope_of
from local_cloud.digitalocean.options import KEYS, defaults, problem, server_settings
from local_cloud.digitalocean.rules import made_rules
from local_cloud.digitalocean.views import cluster_shown
from local_cloud.store import Store


@pytest.fixture
def cloud() -> Any:
    return SimpleNamespace(store=Store(":memory:"))


def test_defaults_are_no_problem_and_nothing_for_the_server() -> None:
    assert problem(defaults()) == ""
    assert server_settings(defaults()) == {}
    assert set(defaults()) <= set(KEYS)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"nothing": 1}, "nothing is not a known option"),
        ({"work_mem": "8"}, "work_mem has the wrong type"),
        ({"work_mem": True}, "work_mem has the wrong type"),
        ({"work_mem": 0}, "work_mem must be between 1 and 1024"),
        ({"jit": 1}, "jit has the wrong type"),
        ({"track_functions": "some"}, "track_functions must be one of all, pl, none"),
        ({"backup_hour": 3}, "must be set together"),
    ],
)
def test_a_wrong_config_is_named(given: dict[str, Any], says: str) -> None:
    assert says in problem(given)


def test_the_server_is_told_in_its_own_units() -> None:
    config = {
        "work_mem": 8,
        "jit": False,
        "timezone": "Europe/Oslo",
        "shared_buffers_percentage": 30,
        "temp_file_limit": -1,
    }
    assert server_settings(config) == {"work_mem": "8MB", "jit": "off", "timezone": "Europe/Oslo"}


def test_no_rules_let_everyone_in_and_rules_nobody_else(cloud: Any) -> None:
    assert "hostssl all all 0.0.0.0/0 scram-sha-256" in server.hba(cloud, [])
    rules = made_rules("u1", [{"type": "ip_addr", "value": "192.0.2.1"}, {"type": "tag", "value": "web"}])
    lines = [line for line in server.hba(cloud, rules).splitlines() if line.startswith("hostssl all")]
    assert lines == ["hostssl all all 192.0.2.1/32 scram-sha-256"]


def test_an_egress_address_lets_the_machines_of_its_app_in(cloud: Any) -> None:
    cloud.store.put("ip", "1", {"app": "web", "ip": "209.71.0.2", "egress": True})
    cloud.store.put("machine", "m1", {"app": "web", "private_ip": "fdaa::7", "ip4": "172.20.0.7"})
    cloud.store.put("machine", "m2", {"app": "other", "private_ip": "fdaa::8", "ip4": "172.20.0.8"})
    rules = made_rules("u1", [{"type": "ip_addr", "value": "209.71.0.2/32"}])
    assert server.admitted(cloud, rules[0]) == ["209.71.0.2/32", "fdaa::7/128", "172.20.0.7/32"]


def test_pools_are_written_as_pgbouncer_reads_them(cloud: Any) -> None:
    users = {"app": {"name": "app", "password": "p'q"}, 'o"d': {"name": 'o"d', "password": "x"}}
    pool = {"name": "pooled", "mode": "transaction", "size": 5, "db": "app", "user": "app"}
    cluster = {"config": {"pgbouncer": {"server_lifetime": 60}}, "pools": {"pooled": pool}, "users": users}
    written = bouncer.files({**cluster, "port": 5432, "pool_port": 6432}, server.hba(cloud, []))
    ini = written[bouncer.INI][0].decode()
    assert "server_lifetime = 60\n" in ini
    assert (
        "pooled = host=/run/postgresql port=5432 dbname='app' pool_mode=transaction pool_size=5 user='app' password='p''q'"
        in ini
    )
    assert '"o""d" "x"' in written[bouncer.USERS][0].decode()
    assert "replication" not in written[bouncer.HBA][0].decode()


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/databases/u1", "database:read"),
        ("PATCH", "/v2/databases/u1/config", "database:update"),
        ("POST", "/v2/tags", "tag:create"),
        ("DELETE", "/v2/tags/web/resources", "tag:delete"),
        ("POST", "/v2/projects/p/resources", "project:assign_resource"),
        ("GET", "/v2/vpcs", "vpc:read"),
        ("GET", "/v2/regions", "regions:read"),
        ("GET", "/v2/account", "account:read"),
    ],
)
def test_every_route_needs_a_scope_that_there_is(method: str, path: str, scope: str) -> None:
    request: Any = SimpleNamespace(method=method, path=path)
    assert scope_of(request) == scope
    assert scope in SCOPES


def test_a_token_without_the_scope_sees_no_password() -> None:
    admin = {"name": "doadmin", "role": "primary", "password": "secret"}
    keys = [
        "id",
        "name",
        "version",
        "num_nodes",
        "size",
        "region",
        "created_at",
        "private_network_uuid",
        "project_id",
        "tags",
        "dbs",
        "storage_size_mib",
    ]
    cluster = {
        **dict.fromkeys(keys, "x"),
        "status": "online",
        "users": {"doadmin": admin},
        "host": "h",
        "port": 1,
        "maintenance": {},
    }
    assert "secret" in str(cluster_shown(cluster, credentials=True))
    assert "secret" not in str(cluster_shown(cluster, credentials=False))
    assert CREDENTIALS in SCOPES
