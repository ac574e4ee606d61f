"""A database of Redis Cloud as a redis-server. What changes, changes while clients are connected."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.servers import CERTIFICATE, KEY, Server

Database = dict[str, Any]
Users = dict[str, tuple[str, str]]  # name -> hash of the password, rule
FOLDER = "/etc/opsmap"
CONFIG, GATE, CLIENTS = f"{FOLDER}/redis.conf", f"{FOLDER}/gate.json", f"{FOLDER}/clients.crt"
SOCKET = "/run/redis.sock"
GATE_PROGRAM = ["python3", "-I", "/opt/local_cloud/local_cloud/redis_cloud/gate.py"]  # starts the server behind it
PLAIN, TLS = 6379, 6380  # inside the container, where only the gate gets to
KEEPER = "local-cloud"
SAVE = {"snapshot-every-1-hour": "3600 1", "snapshot-every-6-hours": "21600 1", "snapshot-every-12-hours": "43200 1"}
# The service runs the server, so it keeps these to itself (G: the compatibility page of the service).
KEPT = "-config -shutdown -debug -replicaof -slaveof -failover -module -save -bgsave -bgrewriteaof -acl"
KEPT += " +acl|whoami +acl|cat +acl|genpass"


@dataclass(frozen=True)
class Source:
    """The database that another one copies."""

    host: str
    port: int
    user: str
    password: str
    tls: bool


@dataclass(frozen=True)
class Limits:
    """What the plan allows."""

    megabytes: int
    connections: int


def server(cloud: Cloud, database: Database) -> Server:
    """The container of a database."""
    return Server(cloud, f"redis-{database['databaseId']}", database["port"], database["host"])


def hashed(password: str) -> str:
    """As redis-server keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()


def settings(database: Database, limits: Limits) -> dict[str, str]:
    """What a running server takes too."""
    persistence = database["dataPersistence"]
    return {
        "maxmemory": f"{limits.megabytes}mb",
        "maxmemory-policy": database["dataEvictionPolicy"],
        "maxclients": str(limits.connections),
        "save": SAVE.get(persistence, ""),
        "appendonly": "yes" if persistence.startswith("aof") else "no",
        "appendfsync": "always" if persistence == "aof-every-write" else "everysec",
        "tls-ca-cert-file": CLIENTS,
        "tls-auth-clients": "yes" if database["clients"] else "no",
    }


def default_user(database: Database) -> bool:
    """Whether the user default may log in; each family has its own name for that."""
    security = database["security"]
    return bool(security.get("defaultUserEnabled", security.get("enableDefaultUser")))


def users(database: Database, others: Users) -> dict[str, str]:
    """Every user's rules: the keeper's, the default user's and those of the account's roles."""
    security = database["security"]
    on = "on" if default_user(database) else "off"
    found = {
        KEEPER: f"on #{hashed(database['keeper'])} ~* &* +@all",
        "default": f"{on} #{hashed(security['password'])} ~* &* +@all {KEPT}",
    }
    return {**found, **{name: f"on #{password} {rule} {KEPT}" for name, (password, rule) in others.items()}}


def config(database: Database, limits: Limits, others: Users) -> str:
    """redis.conf: of passwords only hashes are in it."""
    lines = [
        "bind 127.0.0.1",
        "protected-mode no",
        "dir /data",
        f"port {PLAIN}",
        f"tls-port {TLS}",
        f"tls-cert-file {CERTIFICATE}",
        f"tls-key-file {KEY}",
        f"unixsocket {SOCKET}",
        "unixsocketperm 700",
        "acl-pubsub-default allchannels",
        *(f"{name} {value or chr(34) * 2}" for name, value in settings(database, limits).items()),
        *(f"user {name} {rules}" for name, rules in users(database, others).items()),
    ]
    return "\n".join(lines) + "\n"


def gate(database: Database) -> dict[str, tuple[bytes, int]]:
    """The file of its gate: who may come in, and to which port of the server."""
    to = TLS if database["security"]["enableTls"] else PLAIN
    rules = {"listen": database["port"], "to": to, "sources": database["security"]["sourceIps"]}
    return {GATE: (json.dumps(rules).encode(), 0o644)}


