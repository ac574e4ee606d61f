"""Types of the fields of requests, checked before anything else (reference fly 2.3, 2.7).

A kind is a Python type, a tuple of them, DURATION, ``[kind]`` for a list, ``{"*": kind}`` for a map, or a dict of known
fields. null counts as left out. Fields that are not listed pass: the real service is newer than any description.
"""

from __future__ import annotations

from typing import Any

from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import refuse

DURATION = "duration"
STRINGS = {"*": str}
NAMES = {str: "a string", bool: "true or false", int: "an integer", float: "a number", dict: "an object"}


def of(kind: Any, *names: str) -> dict[str, Any]:
    """Fields of one kind."""
    return dict.fromkeys(names, kind)


HEADERS = [{"name": str, "values": [str]}]
TIMES = {"interval": DURATION, "timeout": DURATION, "grace_period": DURATION}
CHECK: dict[str, Any] = {
    **TIMES,
    **of(str, "type", "method", "path", "protocol", "tls_server_name", "kind"),
    "port": int,
    "tls_skip_verify": bool,
    "headers": HEADERS,
}
PORT = {
    **of(int, "port", "start_port", "end_port"),
    "handlers": [str],
    "force_https": bool,
    "tls_options": {"alpn": [str], "versions": [str], "default_self_signed": bool},
    "http_options": {
        **of(bool, "compress", "h2_backend"),
        **of((int, str), "idle_timeout", "headers_read_timeout"),
        "response": {"headers": dict, "pristine": bool},
        "replay_cache": [{"path_prefix": str, "ttl_seconds": int, "type": str, "name": str, "allow_bypass": bool}],
    },
    "proxy_proto_options": {"version": str},
}
SERVICE = {
    **of(str, "protocol", "force_instance_key", "force_instance_description"),
    **of(int, "internal_port", "min_machines_running"),
    "autostop": (bool, str),
    "autostart": bool,
    "ports": [PORT],
    "concurrency": {"type": str, "soft_limit": int, "hard_limit": int},
    "checks": [CHECK],
}
GUEST = {
    **of(str, "cpu_kind", "gpu_kind", "host_dedication_id"),
    **of(int, "cpus", "memory_mb", "gpus", "max_memory_mb"),
    **of([str], "kernel_args", "required_host_features"),
    "persist_rootfs": (str, int),
}
MOUNT = {
    **of(str, "volume", "path", "name"),
    **of(int, "size_gb", "extend_threshold_percent", "add_size_gb", "add_size_percent"),
    **of(int, "min_add_size_gb", "size_gb_limit"),
    "encrypted": bool,
}
PROCESS = {
    **of([str], "exec", "entrypoint", "cmd"),
    "user": str,
    "env": STRINGS,
    "env_from": [{"env_var": str, "field_ref": str}],
    "secrets": [{"env_var": str, "name": str}],
    "ignore_app_secrets": bool,
}
CONFIG: dict[str, Any] = {
    "image": str,
    "env": STRINGS,
    "metadata": STRINGS,
    "init": {
        **of([str], "cmd", "entrypoint", "exec", "kernel_args"),
        "tty": bool,
        "swap_size_mb": int,
    },
    "guest": GUEST,
    "size": str,
    "mounts": [MOUNT],
    "services": [SERVICE],
    "checks": {"*": CHECK},
    "files": [{**of(str, "guest_path", "raw_value", "secret_name"), "mode": int}],
    "processes": [PROCESS],
    "containers": [dict],
    "restart": {"policy": str, "max_retries": int},
    "stop_config": {"signal": str, "timeout": DURATION},
    "schedule": str,
    **of(bool, "auto_destroy", "disable_machine_autostart"),
    "standbys": [str],
    "dns": {
        "skip_registration": bool,
        **of([str], "nameservers", "searches"),
        "options": [{"name": str, "value": str}],
        "dns_forward_rules": [{"basename": str, "addr": str}],
        **of(str, "hostname", "hostname_fqdn"),
    },
    "metrics": {"port": int, "path": str, "https": bool},
    "statics": [of(str, "guest_path", "url_prefix", "tigris_bucket", "index_document")],
    "rootfs": {"persist": (str, int), "size_gb": int},
    "cache_drive": {"size_mb": int},
    "spot": dict,
}
BODY = {
    **of(str, "name", "region", "current_version"),
    **of(bool, "skip_launch", "skip_service_registration", "skip_secrets", "lsvd"),
    **of(int, "lease_ttl", "min_secrets_version"),
    "config": CONFIG,
}


def check(value: Any, kind: Any, where: str = "") -> None:
    """Raise a 400 that names the first field of a wrong type."""
    if value is None:
        return
    if kind == DURATION:
        _duration(value, where)
    elif isinstance(kind, list):
        if not isinstance(value, list):
            raise refuse(f"{where} must be a list")
        for number, item in enumerate(value):
            check(item, kind[0], f"{where}[{number}]")
    elif isinstance(kind, dict):
        if not isinstance(value, dict):
            raise refuse(f"{where or 'the body'} must be an object")
        for key, item in value.items():
            check(item, kind.get(key, kind.get("*")), f"{where}.{key}" if where else key)
    elif kind is not None:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not any(_is(value, each) for each in kinds):
            raise refuse(f"{where} must be {' or '.join(NAMES[each] for each in kinds)}")


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _duration(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise refuse(f"{where} must be a duration such as 15s, or nanoseconds")
    try:
        seconds(value, 0.0)
    except ValueError as problem:
        raise refuse(f"{where}: {problem}") from None
