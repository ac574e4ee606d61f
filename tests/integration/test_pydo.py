"""DigitalOcean's own Python client, unmodified, against the local cloud over TLS: every operation that is emulated."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pydo
import pytest
from azure.core.exceptions import HttpResponseError

from tests.ocean import LARGER, SMALL, Ocean


@pytest.fixture(scope="module")
def client(ocean: Ocean) -> pydo.Client:
    endpoint = f"https://localhost:{ocean.instance.port + 13}"
    return pydo.Client(token=ocean.token, endpoint=endpoint, connection_verify=ocean.authority)


@pytest.fixture(scope="module")
def cluster(ocean: Ocean, client: pydo.Client) -> Iterator[str]:
    body = {
        "name": "official",
        "engine": "pg",
        "version": "15",
        "num_nodes": 1,
        "size": SMALL,
        "region": "nyc3",
        "tags": ["one"],
    }
    made = client.databases.create_cluster(body=body)["database"]
    assert made["status"] == "creating"
    ocean.online(made["id"])
    yield made["id"]
    client.databases.destroy_cluster(made["id"])
    ocean.gone(made["id"])


def test_an_unknown_authority_is_refused(ocean: Ocean) -> None:
    stranger = pydo.Client(token=ocean.token, endpoint=f"https://localhost:{ocean.instance.port + 13}")
    with pytest.raises(Exception, match="certificate verify failed"):
        stranger.databases.list_clusters()


def test_clusters_are_read(client: pydo.Client, cluster: str) -> None:
    databases = client.databases
    assert databases.get_cluster(cluster)["database"]["name"] == "official"
    assert [one["id"] for one in databases.list_clusters(tag_name="one")["databases"]] == [cluster]
    assert "17" in databases.list_options()["options"]["pg"]["versions"]
    assert "CERTIFICATE" in base64.b64decode(databases.get_ca(cluster)["ca"]["certificate"]).decode()
    assert databases.list_events_logs(cluster)["events"][0]["event_type"] == "cluster_create"


def test_a_cluster_changes(ocean: Ocean, client: pydo.Client, cluster: str) -> None:
    databases = client.databases
    databases.update_cluster_size(cluster, body={"size": LARGER, "num_nodes": 1})
    ocean.online(cluster, size=LARGER)
    databases.update_region(cluster, body={"region": "nyc1"})
    ocean.online(cluster, region="nyc1")
    databases.update_major_version(cluster, body={"version": "16"})
    ocean.online(cluster, version="16")
    databases.update_maintenance_window(cluster, body={"day": "friday", "hour": "02:00"})
    assert databases.get_cluster(cluster)["database"]["maintenance_window"]["day"] == "friday"
    databases.install_update(cluster)
    settle(ocean, cluster)
    databases.patch_config(cluster, body={"config": {"work_mem": 6}})
    assert databases.get_config(cluster)["config"]["work_mem"] == 6
    storage = {"enabled": True, "threshold_percent": 80, "increment_gib": 10}
    databases.update_autoscale(cluster, body={"autoscale": {"storage": storage}})
    assert databases.get_autoscale(cluster)["autoscale"]["storage"] == storage
    databases.update_do_settings(cluster, body={"do_settings": {"service_cnames": ["db.example.com"]}})
    settle(ocean, cluster)
    assert databases.get_do_settings(cluster)["do_settings"]["service_cnames"] == ["db.example.com"]


def settle(ocean: Ocean, cluster: str) -> None:
    """A change without a status of its own: the next write passes when it is over."""
    deadline = time.monotonic() + 60
    while ocean.call("PUT", f"/databases/{cluster}/firewall", {"rules": []}).status_code == 409:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_in_a_cluster(ocean: Ocean, client: pydo.Client, cluster: str) -> None:
    databases = client.databases
    databases.add(cluster, body={"name": "app"})
    assert {"name": "app"} in databases.list(cluster)["dbs"]
    assert databases.get(cluster, "app")["db"]["name"] == "app"
    first = databases.add_user(cluster, body={"name": "app"})["user"]
    time.sleep(0.3)
    assert databases.get_user(cluster, "app")["user"]["password"] == first["password"]
    assert "app" in [one["name"] for one in databases.list_users(cluster)["users"]]
    databases.update_user(cluster, "app", body={"settings": {"pg_allow_replication": True}})
    second = databases.reset_auth(cluster, "app", body={})["user"]
    assert second["password"] != first["password"]
    pool = {"name": "pooled", "mode": "transaction", "size": 3, "db": "app", "user": "app"}
    made = databases.add_connection_pool(cluster, body=pool)["pool"]
    with ocean.login(made["connection"]) as pooled:
        assert pooled.execute("SELECT current_user").fetchone() == ("app",)
    databases.update_connection_pool(cluster, "pooled", body={"mode": "session", "size": 2, "db": "app"})
    assert databases.get_connection_pool(cluster, "pooled")["pool"]["mode"] == "session"
    assert len(databases.list_connection_pools(cluster)["pools"]) == 1
    databases.delete_connection_pool(cluster, "pooled")
    databases.delete_user(cluster, "app")
    databases.delete(cluster, "app")


def test_trusted_sources(client: pydo.Client, cluster: str) -> None:
    rules = [{"type": "ip_addr", "value": "203.0.113.7", "description": "office"}]
    client.databases.update_firewall_rules(cluster, body={"rules": rules})
    found = client.databases.list_firewall_rules(cluster)["rules"]
    assert [(one["value"], one["description"]) for one in found] == [("203.0.113.7", "office")]
    client.databases.update_firewall_rules(cluster, body={"rules": []})


def test_backups_replicas_and_forks(ocean: Ocean, client: pydo.Client, cluster: str) -> None:
    databases = client.databases
    ocean.backup(cluster)
    assert databases.list_backups(cluster)["backups"][0]["created_at"]
    replica = databases.create_replica(cluster, body={"name": "official-read", "size": LARGER})["replica"]
    assert replica["status"] == "forking"
    ocean.online(replica["id"])
    assert databases.get_replica(cluster, "official-read")["replica"]["id"] == replica["id"]
    assert len(databases.list_replicas(cluster)["replicas"]) == 1
    databases.promote_replica(cluster, "official-read")
    assert databases.get_cluster(replica["id"])["database"]["name"] == "official-read"
    second = databases.create_replica(cluster, body={"name": "official-second", "size": LARGER})["replica"]
    ocean.online(second["id"])
    databases.destroy_replica(cluster, "official-second")
    body = {"name": "official-fork", "engine": "pg", "num_nodes": 1, "size": LARGER, "region": "nyc1"}
    fork = databases.create_cluster(body={**body, "backup_restore": {"database_name": "official"}})["database"]
    ocean.online(fork["id"])
    for number in (fork["id"], replica["id"]):
        databases.destroy_cluster(number)
        ocean.gone(number)


def test_what_a_team_has(client: pydo.Client, cluster: str) -> None:
    assert client.account.get()["account"]["status"] == "active"
    assert client.regions.list()["regions"]
    client.tags.create(body={"name": "two"})
    tagged: dict[str, Any] = {"resources": [{"resource_id": cluster, "resource_type": "database"}]}
    client.tags.assign_resources("two", body=tagged)
    assert client.tags.get("two")["tag"]["resources"]["count"] == 1
    client.tags.unassign_resources("two", body=tagged)
    client.tags.delete("two")
    assert "two" not in [one["name"] for one in client.tags.list(per_page=200)["tags"]]
    default = next(one for one in client.projects.list()["projects"] if one["is_default"])
    assert client.projects.get(default["id"])["project"]["id"] == default["id"]
    assert client.projects.get_default()["project"]["id"] == default["id"]
    body = {"resources": [f"do:dbaas:{cluster}"]}
    assert client.projects.assign_resources(default["id"], body=body)["resources"][0]["status"] == "already_assigned"
    assert client.projects.list_resources(default["id"])["resources"]
    network = client.vpcs.list()["vpcs"][0]
    assert client.vpcs.get(network["id"])["vpc"]["region"] == network["region"]


def test_errors_come_as_the_client_knows_them(client: pydo.Client) -> None:
    missing = "9cc10173-e9ea-4176-9dbc-a4cee4c4ff30"
    answer = client.databases.get_cluster(missing)
    assert answer["id"] == "not_found"
    with pytest.raises(HttpResponseError) as caught:
        client.databases.create_cluster(body={"name": "x"})
    assert caught.value.status_code == 422
