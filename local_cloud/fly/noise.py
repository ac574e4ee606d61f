"""What a machine looks like when it is read back: differences that mean nothing (reference fly 5.2), row by row.

Which form a field takes where the reference names several depends on the config only, so that two reads agree.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from local_cloud.config import NOISE_ROWS
from local_cloud.fly.durations import seconds

Part = dict[str, Any]
SHARED = {f"shared-cpu-{cpus}x": ("shared", cpus, 256 * cpus) for cpus in (1, 2, 4, 6, 8)}
PERFORMANCE = {f"performance-{cpus}x": ("performance", cpus, 2048 * cpus) for cpus in (1, 2, 4, 6, 8, 10, 12, 14, 16)}
PRESETS = {**SHARED, **PERFORMANCE}
LISTS = ("services", "mounts", "files", "statics", "standbys", "processes")
SERVICE_ZEROS: Part = {"autostart": False, "min_machines_running": 0}
PORT_ZEROS: Part = {"force_https": False}
PERSIST = {"never": 1, "restart": 2, "always": 3}
GO_UNITS = (("h", 3_600_000_000_000), ("m", 60_000_000_000))


def noisy(config: Part, rows: Collection[int] = NOISE_ROWS) -> Part:
    """The config as the server echoes it, with the differences of these rows."""
    made: Part = json.loads(json.dumps(config))  # a config is JSON, and no part of the copy is shared
    for row, change in CHANGES:
        if row in rows:
            change(made)
    if 22 in rows and config.get("size"):
        made["size"] = config["size"]
    return made


def noisy_machine(shown: Part, rows: Collection[int] = NOISE_ROWS) -> Part:
    """A machine as the API shows it, with the differences that are outside of its config."""
    made = {**shown, "config": noisy(shown["config"], rows)} if shown.get("config") else dict(shown)
    reference = made.get("image_ref") or {}
    if 16 in rows and reference.get("registry") == "registry-1.docker.io" and "/" not in reference["repository"]:
        made["image_ref"] = {**reference, "repository": f"library/{reference['repository']}"}
    if 20 in rows and made.get("checks"):
        made["checks"] = [*made["checks"], {**made["checks"][0], "name": "bg_deployments_compat_app"}]
    if 23 in rows:
        made.setdefault("host_features", [])
    return made


def services(config: Part) -> Iterator[Part]:
    """Its services."""
    yield from config.get("services") or []


def ports(config: Part) -> Iterator[Part]:
    """The ports of its services."""
    for service in services(config):
        yield from service.get("ports") or []


def checks(config: Part) -> Iterator[Part]:
    """All checks, of services and its own."""
    for service in services(config):
        yield from service.get("checks") or []
    yield from (config.get("checks") or {}).values()


def form(config: Part, forms: int) -> int:
    """One of several forms, the same for the same config."""
    return zlib.crc32(json.dumps(config, sort_keys=True, default=str).encode()) % forms


def empty_init(config: Part) -> None:
    """1: there is always an init."""
    config["init"] = config.get("init") or {}


def empty_dns(config: Part) -> None:
    """2: there is always a dns."""
    config["dns"] = config.get("dns") or {}


def nulls(config: Part) -> None:
    """3: what is empty is left out, what is left out is null or empty."""
    given = set(config)
    for key in [key for key, value in config.items() if value in ({}, [])]:
        del config[key]
    for key in {"env", "metadata"} - given:
        config[key] = None
    config["init"] = {**dict.fromkeys(("exec", "entrypoint", "cmd")), **(config.get("init") or {})}
    for key in LISTS:
        if key not in given:
            config[key] = []
    for service in services(config):
        service.setdefault("ports", None)
        service.setdefault("checks", [])
        service.setdefault("concurrency", None)
    for port in ports(config):
        port.setdefault("handlers", None)


def guest(config: Part) -> None:
    """4: the guest is filled in, a preset written out."""
    kind, cpus, memory = PRESETS.get(config.get("size") or "", ("shared", 1, 256))
    given = config.get("guest") or {}
    if given.get("cpu_kind") == "performance" and not config.get("size"):
        memory = 2048 * int(given.get("cpus") or 1)
    config["guest"] = {"cpu_kind": kind, "cpus": cpus, "memory_mb": memory, **given}
    config.pop("size", None)


def restart(config: Part) -> None:
    """5: the default policy in one of its forms; other policies with a number that says nothing."""
    given = {key: value for key, value in (config.get("restart") or {}).items() if value}
    policy, retries = given.pop("policy", "on-failure"), given.pop("max_retries", 10)
    if (policy, retries) == ("on-failure", 10):
        forms: list[Part] = [{}, {"policy": ""}, {"policy": "on-failure"}, {"policy": "on-failure", "max_retries": 10}]
        config["restart"] = {**given, **forms[form(config, len(forms))]}
    else:
        config["restart"] = {**given, "policy": policy, "max_retries": retries}


def autostop(config: Part) -> None:
    """6: off and stop are read as false and true."""
    for service in services(config):
        if service.get("autostop") in ("off", "stop"):
            service["autostop"] = service["autostop"] == "stop"


def zeros(config: Part) -> None:
    """7: zeros that were given are left out, those that were left out are there."""
    zeroed: list[tuple[Part, Part]] = [(config, {"auto_destroy": False})]
    zeroed += [(service, SERVICE_ZEROS) for service in services(config)]
    zeroed += [(port, PORT_ZEROS) for port in ports(config)]
    for part, known in zeroed:
        for key, zero in known.items():
            if key not in part:
                part[key] = zero
            elif not part[key]:
                del part[key]
    if config.get("init"):
        config["init"].setdefault("tty", False)


def instance_key(config: Part) -> None:
    """8: every service has the key."""
    for service in services(config):
        service.setdefault("force_instance_key", None)


def statics(config: Part) -> None:
    """9: every static has all fields."""
    for static in config.get("statics") or []:
        static.setdefault("tigris_bucket", "")
        static.setdefault("index_document", "")


def go_duration(value: str | int) -> str:
    """As Go writes it: 90s is 1m30s, 60s is 1m0s, 1500ms is 1.5s."""
    left = value if isinstance(value, int) else round(seconds(value, 0.0) * 1e9)
    if left < 1_000_000_000:
        unit, size = next(((u, n) for u, n in (("ms", 1_000_000), ("\u00b5s", 1_000)) if left >= n), ("ns", 1))
        return f"{left / size:.6f}".rstrip("0").rstrip(".") + unit if left else "0s"
    text = ""
    for unit, size in GO_UNITS:
        number, left = divmod(left, size)
        text += f"{number}{unit}" if number or text else ""
    return text + f"{left / 1e9:.9f}".rstrip("0").rstrip(".") + "s"


def durations(config: Part) -> None:
    """10: durations are rendered anew, or numbers."""
    for check in checks(config):
        for key in ("interval", "timeout"):
            if check.get(key):
                check[key] = go_duration(check[key])
        if check.get("grace_period"):
            check["grace_period"] = round(seconds(check["grace_period"], 0.0) * 1e9)
    stop = config.get("stop_config") or {}
    if stop.get("timeout"):
        stop["timeout"] = go_duration(stop["timeout"])


def handlers(config: Part) -> None:
    """11: in another order."""
    for port in ports(config):
        if port.get("handlers"):
            port["handlers"] = port["handlers"][::-1]


def order(config: Part) -> None:
    """12: ports, services and checks in another order."""
    for service in services(config):
        for key in ("ports", "checks"):
            if service.get(key):
                service[key] = service[key][::-1]
    if config.get("services"):
        config["services"] = config["services"][::-1]


def mounts(config: Part) -> None:
    """13: a mount says what its volume is."""
    for mount in config.get("mounts") or []:
        for key, value in (("name", "data"), ("encrypted", True), ("size_gb", 1)):
            mount.setdefault(key, value)


def metadata(config: Part) -> None:
    """14: keys of flyctl and other tools."""
    others = {"fly_flyctl_version": "0.3.200", "fly_release_id": "rel_1", "other_tool": "here"}
    config["metadata"] = {**others, **(config.get("metadata") or {})}


def env(config: Part) -> None:
    """15: variables of flyctl."""
    group = (config.get("metadata") or {}).get("fly_process_group") or "app"
    config["env"] = {"FLY_PROCESS_GROUP": group, "PRIMARY_REGION": "ewr", **(config.get("env") or {})}


def header_names(config: Part) -> None:
    """17: names of headers in another case."""
    for check in checks(config):
        for header in check.get("headers") or []:
            name = header["name"]
            header["name"] = name.lower() if name != name.lower() else name.title()


def persist_rootfs(config: Part) -> None:
    """18: a number, or none."""
    if config.get("guest"):
        given = config["guest"].get("persist_rootfs")
        config["guest"]["persist_rootfs"] = PERSIST.get(given, given) if given else "none"


def env_text(config: Part) -> None:
    """19: every variable is text. The server refuses others, so this shows only where a config never went there."""
    for key, value in (config.get("env") or {}).items():
        config["env"][key] = str(value).lower() if isinstance(value, bool) else str(value)


def legacy(config: Part) -> None:
    """22: a service's autostart once more. The other echo, ``size``, is in ``noisy``: only who sent it gets it back."""
    config.setdefault("disable_machine_autostart", False)


