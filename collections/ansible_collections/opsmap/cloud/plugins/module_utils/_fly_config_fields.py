# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a MachineConfig: which belong where, of what kind, with which defaults of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_kinds import (
    Items,
    Kind,
    Leaf,
    Map,
    Named,
    Struct,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_values import (
    autostop,
    content,
    image,
    nanoseconds,
    persistence,
    readable,
    seconds,
    text,
    unordered,
    upper,
    values,
)

# Fields that belong to whoever declares the config: what is not declared is taken away. All others are compared when given.
OWNED = frozenset(
    {"init", "env", "services", "checks", "statics", "metrics", "files", "stop_config", "restart", "schedule"}
)
# Variables of flyctl: they stay on a machine that it made, unless they are declared.
FLYCTL_ENV = frozenset({"FLY_PROCESS_GROUP", "PRIMARY_REGION", "FLY_STANDBY_FOR"})
ANY, SET = Leaf(), Leaf(unordered)
DURATION = Leaf(nanoseconds, show=readable)
SECONDS = Leaf(seconds)


def plain(*names: str) -> dict[str, Kind]:
    """Fields that are compared as they are."""
    return dict.fromkeys(names, ANY)


def whole(fields: Mapping[str, Kind], **more: Any) -> Struct:
    """A struct that its declarer owns: an undeclared field goes away."""
    return Struct(dict(fields), owned=frozenset(fields), **more)


def _restart(restart: dict[str, Any]) -> dict[str, Any]:
    """The number of retries counts for one policy only."""
    if (restart.get("policy") or "on-failure") == "on-failure":
        return restart
    return {key: value for key, value in restart.items() if key != "max_retries"}


def _key(*names: str, between: str = "/") -> Any:
    return lambda item: between.join(str(item[name]) for name in names if item.get(name))


def _port(port: dict[str, Any]) -> str:
    return str(port.get("port") or f"{port.get('start_port') or 1}-{port.get('end_port') or 65535}")


def _service(service: dict[str, Any]) -> str:
    return f"{service.get('protocol') or 'tcp'}/{service.get('internal_port') or '?'}".lower()


def _service_at_ports(service: dict[str, Any]) -> str:
    ports = sorted(_port(port) for port in service.get("ports") or [] if isinstance(port, dict))
    return f"{_service(service)}:{'+'.join(ports)}"


def _header(header: dict[str, Any]) -> str:
    return str(header.get("name") or "").lower()


def _check_at(check: dict[str, Any]) -> str:
    return f"{check.get('type') or ''}/{check.get('port') or ''}"


def _check(check: dict[str, Any]) -> str:
    return _check_at(check) + str(check.get("path") or "")


