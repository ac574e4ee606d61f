"""The local cloud's DigitalOcean: real servers behind the API, its states, codes, limits, and data that survives."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

from tests.contract.published import FILES, Description
from tests.ocean import LARGER, SMALL, Ocean
from tests.support import ROOT, SPECS, needs_specs, run
from tests.unit.collection.runs import run_module

DEVIATIONS = ROOT / "tests" / "contract" / "deviations.yml"


@pytest.fixture(scope="module")
def cluster(ocean: Ocean) -> str:
    return ocean.create("main")


def module(ocean: Ocean, name: str, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
    """One of our modules, with a clock that passes."""
    return run_module(
        name, check_mode, clock=Clock(), api_url=ocean.url, api_token=ocean.token, poll_interval=0.1, **options
    )


def test_a_cluster_is_told_while_it_is_made_and_works_when_it_is_online(ocean: Ocean) -> None:
    body = {"name": "young", "engine": "pg", "num_nodes": 1, "size": SMALL, "region": "nyc3"}
    made = ocean.do("POST", "/databases", body, 201)["database"]
    assert (made["status"], made["connection"]["host"]) == ("creating", "")
    refused = ocean.call("POST", f"/databases/{made['id']}/dbs", {"name": "early"})
    assert (refused.status_code, refused.json()["id"]) == (412, "precondition_failed")
    assert ocean.call("POST", "/databases", body).json()["message"] == "cluster name is not available"
    found = ocean.online(made["id"])
    with ocean.login(found["connection"]) as admin:
        assert admin.execute("SELECT current_user, current_database()").fetchone() == ("doadmin", "defaultdb")
    ocean.do("DELETE", f"/databases/{made['id']}")
    assert ocean.call("GET", f"/databases/{made['id']}").status_code == 200  # it lingers
    ocean.gone(made["id"])


def test_plain_text_and_wrong_passwords_are_refused(ocean: Ocean, cluster: str) -> None:
    connection = ocean.get(f"/databases/{cluster}")["database"]["connection"]
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        ocean.login(connection, sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ocean.login(connection, password="wrong")


def test_trusted_sources_are_enforced_on_every_port(ocean: Ocean, cluster: str) -> None:
    path = f"/databases/{cluster}"
    ocean.do("POST", f"{path}/pools", {"name": "pooled", "mode": "session", "size": 2, "db": "defaultdb"}, 201)
    found = ocean.get(path)["database"]["connection"]
    pooled = ocean.get(f"{path}/pools/pooled")["pool"]["connection"]
    for connection in (found, pooled):
        ocean.login(connection).close()
    ocean.do("PUT", f"{path}/firewall", {"rules": [{"type": "ip_addr", "value": "203.0.113.7"}]})
    time.sleep(0.3)
    for connection in (found, pooled):
        with pytest.raises(psycopg.OperationalError):
            ocean.login(connection)
    ocean.do("PUT", f"{path}/firewall", {"rules": []})
    time.sleep(0.3)
    ocean.login(found).close()
    for wrong in ({"type": "ip_addr", "value": "2001:db8::1"}, {"type": "app", "value": "x"}, {"type": "tag"}):
        assert ocean.call("PUT", f"{path}/firewall", {"rules": [wrong]}).status_code == 422


def test_machines_of_an_app_come_by_its_egress_address(ocean: Ocean, cluster: str, tmp_path: Path) -> None:
    """The rule names the egress address; on this machine the app's containers come by their own."""
    ocean.instance.call(1, "POST", "/v1/apps", "fly", {"app_name": "goes-out", "org_slug": "personal"})
    pair = {"type": "egress_pair", "region": "ewr"}
    ocean.instance.call(1, "POST", "/v1/apps/goes-out/ip_assignments", "fly", pair)
    addresses = ocean.instance.call(1, "GET", "/v1/apps/goes-out/ip_assignments", "fly")["ips"]
    address = next(item["ip"] for item in addresses if "." in item["ip"])
    assert egress(ocean, tmp_path, "goes-out", "not-there") == [address]
    module(ocean, "do_database_firewall", cluster="main", rules=[{"value": address}])
    again = module(ocean, "do_database_firewall", cluster="main", rules=[{"value": f"{address}/32"}])
    assert not again["changed"]
    module(ocean, "do_database_firewall", cluster="main", rules=[], allow_everyone=True)


