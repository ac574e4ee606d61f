"""A database of Pro that speaks memcached: a memcached-server with one user. Same functions as server.py.

What it holds is in memory only. Its size is the one that it had when it was started.
"""

from __future__ import annotations

import secrets

from local_cloud.cloud import Cloud
from local_cloud.redis_cloud.server import FOLDER, GATE_PROGRAM, PLAIN, TLS, Database, Limits, Users, gate, server
from local_cloud.servers import CERTIFICATE, KEY

SASL, USERS = f"{FOLDER}/memcached.conf", f"{FOLDER}/sasldb"  # the name of the first is memcached's own
MECHANISMS = f"mech_list: plain\nsasldb_path: {USERS}\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
# Replaces the users at once, so that no login falls between the old and the new.
SET_USER = 'saslpasswd2 -p -c -a memcached -f "$1.new" "$2" < "$3" && mv "$1.new" "$1"; code=$?; rm "$3"; exit $code'


def _command(limits: Limits) -> list[str]:
    listen = ["-l", f"notls:127.0.0.1:{PLAIN}", "-l", f"127.0.0.1:{TLS}"]
    tls = ["-Z", "-o", f"ssl_chain_cert={CERTIFICATE},ssl_key={KEY}"]
    size = ["-m", str(limits.megabytes), "-c", str(limits.connections)]
    return ["env", f"SASL_CONF_PATH={FOLDER}", "memcached", "-S", "-u", "root", *listen, *tls, *size]


async def start(cloud: Cloud, database: Database, limits: Limits, others: Users) -> None:
    """Make the container anew, empty, and wait until it listens."""
    made = server(cloud, database)
    files = {SASL: (MECHANISMS.encode(), 0o644), **gate(database), **made.certificate()}
    await made.run([*GATE_PROGRAM, *_command(limits)], files)
    await made.ready(
        ["python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PLAIN})); print('up')"], "up"
    )
    await change(cloud, database, database, limits, others)


async def change(cloud: Cloud, before: Database, database: Database, limits: Limits, others: Users) -> None:
    """Bring a running server in line. Connections live on."""
    del before, limits, others  # of redis-server only
    name, path = server(cloud, database).name, f"/run/{secrets.token_hex(8)}"
    await cloud.docker.put_files(name, {**gate(database), path: (database["sasl"]["password"].encode(), 0o600)})
    command = ["sh", "-c", SET_USER, "sh", USERS, database["sasl"]["username"], path]
    code, output = await cloud.docker.execute(name, command)
    if code:
        raise RuntimeError(f"memcached {name}: {output.strip()[:300]}")