def future(config: Part) -> None:
    """23: keys that are newer than any description, at every level."""
    config.setdefault("cache_drive", {"size_mb": 1024})
    parts = [config, *services(config), *ports(config), *checks(config)]
    parts += [config[key] for key in ("guest", "init", "restart", "stop_config", "metrics") if config.get(key)]
    for part in parts:
        part.setdefault("future_option", {"level": 1})


def files(config: Part) -> None:
    """24: content is encoded anew; the mode is 0 where none was given."""
    for item in config.get("files") or []:
        if item.get("raw_value"):
            plain = "".join(item["raw_value"].split()).replace("-", "+").replace("_", "/").rstrip("=")
            item["raw_value"] = base64.b64encode(base64.b64decode(plain + "=" * (-len(plain) % 4))).decode()
        item.setdefault("mode", 0)


# In the order in which they are made. 16, 20 and 23 touch the machine around the config too; 21 needs nothing: every machine
# has an address, an instance and events of its own.
CHANGES: list[tuple[int, Callable[[Part], None]]] = [
    (19, env_text),
    (3, nulls),
    (7, zeros),
    (4, guest),
    (5, restart),
    (6, autostop),
    (8, instance_key),
    (9, statics),
    (10, durations),
    (11, handlers),
    (12, order),
    (13, mounts),
    (14, metadata),
    (15, env),
    (17, header_names),
    (18, persist_rootfs),
    (24, files),
    (1, empty_init),
    (2, empty_dns),
    (22, legacy),
    (23, future),
]