def egress(ocean: Ocean, folder: Path, *apps: str) -> Any:
    """What the lookup gives, away from the checkout's variables."""
    query = f"{{{{ query('opsmap.cloud.fly_egress', {', '.join(map(repr, apps))}) | to_json }}}}"
    copy = {"ansible.builtin.copy": {"content": query, "dest": str(folder / "found"), "mode": "0600"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [copy]}
    (folder / "play.yml").write_text(json.dumps([play]))
    url = f"http://127.0.0.1:{ocean.instance.port + 1}"
    run(
        "ansible-playbook", "-i", "localhost,", "play.yml", folder=folder, OPSMAP_FLY_API_URL=url,
        FLY_API_TOKEN=ocean.instance.token("fly"),
    )  # fmt: skip
    return json.loads((folder / "found").read_text())


def test_changes_go_one_at_a_time_and_tell_their_state(ocean: Ocean, cluster: str) -> None:
    path = f"/databases/{cluster}"
    ocean.control("PUT", "/settings", {"provisioning_seconds": 2.0, "cluster_lag_seconds": 1.0})
    ocean.do("PUT", f"{path}/migrate", {"region": "ams3"}, 202)
    assert ocean.get(path)["database"]["status"] == "online"  # for an instant it reads as before
    second = ocean.call("PUT", f"{path}/resize", {"size": SMALL, "num_nodes": 1})
    assert (second.status_code, second.json()["id"]) == (409, "conflict")
    time.sleep(1.5)
    assert ocean.get(path)["database"]["status"] == "migrating"
    assert ocean.online(cluster, region="ams3")["private_network_uuid"]
    ocean.control("PUT", "/settings", {"provisioning_seconds": 0.2, "cluster_lag_seconds": 0.1})
    for what, body in (
        ("resize", {"size": SMALL}),
        ("resize", {"size": "db-x", "num_nodes": 1}),
        ("resize", {"size": SMALL, "num_nodes": 1, "storage_size_mib": 1}),
        ("migrate", {"region": "moon"}),
        ("upgrade", {"version": "14"}),
        ("maintenance", {"day": "someday", "hour": "04:00"}),
        ("autoscale", {"autoscale": {"storage": {"enabled": True}}}),
        ("do_settings", {}),
    ):
        assert ocean.call("PUT", f"{path}/{what}", body).status_code == 422, what
    assert ocean.call("PATCH", f"{path}/config", {"config": {"backup_hour": 4}}).status_code == 422
    events = [event["event_type"] for event in ocean.get(f"{path}/events")["events"]]
    assert events[0] == "cluster_create"
    assert "cluster_update" in events


def test_odd_codes_are_kept(ocean: Ocean, cluster: str) -> None:
    path = f"/databases/{cluster}"
    patched = ocean.call("PATCH", f"{path}/config", {"config": {"work_mem": 8}})
    assert (patched.status_code, patched.content) == (200, b"")
    ocean.control("PUT", "/settings", {"fresh_404_seconds": 1.5})
    ocean.do("POST", f"{path}/users", {"name": "odd", "settings": {"pg_allow_replication": True}}, 201)
    assert ocean.call("GET", f"{path}/users/odd").status_code == 404  # for a moment
    time.sleep(2)
    ocean.control("PUT", "/settings", {"fresh_404_seconds": 0.1})
    assert "settings" not in ocean.get(f"{path}/users/odd")["user"]
    ocean.do("PUT", f"{path}/users/odd", {"settings": {"pg_allow_replication": False}}, 201)
    ocean.do("PUT", f"{path}/pools/pooled", {"mode": "session", "size": 3, "db": "defaultdb"})
    ocean.do(
        "POST", f"{path}/pools", {"name": "of-odd", "mode": "session", "size": 1, "db": "defaultdb", "user": "odd"}, 201
    )
    assert ocean.call("DELETE", f"{path}/users/odd").status_code == 422
    ocean.do("DELETE", f"{path}/pools/of-odd")
    ocean.do("DELETE", f"{path}/users/odd")
    too_much = {"name": "huge", "mode": "session", "size": 500, "db": "defaultdb"}
    assert ocean.call("POST", f"{path}/pools", too_much).status_code == 422
    for fixed in ("users/doadmin", "dbs/defaultdb"):
        assert ocean.call("DELETE", f"{path}/{fixed}").status_code == 422


def test_tokens_see_what_their_scopes_allow(ocean: Ocean, cluster: str) -> None:
    read = ocean.control("POST", "/digitalocean/token", {"scopes": ["database:read"]})["token"]
    found = ocean.call("GET", f"/databases/{cluster}", token=read).json()["database"]
    assert "password" not in found["connection"]
    assert all("password" not in user for user in found["users"])
    assert ocean.call("DELETE", f"/databases/{cluster}", token=read).status_code == 403
    assert ocean.call("GET", "/databases", token="wrong").json()["id"] == "unauthorized"


def test_lists_that_have_pages_have_links(ocean: Ocean) -> None:
    for number in range(3):
        ocean.do("POST", "/tags", {"name": f"Page-{number}"}, 201)
    first = ocean.get("/tags?per_page=2")
    assert first["meta"]["total"] >= 3
    assert set(first["links"]["pages"]) == {"next", "last"}
    whole = ocean.get("/tags?per_page=200")
    assert whole["links"] == {}
    assert ocean.do("POST", "/tags", {"name": "page-0"}, 201)["tag"]["name"] == "Page-0"  # the first casing stays
    assert ocean.call("GET", "/tags?per_page=201").status_code == 422


def test_rates_are_told_and_limited_on_request(ocean: Ocean) -> None:
    answer = ocean.call("GET", "/account")
    assert answer.headers["ratelimit-limit"] == "5000"
    assert int(answer.headers["ratelimit-remaining"]) < 5000
    ocean.control("PUT", "/settings", {"rate_limit": True})
    many_calls = httpx.Client(timeout=60)
    try:
        with ThreadPoolExecutor(8) as many:
            answers = list(many.map(lambda _: ocean.call("GET", "/account", client=many_calls), range(400)))
    finally:
        ocean.control("PUT", "/settings", {"rate_limit": False})
    late = [one for one in answers if one.status_code == 429]
    assert late
    assert int(late[0].headers["retry-after"]) >= 1


@contextmanager
def watched(connect: Callable[[], Any]) -> Iterator[dict[str, float]]:
    """A client that asks all the time, and connects again when it is cut off; how long it was out, at most and in all."""
    seen = {"longest": 0.0, "total": 0.0, "answers": 0.0}
    stop = threading.Event()

    def ask() -> None:
        connection, good = None, time.monotonic()
        while not stop.is_set():
            try:
                connection = connection or connect()
                connection.execute("SELECT count(*) FROM kept").fetchone()
            except psycopg.Error:
                connection = None
                time.sleep(0.02)
                continue
            now = time.monotonic()
            if now - good > 0.2:
                seen["longest"], seen["total"] = max(seen["longest"], now - good), seen["total"] + now - good
            good, seen["answers"] = now, seen["answers"] + 1
            time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
        time.sleep(0.5)
    finally:
        stop.set()
        thread.join()


CHANGES: dict[str, dict[str, Any]] = {
    "maintenance window": {"maintenance_window": {"day": "monday", "hour": "05:00"}},
    "config": {"config": {"work_mem": 16}},
    "storage": {"storage_size_mib": 71680},
    "size": {"size": LARGER, "storage_size_mib": 71680},
    "nodes": {"size": LARGER, "num_nodes": 2},
    "version": {"size": LARGER, "num_nodes": 2, "version": "16"},
    "region": {"size": LARGER, "num_nodes": 2, "version": "16", "region": "nyc3"},
    "names": {"size": LARGER, "num_nodes": 2, "version": "16", "region": "nyc3", "service_cnames": ["db.example.com"]},
}


def test_rows_survive_every_change_with_a_client_connected(ocean: Ocean, capsys: pytest.CaptureFixture[str]) -> None:
    wanted: dict[str, Any] = {"name": "kept", "region": "nyc1", "version": "15", "size": SMALL}
    module(ocean, "do_database_cluster", **wanted)
    number = ocean.get("/databases?tag_name=")["databases"][-1]["id"]

    def connect() -> Any:
        return ocean.login(ocean.get(f"/databases/{number}")["database"]["connection"])

    rows = 0
    with connect() as admin:
        admin.execute("CREATE TABLE kept (id int)")
    outages: dict[str, float] = {}
    for name, change in CHANGES.items():
        with connect() as admin:
            admin.execute("INSERT INTO kept VALUES (1)")
            rows += 1
        with watched(connect) as seen:
            assert module(ocean, "do_database_cluster", **{**wanted, **change})["changed"], name
        assert not module(ocean, "do_database_cluster", **{**wanted, **change})["changed"], name
        with connect() as admin:
            assert admin.execute("SELECT count(*) FROM kept").fetchone() == (rows,), name
        assert seen["answers"] > 0
        outages[name] = seen["longest"]
    with watched(connect) as seen:
        module(ocean, "do_database_user", cluster="kept", name="doadmin", reset_password=True)
    outages["password"] = seen["longest"]
    with connect() as admin:
        assert admin.execute("SELECT count(*) FROM kept").fetchone() == (rows,)
    with capsys.disabled():
        print("\nlongest time without an answer: " + ", ".join(f"{name} {out:.1f} s" for name, out in outages.items()))
    for name in ("maintenance window", "config", "storage", "nodes", "password"):
        assert outages[name] < 1.0, outages
    assert max(outages.values()) < 30


def test_a_replica_follows_and_a_promoted_one_goes_its_own_way(ocean: Ocean) -> None:
    number = next(one["id"] for one in ocean.get("/databases")["databases"] if one["name"] == "kept")
    made = module(ocean, "do_database_replica", cluster="kept", name="kept-read")
    assert made["resource"]["status"] == "online"
    primary = ocean.get(f"/databases/{number}")["database"]
    replica = ocean.get(f"/databases/{number}/replicas/kept-read")["replica"]
    with ocean.login(primary["connection"]) as writer, ocean.login(replica["connection"]) as reader:
        writer.execute("CREATE TABLE followed AS SELECT 7 AS x")
        deadline = time.monotonic() + 10
        while reader.execute("SELECT to_regclass('followed')").fetchone() == (None,):
            assert time.monotonic() < deadline
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DROP TABLE followed")
    assert ocean.online(replica["id"])["name"] == "kept-read"  # its uuid works as a cluster's
    assert not module(ocean, "do_database_replica", cluster="kept", name="kept-read")["changed"]
    promoted = module(ocean, "do_database_replica", cluster="kept", name="kept-read", state="promoted")
    assert promoted["changed"]
    deadline = time.monotonic() + 30
    while True:
        try:
            with ocean.login(ocean.online(replica["id"])["connection"]) as own:
                own.execute("CREATE TABLE own (x int)")
                break
        except psycopg.Error:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    with ocean.login(primary["connection"]) as writer:
        assert writer.execute("SELECT to_regclass('own')").fetchone() == (None,)


def test_a_cluster_goes_after_its_copy_has_its_data(ocean: Ocean) -> None:
    number = next(one["id"] for one in ocean.get("/databases")["databases"] if one["name"] == "kept")
    with ocean.login(ocean.get(f"/databases/{number}")["database"]["connection"]) as admin:
        rows = admin.execute("SELECT count(*) FROM kept").fetchone()
    at = ocean.control("POST", "/digitalocean/backup", {"cluster": number})["created_at"]
    gone = module(
        ocean, "do_database_cluster", name="kept", state="absent", confirm_destroy="kept", fork_before_destroy="copy"
    )
    assert gone["plan"][0] == f"fork cluster kept to copy from its backup of {at}"
    found = ocean.get("/databases")["databases"]
    copy = next(one for one in found if one["name"] == "copy")
    assert "kept" not in [one["name"] for one in found]
    with ocean.login(copy["connection"]) as admin:
        assert admin.execute("SELECT count(*) FROM kept").fetchone() == rows
        assert admin.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)


