# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a machine counts as up: started in the wanted version, staying up, and healthy."""

from __future__ import annotations

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    Machine,
    crash,
    failing_checks,
    has_checks,
    last_words,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for


class Gate:
    """Passed by one machine after another. ``smoke_seconds``: how long it must stay up."""

    def __init__(self, api: MachinesApi, patience: Patience, smoke_seconds: float) -> None:
        self.api = api
        self.patience = patience
        self.smoke_seconds = smoke_seconds

    def read(self, machine: str) -> Machine:
        """The machine; a new one may not be visible for a moment."""
        return self.api.find(machine) or {"id": machine, "state": "not visible yet"}

    def passed(self, machine: str, version: str, name: str, since: int = 0) -> None:
        """Wait until the version is up; raise CloudError with what was seen. ``since``: ignore events up to then."""

        def failed(seen: Machine) -> str | None:
            if seen.get("instance_id") not in (version, None):
                return None
            if seen.get("state") in ("failed", "destroyed", "launch_failed"):
                return f"it did not start ({last_words(seen)})"
            reason = crash(seen, since)
            return f"{reason} ({last_words(seen)})" if reason else None

        def up(seen: Machine) -> bool:
            return seen.get("state") == "started" and seen.get("instance_id") == version

        seen = wait_for(
            f"machine {name}",
            lambda: self.read(machine),
            up,
            self.patience,
            failed=failed,
            state=lambda m: str(m.get("state")),
            service="fly",
        )
        self._smoke(machine, name, since)
        if has_checks(seen.get("config") or {}):
            self._healthy(machine, name, failed)

    def _smoke(self, machine: str, name: str, since: int) -> None:
        clock, start = self.patience.clock, self.patience.clock.now()
        while clock.now() - start < self.smoke_seconds:
            clock.sleep(min(self.patience.interval, self.smoke_seconds))
            seen = self.read(machine)
            reason = crash(seen, since)
            if reason:
                text = f"{reason} ({last_words(seen)})"
                raise CloudError(text, "fly", f"smoke test of machine {name}", code="failed_state")

    def _healthy(self, machine: str, name: str, failed: object) -> None:
        def state(seen: Machine) -> str:
            bad = failing_checks(seen)
            return "no check result yet" if bad is None else "; ".join(bad)

        wait_for(
            f"health of machine {name}",
            lambda: self.read(machine),
            lambda seen: failing_checks(seen) == [] and seen.get("state") == "started",
            self.patience,
            failed=failed,  # type: ignore[arg-type]
            state=state,
            service="fly",
        )
