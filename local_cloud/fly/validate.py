"""What the API refuses in a machine's config (reference fly 2.7)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from local_cloud.fly.durations import seconds
from local_cloud.fly.errors import fly_error
from local_cloud.fly.platform import REGIONS

SHARED_CPUS = (1, 2, 4, 6, 8)
PERFORMANCE_CPUS = (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64, 128)
HANDLERS = {"http", "tls", "pg_tls", "proxy_proto", "tcp"}


def refuse(message: str) -> None:
    """Raise a 400."""
    raise fly_error(400, f"invalid_argument: {message}")


def check_config(config: Any, region: str) -> None:
    """Raise a 400 that says what is wrong."""
    if not isinstance(config, dict):
        refuse("config is required")
    if not config.get("image"):
        refuse("config.image is required")
    if region not in REGIONS:
        refuse(f"region {region} not found")
    if len(config.get("mounts") or []) > 1:
        refuse("only one mount per machine is supported")
    for key, value in (config.get("env") or {}).items():
        if not isinstance(value, str):
            refuse(f"env.{key} must be a string")
    _guest(config.get("guest") or {})
    _files(config.get("files") or [])
    for service in config.get("services") or []:
        _service(service)
    for check in (config.get("checks") or {}).values():
        _check(check)


def _guest(guest: dict[str, Any]) -> None:
    kind, cpus, memory = guest.get("cpu_kind", "shared"), guest.get("cpus", 1), guest.get("memory_mb", 256)
    if kind not in ("shared", "performance"):
        refuse(f"guest.cpu_kind {kind} is not valid")
    low, high, step, allowed = (
        (256, 2048, 256, SHARED_CPUS) if kind == "shared" else (2048, 8192, 1024, PERFORMANCE_CPUS)
    )
    if cpus not in allowed:
        refuse(f"guest.cpus {cpus} is not valid for {kind}")
    if not low * cpus <= memory <= high * cpus or memory % step:
        refuse(f"guest.memory_mb {memory} is not valid for {cpus} {kind} cpus")


def _files(files: list[dict[str, Any]]) -> None:
    for item in files:
        if not str(item.get("guest_path", "")).startswith("/"):
            refuse("files.guest_path must be absolute")
        if sum(key in item for key in ("raw_value", "secret_name", "image_config")) != 1:
            refuse(f"file {item['guest_path']} needs one of raw_value, secret_name, image_config")
        try:
            base64.b64decode(item.get("raw_value") or "", validate=True)
        except binascii.Error:
            refuse(f"file {item['guest_path']}: raw_value is no base64")


def _service(service: dict[str, Any]) -> None:
    if service.get("protocol") not in ("tcp", "udp"):
        refuse("services.protocol must be tcp or udp")
    if not 1 <= int(service.get("internal_port") or 0) <= 65535:
        refuse("services.internal_port must be between 1 and 65535")
    for port in service.get("ports") or []:
        unknown = set(port.get("handlers") or []) - HANDLERS
        if unknown:
            refuse(f"unknown handler {sorted(unknown)[0]}")
        if port.get("force_https") and "http" not in (port.get("handlers") or []):
            refuse("force_https needs the http handler")
    for check in service.get("checks") or []:
        _check(check)


def _check(check: dict[str, Any]) -> None:
    if check.get("type", "tcp") not in ("tcp", "http"):
        refuse(f"check type {check.get('type')} is not valid")
    for key in ("interval", "timeout", "grace_period"):
        try:
            seconds(check.get(key), 1.0)
        except ValueError as problem:
            refuse(f"check {key}: {problem}")
