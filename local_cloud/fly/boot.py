"""What a machine's container is made of, and making it: image, secrets, address, files."""

from __future__ import annotations

import base64
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.fly import container, engine

Machine = dict[str, Any]


class Boot:
    """Makes containers, does not start them. A DockerError or ValueError says why not."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._subnet: str | None = None
        self._processors = 0

    def name(self, machine_id: str) -> str:
        """The container's name."""
        return f"{self.cloud.settings.prefix}-m-{machine_id}"

    def volume(self, volume_id: str) -> str:
        """The Docker volume of a Fly volume."""
        return f"{self.cloud.settings.prefix}-{volume_id}"

    def secrets(self, app: str) -> dict[str, str]:
        """The secrets of an app as they are now."""
        found = (item for item in self.cloud.store.list("secret") if item["app"] == app)
        return {item["name"]: item["value"] for item in found}

    async def address(self, machine_id: str) -> str:
        """The machine's IPv6 address on 6PN."""
        if self._subnet is None:
            self._subnet = await engine.subnet(self.cloud.docker, self.cloud.settings.network)
        return container.address(self._subnet, machine_id)

    async def make(self, machine: Machine, again: bool) -> Machine:
        """Make the container. again: the same one as last time, staged secrets stay where they are.

        Gives the machine with what was found out: ``private_ip``, and ``image``, the digest that its version runs.
        """
        reason = container.unavailable(machine["config"])
        if reason:
            raise ValueError(reason)
        name, docker = self.name(machine["id"]), self.cloud.docker
        known = self.cloud.store.get("boot", machine["id"])
        same = known and known["instance_id"] == machine["instance_id"]
        if same and container.keeps_rootfs(machine["config"]) and await docker.inspect(name):
            return machine
        if not (again and same and known):
            machine, known = await self.assembled(machine)
            self.cloud.store.put("boot", machine["id"], known)
        await docker.remove(name)
        await docker.create(name, known["body"])
        wanted = {path: (base64.b64decode(text), mode) for path, (text, mode) in known["files"].items()}
        if wanted:
            await docker.put_files(name, wanted)
        return machine

    async def assembled(self, machine: Machine) -> tuple[Machine, dict[str, Any]]:
        """The machine with its image and address, and all that its container is made of."""
        machine = {**machine, "private_ip": await self.address(machine["id"])}
        image, found = await self.image(machine)
        if not self._processors:
            self._processors = await engine.processors(self.cloud.docker)
        around = container.Surroundings(
            image=image,
            image_config=found.get("Config") or {},
            network=self.cloud.settings.network,
            secrets={} if machine.get("skip_secrets") else self.secrets(machine["app"]),
            volumes={m["volume"]: self.volume(m["volume"]) for m in machine["config"].get("mounts") or []},
            labels=self.cloud.settings.labels,
            processors=self._processors,
        )
        body, files = container.container_config(machine["app"], machine, around)
        encoded = {path: [base64.b64encode(content).decode(), mode] for path, (content, mode) in files.items()}
        kept = {"id": machine["id"], "instance_id": machine["instance_id"], "body": body, "files": encoded}
        digests = [item.partition("@")[2] for item in found.get("RepoDigests") or [] if _base(item) == _base(image)]
        machine["image"] = {"reference": image, "digest": digests[0] if digests else ""}
        return machine, kept

    async def image(self, machine: Machine) -> tuple[str, dict[str, Any]]:
        """The reference of its image, and what the engine knows of it. A version keeps the digest of its first boot."""
        docker = self.cloud.docker
        reference = container.image_reference(machine["config"]["image"], f"localhost:{self.cloud.settings.port(4)}")
        if reference == _base(reference):
            reference += ":latest"
        pinned = (machine.get("image") or {}).get("digest")
        if pinned and "@" not in reference:
            reference = f"{_base(reference)}@{pinned}"
        if "@" not in reference or await docker.image(reference) is None:
            await docker.pull(reference, "x", self.cloud.settings.tokens["fly"])
        return reference, await docker.image(reference) or {}


def _base(reference: str) -> str:
    """A reference without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]
