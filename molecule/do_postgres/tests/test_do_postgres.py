from __future__ import annotations

import socket
import ssl
from typing import Any

import psycopg
import pytest

Found = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(deployed: Any) -> Found:
    found: list[Found] = deployed.instance.call(3, "GET", "/v2/databases", "digitalocean")["databases"]
    return next(item for item in found if item["name"] == "supercog-grown")


def part(deployed: Any, cluster: Found, what: str) -> Any:
    return deployed.instance.call(3, "GET", f"/v2/databases/{cluster['id']}/{what}", "digitalocean")


def login(deployed: Any, connection: Found, user: Found, database: str) -> psycopg.Connection[Any]:
    """As a service connects, the server's certificate verified."""
    return psycopg.connect(
        host=connection["host"], hostaddr="127.0.0.1", port=connection["port"], user=user["name"],
        password=user["password"], dbname=database, sslmode="verify-full", autocommit=True,
        sslrootcert=str(deployed.instance.folder / "ca.crt"), connect_timeout=10,
    )  # fmt: skip


def user(cluster: Found, name: str) -> Found:
    return next(item for item in cluster["users"] if item["name"] == name)


def names(rows: Any) -> list[str]:
    return sorted(row[0] for row in rows)


def test_databases_and_owners(deployed: Any, cluster: Found) -> None:
    with login(deployed, cluster["connection"], user(cluster, "doadmin"), "defaultdb") as admin:
        found = names(admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'monster%'"))
    assert found == ["monster_credentials", "monster_dashboard", "monster_engine"]


def test_the_engine_creates_tables_and_has_vector(deployed: Any, cluster: Found) -> None:
    with login(deployed, cluster["connection"], user(cluster, "engine"), "monster_engine") as engine:
        engine.execute("CREATE TABLE IF NOT EXISTS thoughts (meaning vector)")
        assert "vector" in names(engine.execute("SELECT extname FROM pg_extension"))


def test_a_service_has_no_more_than_it_needs(deployed: Any, cluster: Found) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        login(deployed, cluster["connection"], user(cluster, "engine"), "monster_dashboard")
    with login(deployed, cluster["connection"], user(cluster, "dashboard"), "monster_dashboard") as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS visits (who text)")
        owner.execute("INSERT INTO visits VALUES ('first')")
    with login(deployed, cluster["connection"], user(cluster, "report"), "monster_dashboard") as reader:
        assert names(reader.execute("SELECT who FROM visits"))[0] == "first"
        for forbidden in ("INSERT INTO visits VALUES ('x')", "CREATE TABLE mine (x int)", "DROP TABLE visits"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(forbidden)
    with login(deployed, cluster["connection"], user(cluster, "worker"), "monster_dashboard") as writer:
        writer.execute("UPDATE visits SET who = who")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            writer.execute("CREATE TABLE mine (x int)")


def test_the_config_is_in_force(deployed: Any, cluster: Found) -> None:
    with login(deployed, cluster["connection"], user(cluster, "doadmin"), "defaultdb") as admin:
        assert admin.execute("SHOW work_mem").fetchone() == ("8MB",)
        assert admin.execute("SHOW track_io_timing").fetchone() == ("on",)


def test_the_pool_leads_to_the_engine(deployed: Any, cluster: Found) -> None:
    pool = part(deployed, cluster, "pools")["pools"][0]
    assert pool["connection"]["port"] != cluster["connection"]["port"]
    with login(deployed, pool["connection"], user(cluster, "engine"), "engine") as pooled:
        assert pooled.execute("SELECT current_user, current_database()").fetchone() == ("engine", "monster_engine")


@pytest.mark.parametrize("which", ["standby", "replica"])
def test_followers_have_what_was_written_and_take_no_writes(deployed: Any, cluster: Found, which: str) -> None:
    if which == "standby":
        connection = cluster["standby_connection"]
    else:
        connection = part(deployed, cluster, "replicas/supercog-read")["replica"]["connection"]
    with login(deployed, connection, user(cluster, "engine"), "monster_engine") as follower:
        assert follower.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            follower.execute("CREATE TABLE nothing (x int)")


def test_plain_connections_are_refused(deployed: Any, cluster: Found) -> None:
    given = cluster["connection"]
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(
            host="127.0.0.1", port=given["port"], user="doadmin", password=given["password"], sslmode="disable"
        )


def test_the_certificate_has_the_names_of_ones_own(deployed: Any, cluster: Found) -> None:
    context = ssl.create_default_context(cafile=str(deployed.instance.folder / "ca.crt"))
    with socket.create_connection(("127.0.0.1", cluster["connection"]["port"]), timeout=10) as raw:
        raw.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # PostgreSQL's request for TLS
        assert raw.recv(1) == b"S"
        with context.wrap_socket(raw, server_hostname="db.supercog.example") as secured:
            assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_the_server_behind_it_is_postgresql(deployed: Any, cluster: Found) -> None:
    host = deployed(f"-pg-{cluster['id'][:8]}")
    assert host.process.filter(comm="postgres", user="postgres")
    rules = host.file("/etc/opsmap/pg_hba.conf").content_string.splitlines()
    assert all(rule.startswith(("local ", "hostssl ")) for rule in rules)
