# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a rollout back: old machines get their config and state again, new ones are destroyed.

One machine that cannot be put back does not keep the others from it.
"""

from __future__ import annotations

from functools import partial

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import merged
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_gate import SLICE, Gate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    GONE,
    TAG,
    Machine,
    failing_checks,
    last_words,
    metadata,
    rests_after_launch,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import side_by_side
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_work import Work

AT_ONCE = 16
LOOKS = 3  # how often a machine is looked for whose creation got no answer
COULD_NOT = "COULD NOT BE PUT BACK"


class Undo:
    """Takes back what a journal holds. ``lost``: how many machines could not be put back."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.api = work.calm
        self.patience = work.calm_patience
        self.gate = Gate(work.calm, work.calm_patience, 0.0)
        self.lost = 0

    def all(self) -> list[str]:
        """Machine by machine, what happened."""
        self.work.leases.patience = self.patience
        journal = self.work.journal
        old = sorted(journal.touched.values(), key=lambda machine: str(machine.get("name")))
        self.work.say(f"putting back {len(old)} machines, removing {len(journal.made)} new ones")
        lines = side_by_side(
            [partial(self._safely, str(m.get("name")), partial(self._restore, m)) for m in old], AT_ONCE
        )
        new = sorted(journal.made.items())
        lines += side_by_side(
            [partial(self._safely, name, partial(self._unmake, name, key)) for name, key in new], AT_ONCE
        )
        for machine in self.work.before.values():
            if machine["id"] in self.work.leases.held and machine["id"] not in journal.touched:
                lines.append(f"machine {machine['name']}: not touched")
        return lines

    def _safely(self, name: str, action: partial[str]) -> str:
        blame = self.work.journal.problems.get(name)
        why = f"; it had failed: {blame}" if blame else ""
        try:
            line = f"machine {name}: {action()}{why}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the other machines must be put back
            self.lost += 1
            line = f"machine {name}: {COULD_NOT}: {error}{why}"
        self.work.say(line)
        return line

    def _nonce(self, machine: str) -> str:
        try:
            found = self.work.leases.nonce(machine)
        except CloudError as error:
            if error.status != 409:
                raise
            found = ""
        if not found:
            self.work.leases.take(machine)
            found = self.work.leases.nonce(machine)
        return found

    def _restore(self, before: Machine) -> str:
        machine = before["id"]
        now = self.api.find(machine)
        if now is None or now.get("state") in GONE:
            raise CloudError("it is gone", "fly", code="failed_state", hint="run again to have it made anew")
        nonce, version, back = self._nonce(machine), str(now.get("instance_id")), "state is back"
        seen = self._seen(before, now)
        if machine in self.work.journal.rewritten or version != before.get("instance_id"):
            # As it was read it may hold what the server adds and would refuse, such as a preset beside its guest.
            config = merged(before["config"], before["config"])
            body = {"config": config, "skip_launch": before.get("state") in ASLEEP}
            body.update({"skip_service_registration": True} if before.get("cordoned") else {})
            version = str(self.api.update(machine, body, nonce)["instance_id"])
            back = "previous config is back"
        elif metadata(now).get(TAG) != metadata(before).get(TAG):
            self.api.mark(machine, TAG, metadata(before).get(TAG, ""), nonce)
        problem = self._state_again(before, version)
        if not before.get("cordoned") and now.get("cordoned"):
            self.api.act(machine, "uncordon", self._nonce(machine))
        return back + (f", but {problem}" if problem else "") + seen

    def _seen(self, before: Machine, now: Machine) -> str:
        if str(before.get("name")) not in self.work.journal.problems:
            return ""
        return f" (seen before that: {'; '.join([last_words(now), *(failing_checks(now) or [])])})"

    def _state_again(self, before: Machine, version: str) -> str:
        """Started, stopped or suspended as it was; what is not well although the config is back."""
        machine, name, wanted = before["id"], str(before.get("name")), str(before.get("state"))
        self.api.wait(machine, ("settled",), SLICE, version)
        state = str((self.api.find(machine) or {}).get("state"))
        try:
            if wanted in ("stopped", "created") or (wanted == "started" and rests_after_launch(before["config"])):
                if state == "started" and wanted != "started":
                    self.api.act(machine, "stop", self._nonce(machine))
                    self._reached(machine, "stopped")
            elif wanted != state or wanted == "started":
                self._running(before, version, state)
                if wanted == "suspended":
                    self.api.act(machine, "suspend", self._nonce(machine))
                    self._reached(machine, "suspended")
        except CloudError as error:
            return f"machine {name} is not as it was: {error.message}"
        return ""

    def _running(self, before: Machine, version: str, state: str) -> None:
        machine, name = before["id"], str(before.get("name"))
        if state in {*ASLEEP, "failed"}:
            self.api.act(machine, "start", self._nonce(machine))
            self._reached(machine, "started")
        self.gate.up(machine, version, name)
        if failing_checks(before) == []:
            self.gate.healthy(machine, version, name)

    def _reached(self, machine: str, state: str) -> None:
        clock = self.patience.clock
        end = clock.now() + self.patience.timeout
        while not self.api.wait(machine, (state, "failed"), SLICE):
            if clock.now() >= end:
                raise CloudError(f"it does not become {state}", "fly", code="timeout")

    def _unmake(self, name: str, machine: str) -> str:
        clock = self.patience.clock
        looks = 0
        while not machine and looks < LOOKS:
            machine = next((str(m["id"]) for m in self.api.all() if m.get("name") == name), "")
            looks += 1
            if not machine and looks < LOOKS:
                clock.sleep(self.patience.interval)
        if not machine:
            return "was not made"
        try:
            self.api.destroy(machine, self.work.leases.nonce(machine))
        except CloudError as error:
            if error.status != 409:  # leased by a call of ours whose answer was lost
                raise
            self.work.leases.take(machine)
            self.api.destroy(machine, self.work.leases.nonce(machine))
        self.work.leases.forget(machine)
        return "new, destroyed"
