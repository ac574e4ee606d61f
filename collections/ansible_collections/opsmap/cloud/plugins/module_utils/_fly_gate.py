# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a machine counts as up: started in the wanted version, staying up, and healthy."""

from __future__ import annotations

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    GONE,
    Machine,
    crash,
    ended,
    failing_checks,
    has_checks,
    has_run,
    last_words,
    may_sleep,
    rests_after_launch,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for

SLICE = 5.0  # seconds that one call waits in the server: short enough to report, and to notice an interruption


class Gate:
    """Passed by one machine after another. ``smoke_seconds``: how long it must stay up."""

    def __init__(self, api: MachinesApi, patience: Patience, smoke_seconds: float) -> None:
        self.api = api
        self.patience = patience
        self.smoke_seconds = smoke_seconds

    def passed(self, machine: str, version: str, name: str, since: int = 0) -> None:
        """Wait until the version is up, stays up and is healthy; raise CloudError with what was seen.

        since: ignore events up to then. A machine that may rest and does so passes, if it has not crashed before.
        """
        seen = self.up(machine, version, name, since)
        if seen.get("state") == "started":
            self._smoke(machine, name, since)
            if has_checks(seen.get("config") or {}):
                self.healthy(machine, version, name, since)

    def up(self, machine: str, version: str, name: str, since: int = 0) -> Machine:
        """Wait until the version has started, or rests as it may."""
        visible = False

        def look() -> Machine:
            nonlocal visible
            self.api.wait(machine, ("settled",), min(SLICE, self.patience.timeout), version)
            seen = self.api.find(machine)
            if seen is None:  # a new machine may not be visible for a moment
                return {"id": machine, "state": "destroyed" if visible else "not visible yet"}
            visible = True
            return seen

        def failed(seen: Machine) -> str | None:
            return self._failed(seen, version, since)

        def ready(seen: Machine) -> bool:
            return seen.get("instance_id") == version and failed(seen) is None and _arrived(seen, since)

        return wait_for(
            f"machine {name}",
            look,
            ready,
            self.patience,
            failed=failed,
            state=lambda m: str(m.get("state")),
            service="fly",
        )

    def _failed(self, seen: Machine, version: str, since: int) -> str | None:
        if seen.get("instance_id") not in (version, None):
            return None
        config, state = seen.get("config") or {}, seen.get("state")
        reason = crash(seen, since)
        if not reason and (state == "failed" or (state in GONE and not config.get("auto_destroy"))):
            reason = "it did not start"
        over = ended(seen, since)
        if not reason and state == "stopped" and over is not None and not may_sleep(config):
            serves = bool(config.get("services")) or has_checks(config)
            if serves and not over.get("restarting") and not over.get("requested_stop"):
                reason = f"the process ended with exit code {over.get('exit_code', 0)} and is not started again"
        return f"{reason} ({last_words(seen)})" if reason else None

    def _smoke(self, machine: str, name: str, since: int) -> None:
        """The server tells when it stops; what it did in the meantime is in its events."""
        clock = self.patience.clock
        end = clock.now() + self.smoke_seconds
        while True:
            left = end - clock.now()
            if left >= 1:
                if self.api.wait(machine, ("stopped", "failed"), min(SLICE, left)):
                    clock.sleep(min(self.patience.interval, left))
            elif left > 0:
                clock.sleep(left)
            seen = self.api.find(machine) or {}
            reason = crash(seen, since)
            if reason:
                text = f"{reason} ({last_words(seen)})"
                raise CloudError(text, "fly", f"smoke test of machine {name}", code="failed_state")
            if left <= 0:
                return

    def healthy(self, machine: str, version: str, name: str, since: int = 0) -> None:
        """Wait until all checks pass."""

        def state(seen: Machine) -> str:
            bad = failing_checks(seen)
            return "no check result yet" if bad is None else "; ".join(bad)

        def ready(seen: Machine) -> bool:
            if seen.get("state") in ASLEEP and may_sleep(seen.get("config") or {}):
                return True
            return failing_checks(seen) == [] and seen.get("state") == "started"

        wait_for(
            f"health of machine {name}",
            lambda: self.api.find(machine) or {"id": machine, "state": "destroyed", "instance_id": version},
            ready,
            self.patience,
            failed=lambda seen: self._failed(seen, version, since),
            state=state,
            service="fly",
        )


def _arrived(seen: Machine, since: int) -> bool:
    """Started; or at rest where that is right: by its config, or after it has run and ended well."""
    config, state = seen.get("config") or {}, seen.get("state")
    if state == "started":
        return True
    if rests_after_launch(config):
        return state in ASLEEP
    over = ended(seen, since)
    done = over is not None and not over.get("exit_code") and not over.get("restarting")
    if config.get("auto_destroy"):
        return state in GONE or (state == "stopped" and done)
    if may_sleep(config):
        return state in ASLEEP and has_run(seen, since)
    return state == "stopped" and done  # _failed has looked whether it should serve
