"""Database servers as containers of the local cloud's own image: same port inside, on 6PN and on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.docker import DockerError

CERTIFICATE, KEY = "/etc/opsmap/tls.crt", "/etc/opsmap/tls.key"


class Server:
    """One container with a volume at /data. ``name`` is unique in the instance; ``more_ports`` are published too."""

    def __init__(self, cloud: Cloud, name: str, port: int, host: str, more_ports: Sequence[int] = ()) -> None:
        self.cloud = cloud
        self.name = f"{cloud.settings.prefix}-{name}"
        self.port = port
        self.host = host
        self.ports = [port, *more_ports]

    async def run(
        self, command: list[str], files: dict[str, tuple[bytes, int]], more_names: Sequence[str] = ()
    ) -> None:
        """Make it anew with these files, reachable under its host and more names; the data in its volume stays."""
        cloud = self.cloud
        labels = cloud.settings.labels
        await cloud.docker.make_volume(self.name, labels)
        bindings = {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for port in self.ports}
        names = [self.host, *more_names]
        body: dict[str, Any] = {
            "Image": cloud.settings.image,
            "Cmd": command,
            "Labels": labels,
            "StopSignal": "SIGTERM",
            "ExposedPorts": {port: {} for port in bindings},
            "HostConfig": {
                "Init": True,
                "RestartPolicy": {"Name": "unless-stopped"},
                "NetworkMode": cloud.settings.network,
                "PortBindings": bindings,
                "Mounts": [{"Type": "volume", "Source": self.name, "Target": "/data"}],
            },
            "NetworkingConfig": {"EndpointsConfig": {cloud.settings.network: {"Aliases": names}}},
        }
        await cloud.docker.stop(self.name, 10)
        await cloud.docker.remove(self.name)
        await cloud.docker.create(self.name, body)
        await cloud.docker.put_files(self.name, files)
        await cloud.docker.start(self.name)

    def certificate(self, more_names: Sequence[str] = ()) -> dict[str, tuple[bytes, int]]:
        """Files with a certificate for its names."""
        chain, key = self.cloud.ca.issue([self.host, *more_names, "localhost", "127.0.0.1"])
        return {CERTIFICATE: (chain.encode(), 0o644), KEY: (key.encode(), 0o600)}

    async def ready(self, command: list[str], says: str, attempts: int = 300) -> None:
        """Wait until a command in it says so; an exception tells what it said instead."""
        output = ""
        for _ in range(attempts):
            try:
                code, output = await self.cloud.docker.execute(self.name, command)
            except DockerError as problem:  # not there yet, or it restarts
                code, output = 1, str(problem)
            if code == 0 and says in output:
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{self.name} does not become ready: {output.strip()[:300]}")

    async def running(self) -> bool:
        """Whether it runs."""
        found = await self.cloud.docker.inspect(self.name)
        return bool(found and found["State"]["Running"])

    async def remove(self) -> None:
        """Remove it with its data."""
        await self.cloud.docker.remove(self.name)
        await self.cloud.docker.remove_volume(self.name)
        for port in self.ports:
            self.cloud.free_port(port)
