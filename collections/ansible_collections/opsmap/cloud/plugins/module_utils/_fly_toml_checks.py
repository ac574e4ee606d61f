# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a fly.toml: those of services, and those at the top. A number without a unit is milliseconds."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_groups import Groups
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Notes, Section
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_units import MILLISECOND, SECOND, go_duration

TIMES = ("interval", "timeout", "grace_period")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MINUTE = 60 * SECOND


def service_checks(service: Section, kind: str, key: str) -> list[dict[str, Any]]:
    """Checks of a service. The platform keeps their times between a second and a minute; so do we, and say so."""
    found = []
    for section in service.tables(key):
        restarts = "a failed check never restarts a machine; the key has no effect"
        section.cannot(section.warn, restarts, "restart_limit")
        times = {name: _clamped(section, name) for name in TIMES}
        given = {"type": kind, **times, **(_http(section) if kind == "http" else {})}
        found.append({name: value for name, value in given.items() if value is not None})
    return found


def _clamped(section: Section, key: str) -> str | None:
    value = section.duration(key, MILLISECOND)
    if value is None:
        return None
    if value < SECOND and not (key == "grace_period" and value == 0):
        section.warn(key, f"{go_duration(value)} is raised to 1s, the least that a service check can have")
        value = SECOND
    elif value > MINUTE:
        section.warn(key, f"{go_duration(value)} is lowered to 1m, the most that a service check can have")
        value = MINUTE
    return go_duration(value)


def _http(section: Section) -> dict[str, Any]:
    method = section.text("method")
    if method and method.upper() not in METHODS:
        section.problem("method", f"there is no method {method!r}; use one of {', '.join(METHODS)}")
    return {
        "method": method.upper() if method else None,
        "path": section.text("path"),
        "protocol": section.text("protocol", ("http", "https")),
        "tls_skip_verify": section.flag("tls_skip_verify"),
        "tls_server_name": section.text("tls_server_name"),
        "headers": _headers(section),
    }


def _headers(section: Section) -> list[dict[str, Any]] | None:
    """A table of names and values. Old files have a list of ``{name, value}``."""
    given = section.raw("headers")
    if isinstance(given, list):
        headers: dict[str, str] = {}
        for item in section.tables("headers"):
            name = item.text("name")
            if name is None:
                item.problem("name", "missing; give the header's name")
            value = item.raw("value")
            headers |= item.scalars("value", {str(name): "" if value is None else value})
    else:
        headers = section.mapping("headers")
    return [{"name": name, "values": [value]} for name, value in sorted(headers.items())] or None


def top_level(root: Section, groups: Groups) -> dict[str, dict[str, dict[str, Any]]]:
    """``[checks]`` of each group, by name."""
    found: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in groups.names}
    for check, section in _named(root):
        owners = groups.of(section)
        kind = section.text("type", ("http", "tcp"))
        if kind is None and not section.has("type"):
            section.problem("type", "missing; give http or tcp")
        interval, timeout = section.duration("interval", MILLISECOND), section.duration("timeout", MILLISECOND)
        if interval is not None and interval < 2 * SECOND:
            section.problem("interval", f"{go_duration(interval)} is too short; the least is 2s")
        if timeout is not None and timeout > MINUTE:
            section.problem("timeout", f"{go_duration(timeout)} is too long; the most is 1m")
        times = {
            "interval": interval,
            "timeout": timeout,
            "grace_period": section.duration("grace_period", MILLISECOND),
        }
        values: dict[str, Any] = {
            "type": kind,
            "port": _port(root, section, groups, owners),
            "kind": section.text("kind", ("informational", "readiness")),
            **{key: None if value is None else go_duration(value) for key, value in times.items()},
            **_for_http(section, kind),
        }
        for name in owners:
            found[name][check] = {key: value for key, value in values.items() if value is not None}
    return found


def _named(root: Section) -> list[tuple[str, Section]]:
    """Name and section of each check. Old files have a list with the name inside."""
    if isinstance(root.raw("checks"), list):
        listed = [(section.text("name"), section) for section in root.tables("checks")]
        for name, section in listed:
            if name is None:
                section.problem("name", "missing; give the check a name")
        return [(name, section) for name, section in listed if name]
    table = root.table("checks")
    found = [(name, table.table(name)) for name in table.values] if table else []
    return [(name, section) for name, section in found if section]


def _for_http(section: Section, kind: str | None) -> dict[str, Any]:
    values = _http(section)
    if kind != "tcp":
        return values
    for key, value in values.items():
        if value is not None:
            section.warn(key, "has no effect on a tcp check")
    return {}


def _port(root: Section, section: Section, groups: Groups, owners: list[str]) -> int | None:
    """The port of a check; that of the group's ``[http_service]`` if it has none."""
    port = section.whole("port", 1, 65535)
    if port is not None or section.has("port"):
        return port
    http = root.raw("http_service")
    inherited = http.get("internal_port") if isinstance(http, dict) else None
    served = groups.of(Section(http, "", Notes())) if isinstance(http, dict) else []
    if inherited is None or not set(owners) <= set(served):
        section.problem("port", "missing, and there is no http_service in its group to take it from")
        return None
    return int(inherited) if str(inherited).isdigit() else None