@needs_specs
def test_everything_said_above_is_as_published(ocean: Ocean) -> None:
    known = yaml.safe_load(DEVIATIONS.read_text())["digitalocean"]
    description = Description(SPECS / FILES["digitalocean"])
    entries = ocean.control("GET", "/journal?service=digitalocean")["entries"]
    assert len(entries) > 100
    problems = {problem for entry in entries for problem in description.problems(entry)}
    unexplained = {text for text in problems if not any(part in text for part in known["values"])}
    assert unexplained == set()
    undeclared = {name for entry in entries for name in description.undeclared(entry)}
    assert undeclared - set(known["undeclared"]) == set()
    assert set(known["undeclared"]) - undeclared == set()


def test_it_goes_on_after_a_restart_of_the_local_cloud(ocean: Ocean, cluster: str) -> None:
    ocean.control("PUT", "/settings", {"provisioning_seconds": 3})
    ocean.do("PUT", f"/databases/{cluster}/resize", {"size": LARGER, "num_nodes": 1}, 202)
    run("docker", "restart", f"opsmap-{ocean.instance.name}-cloud")
    deadline = time.monotonic() + 60
    while True:
        try:
            ocean.control("PUT", "/settings", {"provisioning_seconds": 0.2, "backup_seconds": 0.2})
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    found = ocean.online(cluster, size=LARGER)
    ocean.login(found["connection"]).close()
