# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MachineConfig: what Fly.io reads back, brought to one form, compared and merged.

The rows of the rule book are those of the published field types: empty objects, nulls, re-rendered durations, filled-in
defaults, order of ports and handlers. Both sides go through ``canonical``, so it does not matter which side has which form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Fields that belong to whoever declares the config: what is not declared is taken away. All others are compared when given.
OWNED = ("init", "env", "services", "checks", "statics", "metrics", "files", "stop_config", "restart", "schedule")
KNOWN = frozenset(
    [
        "protocol",
        "internal_port",
        "autostop",
        "autostart",
        "min_machines_running",
        "ports",
        "concurrency",
        "checks",
        "port",
        "start_port",
        "end_port",
        "handlers",
        "force_https",
        "tls_options",
        "http_options",
        "proxy_proto_options",
        "type",
        "soft_limit",
        "hard_limit",
        "interval",
        "timeout",
        "grace_period",
        "method",
        "path",
        "tls_skip_verify",
        "tls_server_name",
        "headers",
        "kind",
        "cmd",
        "entrypoint",
        "exec",
        "tty",
        "swap_size_mb",
        "guest_path",
        "raw_value",
        "secret_name",
        "mode",
        "url_prefix",
        "policy",
        "max_retries",
        "signal",
        "https",
        "alpn",
        "versions",
        "compress",
        "h2_backend",
        "response",
        "pristine",
        "idle_timeout",
    ]
)
DURATIONS = frozenset({"interval", "timeout", "grace_period", "idle_timeout", "headers_read_timeout"})
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PERSIST = {0: None, "": None, "none": None, "never": None, 1: None, 2: "restart", 3: "always"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "concurrency": {"type": "connections", "soft_limit": 20},
    "check": {"method": "GET", "protocol": "http", "kind": "informational"},
    "restart": {"policy": "on-failure", "max_retries": 10},
    "stop_config": {"signal": "SIGINT", "timeout": 5_000_000_000},
}


def nanoseconds(value: Any) -> Any:
    """A Go duration (``1m30s``) or integer nanoseconds as integer; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return int(value) if value.isdigit() else value
    return round(sum(float(number) * UNITS[unit] for number, unit in parts) * 1e9)


def canonical(config: dict[str, Any] | None) -> dict[str, Any]:
    """A config in the one form that is compared."""
    source = {key: value for key, value in (config or {}).items() if key != "size"}
    result = {key: PARTS[key](value) if key in PARTS and value else value for key, value in source.items()}
    return dict(_tidy(result) or {})


def _tidy(value: Any, key: str = "") -> Any:
    """Without what counts as absent: nulls, empties, false and 0. Durations become nanoseconds."""
    if isinstance(value, dict):
        items = {str(name): _tidy(item, str(name)) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not None} or None
    if isinstance(value, (list, tuple)):
        return [_tidy(item) if isinstance(item, (dict, list)) else item for item in value] or None
    if key in DURATIONS:
        value = nanoseconds(value)
    return None if value in (None, "", False, 0) else value


def _without(defaults: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in defaults or defaults[key] != nanoseconds(item)}


def env(values: dict[str, Any]) -> dict[str, str]:
    """Variables as text: the API takes nothing else."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}


def _service(service: dict[str, Any]) -> dict[str, Any]:
    stop = service.get("autostop")
    stops = {True: "stop", "true": "stop", "off": None, "false": None, False: None}
    return {
        **service,
        "autostop": stops.get(stop, stop) if isinstance(stop, (str, bool)) else None,
        "ports": sorted(
            map(_port, service.get("ports") or []), key=lambda p: p.get("port") or p.get("start_port") or 0
        ),
        "concurrency": _without(DEFAULTS["concurrency"], service.get("concurrency") or {}),
        "checks": sorted(map(_check, service.get("checks") or []), key=repr),
    }


def _port(port: dict[str, Any]) -> dict[str, Any]:
    return {**port, "handlers": sorted(port.get("handlers") or [])}


