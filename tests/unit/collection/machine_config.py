"""What the published description of MachineConfig allows, as a checker: it knows nothing of who made a config."""

from __future__ import annotations

import base64
import re
from typing import Any

DURATION = re.compile(r"(\d+h)?(\d+m)?(\d+(\.\d+)?(s|ms|us|ns))?")
CPUS = {"shared": {1, 2, 4, 6, 8}, "performance": {1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128}}
TIMES = {"interval": "duration", "timeout": "duration", "grace_period": "duration"}
CHECK = {
    "type": ("tcp", "http"),
    "port": "port",
    **TIMES,
    "method": ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
    "path": str,
    "protocol": ("http", "https"),
    "tls_skip_verify": bool,
    "tls_server_name": str,
    "headers": [{"name": str, "values": [str]}],
}
HTTP_OPTIONS = {
    "compress": bool,
    "h2_backend": bool,
    "idle_timeout": int,
    "headers_read_timeout": int,
    "response": {"headers": {None: "header"}, "pristine": bool},
    "replay_cache": [
        {"path_prefix": str, "ttl_seconds": int, "type": ("cookie", "header"), "name": str, "allow_bypass": bool}
    ],
}
PORT = {
    "port": "port",
    "start_port": "port",
    "end_port": "port",
    "handlers": [("http", "tls", "pg_tls", "proxy_proto", "tcp")],
    "force_https": bool,
    "tls_options": {"alpn": [str], "versions": [str], "default_self_signed": bool},
    "http_options": HTTP_OPTIONS,
    "proxy_proto_options": {"version": ("v1", "v2")},
}
SERVICE = {
    "protocol": ("tcp", "udp"),
    "internal_port": "port",
    "autostop": ("off", "stop", "suspend"),
    "autostart": bool,
    "min_machines_running": int,
    "ports": [PORT],
    "concurrency": {"type": ("connections", "requests"), "soft_limit": int, "hard_limit": int},
    "checks": [CHECK],
}
CONFIG = {
    "env": {None: str},
    "init": {"cmd": [str], "entrypoint": [str], "exec": [str], "swap_size_mb": int},
    "guest": {
        "cpu_kind": ("shared", "performance"),
        "cpus": int,
        "memory_mb": int,
        "gpu_kind": str,
        "gpus": int,
        "host_dedication_id": str,
        "kernel_args": [str],
        "persist_rootfs": ("never", "restart", "always"),
    },
    "services": [SERVICE],
    "checks": {None: {**CHECK, "kind": ("informational", "readiness")}},
    "restart": {"policy": ("no", "always", "on-failure"), "max_retries": int},
    "stop_config": {"signal": re.compile("SIG(HUP|INT|QUIT|KILL|USR1|USR2|TERM)"), "timeout": "duration"},
    "metrics": {"port": "port", "path": str, "https": bool},
    "statics": [{"guest_path": str, "url_prefix": str, "tigris_bucket": str, "index_document": str}],
}
FILE = {"guest_path": re.compile("/.*"), "raw_value": "base64", "secret_name": str}
MOUNT = {
    "volume": re.compile("[a-z0-9_]{1,30}"),
    "path": re.compile("/.+"),
    "extend_threshold_percent": range(50, 100),
    "add_size_gb": range(1, 101),
    "size_gb_limit": range(1, 501),
}


def wrong(value: Any, allowed: Any, where: str) -> list[str]:
    """Paths of a value that ``allowed`` does not allow."""
    if isinstance(allowed, dict):
        if not isinstance(value, dict):
            return [where]
        shapes = {key: allowed.get(None if None in allowed else key) for key in value}
        bad = [f"{where}.{key}" for key, shape in shapes.items() if shape is None or value[key] is None]
        return bad + [
            path for key, shape in shapes.items() if shape for path in wrong(value[key], shape, f"{where}.{key}")
        ]
    if isinstance(allowed, list):
        if not isinstance(value, list):
            return [where]
        return [path for n, item in enumerate(value) for path in wrong(item, allowed[0], f"{where}[{n}]")]
    return [] if fits(value, allowed) else [f"{where} = {value!r}"]


def fits(value: Any, allowed: Any) -> bool:
    """Whether a single value is of the kind."""
    if isinstance(allowed, type):
        return type(value) is allowed
    if isinstance(allowed, re.Pattern):
        return isinstance(value, str) and bool(allowed.fullmatch(value))
    if allowed == "duration":
        return isinstance(value, str) and bool(value) and bool(DURATION.fullmatch(value))
    if allowed == "port":
        return type(value) is int and 1 <= value <= 65535
    if allowed == "base64":
        return isinstance(value, str) and base64.b64encode(base64.b64decode(value)).decode() == value
    if allowed == "header":
        return isinstance(value, (bool, str)) or all(isinstance(item, str) for item in value)
    return value in allowed


def problems(config: dict[str, Any]) -> list[str]:
    """What of a config the API would refuse."""
    found = wrong(config, CONFIG, "config")
    for number, service in enumerate(config.get("services", [])):
        found += [f"service {number} lacks {key}" for key in ("protocol", "internal_port") if key not in service]
        limits = service.get("concurrency", {})
        found += ["limits"] if limits.get("hard_limit", 10**9) < limits.get("soft_limit", 0) else []
        for port in service.get("ports", []):
            one, pair = "port" in port, {"start_port", "end_port"} & set(port)
            if one == bool(pair) or len(pair) == 1 or port.get("start_port", 0) > port.get("end_port", 65535):
                found.append(f"port of service {number}: {port}")
            if port.get("force_https") and "http" not in port.get("handlers", []):
                found.append(f"force_https of service {number}")
    return found + size(config.get("guest", {}))


def size(guest: dict[str, Any]) -> list[str]:
    """Whether CPUs and memory go together; a guest that says nothing of them is left as it is."""
    if "cpus" not in guest:
        return []
    kind, cpus, memory = guest["cpu_kind"], guest["cpus"], guest["memory_mb"]
    least, most, step = (256, 2048, 256) if kind == "shared" else (2048, 8192, 1024)
    fine = cpus in CPUS[kind] and least * cpus <= memory <= most * cpus and memory % step == 0
    return [] if fine else [f"guest {guest}"]
