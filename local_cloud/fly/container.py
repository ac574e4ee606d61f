"""A machine's config as a container: pure, no Docker here."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from local_cloud.fly import processes
from local_cloud.fly.platform import guest_of

Machine = dict[str, Any]
Files = dict[str, tuple[bytes, int]]
LABEL = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$")


@dataclass(frozen=True)
class Surroundings:
    """What a container gets from outside its config. network, volumes (Fly id -> Docker name): names in the engine."""

    image: str
    image_config: dict[str, Any]
    network: str
    secrets: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    processors: int = 64


def image_reference(image: str, registry: str) -> str:
    """Where the engine pulls an image from: Fly's registry by any of its names is the instance's own."""
    host, _, rest = image.partition("/")
    return f"{registry}/{rest}" if host in ("registry.fly.io", registry) or host.startswith("127.0.0.1:") else image


def address(subnet: str, machine_id: str) -> str:
    """An IPv6 address of the machine's own, the same over starts; '' without a subnet."""
    if not subnet:
        return ""
    network = ipaddress.IPv6Network(subnet)
    host = (int(machine_id, 16) << 8 | 2) & int(network.hostmask)
    return str(network.network_address + host)


def aliases(app: str, machine: Machine) -> list[str]:
    """Names on 6PN (reference fly 3.1); Docker answers them for running containers only, as Fly does."""
    config = machine["config"]
    metadata = config.get("metadata") or {}
    own = f"{machine['id']}.vm.{app}.internal"
    if (config.get("dns") or {}).get("skip_registration"):
        return [own]
    names = [
        f"{app}.internal",
        f"global.{app}.internal",
        f"{machine['region']}.{app}.internal",
        own,
        f"top1.nearest.of.{app}.internal",
    ]
    if metadata.get("fly_process_group"):
        names.append(f"{metadata['fly_process_group']}.process.{app}.internal")
    pairs = [(key, value) for key, value in metadata.items() if LABEL.match(key) and LABEL.match(value)]
    return [*names, *(f"{value}.{key}.kv._metadata.{app}.internal" for key, value in pairs)]


def environment(app: str, machine: Machine, secrets: dict[str, str], base: list[str]) -> dict[str, str]:
    """The image's variables, then the config's, then secrets, then what the platform adds."""
    config = machine["config"]
    values = dict(item.split("=", 1) for item in base)
    values.update(config.get("env") or {})
    values.update(secrets)
    values.update(
        FLY_APP_NAME=app,
        FLY_MACHINE_ID=machine["id"],
        FLY_ALLOC_ID=machine["id"],
        FLY_REGION=machine["region"],
        FLY_IMAGE_REF=config["image"],
        FLY_MACHINE_VERSION=machine["instance_id"],
        FLY_PRIVATE_IP=machine.get("private_ip", ""),
        FLY_VM_MEMORY_MB=str(guest_of(config)[2]),
    )
    return values


def files(config: dict[str, Any], secrets: dict[str, str]) -> Files:
    """Files to write before the start: path -> content and mode. A ValueError names a secret that is missing or wrong."""
    made: Files = {}
    for item in config.get("files") or []:
        path, secret = item["guest_path"], item.get("secret_name")
        if secret and secret not in secrets:
            raise ValueError(f"file {path}: secret {secret} is not set")
        try:
            content = base64.b64decode(secrets[secret] if secret else item["raw_value"], validate=bool(secret))
        except binascii.Error:
            raise ValueError(f"file {path}: secret {secret} is no base64") from None
        made[path] = (content, item.get("mode") or 0o644)
    return made


def command_of(init: dict[str, Any], image: dict[str, Any]) -> tuple[list[str] | None, list[str] | None]:
    """Entrypoint and arguments: ``exec`` replaces everything, the others one each (reference fly 2.7)."""
    if init.get("exec"):
        return init["exec"], []
    return init.get("entrypoint") or image.get("Entrypoint"), init.get("cmd") or image.get("Cmd")