def _check(check: dict[str, Any]) -> dict[str, Any]:
    result = {**check, "method": str(check.get("method") or "GET").upper()}
    result["headers"] = sorted((h["name"].lower(), *h.get("values", [])) for h in check.get("headers") or [])
    return _without(DEFAULTS["check"], {k: nanoseconds(v) if k in DURATIONS else v for k, v in result.items()})


def _service_key(service: dict[str, Any]) -> tuple[Any, ...]:
    ports = [port.get("port") or port.get("start_port") or 0 for port in service.get("ports") or []]
    return (str(service.get("protocol")), service.get("internal_port") or 0, sorted(ports))


def _restart(restart: dict[str, Any]) -> dict[str, Any]:
    policy = restart.get("policy") or "on-failure"
    retries = restart.get("max_retries") or 10
    return _without(DEFAULTS["restart"], {"policy": policy, "max_retries": retries if policy == "on-failure" else 10})


def _file(file: dict[str, Any]) -> dict[str, Any]:
    raw = file.get("raw_value")
    with suppress(binascii.Error, ValueError):  # what is not base64 the server will refuse
        raw = raw and base64.b64encode(base64.b64decode(raw)).decode()
    return {**file, "raw_value": raw}


def _guest(guest: dict[str, Any]) -> dict[str, Any]:
    persist = guest.get("persist_rootfs")
    return {**guest, "persist_rootfs": PERSIST.get(persist, persist)}


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    kept = ("volume", "path", "extend_threshold_percent", "add_size_gb", "add_size_percent", "size_gb_limit")
    return {key: mount.get(key) for key in kept}


PARTS: dict[str, Callable[[Any], Any]] = {
    "env": env,
    "services": lambda services: sorted(map(_service, services), key=_service_key),
    "checks": lambda checks: {name: _check(check) for name, check in checks.items()},
    "files": lambda files: sorted(map(_file, files), key=lambda file: str(file["guest_path"])),
    "statics": lambda statics: sorted(statics, key=lambda static: str(static.get("url_prefix"))),
    "restart": _restart,
    "guest": _guest,
    "mounts": lambda mounts: list(map(_mount, mounts)),
    "stop_config": lambda stop: _without(DEFAULTS["stop_config"], stop),
}


def differences(desired: dict[str, Any], observed: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (is, should be), for what is declared and for what is owned and should be gone."""
    wanted, present = canonical(desired), canonical(observed)
    compared = {key: present[key] for key in present if key in wanted or key in OWNED}
    found: dict[str, tuple[Any, Any]] = {}
    _compare(wanted, compared, "", found)
    return found


def _compare(wanted: Any, present: Any, where: str, found: dict[str, tuple[Any, Any]]) -> None:
    if isinstance(wanted, dict) and isinstance(present, dict):
        subset = where.split(".")[0] in ("metadata", "guest")
        for key in sorted({*wanted, *present}):
            if key in wanted or (not subset and _ours(where, key)):
                _compare(wanted.get(key), present.get(key), f"{where}.{key}" if where else key, found)
    elif isinstance(wanted, list) and isinstance(present, list) and len(wanted) == len(present):
        for number, (one, other) in enumerate(zip(wanted, present, strict=True)):
            _compare(one, other, f"{where}[{number}]", found)
    elif wanted != present:
        found[where] = (present, wanted)


def _ours(where: str, key: str) -> bool:
    """Whether an undeclared key on the server is a difference; keys that nobody knows yet are not."""
    return where in ("", "env", "checks") or key in KNOWN


def merged(observed: dict[str, Any], desired: dict[str, Any]) -> dict[str, Any]:
    """The whole config to send: what is observed and not ours stays, what is owned comes from ``desired``."""
    kept = {key: value for key, value in observed.items() if key not in OWNED and value is not None}
    result = {**kept, **desired, "metadata": {**(kept.get("metadata") or {}), **(desired.get("metadata") or {})}}
    if "guest" in desired:
        result["guest"] = {**(kept.get("guest") or {}), **desired["guest"]}
    if desired.get("mounts") and kept.get("mounts"):
        result["mounts"] = [{**kept["mounts"][0], **desired["mounts"][0]}]
    result.pop("size", None)
    return result
