# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a rollout: green machines begin to serve, those whose place is taken drain, stop and are destroyed.

Until the first one is destroyed everything can be taken back. From then on the new release goes on whatever happens.
"""

from __future__ import annotations

from functools import partial

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import GONE, SAFE, TAG, Machine
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import side_by_side
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_work import AT_ONCE, Work


class Cutover:
    """greens: new machines that do not serve yet. blues: those whose place they take. surplus: all others to destroy."""

    def __init__(self, work: Work, greens: list[Machine], blues: list[Machine], surplus: list[Machine]) -> None:
        self.work = work
        self.greens = greens
        self.blues = blues
        self.going = [*blues, *surplus]

    def turn(self) -> None:
        """All that can be taken back, and the first destruction."""
        work = self.work
        if self.greens:
            work.say(f"{len(self.greens)} green machines begin to serve")
            side_by_side([partial(self._serve, green) for green in self.greens], AT_ONCE, work.stop)
        if self.blues:
            side_by_side([partial(self._mark, blue) for blue in self.blues], AT_ONCE, work.stop)
            work.stop.clock.sleep(work.params["drain_seconds"])
        if self.going:
            work.say(f"{len(self.going)} machines drain, stop and are destroyed")
            work.retire(self.going)
        work.stop.check()  # the last chance: from here on the new release goes on
        if self.going:
            self._destroy(self.going[0])

    def _serve(self, green: Machine) -> None:
        self.work.api.act(green["id"], "uncordon", self.work.leases.nonce(green["id"]))

    def _mark(self, blue: Machine) -> None:
        nonce = self.work.leases.nonce(blue["id"])
        self.work.journal.touch(blue)
        self.work.api.mark(blue["id"], TAG, SAFE, nonce)

    def _destroy(self, machine: Machine) -> None:
        """By calls that are always made: it must be known whether the machine is gone."""
        work = self.work
        with work.blamed(str(machine.get("name"))):
            try:
                work.calm.destroy(machine["id"], work.leases.nonce(machine["id"]))
            except CloudError:
                left = work.calm.find(machine["id"])
                if left is not None and left.get("state") not in GONE:
                    raise
            work.leases.forget(machine["id"])

    def finish(self) -> None:
        """Destroy the rest. Raises CloudError when one is left, or the run was interrupted; the new release runs."""
        work = self.work
        problems = [text for text in side_by_side([partial(self._try, m) for m in self.going[1:]], AT_ONCE) if text]
        if not problems and not work.stop.interrupted:
            return
        absent = work.params["state"] == "absent"
        done = "the others are destroyed" if absent else "the new release runs on all machines"
        texts = (
            [f"interrupted by {work.stop.interrupted} when nothing could be taken back: {done}"]
            if work.stop.interrupted
            else []
        )
        texts += [f"{done}, but {len(problems)} old ones are left, stopped and out of service"] if problems else []
        raise CloudError(
            "\n  ".join(["; ".join(texts), *problems]),
            "fly",
            f"release {work.params['app']}",
            code="interrupted" if work.stop.interrupted else "failed_state",
            hint="run again to have them destroyed" if problems else "run again to see that nothing is left to do",
        )

    def _try(self, machine: Machine) -> str:
        try:
            self._destroy(machine)
        except CloudError as error:
            return f"machine {machine.get('name')}: could not be destroyed: {error}"
        return ""
