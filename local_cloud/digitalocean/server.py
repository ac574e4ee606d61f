"""A cluster as PostgreSQL servers: TLS only, users with SCRAM passwords, trusted sources in pg_hba.conf.

A ``node`` is anything with id, port and host: a cluster (its primary), its standby, a read replica.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import bouncer
from local_cloud.digitalocean.options import server_settings
from local_cloud.servers import Server

Document = dict[str, Any]
BIN = "/usr/lib/postgresql/15/bin"
HBA, START, SETTINGS = "/etc/opsmap/pg_hba.conf", "/etc/opsmap/start.sh", "/etc/opsmap/postgresql.conf"
REPLICATOR = "_replicator"
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
SCRIPT = """#!/bin/sh
set -eu
export HOME=/var/lib/postgresql
as_postgres() {{ setpriv --reuid postgres --regid postgres --clear-groups "$@"; }}
install -d -o postgres -g postgres -m 700 /data/tls /run/postgresql
install -o postgres -g postgres -m 600 /etc/opsmap/tls.crt /etc/opsmap/tls.key /data/tls/
if [ ! -s /data/pg/PG_VERSION ]; then
  rm -rf /data/pg
  install -d -o postgres -g postgres -m 700 /data/pg
  {make}
fi
if [ -s /etc/opsmap/pgbouncer.ini ]; then
  (while :; do as_postgres /usr/sbin/pgbouncer --quiet /etc/opsmap/pgbouncer.ini || sleep 0.3; done) &
fi
exec setpriv --reuid postgres --regid postgres --clear-groups {bin}/postgres -D /data/pg -p {port} \
  -c config_file={settings} -c listen_addresses='*' -c hba_file={hba} -c unix_socket_directories=/run/postgresql \
  -c ssl=on -c ssl_cert_file=/data/tls/tls.crt -c ssl_key_file=/data/tls/tls.key
"""
INITDB = "as_postgres {bin}/initdb -D /data/pg -U postgres --auth=reject --auth-local=peer -E UTF8 --locale=C.UTF-8"
COPY = "PGPASSWORD='{password}' as_postgres {bin}/pg_basebackup -d '{login}' -D /data/pg -X stream -c fast {more}"


def server(cloud: Cloud, node: Document) -> Server:
    """The container of a node."""
    extra = [node["pool_port"]] if node.get("pool_port") else []
    return Server(cloud, f"pg-{node['id'][:8]}{node.get('suffix', '')}", node["port"], node["host"], extra)


def hba(cloud: Cloud, rules: list[Document]) -> str:
    """pg_hba.conf: no rules let everyone in who has a password, as the platform does."""
    lines = ["local all postgres peer", "local replication postgres peer", "local all all scram-sha-256"]
    lines.append(f"hostssl replication {REPLICATOR} samenet scram-sha-256")
    sources = [source for rule in rules for source in admitted(cloud, rule)]
    for source in sources if rules else ["0.0.0.0/0", "::/0"]:
        lines.append(f"hostssl all all {source} scram-sha-256")
    return "\n".join(lines) + "\n"


def admitted(cloud: Cloud, rule: Document) -> list[str]:
    """Addresses that a rule lets in. For an egress address of a Fly app these are the app's machines."""
    if rule["type"] != "ip_addr":
        return []
    network = ipaddress.ip_network(rule["value"], strict=False)
    found = [str(network)]
    egress = [item for item in cloud.store.list("ip") if item["egress"] and "." in item["ip"]]
    apps = {item["app"] for item in egress if ipaddress.ip_address(item["ip"]) in network}
    for machine in cloud.store.list("machine") if apps else []:
        if machine["app"] in apps:
            addresses = [machine.get("private_ip"), machine.get("ip4")]
            found += [str(ipaddress.ip_network(address)) for address in addresses if address]
    return found


def settings(node: Document, connections: int) -> str:
    """postgresql.conf: what the size and the cluster's config make of it."""
    given = {
        "max_wal_senders": 20,
        "wal_retrieve_retry_interval": "200ms",
        **server_settings(node.get("config") or {}),
        "fsync": "off",
    }
    given["max_connections"] = max(25, min(connections, int(given.get("max_connections") or connections)))
    return "".join(f"{name} = '{str(item).replace(chr(39), chr(39) * 2)}'\n" for name, item in given.items())


def common_files(cloud: Cloud, node: Document, rules: list[Document], connections: int) -> dict[str, tuple[bytes, int]]:
    """Files that may change while it runs."""
    text = hba(cloud, rules)
    files = {HBA: (text.encode(), 0o644), SETTINGS: (settings(node, connections).encode(), 0o644)}
    return {**files, **(bouncer.files(node, text) if node.get("pool_port") else {})}


