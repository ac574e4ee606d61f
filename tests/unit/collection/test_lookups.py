"""The URL lookups: options by keyword, variable and environment, and once through Ansible itself."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.opsmap.cloud.plugins.doc_fragments import digitalocean, fly, redis_cloud

from tests.unit.collection.fake_digitalocean import CA, FakeDigitalOcean
from tests.unit.collection.fake_fly_shell import FakeFly
from tests.unit.collection.fake_http import served
from tests.unit.collection.fake_redis_cloud import FakeRedisCloud


@pytest.fixture
def redis() -> Iterator[FakeRedisCloud]:
    with served(FakeRedisCloud(states=())) as fake:
        assert isinstance(fake, FakeRedisCloud)
        fake.post_subscription({"name": "sup", "planId": 9})
        sid = next(iter(fake.subscriptions))
        fake.post_database(sid, {"name": "sessions", "password": "a/b:c@d"})
        fake.look(fake.databases, next(iter(fake.databases)))
        yield fake


@pytest.fixture
def postgres() -> Iterator[FakeDigitalOcean]:
    with served(FakeDigitalOcean(looks=1, missing=0)) as fake:
        assert isinstance(fake, FakeDigitalOcean)
        fake.post_cluster({"name": "sup", "engine": "pg"})
        fake.get_cluster("u1")
        fake.post_database("u1", {"name": "app"})
        fake.post_user("u1", {"name": "app"})
        fake.seen.clear()
        yield fake


def lookup(name: str, terms: list[str], variables: dict[str, Any], /, **options: Any) -> list[str]:
    module = importlib.import_module(f"ansible_collections.opsmap.cloud.plugins.lookup.{name}")
    fragment = {"redis_url": redis_cloud, "fly_egress": fly}.get(name, digitalocean)
    texts = (module.DOCUMENTATION, fragment.ModuleDocFragment.PLUGIN)
    known = {key: value for text in texts for key, value in yaml.safe_load(text)["options"].items()}
    known.pop("_terms")
    constants.config.initialize_plugin_configuration_definitions("lookup", name, known)
    plugin = module.LookupModule()
    plugin._load_name = name
    found: list[str] = plugin.run(terms, variables, **options)
    return found


def redis_variables(fake: FakeRedisCloud) -> dict[str, Any]:
    return {
        "opsmap_redis_cloud_api_url": f"{fake.url}/v1",
        "opsmap_redis_cloud_api_key": "key",
        "opsmap_redis_cloud_api_secret_key": "secret",
    }


def postgres_variables(fake: FakeDigitalOcean) -> dict[str, Any]:
    return {"opsmap_digitalocean_api_url": fake.url, "opsmap_digitalocean_api_token": "token"}


def test_redis_url(redis: FakeRedisCloud) -> None:
    did = next(iter(redis.databases))
    expected = f"redis://default:a%2Fb%3Ac%40d@redis-{did}.example.com:{did}"
    assert lookup("redis_url", ["sup/sessions"], redis_variables(redis)) == [expected]
    assert len(redis.seen) == 2
    assert lookup("redis_url", [], redis_variables(redis), subscription="sup", database="sessions") == [expected]


def test_redis_url_options_by_environment(redis: FakeRedisCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISCLOUD_URL", f"{redis.url}/v1")
    monkeypatch.setenv("REDISCLOUD_ACCESS_KEY", "key")
    monkeypatch.setenv("REDISCLOUD_SECRET_KEY", "secret")
    assert lookup("redis_url", ["sup/sessions"], {})[0].startswith("redis://default:")


def test_redis_url_with_tls_and_another_user(redis: FakeRedisCloud) -> None:
    did = next(iter(redis.databases))
    redis.databases[did]["security"]["enableTls"] = True
    options = {"user": "app", "password": "p w"}
    expected = f"rediss://app:p%20w@redis-{did}.example.com:{did}"
    assert lookup("redis_url", ["sup/sessions"], redis_variables(redis), **options) == [expected]
    with pytest.raises(AnsibleError, match="the password of user 'app' cannot be read"):
        lookup("redis_url", ["sup/sessions"], redis_variables(redis), user="app")


def test_redis_url_says_what_is_missing(redis: FakeRedisCloud) -> None:
    variables = redis_variables(redis)
    with pytest.raises(AnsibleError, match="no subscriptions are called 'other'"):
        lookup("redis_url", ["other/sessions"], variables)
    with pytest.raises(AnsibleError, match="subscription sup has no database 'other'"):
        lookup("redis_url", ["sup/other"], variables)
    with pytest.raises(AnsibleError, match="subscription or database is missing"):
        lookup("redis_url", ["sup"], variables)
    with pytest.raises(AnsibleError, match="api_key: is empty"):
        lookup("redis_url", ["sup/sessions"], {**variables, "opsmap_redis_cloud_api_key": ""})
    found = next(iter(redis.databases.values()))
    found.pop("publicEndpoint")
    found["passes"] = ["pending"]
    with pytest.raises(AnsibleError, match="database sessions is 'pending' and has no publicEndpoint"):
        lookup("redis_url", ["sup/sessions"], variables)
    found.update(publicEndpoint="x:1", status="active")
    found["security"]["defaultUserEnabled"] = False
    with pytest.raises(AnsibleError, match="the user 'default' of database sessions is disabled"):
        lookup("redis_url", ["sup/sessions"], variables)


def test_check_mode_has_a_url_for_what_is_not_there_yet(redis: FakeRedisCloud, postgres: FakeDigitalOcean) -> None:
    checking = {"ansible_check_mode": True}
    assert lookup("redis_url", ["new/sessions"], {**redis_variables(redis), **checking}) == [
        "redis://default@sessions.invalid:6379"
    ]
    assert lookup("postgres_url", ["new"], {**postgres_variables(postgres), **checking}, database="app") == [
        "postgresql://doadmin:@new.invalid:25060/app"
    ]


def test_postgres_url(postgres: FakeDigitalOcean) -> None:
    variables = postgres_variables(postgres)
    expected = "postgresql://app:first%3Asecret@sup.example.com:25060/app?sslmode=require"
    assert lookup("postgres_url", ["sup"], variables, database="app", user="app") == [expected]
    assert len(postgres.seen) == 2
    options = {"scheme": "postgresql+psycopg", "sslmode": ""}
    assert lookup("postgres_url", [], variables, cluster="sup", **options) == [
        "postgresql+psycopg://doadmin:p%40ss%2Fword@sup.example.com:25060/defaultdb"
    ]
    assert len(postgres.seen) == 3


def test_postgres_url_says_what_is_missing(postgres: FakeDigitalOcean) -> None:
    variables = postgres_variables(postgres)
    with pytest.raises(AnsibleError, match="there is no cluster 'other'"):
        lookup("postgres_url", ["other"], variables)
    with pytest.raises(AnsibleError, match="cluster sup has no database 'other'"):
        lookup("postgres_url", ["sup"], variables, database="other")
    with pytest.raises(AnsibleError, match="cluster sup has no user 'other'"):
        lookup("postgres_url", ["sup"], variables, user="other")
    with pytest.raises(AnsibleError, match="cluster sup is 'online' and has no private_connection yet"):
        lookup("postgres_url", ["sup"], variables, private=True)
    with pytest.raises(AnsibleError, match="cluster: is missing"):
        lookup("postgres_url", [], variables)
    postgres.clusters["u1"]["accounts"]["app"].pop("password")
    with pytest.raises(AnsibleError, match=r"the password of user app is not told.*database:view_credentials"):
        lookup("postgres_url", ["sup"], variables, user="app")


def test_postgres_url_of_a_pool_a_standby_and_a_replica(postgres: FakeDigitalOcean) -> None:
    variables = postgres_variables(postgres)
    with pytest.raises(AnsibleError, match="cluster sup has no pool pooled -> make it with do_database_pool"):
        lookup("postgres_url", ["sup"], variables, pool="pooled")
    postgres.post_pool("u1", {"name": "pooled", "mode": "session", "size": 1, "db": "app", "user": "app"})
    assert lookup("postgres_url", ["sup"], variables, pool="pooled", user="app") == [
        "postgresql://app:first%3Asecret@sup.example.com:25061/pooled?sslmode=require"
    ]
    with pytest.raises(AnsibleError, match=r"has no standby_connection yet.*standby ones two nodes"):
        lookup("postgres_url", ["sup"], variables, standby=True)
    postgres.post_replica("u1", {"name": "read"})
    assert (
        "@read.example.com:25060/app" in lookup("postgres_url", ["sup"], variables, replica="read", database="app")[0]
    )
    with pytest.raises(AnsibleError, match="pool: is given with replica or standby"):
        lookup("postgres_url", ["sup"], variables, pool="pooled", replica="read")


def test_postgres_url_that_verifies_needs_the_authority(postgres: FakeDigitalOcean) -> None:
    variables = postgres_variables(postgres)
    with pytest.raises(AnsibleError, match="sslrootcert: is missing for sslmode verify-full"):
        lookup("postgres_url", ["sup"], variables, sslmode="verify-full")
    found = lookup("postgres_url", ["sup"], variables, sslmode="verify-full", sslrootcert="/etc/ca bundle.crt")
    assert found[0].endswith("?sslmode=verify-full&sslrootcert=/etc/ca%20bundle.crt")


def test_postgres_ca(postgres: FakeDigitalOcean) -> None:
    variables = postgres_variables(postgres)
    assert lookup("postgres_ca", ["sup"], variables) == [CA]
    with pytest.raises(AnsibleError, match="there is no cluster 'other'"):
        lookup("postgres_ca", ["other"], variables)
    assert lookup("postgres_ca", ["other"], {**variables, "ansible_check_mode": True}) == [""]


def test_fly_egress() -> None:
    with served(FakeFly()) as fly:
        assert isinstance(fly, FakeFly)
        variables = {"opsmap_fly_api_url": fly.url, "opsmap_fly_api_token": "token"}
        assert lookup("fly_egress", ["web", "worker"], variables) == []
        fly.apps["web"] = {"name": "web", "organization": {"slug": "acme"}}
        fly.ips = [
            {"ip": "203.0.113.7", "egress": True},
            {"ip": "2605:4c40::7", "egress": True},
            {"ip": "198.51.100.1", "shared": True},
        ]
        assert lookup("fly_egress", ["web", "worker"], variables) == ["203.0.113.7"]


def test_both_through_ansible(redis: FakeRedisCloud, postgres: FakeDigitalOcean, tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    urls = (
        "{{ [lookup('opsmap.cloud.redis_url', 'sup/sessions'), lookup('opsmap.cloud.postgres_url', cluster='sup')] }}"
    )
    copy = {"ansible.builtin.copy": {"content": urls, "dest": str(tmp_path / "urls")}, "no_log": True}
    variables = {**redis_variables(redis), **postgres_variables(postgres)}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": [copy]}
    playbook.write_text(yaml.safe_dump([{**play, "vars": {**variables, "ansible_python_interpreter": sys.executable}}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvvv", str(playbook)]
    collections = str(Path(__file__).parents[3] / "collections")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    redis_url, postgres_url = json.loads((tmp_path / "urls").read_text())
    assert redis_url.startswith("redis://default:a%2Fb%3Ac%40d@")
    assert postgres_url.startswith("postgresql://doadmin:p%40ss%2Fword@")
    assert "p%40ss" not in done.stdout + done.stderr
