"""Flycast: private addresses of apps (reference fly 3.4).

Each address is a small container on 6PN that has it, and the name ``<app>.flycast``. It passes connections to the proxy with a
PROXY line that says to which address and port they were made: ``python -m local_cloud.flycast PROXY_HOST PROXY_PORT ADDRESS PORT...``
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import Any

from local_cloud import wire
from local_cloud.cloud import Cloud
from local_cloud.docker import DockerError
from local_cloud.http1 import pipe
from local_cloud.routes import Routes, kind_of

log = logging.getLogger("local_cloud.flycast")
LOOK_SECONDS = 0.5
PROXY = "local-cloud.internal"
MANY = 256  # ports of a range that are listened on
Wanted = dict[str, tuple[str, str, tuple[int, ...]]]  # container -> app, address, ports


def wanted(cloud: Cloud, routes: Routes) -> Wanted:
    """The containers that there should be."""
    found: Wanted = {}
    for item in cloud.store.list("ip"):
        if kind_of(item) == "private_v6":
            ports: set[int] = set()
            for machine in routes.machines(item["app"]):
                for service in machine["config"].get("services") or []:
                    for spec in service.get("ports") or []:
                        low = spec.get("port") or spec.get("start_port") or 0
                        ports |= set(range(low, min(spec.get("port") or spec.get("end_port") or low, low + MANY) + 1))
            name = f"{cloud.settings.prefix}-flycast-{item['ip'].rsplit(':', 1)[1]}"
            found[name] = (item["app"], item["ip"], tuple(sorted(ports - {0})))
    return found


async def keep(cloud: Cloud, routes: Routes) -> None:
    """Bring the containers in line with the addresses."""
    labels = {**cloud.settings.labels, "dev.opsmap.flycast": "true"}
    running: Wanted = {}
    for container in await cloud.docker.containers(labels):
        await cloud.docker.remove(container["Id"])
    stamp: tuple[int, ...] = ()
    while True:
        now = cloud.store.stamp("ip", "machine")
        if now != stamp:
            try:
                await _align(cloud, running, wanted(cloud, routes), labels)
                stamp = now
            except DockerError as problem:
                log.warning("flycast: %s", problem)
        await asyncio.sleep(LOOK_SECONDS)


async def _align(cloud: Cloud, running: Wanted, found: Wanted, labels: dict[str, str]) -> None:
    for name in list(running):
        if running[name] != found.get(name):
            await cloud.docker.remove(name)
            del running[name]
    for name, entry in found.items():
        if name not in running and entry[2]:
            await _run(cloud, name, *entry, labels)
            running[name] = entry


async def _run(cloud: Cloud, name: str, app: str, address: str, ports: tuple[int, ...], labels: dict[str, str]) -> None:
    settings = cloud.settings
    python = [sys.executable, "-m", "local_cloud.flycast", PROXY, str(wire.FLYCAST_PORT), address]
    endpoint = {"IPAMConfig": {"IPv6Address": address}, "Aliases": [f"{app}.flycast"]}
    body: dict[str, Any] = {
        "Image": settings.image,
        "Cmd": [*python, *map(str, ports)],
        "Labels": labels,
        "StopSignal": "SIGTERM",
        "HostConfig": {"Init": True, "NetworkMode": settings.network},
        "NetworkingConfig": {"EndpointsConfig": {settings.network: endpoint}},
    }
    await cloud.docker.remove(name)
    await cloud.docker.create(name, body)
    await cloud.docker.start(name)


async def serve(proxy: str, proxy_port: int, address: str, ports: list[int]) -> None:
    """Run in the container of an address, until it is removed."""

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client, port = writer.get_extra_info("peername"), writer.get_extra_info("sockname")[1]
        ip = client[0] if ":" in client[0] else f"::ffff:{client[0]}"
        try:
            up_reader, up_writer = await asyncio.open_connection(proxy, proxy_port, family=socket.AF_INET)
        except OSError as problem:
            log.warning("the proxy does not answer: %s", problem)
            writer.close()
            return
        up_writer.write(wire.line(ip, client[1], address, port))
        await asyncio.gather(pipe(reader, up_writer), pipe(up_reader, writer))
        writer.close()
        up_writer.close()

    for port in ports:
        await asyncio.start_server(passed, None, port, backlog=1024)  # both families: the name has both
    await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], [int(port) for port in sys.argv[4:]]))
