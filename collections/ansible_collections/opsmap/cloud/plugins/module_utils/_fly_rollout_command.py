# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release command: a machine of its own that runs once, before anything else is changed."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_gate import SLICE
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    GONE,
    RELEASE_COMMAND,
    Machine,
    exit_of,
    group,
    last_words,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_body import Bodies
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_work import Work
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

NO_LIMIT = 10.0**9  # seconds


class ReleaseCommand:
    """Runs it; raises CloudError unless it ends with exit code 0."""

    def __init__(self, work: Work, bodies: Bodies) -> None:
        self.work = work
        self.bodies = bodies
        self.stated: dict[str, Any] = work.params["release_command"]
        self.name = f"{work.params['app']}-release-command-{next(iter(bodies.marks.values()))}"

    def run(self) -> None:
        """Leftovers away, make, start, wait for its end."""
        work = self.work
        for machine in work.api.all():
            if group(machine) == RELEASE_COMMAND:
                work.api.destroy(machine["id"])
        config = self.bodies.release_command()
        made = work.create(self.name, self.bodies.first.primary, config, skip_launch=True)
        with work.blamed(self.name):
            self._prepared(made)
            work.api.act(made["id"], "start", work.leases.nonce(made["id"]))
            code = self._exit_code(made)
        self._remove(made["id"])
        if code != 0:
            text = f"it ended with exit code {code}; nothing of the release was changed"
            raise self._failed(
                text, "failed_state", f"its output is in: fly logs --app {work.params['app']} --machine {made['id']}"
            )

    def _prepared(self, made: Machine) -> None:
        """Wait until it rests; what is gone already has run."""
        wait_for(
            f"machine {self.name}",
            lambda: self.work.api.find(made["id"]) or {"state": "not visible yet"},
            lambda seen: seen.get("state") in {*ASLEEP, *GONE},
            self.work.patience,
            failed=lambda seen: f"it was not made ({last_words(seen)})" if seen.get("state") == "failed" else None,
            state=lambda seen: str(seen.get("state")),
            service="fly",
        )

    def _exit_code(self, made: Machine) -> int:
        """From the newest exit event after the start; the machine destroys itself, so the last look counts."""
        last: Machine = {}

        def look() -> Machine:
            nonlocal last
            over = self.work.api.wait(made["id"], ("stopped", "destroyed", "failed"), SLICE)
            seen = self.work.api.find(made["id"])
            last = seen or {**last, "state": "destroyed" if over or last else "not visible yet"}
            return last

        limit = float(self.stated["timeout"]) or NO_LIMIT
        seen = wait_for(
            f"release command of {self.work.params['app']}",
            look,
            lambda seen: _exited(seen) is not None or seen.get("state") in GONE,
            dataclasses.replace(self.work.patience, timeout=limit),
            failed=lambda seen: f"it did not start ({last_words(seen)})" if seen.get("state") == "failed" else None,
            state=lambda seen: str(seen.get("state")),
            service="fly",
        )
        code = _exited(seen)
        if code is None:
            raise self._failed(
                f"how it ended cannot be read ({last_words(seen)})", "failed_state", "look into its output: fly logs"
            )
        return code

    def _remove(self, machine: str) -> None:
        """It destroys itself; make sure, and forget it."""
        self.work.api.destroy(machine)
        self.work.leases.forget(machine)
        self.work.journal.gone(self.name)

    def _failed(self, text: str, code: str, hint: str) -> CloudError:
        return CloudError(text, "fly", "run release command", code=code, hint=hint)


def _exited(machine: Machine) -> int | None:
    """Exit code of its one run, or None while it has not ended."""
    for event in machine.get("events") or []:
        if event.get("type") == "start":
            return None
        if event.get("type") == "exit" and "exit_code" in exit_of(event):
            return int(exit_of(event)["exit_code"])
    return None
