# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``[http_service]``, ``[[services]]`` and their ports, as services of the machine config."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_checks import service_checks
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_groups import Groups
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Section, kind

HANDLERS = ("http", "tls", "pg_tls", "proxy_proto", "tcp")
STOPS = ("off", "stop", "suspend")
PORTS = (1, 65535)
MACHINE_CHECKS = (
    "machine checks are not carried out here; test the release with fly_app_verify instead, and remove them"
)


def services(root: Section, groups: Groups) -> dict[str, list[dict[str, Any]]]:
    """The services of each group, ``[http_service]`` first."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in groups.names}
    used: dict[str, list[tuple[str, int, int]]] = {name: [] for name in groups.names}
    http = root.table("http_service")
    given = [(http, _http_service(http))] if http else []
    given += [(section, _service(section)) for section in root.tables("services") if section.values]
    for section, service in given:
        for name in groups.of_service(section):
            found[name].append(service)
            _ports_are_free(section, service, name, used[name])
    return found


def _http_service(section: Section) -> dict[str, Any]:
    options, tls = _http_options(section), _tls_options(section)
    http: dict[str, Any] = {"port": 80, "handlers": ["http"]}
    https: dict[str, Any] = {"port": 443, "handlers": ["http", "tls"]}
    if section.flag("force_https"):
        http["force_https"] = True
    if options:
        http["http_options"] = https["http_options"] = options
    if tls:
        https["tls_options"] = tls
    checks = service_checks(section, "http", "checks")
    return _common(section, {"protocol": "tcp", "ports": [http, https], "checks": checks})


def _service(section: Section) -> dict[str, Any]:
    ports = [_port(port) for port in section.tables("ports")]
    if not ports:
        section.warn("ports", "missing, so nothing reaches this service from outside")
    checks = service_checks(section, "tcp", "tcp_checks") + service_checks(section, "http", "http_checks")
    section.cannot(section.problem, "Fly.io has no script checks any more; remove them", "script_checks")
    protocol = section.text("protocol", ("tcp", "udp")) or "tcp"
    return _common(section, {"protocol": protocol, "ports": ports, "checks": checks})


def _common(section: Section, service: dict[str, Any]) -> dict[str, Any]:
    """What both kinds of service have. Machines start by themselves unless the file says no: the API's default is no."""
    port = section.whole("internal_port", *PORTS)
    if port is None and not section.has("internal_port"):
        section.problem("internal_port", "missing; give the port that the app listens on, such as 8080")
    start = section.flag("auto_start_machines")
    section.cannot(section.problem, MACHINE_CHECKS, "machine_checks")
    values = {
        "protocol": service["protocol"],
        "internal_port": port,
        "autostop": _autostop(section),
        "autostart": True if start is None else start,
        "min_machines_running": section.whole("min_machines_running"),
        "ports": service["ports"],
        "concurrency": _concurrency(section),
        "checks": service["checks"],
    }
    return {key: value for key, value in values.items() if value not in (None, [], {})}


def _autostop(section: Section) -> str | None:
    """Old files say true or false."""
    value = section.raw("auto_stop_machines")
    if isinstance(value, bool):
        return "stop" if value else "off"
    return section.text("auto_stop_machines", STOPS)


def _concurrency(section: Section) -> dict[str, Any]:
    """Limits. Old files have one text, ``soft,hard``, that counts requests."""
    value = section.raw("concurrency")
    if isinstance(value, str) and value:
        limits = re.fullmatch(r"\s*([0-9]+)\s*,\s*([0-9]+)\s*", value)
        if not limits:
            section.problem("concurrency", f'{value!r} is no pair of limits; write a table, or "soft,hard"')
            return {}
        found: dict[str, Any] = {
            "type": "requests",
            "soft_limit": int(limits.group(1)),
            "hard_limit": int(limits.group(2)),
        }
    else:
        table = section.table("concurrency")
        if table is None:
            return {}
        found = {
            "type": table.text("type", ("connections", "requests")),
            "soft_limit": table.whole("soft_limit"),
            "hard_limit": table.whole("hard_limit"),
        }
    soft, hard = found["soft_limit"], found["hard_limit"]
    if soft and hard and hard < soft:
        section.problem("concurrency", f"hard_limit {hard} is below soft_limit {soft}; make it the larger one")
    return {key: item for key, item in found.items() if item}


