"""Connection pools: PgBouncer in the container of the cluster's primary (reference digitalocean 3)."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
INI, USERS, HBA = "/etc/opsmap/pgbouncer.ini", "/etc/opsmap/pgbouncer.users", "/etc/opsmap/pgbouncer_hba.conf"
HEAD = """[pgbouncer]
listen_addr = *
listen_port = {pool_port}
unix_socket_dir =
auth_type = hba
auth_hba_file = {hba}
auth_file = {users}
client_tls_sslmode = require
client_tls_cert_file = /data/tls/tls.crt
client_tls_key_file = /data/tls/tls.key
ignore_startup_parameters = extra_float_digits
max_client_conn = 500
{options}
[databases]
"""
OPTIONS = ("server_reset_query_always", "min_pool_size", "server_lifetime", "server_idle_timeout")


def quoted(text: str) -> str:
    """A name or password in PgBouncer's files."""
    return text.replace('"', '""')


def value(text: Any) -> str:
    """A value of a connection string in PgBouncer's own notation."""
    return "'" + str(text).replace("'", "''") + "'"


def files(cluster: Document, hba: str) -> dict[str, tuple[bytes, int]]:
    """Its configuration: pools by name, users with passwords, and the same trusted sources as the server's."""
    given = (cluster["config"].get("pgbouncer") or {}).items()
    options = "".join(f"{key} = {int(item)}\n" for key, item in given if key in OPTIONS)
    text = HEAD.format(pool_port=cluster["pool_port"], hba=HBA, users=USERS, options=options)
    for pool in cluster["pools"].values():
        login = cluster["users"].get(pool.get("user") or "")
        fixed = f" user={value(login['name'])} password={value(login['password'])}" if login else ""
        size = f"pool_mode={pool['mode']} pool_size={pool['size']}"
        where = f"host=/run/postgresql port={cluster['port']} dbname={value(pool['db'])}"
        text += f"{pool['name']} = {where} {size}{fixed}\n"
    users = "".join(f'"{quoted(u["name"])}" "{quoted(u["password"])}"\n' for u in cluster["users"].values())
    lines = "\n".join(line for line in hba.splitlines() if line.startswith("hostssl all"))
    return {
        INI: (text.encode(), 0o644),
        USERS: (users.encode(), 0o644),
        HBA: ((lines + "\n").encode(), 0o644),
    }
