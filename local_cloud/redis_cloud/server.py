"""A database of Redis Cloud as a redis-server."""

from __future__ import annotations

from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.servers import CERTIFICATE, KEY, Server

Database = dict[str, Any]
CONFIG = "/etc/opsmap/redis.conf"
SAVE = {"snapshot-every-1-hour": "3600 1", "snapshot-every-6-hours": "21600 1", "snapshot-every-12-hours": "43200 1"}


def server(cloud: Cloud, database: Database) -> Server:
    """The container of a database."""
    return Server(cloud, f"redis-{database['databaseId']}", database["port"], database["host"])


def config(database: Database, megabytes: int) -> str:
    """redis.conf: the password is in this file only."""
    security, persistence = database["security"], database["dataPersistence"]
    tls, port = security["enableTls"], database["port"]
    lines = [
        "bind * -::*",
        "protected-mode no",
        "dir /data",
        f"port {0 if tls else port}",
        f"requirepass {security['password']}",
        f"maxmemory {megabytes}mb",
        f"maxmemory-policy {database['dataEvictionPolicy']}",
        f"save {SAVE[persistence]}" if persistence in SAVE else 'save ""',
        f"appendonly {'yes' if persistence.startswith('aof') else 'no'}",
        f"appendfsync {'always' if persistence == 'aof-every-write' else 'everysec'}",
    ]
    if not security["defaultUserEnabled"]:
        lines.append("user default off")
    if tls:
        lines += [f"tls-port {port}", f"tls-cert-file {CERTIFICATE}", f"tls-key-file {KEY}", "tls-auth-clients no"]
    return "\n".join(lines) + "\n"


async def start(cloud: Cloud, database: Database, megabytes: int) -> None:
    """Bring the server in line with the database, and wait until it answers."""
    made = server(cloud, database)
    files = {CONFIG: (config(database, megabytes).encode(), 0o600)}
    if database["security"]["enableTls"]:
        files.update(made.certificate())
    await made.run(["redis-server", CONFIG], files)
    command = ["redis-cli", "-p", str(database["port"])]
    if database["security"]["enableTls"]:
        command += ["--tls", "--insecure"]
    await made.ready([*command, "ping"], "NOAUTH" if database["security"]["defaultUserEnabled"] else "")