def _port(section: Section) -> dict[str, Any]:
    numbers = {key: section.whole(key, *PORTS) for key in ("port", "start_port", "end_port")}
    given = {key for key in numbers if section.has(key)}
    if given not in ({"port"}, {"start_port", "end_port"}):
        section.problem("port", "give either port, or start_port and end_port")
    elif (numbers["start_port"] or 0) > (numbers["end_port"] or PORTS[1]):
        section.problem("end_port", f"{numbers['end_port']} is below start_port {numbers['start_port']}")
    handlers = section.texts("handlers") or []
    for handler in handlers:
        if handler not in HANDLERS:
            section.problem("handlers", f"there is no handler {handler!r}; use {', '.join(HANDLERS[:-1])}")
    force = section.flag("force_https")
    if force and "http" not in handlers:
        section.problem("force_https", "works only on a port with the http handler")
    proxy = section.table("proxy_proto_options")
    version = proxy.text("version", ("v1", "v2")) if proxy else None
    found: dict[str, Any] = {
        **numbers,
        "handlers": handlers,
        "force_https": force or None,
        "tls_options": _tls_options(section),
        "http_options": _http_options(section),
        "proxy_proto_options": {"version": version} if version else None,
    }
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def _tls_options(section: Section) -> dict[str, Any]:
    table = section.table("tls_options")
    if table is None:
        return {}
    found = {
        "alpn": table.texts("alpn"),
        "versions": table.texts("versions"),
        "default_self_signed": table.flag("default_self_signed"),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _http_options(section: Section) -> dict[str, Any]:
    table = section.table("http_options")
    if table is None:
        return {}
    found: dict[str, Any] = {
        "compress": table.flag("compress"),
        "h2_backend": table.flag("h2_backend"),
        "idle_timeout": table.whole("idle_timeout"),
        "headers_read_timeout": table.whole("headers_read_timeout"),
        "response": _response(table),
        "replay_cache": [_replay(rule) for rule in table.tables("replay_cache")],
    }
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def _response(section: Section) -> dict[str, Any]:
    """Headers to add (text, or several), or to take away (false)."""
    table = section.table("response")
    if table is None:
        return {}
    headers, given = {}, table.table("headers")
    for name in given.values if given else ():
        value = given.raw(name)  # type: ignore[union-attr] # there are names only in a table
        if isinstance(value, (bool, str)) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            headers[name] = value
        else:
            given.problem(name, f"expected text, a list of texts or false, not {kind(value)}")  # type: ignore[union-attr]
    found = {"headers": headers, "pristine": table.flag("pristine")}
    return {key: value for key, value in found.items() if value not in (None, {})}


def _replay(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {
        "path_prefix": section.text("path_prefix"),
        "ttl_seconds": section.whole("ttl_seconds"),
        "type": section.text("type", ("cookie", "header")),
        "name": section.text("name"),
    }
    for key, value in found.items():
        if value is None and not section.has(key):
            section.problem(key, "missing")
    return {**found, **({"allow_bypass": True} if section.flag("allow_bypass") else {})}


def _ports_are_free(section: Section, service: dict[str, Any], group: str, used: list[tuple[str, int, int]]) -> None:
    """Note an external port that another service of the group has."""
    for port in service.get("ports", ()):
        first = port.get("port") or port.get("start_port") or 0
        last = port.get("port") or port.get("end_port") or first
        for protocol, start, end in used:
            if protocol == service["protocol"] and start <= last and first <= end and first:
                section.problem(
                    "ports", f"{protocol} port {max(first, start)} of group {group} is taken by another service"
                )
        used.append((service["protocol"], first, last))
