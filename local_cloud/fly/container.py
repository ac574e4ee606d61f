"""A machine's config as a container: pure, no Docker here."""

from __future__ import annotations

import base64
from typing import Any

Machine = dict[str, Any]


def image_reference(image: str, registry: str) -> str:
    """Where the engine pulls an image from: Fly's registry by any of its names is the instance's own."""
    host, _, rest = image.partition("/")
    return f"{registry}/{rest}" if host in ("registry.fly.io", registry) or host.startswith("127.0.0.1:") else image


def aliases(app: str, machine: Machine) -> list[str]:
    """Names on 6PN (reference fly 3.1); Docker answers them for running containers only, as Fly does."""
    config = machine["config"]
    group = (config.get("metadata") or {}).get("fly_process_group")
    if (config.get("dns") or {}).get("skip_registration"):
        return [f"{machine['id']}.vm.{app}.internal"]
    names = [
        f"{app}.internal",
        f"global.{app}.internal",
        f"{machine['region']}.{app}.internal",
        f"{machine['id']}.vm.{app}.internal",
        f"top1.nearest.of.{app}.internal",
    ]
    return [*names, f"{group}.process.{app}.internal"] if group else names


def environment(app: str, machine: Machine, secrets: dict[str, str], base: list[str]) -> list[str]:
    """The image's variables, then the config's, then secrets, then what the platform adds."""
    config = machine["config"]
    values = dict(item.split("=", 1) for item in base)
    values.update({key: str(value) for key, value in (config.get("env") or {}).items()})
    values.update(secrets)
    guest = config.get("guest") or {}
    values.update(
        FLY_APP_NAME=app,
        FLY_MACHINE_ID=machine["id"],
        FLY_ALLOC_ID=machine["id"],
        FLY_REGION=machine["region"],
        FLY_IMAGE_REF=config["image"],
        FLY_MACHINE_VERSION=machine["instance_id"],
        FLY_VM_MEMORY_MB=str(guest.get("memory_mb", 256)),
    )
    return [f"{key}={value}" for key, value in values.items()]


def files(config: dict[str, Any], secrets: dict[str, str]) -> dict[str, tuple[bytes, int]]:
    """Files to write before the start: path -> content and mode."""
    made: dict[str, tuple[bytes, int]] = {}
    for item in config.get("files") or []:
        encoded = item.get("raw_value") or secrets.get(item.get("secret_name") or "")
        if encoded is not None:
            made[item["guest_path"]] = (base64.b64decode(encoded), item.get("mode") or 0o644)
    return made


def container_config(
    app: str,
    machine: Machine,
    image: str,
    secrets: dict[str, str],
    names: dict[str, str],
    labels: dict[str, str],
    base: Any,
) -> dict[str, Any]:
    """The body of Docker's create. names: ``network``, and ``volume:<id>`` -> Docker volume."""
    config, guest = machine["config"], machine["config"].get("guest") or {}
    init = config.get("init") or {}
    made: dict[str, Any] = {
        "Image": image,
        "Hostname": machine["id"],
        "Env": environment(app, machine, secrets, base or []),
        "Labels": {**labels, "dev.opsmap.machine": machine["id"], "dev.opsmap.app": app},
        "HostConfig": {
            "Init": True,
            "Memory": int(guest.get("memory_mb", 256)) * 2**20,
            "NanoCpus": int(guest.get("cpus", 1)) * 10**9,
            "NetworkMode": names["network"],
            "Mounts": [
                {"Type": "volume", "Source": names[f"volume:{mount['volume']}"], "Target": mount["path"]}
                for mount in config.get("mounts") or []
            ],
        },
        "NetworkingConfig": {"EndpointsConfig": {names["network"]: {"Aliases": aliases(app, machine)}}},
    }
    if init.get("exec"):
        made["Entrypoint"], made["Cmd"] = init["exec"], []
    else:
        if init.get("entrypoint"):
            made["Entrypoint"] = init["entrypoint"]
        if init.get("cmd"):
            made["Cmd"] = init["cmd"]
    return made