async def start(
    cloud: Cloud, node: Document, rules: list[Document], connections: int, source: Document | None = None
) -> None:
    """Bring a node up and wait until it answers. source: the primary that a new one is copied from, and whether it follows it."""
    made = server(cloud, node)
    make = INITDB.format(bin=BIN) + " >/dev/null"
    if source:
        login = f"host={source['host']} port={source['port']} user={REPLICATOR} sslmode=require"
        make = COPY.format(bin=BIN, login=login, password=source["replicator"], more="-R" if source["follow"] else "")
    script = SCRIPT.format(bin=BIN, port=node["port"], hba=HBA, settings=SETTINGS, make=make)
    names = [*(node.get("cnames") or []), f"private-{node['host']}"]
    files = {**common_files(cloud, node, rules, connections), START: (script.encode(), 0o700)}
    await made.run(["/bin/sh", START], {**files, **made.certificate(names)}, names)
    probe = [*AS_POSTGRES, "psql", "-XqAt", "-p", str(node["port"]), "-c", "SELECT 'ready'"]
    await made.ready(probe, "ready")


async def reload(cloud: Cloud, node: Document, rules: list[Document], connections: int) -> None:
    """Put trusted sources, settings, pools and passwords into force."""
    made = server(cloud, node)
    await cloud.docker.put_files(made.name, common_files(cloud, node, rules, connections))
    await run(cloud, node, "SELECT pg_reload_conf();")
    if node.get("pool_port"):
        await cloud.docker.execute(made.name, ["pkill", "-HUP", "-x", "pgbouncer"])


async def run(cloud: Cloud, node: Document, sql: str, database: str = "postgres") -> str:
    """Run SQL as the superuser; it travels in a file, since it may hold passwords."""
    name = server(cloud, node).name
    path = f"/run/{secrets.token_hex(8)}.sql"
    await cloud.docker.put_files(name, {path: (sql.encode(), 0o644)})
    psql = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-p", str(node["port"]), "-d", database, "-f", path]
    code, output = await cloud.docker.execute(name, [*AS_POSTGRES, *psql])
    await cloud.docker.execute(name, ["rm", path])
    if code != 0:
        raise RuntimeError(f"PostgreSQL: {output.strip()[:300]}")
    return output.strip()


async def remove(cloud: Cloud, node: Document) -> None:
    """Remove its container with the data, and give its ports back."""
    await server(cloud, node).remove()


def identifier(name: str) -> str:
    """A name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL wants it."""
    return "'" + text.replace("'", "''") + "'"


async def first_start(cloud: Cloud, cluster: Document) -> None:
    """The default user, the default database, and the role that standbys copy with."""
    password = literal(cluster["users"]["doadmin"]["password"])
    flags = "LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS"
    await run(cloud, cluster, f"CREATE ROLE doadmin {flags} PASSWORD {password};")
    replicator = f"CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD {literal(cluster['replicator'])};"
    await run(cloud, cluster, replicator)
    await make_database(cloud, cluster, "defaultdb")


async def make_user(cloud: Cloud, cluster: Document, user: Document) -> None:
    """A plain role; making it again sets its password."""
    name, replication = user["name"], bool((user.get("settings") or {}).get("pg_allow_replication"))
    kept = "" if user["role"] == "primary" else ("REPLICATION" if replication else "NOREPLICATION")
    flags = f"LOGIN {kept} PASSWORD {literal(user['password'])}"
    exists = f"SELECT FROM pg_roles WHERE rolname = {literal(name)}"
    create, alter = (f"{verb} ROLE {identifier(name)} {flags}" for verb in ("CREATE", "ALTER"))
    await run(cloud, cluster, f"DO $do$ BEGIN IF EXISTS ({exists}) THEN {alter}; ELSE {create}; END IF; END $do$;")


async def make_database(cloud: Cloud, cluster: Document, name: str) -> None:
    """A database of the default user."""
    await run(cloud, cluster, f"CREATE DATABASE {identifier(name)} OWNER doadmin;")


async def drop_user(cloud: Cloud, cluster: Document, name: str) -> None:
    """Remove a role with what it owns in every database."""
    for database in cluster["dbs"]:
        owned = f"REASSIGN OWNED BY {identifier(name)} TO doadmin; DROP OWNED BY {identifier(name)};"
        await run(cloud, cluster, owned, database)
    await run(cloud, cluster, f"DROP ROLE {identifier(name)};")


async def drop_database(cloud: Cloud, cluster: Document, name: str) -> None:
    """Remove a database, whoever is connected."""
    await run(cloud, cluster, f"DROP DATABASE {identifier(name)} WITH (FORCE);")
