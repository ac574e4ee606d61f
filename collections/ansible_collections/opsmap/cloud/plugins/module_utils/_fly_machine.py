# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine as the API gives it: how to read it. No calls here."""

from __future__ import annotations

from typing import Any

Machine = dict[str, Any]

RECORD = "opsmap_secrets"  # metadata: which secrets the machine was released with
RELEASE = "opsmap_release"  # metadata: when it was released, sortable
GONE = frozenset({"destroyed", "destroying", "launch_failed"})
BOUNDARIES = frozenset({"update", "restart", "launch"})
ASLEEP = frozenset({"stopped", "suspended", "created"})


def metadata(machine: Machine) -> dict[str, str]:
    """Metadata, empty when the host does not tell."""
    return dict((machine.get("config") or machine.get("incomplete_config") or {}).get("metadata") or {})


def group(machine: Machine) -> str:
    """Process group; flyctl wrote another key in its early days."""
    kept = metadata(machine)
    return kept.get("fly_process_group") or kept.get("process_group") or ""


def reachable(machine: Machine) -> bool:
    """Whether its host answers and its config can be read."""
    return machine.get("host_status", "ok") in ("ok", "", None) and bool(machine.get("config"))


def may_sleep(config: dict[str, Any]) -> bool:
    """Whether a machine at rest is as it should be: autostop, schedule or standby."""
    stops = [service.get("autostop") for service in config.get("services") or []]
    return any(stop not in (None, False, "off", "") for stop in stops) or bool(
        config.get("schedule") or config.get("standbys")
    )


def has_checks(config: dict[str, Any]) -> bool:
    """Whether health can be asked for."""
    return bool(config.get("checks")) or any(service.get("checks") for service in config.get("services") or [])


def failing_checks(machine: Machine) -> list[str] | None:
    """Checks that do not pass, in words; None while there is no result yet. Compatibility checks are the server's own."""
    checks = [c for c in machine.get("checks") or [] if not str(c.get("name")).startswith("bg_deployments_compat")]
    if not checks:
        return None
    bad = [c for c in checks if c.get("status") != "passing"]
    return [f"check {c.get('name')} is {c.get('status')}: {str(c.get('output') or 'no output')[:200]}" for c in bad]


def newest_event(machine: Machine) -> int:
    """When something last happened to it, in the server's milliseconds."""
    return max((int(event.get("timestamp") or 0) for event in machine.get("events") or []), default=0)


def crash(machine: Machine, since: int) -> str | None:
    """Why the machine is seen to crash after a moment of the server's clock, or None. A clean exit is no crash.

    Events come newest first; what is older than the last update, restart or launch is of an earlier version.
    """
    for event in machine.get("events") or []:
        if event.get("type") in BOUNDARIES or int(event.get("timestamp") or 0) <= since:
            return None
        if event.get("type") != "exit":
            continue
        request = event.get("request") or {}
        exited = request.get("exit_event") or (request.get("MonitorEvent") or {}).get("exit_event") or {}
        if exited.get("requested_stop") or not exited.get("exit_code"):
            continue
        if request.get("restart_count", 0) >= 1 or not exited.get("restarting"):
            memory = ", out of memory" if exited.get("oom_killed") else ""
            return f"the process ends with exit code {exited['exit_code']}{memory}"
    return None


def last_words(machine: Machine) -> str:
    """State and latest events, for an error message."""
    events = [f"{e.get('type')}/{e.get('status')}" for e in (machine.get("events") or [])[:3]]
    return f"state {machine.get('state')}" + (f", events {' '.join(events)}" if events else "")
