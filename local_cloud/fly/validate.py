"""What the API refuses in a machine's config, types apart (reference fly 2.7)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from local_cloud.fly import schema
from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import refuse
from local_cloud.fly.platform import PRESETS, REGIONS, guest_of

SHARED_CPUS = (1, 2, 4, 6, 8)
PERFORMANCE_CPUS = (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128)
HANDLERS = {"http", "tls", "pg_tls", "proxy_proto", "tcp"}
STOP_SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM")
STOP_SECONDS = 300.0
SCHEDULES = ("hourly", "daily", "weekly", "monthly")
ROOTFS = ("", "none", "never", "restart", "always", 0, 1, 2, 3)


def check_config(config: Any, region: str) -> None:
    """Raise a 400 that says what is wrong."""
    if not isinstance(config, dict):
        raise refuse("config is required")
    schema.check(config, schema.CONFIG, "config")
    if not config.get("image"):
        raise refuse("config.image is required")
    if region not in REGIONS:
        raise refuse(f"region {region} not found")
    _guest(config)
    _files(config.get("files") or [])
    _mounts(config.get("mounts") or [])
    for number, service in enumerate(config.get("services") or []):
        _service(service, f"services[{number}]")
    for name, check in (config.get("checks") or {}).items():
        port(check.get("port"), f"checks.{name}.port")
        _check(check, f"checks.{name}")
    _life(config)
    for number, item in enumerate(config.get("statics") or []):
        if not item.get("guest_path") or not item.get("url_prefix"):
            raise refuse(f"statics[{number}] needs guest_path and url_prefix")
    if config.get("metrics"):
        port(config["metrics"].get("port"), "metrics.port")


def one_of(value: Any, allowed: Iterable[Any], where: str) -> None:
    """Raise unless a value is left out or one of these."""
    if value is not None and value not in tuple(allowed):
        raise refuse(f"{where} {value} is not valid; use one of {', '.join(str(item) for item in allowed)}")


def port(value: Any, where: str) -> None:
    """Raise unless it is a port."""
    if not isinstance(value, int) or not 1 <= value <= 65535:
        raise refuse(f"{where} must be between 1 and 65535")


def _guest(config: dict[str, Any]) -> None:
    guest = config.get("guest") or {}
    if config.get("size"):
        if guest:
            raise refuse("size and guest exclude each other")
        one_of(config["size"], PRESETS, "size")
    kind, cpus, memory = guest_of(config)
    one_of(kind, ("shared", "performance"), "guest.cpu_kind")
    low, high, step, allowed = (
        (256, 2048, 256, SHARED_CPUS) if kind == "shared" else (2048, 8192, 1024, PERFORMANCE_CPUS)
    )
    one_of(cpus, allowed, f"guest.cpus of {kind}")
    if not low * cpus <= memory <= high * cpus or memory % step:
        raise refuse(
            f"guest.memory_mb {memory} is not valid for {cpus} {kind} cpus: "
            f"use {low * cpus} to {high * cpus} in steps of {step}"
        )
    one_of(guest.get("persist_rootfs"), ROOTFS, "guest.persist_rootfs")
    one_of((config.get("rootfs") or {}).get("persist"), ROOTFS, "rootfs.persist")
    if ((config.get("init") or {}).get("swap_size_mb") or 0) < 0:
        raise refuse("init.swap_size_mb must be 0 or more")


def _files(files: list[dict[str, Any]]) -> None:
    for item in files:
        path = str(item.get("guest_path") or "")
        if not path.startswith("/"):
            raise refuse("files.guest_path must be absolute")
        if item.get("image_config"):
            raise refuse(f"file {path}: image_config is not supported")
        if sum(item.get(key) is not None for key in ("raw_value", "secret_name")) != 1:
            raise refuse(f"file {path} needs one of raw_value, secret_name")
        if not 0 <= (item.get("mode") or 0) <= 0o7777:
            raise refuse(f"file {path}: mode must be between 0 and {0o7777}")
        try:
            base64.b64decode(item.get("raw_value") or "", validate=True)
        except (binascii.Error, ValueError):
            raise refuse(f"file {path}: raw_value is no base64") from None


def _mounts(mounts: list[dict[str, Any]]) -> None:
    if len(mounts) > 1:
        raise refuse("only one mount per machine is supported")
    for mount in mounts:
        if not mount.get("volume") or not str(mount.get("path") or "").startswith("/"):
            raise refuse("a mount needs volume and an absolute path")
        for key, low, high in (
            ("extend_threshold_percent", 50, 99),
            ("add_size_gb", 1, 100),
            ("size_gb_limit", 1, 500),
        ):
            value = mount.get(key)
            if value and not low <= value <= high:
                raise refuse(f"mounts.{key} must be between {low} and {high}")


def _service(service: dict[str, Any], where: str) -> None:
    if service.get("protocol") not in ("tcp", "udp"):
        raise refuse(f"{where}.protocol must be tcp or udp")
    port(service.get("internal_port"), f"{where}.internal_port")
    one_of(service.get("autostop"), ("off", "stop", "suspend", False, True), f"{where}.autostop")
    for number, item in enumerate(service.get("ports") or []):
        _port(item, f"{where}.ports[{number}]")
    limits = service.get("concurrency") or {}
    one_of(limits.get("type") or None, ("connections", "requests"), f"{where}.concurrency.type")
    soft, hard = limits.get("soft_limit") or 0, limits.get("hard_limit") or 0
    if hard and soft > hard:
        raise refuse(f"{where}.concurrency: hard_limit {hard} is below soft_limit {soft}")
    for number, check in enumerate(service.get("checks") or []):
        _check(check, f"{where}.checks[{number}]")


def _port(item: dict[str, Any], where: str) -> None:
    if item.get("port"):
        port(item["port"], f"{where}.port")
    else:
        port(item.get("start_port"), f"{where}: port, or start_port and end_port,")
        port(item.get("end_port"), f"{where}.end_port")
        if item["end_port"] < item["start_port"]:
            raise refuse(f"{where}.end_port is below start_port")
    for handler in item.get("handlers") or []:
        one_of(handler, sorted(HANDLERS), f"{where}.handlers:")
    if item.get("force_https") and "http" not in (item.get("handlers") or []):
        raise refuse(f"{where}: force_https needs the http handler")


def _check(check: dict[str, Any], where: str) -> None:
    one_of(check.get("type") or "tcp", ("tcp", "http"), f"{where}.type")
    one_of(check.get("kind") or None, ("informational", "readiness"), f"{where}.kind")
    one_of(check.get("protocol") or None, ("http", "https"), f"{where}.protocol")
    if check.get("port") is not None:
        port(check["port"], f"{where}.port")
    for header in check.get("headers") or []:
        if not header.get("name"):
            raise refuse(f"{where}.headers: a header needs a name")


def _life(config: dict[str, Any]) -> None:
    restart, stop = config.get("restart") or {}, config.get("stop_config") or {}
    one_of(restart.get("policy") or None, ("no", "always", "on-failure"), "restart.policy")
    if (restart.get("max_retries") or 0) < 0:
        raise refuse("restart.max_retries must be 0 or more")
    one_of(stop.get("signal") or None, STOP_SIGNALS, "stop_config.signal")
    if not 0 <= seconds(stop.get("timeout"), 0.0) <= STOP_SECONDS:
        raise refuse(f"stop_config.timeout must be at most {STOP_SECONDS:g}s")
    one_of(config.get("schedule") or None, SCHEDULES, "schedule")
    if config.get("standbys") and config.get("services"):
        raise refuse("standbys cannot be combined with services")