HEADERS = Items(whole({"name": Leaf(upper), "values": Leaf(values)}), (_header,))
CHECK: dict[str, Kind] = {
    **plain("type", "port", "path", "tls_skip_verify", "tls_server_name"),
    **dict.fromkeys(("interval", "timeout", "grace_period"), DURATION),
    "method": Leaf(upper, "GET"),
    "protocol": Leaf(default="http"),
    "headers": HEADERS,
}
PORT = whole(
    {
        **plain("port", "start_port", "end_port", "force_https"),
        "handlers": SET,
        "tls_options": whole({**plain("alpn", "default_self_signed"), "versions": SET}),
        "http_options": whole(
            {
                **plain("compress", "h2_backend"),
                "idle_timeout": SECONDS,
                "headers_read_timeout": SECONDS,
                "response": whole({"pristine": ANY, "headers": Map(values, name=str.lower)}),
                "replay_cache": Items(
                    whole(plain("path_prefix", "ttl_seconds", "type", "name", "allow_bypass")),
                    (_key("path_prefix", "type", "name"), _key("path_prefix")),
                ),
            }
        ),
        "proxy_proto_options": whole(plain("version")),
    }
)
CONCURRENCY = {"type": Leaf(default="connections"), "soft_limit": Leaf(default=20), "hard_limit": ANY}
SERVICE = whole(
    {
        **plain(
            "internal_port", "autostart", "min_machines_running", "force_instance_key", "force_instance_description"
        ),
        "protocol": Leaf(upper),
        "autostop": Leaf(autostop),
        "ports": Items(PORT, (_port,)),
        "concurrency": whole(CONCURRENCY),
        "checks": Items(whole(CHECK), (_check, _check_at)),
    }
)
FILES = Items(
    whole({**plain("guest_path", "secret_name", "image_config", "mode"), "raw_value": Leaf(content)}),
    (_key("guest_path"),),
)
RESTART = whole({"policy": Leaf(default="on-failure"), "max_retries": Leaf(default=10)}, prepare=_restart)
ENV = Map(text, text, foreign=FLYCTL_ENV.__contains__)
COMMANDS = plain("exec", "entrypoint", "cmd")
ENV_FROM = Items(whole(plain("env_var", "field_ref")), (_key("env_var"),))
SECRETS = Items(whole(plain("env_var", "name")), (_key("env_var"),))
PROCESS = whole(
    {
        **COMMANDS,
        **plain("user", "ignore_app_secrets"),
        "env": Map(text, text),
        "env_from": ENV_FROM,
        "secrets": SECRETS,
    }
)
HEALTH = whole(
    {
        **plain("name", "kind", "unhealthy", "success_threshold", "failure_threshold", "http", "tcp", "exec"),
        **dict.fromkeys(("interval", "timeout", "grace_period"), SECONDS),
    }
)
STOP = whole({"signal": Leaf(default="SIGINT"), "timeout": Leaf(nanoseconds, 5_000_000_000, readable)})
CONTAINER = whole(
    {
        **COMMANDS,
        **plain("name", "user"),
        "image": Leaf(image),
        "env": Map(text, text),
        "env_from": ENV_FROM,
        "secrets": SECRETS,
        "files": FILES,
        "mounts": Items(whole(plain("name", "path")), (_key("name", "path"), _key("path"))),
        "restart": RESTART,
        "stop": STOP,
        "depends_on": Items(whole(plain("name", "condition")), (_key("name"),)),
        "healthchecks": Items(HEALTH, (_key("name"),)),
    }
)
GUEST = Struct(
    {
        **plain("gpu_kind", "gpus", "host_dedication_id", "max_memory_mb"),
        "cpu_kind": Leaf(default="shared"),
        "cpus": Leaf(default=1),
        "memory_mb": Leaf(default=256),
        "kernel_args": ANY,
        "required_host_features": SET,
        "persist_rootfs": Leaf(persistence, "never"),
    }
)
EXTEND = ("extend_threshold_percent", "add_size_gb", "add_size_percent", "min_add_size_gb", "size_gb_limit")
MOUNT = whole(plain("volume", "path", *EXTEND), ignored=frozenset({"name", "encrypted", "size_gb"}))
DNS = Struct(
    {
        **plain("skip_registration", "nameservers", "searches", "hostname", "hostname_fqdn"),
        "options": Items(whole(plain("name", "value")), (_key("name"),)),
        "dns_forward_rules": Items(whole(plain("basename", "addr")), (_key("basename"),)),
    }
)
CONFIG = Struct(
    {
        **plain("schedule", "auto_destroy", "disable_machine_autostart"),
        "image": Leaf(image),
        "env": ENV,
        "metadata": Map(lambda value: text(value) or None, text, foreign=lambda name: True),
        "init": whole({**COMMANDS, **plain("tty", "swap_size_mb", "kernel_args")}),
        "guest": GUEST,
        "rootfs": Struct({"persist": Leaf(persistence, "never"), "size_gb": ANY}),
        "mounts": Items(MOUNT),
        "services": Items(SERVICE, (_service_at_ports, _service)),
        "checks": Named(
            whole({**CHECK, "kind": Leaf(default="informational")}),
            foreign=lambda name: name.startswith("bg_deployments_compat"),
        ),
        "files": FILES,
        "processes": Items(PROCESS),
        "containers": Items(CONTAINER, (_key("name"),)),
        "volumes": Items(
            whole({**plain("name", "image"), "temp_dir": whole(plain("storage_type", "size_mb"))}), (_key("name"),)
        ),
        "restart": RESTART,
        "stop_config": STOP,
        "standbys": SET,
        "dns": DNS,
        "metrics": whole(plain("port", "path", "https"), needs="port"),
        "statics": Items(
            whole(plain("guest_path", "url_prefix", "tigris_bucket", "index_document")), (_key("url_prefix"),)
        ),
        "cache_drive": Struct(plain("size_mb")),
        "spot": Struct(plain("max_price_fraction")),
    },
    owned=OWNED,
    ignored=frozenset({"size"}),  # a known preset is a guest by then; of others nobody knows how they read back
)