def files(cloud: Cloud, database: Database, limits: Limits, others: Users) -> dict[str, tuple[bytes, int]]:
    """Everything in the container that depends on the database, but the certificate."""
    clients = "\n".join(database["clients"]) or cloud.ca.pem
    return {
        CONFIG: (config(database, limits, others).encode(), 0o600),
        **gate(database),
        CLIENTS: (clients.encode(), 0o644),
    }


async def start(cloud: Cloud, database: Database, limits: Limits, others: Users) -> None:
    """Make the container anew, with the data that its volume holds, and wait until it answers."""
    made = server(cloud, database)
    await made.run(
        [*GATE_PROGRAM, "redis-server", CONFIG], {**files(cloud, database, limits, others), **made.certificate()}
    )
    await made.ready(["redis-cli", "-s", SOCKET, "ping"], "NOAUTH")
    while "loading:0" not in await ask(cloud, database, "INFO persistence"):
        await asyncio.sleep(0.1)


async def change(cloud: Cloud, before: Database, database: Database, limits: Limits, others: Users) -> None:
    """Bring a running server in line. Connections live on."""
    made = server(cloud, database)
    await cloud.docker.put_files(made.name, files(cloud, database, limits, others))
    pairs = " ".join(f'{name} "{value}"' for name, value in settings(database, limits).items())
    wanted = users(database, others)
    there = (await ask(cloud, database, "ACL USERS")).split()
    commands = [f"CONFIG SET {pairs}"]
    commands += [f"ACL SETUSER {name} reset {rules}" for name, rules in wanted.items()]
    commands += [f"ACL DELUSER {name}" for name in there if name not in wanted]
    if before["dataPersistence"] != database["dataPersistence"] and database["dataPersistence"] in SAVE:
        commands.append("SAVE")
    await ask(cloud, database, *commands)
    stale = ["/data/appendonlydir"] if not database["dataPersistence"].startswith("aof") else []
    stale += ["/data/dump.rdb"] if database["dataPersistence"] == "none" else []
    if stale:
        await cloud.docker.execute(made.name, ["rm", "-rf", *stale])


async def follow(cloud: Cloud, database: Database, source: Source | None) -> None:
    """Copy a source from now on, or none any more. A link that does not come up is left to redis-server, which tries on."""
    if source is None:
        await ask(cloud, database, "REPLICAOF NO ONE")
        return
    tls = "yes" if source.tls else "no"
    login = f'masteruser "{source.user}" masterauth "{source.password}" tls-replication {tls} replica-read-only no'
    await ask(cloud, database, f"CONFIG SET {login}", f"REPLICAOF {source.host} {source.port}")
    for _ in range(100):
        if "master_link_status:up" in await ask(cloud, database, "INFO replication"):
            return
        await asyncio.sleep(0.1)


async def address(cloud: Cloud, database: Database) -> str:
    """Of its container; redis-server takes the first that a name has, and the gate listens on IPv4."""
    found = await cloud.docker.inspect(server(cloud, database).name)
    networks = (found or {}).get("NetworkSettings", {}).get("Networks", {})
    return str(networks.get(cloud.settings.network, {}).get("IPAddress") or database["host"])


async def move(cloud: Cloud, database: Database) -> None:
    """What clients see of a move to another plan: their connections end, the data is there."""
    await ask(cloud, database, "CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL TYPE pubsub")


async def used_megabytes(cloud: Cloud, database: Database) -> float:
    """Memory that the data takes."""
    found = re.search(r"used_memory_dataset:(\d+)", await ask(cloud, database, "INFO memory"))
    return int(found[1]) / 2**20 if found else 0.0


async def ask(cloud: Cloud, database: Database, *commands: str) -> str:
    """Answers to commands of the keeper. They travel in a file, since they may hold secrets."""
    name, path = server(cloud, database).name, f"/run/{secrets.token_hex(8)}"
    lines = [f"AUTH {KEEPER} {database['keeper']}", *commands]
    await cloud.docker.put_files(name, {path: (("\n".join(lines) + "\n").encode(), 0o600)})
    _, output = await cloud.docker.execute(name, ["sh", "-c", f"redis-cli -s {SOCKET} < {path}; rm {path}"])
    refused = [line for line in output.splitlines() if re.match("(ERR|WRONGPASS|NOPERM|NOAUTH|Could not) ", line)]
    if refused:
        raise RuntimeError(f"redis-server {name}: {'; '.join(refused)[:300]}")
    return output
