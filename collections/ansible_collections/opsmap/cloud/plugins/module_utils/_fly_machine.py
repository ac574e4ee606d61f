# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine as the API gives it: how to read it. No calls here."""

from __future__ import annotations

import re
from typing import Any

Machine = dict[str, Any]

RECORD = "opsmap_secrets"  # metadata: which secrets the machine was released with
RELEASE = "opsmap_release"  # metadata: when it was released, sortable
BEFORE = "opsmap_before"  # metadata: id of the machine whose place it took; its history goes on there
VERSION = "fly_release_version"
CANARY = "fly_canary"
TAG = "fly_bluegreen_deployment_tag"
SAFE = "safe_to_destroy"  # value of TAG on machines that a bluegreen deploy has replaced
RELEASE_COMMAND = "fly_app_release_command"  # process group of release commands
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


def leftover(machine: Machine) -> str:
    """Why a machine is what an earlier deploy left behind, or an empty string."""
    kept = metadata(machine)
    if kept.get(CANARY) == "true":
        return "left over from a canary"
    if kept.get(TAG) == SAFE:
        return "an earlier deploy has replaced it"
    return "left over from a release command" if group(machine) == RELEASE_COMMAND else ""


def may_sleep(config: dict[str, Any]) -> bool:
    """Whether a machine at rest is as it should be: autostop, schedule, standby, or it removes itself."""
    stops = [service.get("autostop") for service in config.get("services") or []]
    rests = config.get("schedule") or config.get("standbys") or config.get("auto_destroy")
    return any(stop not in (None, False, "off", "") for stop in stops) or bool(rests)


def rests_after_launch(config: dict[str, Any]) -> bool:
    """Whether it is not started when it is made or updated."""
    return bool(config.get("schedule") or config.get("standbys"))


def has_checks(config: dict[str, Any]) -> bool:
    """Whether health can be asked for."""
    return bool(config.get("checks")) or any(service.get("checks") for service in config.get("services") or [])


def failing_checks(machine: Machine) -> list[str] | None:
    """Checks that do not pass, in words; None while there is no result yet. Compatibility checks are the server's own."""
    checks = [c for c in machine.get("checks") or [] if not str(c.get("name")).startswith("bg_deployments_compat")]
    if not checks:
        return None
    return [_worded(check, machine.get("config") or {}) for check in checks if check.get("status") != "passing"]


def _worded(check: dict[str, Any], config: dict[str, Any]) -> str:
    name, output = str(check.get("name")), str(check.get("output") or "no output")
    text = f"check {name} is {check.get('status')}: {output[:200]}"
    if "refused" not in output.lower():
        return text
    tail = re.search(r"(\d+)$", name)  # service checks end in their port
    port = ((config.get("checks") or {}).get(name) or {}).get("port") or (tail.group(1) if tail else "")
    if not port:
        ports = {str(service.get("internal_port")) for service in config.get("services") or []}
        port = ports.pop() if len(ports) == 1 else "its port"
    return f"{text} (connection refused on port {port}: nothing listens there; listen on 0.0.0.0 or [::] and that port)"


def newest_event(machine: Machine) -> int:
    """When something last happened to it, in the server's milliseconds."""
    return max((int(event.get("timestamp") or 0) for event in machine.get("events") or []), default=0)


def exit_of(event: dict[str, Any]) -> dict[str, Any]:
    """The facts of an exit event; the API has them in one of two places."""
    request = event.get("request") or {}
    return dict(request.get("exit_event") or (request.get("MonitorEvent") or {}).get("exit_event") or {})


def this_run(machine: Machine, since: int) -> list[dict[str, Any]]:
    """Events since the last update, restart or launch and after ``since`` (server's ms), newest first."""
    found: list[dict[str, Any]] = []
    for event in machine.get("events") or []:
        if event.get("type") in BOUNDARIES or int(event.get("timestamp") or 0) <= since:
            break
        found.append(event)
    return found


def crash(machine: Machine, since: int) -> str | None:
    """Why the machine is seen to crash after a moment of the server's clock, or None. A clean exit is no crash."""
    for event in this_run(machine, since):
        exited = exit_of(event) if event.get("type") == "exit" else {}
        if exited.get("requested_stop") or not exited.get("exit_code"):
            continue
        if (event.get("request") or {}).get("restart_count", 0) >= 1 or not exited.get("restarting"):
            memory = ", out of memory" if exited.get("oom_killed") else ""
            return f"the process ends with exit code {exited['exit_code']}{memory}"
    return None


def ended(machine: Machine, since: int) -> dict[str, Any] | None:
    """The newest exit of this run that is not followed by a start, or None."""
    for event in this_run(machine, since):
        if event.get("type") == "start":
            return None
        if event.get("type") == "exit":
            return exit_of(event)
    return None


def has_run(machine: Machine, since: int) -> bool:
    """Whether it was started since its last update, restart or launch."""
    return any(event.get("type") in ("start", "exit") for event in this_run(machine, since))


def last_words(machine: Machine) -> str:
    """State and latest events, for an error message."""
    events = [f"{e.get('type')}/{e.get('status')}" for e in (machine.get("events") or [])[:3]]
    return f"state {machine.get('state')}" + (f", events {' '.join(events)}" if events else "")