def container_config(app: str, machine: Machine, around: Surroundings) -> tuple[dict[str, Any], Files]:
    """The body of Docker's create, and the files to put into the container."""
    config = machine["config"]
    init, dns = config.get("init") or {}, config.get("dns") or {}
    given = environment(app, machine, around.secrets, around.image_config.get("Env") or [])
    entrypoint, arguments = command_of(init, around.image_config)
    made: dict[str, Any] = {
        "Image": around.image,
        "Hostname": dns.get("hostname") or machine["id"],
        "Env": [f"{key}={value}" for key, value in given.items()],
        "Labels": {**around.labels, "dev.opsmap.machine": machine["id"], "dev.opsmap.app": app},
        "Tty": bool(init.get("tty")),
        "OpenStdin": bool(init.get("tty")),
        "Entrypoint": entrypoint,
        "Cmd": arguments,
        "HostConfig": _host(machine, around),
        "NetworkingConfig": {"EndpointsConfig": {around.network: _endpoint(app, machine)}},
    }
    wanted = files(config, around.secrets)
    if dns.get("hostname_fqdn"):
        made["Hostname"], _, made["Domainname"] = str(dns["hostname_fqdn"]).partition(".")
    if config.get("processes"):
        facts = {"app_name": app, "id": machine["id"], "region": machine["region"], "image": config["image"]}
        facts.update(version=machine["instance_id"], private_ip=machine.get("private_ip", ""))
        script = processes.script(config["processes"], around.image_config, around.secrets, facts)
        wanted[processes.PATH] = (script.encode(), 0o600)
        made.update(Entrypoint=["/bin/sh", processes.PATH], Cmd=[], User="root")
    return made, wanted


def _host(machine: Machine, around: Surroundings) -> dict[str, Any]:
    config = machine["config"]
    init, dns = config.get("init") or {}, config.get("dns") or {}
    _, cpus, megabytes = guest_of(config)
    memory, swap = megabytes * 2**20, (init.get("swap_size_mb") or 0) * 2**20
    private = machine.get("private_ip", "")
    return {
        "Init": True,
        "Memory": memory,
        "MemorySwap": memory + swap,
        "NanoCpus": min(cpus, around.processors) * 10**9,
        "NetworkMode": around.network,
        "Mounts": [
            {"Type": "volume", "Source": around.volumes[mount["volume"]], "Target": mount["path"]}
            for mount in config.get("mounts") or []
        ],
        "ExtraHosts": ["fly-global-services:0.0.0.0", *([f"fly-local-6pn:{private}"] if private else [])],
        "Dns": dns.get("nameservers") or [],
        "DnsSearch": dns.get("searches") or [],
        "DnsOptions": [_option(item) for item in dns.get("options") or []],
    }


def _endpoint(app: str, machine: Machine) -> dict[str, Any]:
    made: dict[str, Any] = {"Aliases": aliases(app, machine)}
    if machine.get("private_ip"):
        made["IPAMConfig"] = {"IPv6Address": machine["private_ip"]}
    return made


def _option(item: dict[str, Any]) -> str:
    return f"{item['name']}:{item['value']}" if item.get("value") else str(item["name"])


def keeps_rootfs(config: dict[str, Any]) -> bool:
    """Whether a start goes on with the files of the last run."""
    kept = (config.get("rootfs") or {}).get("persist") or (config.get("guest") or {}).get("persist_rootfs")
    return kept in ("restart", "always", 2, 3)


def can_suspend(config: dict[str, Any]) -> bool:
    """At most 2 GB of memory, no swap, no schedule (reference fly 2.2); what cannot be suspended is stopped."""
    swap = (config.get("init") or {}).get("swap_size_mb")
    return guest_of(config)[2] <= 2048 and not swap and not config.get("schedule")


def unavailable(config: dict[str, Any]) -> str:
    """Why no host takes such a machine; '' if one does. It is accepted and fails later."""
    if config.get("containers"):
        return "containers are not enabled for this organization"
    if (config.get("guest") or {}).get("gpu_kind") or (config.get("guest") or {}).get("gpus"):
        return "no host with GPUs is available"
    return ""
