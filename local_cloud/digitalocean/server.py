"""A cluster as one PostgreSQL server: TLS only, users with SCRAM passwords, trusted sources in pg_hba.conf."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.servers import Server

Cluster = dict[str, Any]
BIN = "/usr/lib/postgresql/15/bin"
HBA, START = "/etc/opsmap/pg_hba.conf", "/etc/opsmap/start.sh"
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
SCRIPT = """#!/bin/sh
set -eu
install -d -o postgres -g postgres -m 700 /data/tls /run/postgresql
if [ ! -s /data/pg/PG_VERSION ]; then
  install -d -o postgres -g postgres -m 700 /data/pg
  setpriv --reuid postgres --regid postgres --clear-groups \
    {bin}/initdb -D /data/pg -U postgres --auth=reject --auth-local=peer -E UTF8 --locale=C.UTF-8 >/dev/null
fi
install -o postgres -g postgres -m 600 /etc/opsmap/tls.crt /etc/opsmap/tls.key /data/tls/
exec setpriv --reuid postgres --regid postgres --clear-groups {bin}/postgres -D /data/pg -p {port} \
  -c listen_addresses='*' -c hba_file={hba} -c unix_socket_directories=/run/postgresql -c fsync=off \
  -c ssl=on -c ssl_cert_file=/data/tls/tls.crt -c ssl_key_file=/data/tls/tls.key -c max_connections={connections}
"""


def server(cloud: Cloud, cluster: Cluster) -> Server:
    """The container of a cluster."""
    return Server(cloud, f"pg-{cluster['id'][:8]}", cluster["port"], cluster["host"])


def hba(rules: list[dict[str, Any]]) -> str:
    """pg_hba.conf: no rules let everyone in who has a password, as the platform does."""
    lines = ["local all postgres peer"]
    sources = [str(ipaddress.ip_network(r["value"], strict=False)) for r in rules if r["type"] == "ip_addr"]
    for source in sources if rules else ["0.0.0.0/0", "::/0"]:
        lines.append(f"hostssl all all {source} scram-sha-256")
    return "\n".join(lines) + "\n"


async def start(cloud: Cloud, cluster: Cluster, connections: int) -> None:
    """Bring the server up with the cluster's rules, and wait until it answers."""
    made = server(cloud, cluster)
    script = SCRIPT.format(bin=BIN, port=cluster["port"], hba=HBA, connections=max(25, connections))
    files = {HBA: (hba(cluster["rules"]).encode(), 0o644), START: (script.encode(), 0o755), **made.certificate()}
    await made.run(["/bin/sh", START], files)
    probe = [*AS_POSTGRES, "psql", "-XqAt", "-p", str(cluster["port"]), "-c", "SELECT 'ready'"]
    await made.ready(probe, "ready")


async def trust(cloud: Cloud, cluster: Cluster) -> None:
    """Put the trusted sources into force."""
    made = server(cloud, cluster)
    await cloud.docker.put_files(made.name, {HBA: (hba(cluster["rules"]).encode(), 0o644)})
    await run(cloud, cluster, "SELECT pg_reload_conf();")


async def run(cloud: Cloud, cluster: Cluster, sql: str, database: str = "postgres") -> None:
    """Run SQL as the superuser; it travels in a file, since it may hold passwords."""
    name = server(cloud, cluster).name
    path = f"/run/{secrets.token_hex(8)}.sql"
    await cloud.docker.put_files(name, {path: (sql.encode(), 0o644)})
    command = [
        *AS_POSTGRES,
        "psql",
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-p",
        str(cluster["port"]),
        "-d",
        database,
        "-f",
        path,
    ]
    code, output = await cloud.docker.execute(name, command)
    await cloud.docker.execute(name, ["rm", path])
    if code != 0:
        raise RuntimeError(f"PostgreSQL: {output.strip()[:300]}")


def identifier(name: str) -> str:
    """A name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL wants it."""
    return "'" + text.replace("'", "''") + "'"


async def first_start(cloud: Cloud, cluster: Cluster) -> None:
    """The default user and the default database."""
    password = literal(cluster["users"]["doadmin"]["password"])
    flags = "LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS"
    await run(cloud, cluster, f"CREATE ROLE doadmin {flags} PASSWORD {password};")
    await make_database(cloud, cluster, "defaultdb")


async def make_user(cloud: Cloud, cluster: Cluster, name: str, password: str, replication: bool) -> None:
    """A plain role; making it again sets its password."""
    flags = f"LOGIN {'REPLICATION' if replication else 'NOREPLICATION'} PASSWORD {literal(password)}"
    exists = f"SELECT FROM pg_roles WHERE rolname = {literal(name)}"
    create, alter = (f"{verb} ROLE {identifier(name)} {flags}" for verb in ("CREATE", "ALTER"))
    await run(cloud, cluster, f"DO $do$ BEGIN IF EXISTS ({exists}) THEN {alter}; ELSE {create}; END IF; END $do$;")


async def make_database(cloud: Cloud, cluster: Cluster, name: str) -> None:
    """A database of the default user."""
    await run(cloud, cluster, f"CREATE DATABASE {identifier(name)} OWNER doadmin;")


async def drop_user(cloud: Cloud, cluster: Cluster, name: str) -> None:
    """Remove a role with what it owns in every database."""
    for database in cluster["dbs"]:
        owned = f"REASSIGN OWNED BY {identifier(name)} TO doadmin; DROP OWNED BY {identifier(name)};"
        await run(cloud, cluster, owned, database)
    await run(cloud, cluster, f"DROP ROLE {identifier(name)};")


async def drop_database(cloud: Cloud, cluster: Cluster, name: str) -> None:
    """Remove a database, whoever is connected."""
    await run(cloud, cluster, f"DROP DATABASE {identifier(name)} WITH (FORCE);")
