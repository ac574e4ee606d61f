# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out a plan for machines, gated, and puts everything back when a step fails.

The way: release command, canaries, new machines, updates group by group, and at the end what has to go. On any failure,
SIGINT or SIGTERM the machines that were touched get their previous config back under their lease, and new ones are destroyed.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    BEFORE,
    Machine,
    leftover,
    may_sleep,
    metadata,
    newest_event,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_plan_group import Stock, needed
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_body import Bodies
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_command import ReleaseCommand
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_cutover import Cutover
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import (
    Cancelled,
    interruptible,
    side_by_side,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_undo import Undo
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_work import AT_ONCE, Work, no_room, unreachable
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, Step

GROUPS_AT_ONCE = 16
COLD_AT_ONCE = 30
CHANGED = "changed_meanwhile"  # code: the plan was made for another version; nothing was changed


def batch_size(total: int, max_unavailable: float) -> int:
    """Machines that may be down at once: a number from 1 on, or a share below 1 (rounded up)."""
    share = max_unavailable if max_unavailable >= 1 else math.ceil(total * max_unavailable)
    return max(1, min(total, int(share)))


class Rollout:
    """One run over the groups of an app."""

    def __init__(self, params: dict[str, Any], context: Context, observed: dict[str, Any]) -> None:
        self.params = params
        self.work = Work(params, context, observed["machines"])
        self.bodies = Bodies(params, observed["machines"], observed.get("versions") or {})
        self.stock = Stock(params, observed["machines"], observed.get("volumes") or [])
        self.greens: list[Machine] = []
        self.replaced: list[Machine] = []  # by an update that found no room, beyond those of the plan

    def carry_out(self, plan: Plan) -> None:
        """All steps, or none."""
        self._volumes_are_there(plan)
        self.stock.taken |= {step.args["name"] for step in plan.steps if "name" in step.args}
        with interruptible(self.work.stop, self.work.alert), self.work.leases:
            try:
                self._lease(plan)
                self._change(plan)
                cutover = self._cutover(plan)
                cutover.turn()
            except BaseException as error:  # noqa: BLE001 - whatever ends a rollout, it must be taken back; it is raised below
                problem = self.work.stop.problem or error
                self.work.stop.request(problem)
                raise self._taken_back(problem) from None
            cutover.finish()

    def _steps(self, plan: Plan, *kinds: str) -> list[Step]:
        return [step for step in plan.steps if step.do in kinds]

    def _before(self, step: Step) -> Machine:
        return self.work.before[step.args["machine"]]

    def _volumes_are_there(self, plan: Plan) -> None:
        for step in self._steps(plan, "create", "replace", "stand"):
            group = self.bodies.groups[step.args["group"]]
            if group.mount and "name" in step.args and not step.args["volume"]:
                pool, region = group.mount["volume"], step.args["region"]
                others = self.stock.elsewhere(pool)
                where = f"; a volume cannot move, and the free ones are in {', '.join(others)}" if others else ""
                raise refused(step.title, f"no free volume of pool {pool} in {region}{where}", needed(pool, region))

    def _lease(self, plan: Plan) -> None:
        """All leases before the first change: nobody has changed a machine since the plan, and nobody will."""
        ids = sorted({step.args["machine"] for step in plan.steps if step.args.get("machine")})
        reachable = [machine for machine in ids if not unreachable(self.work.before[machine])]
        side_by_side([partial(self._take, machine) for machine in reachable], AT_ONCE, self.work.stop)

    def _take(self, machine: str) -> None:
        known = self.work.before[machine]
        try:
            version = self.work.leases.take(machine)
        except CloudError as error:
            if error.status != 404:
                raise
            version = "gone"
        if version and known.get("instance_id") and version != known["instance_id"]:
            text = f"machine {known.get('name')} was changed by someone else meanwhile"
            raise CloudError(text, "fly", f"release {self.params['app']}", code=CHANGED, hint="run again")

    def _change(self, plan: Plan) -> None:
        """Everything that makes the new version run; nothing old is destroyed here."""
        if self._steps(plan, "release_command"):
            self.work.say(self._steps(plan, "release_command")[0].title)
            ReleaseCommand(self.work, self.bodies).run()
        for step in self._steps(plan, "canary"):
            self._canary(step)
        bluegreen = bool(self._steps(plan, "green"))
        new = self._steps(plan, "create", "replace", "green")
        at_once = min(AT_ONCE, max(1, math.ceil(len(new) / 3))) if bluegreen else AT_ONCE
        side_by_side([partial(self._create, step, bluegreen) for step in new], at_once, self.work.stop)
        self._update_all(self._steps(plan, "update"))
        for step in self._steps(plan, "stand"):
            self._stand(step, plan)
        for step in self._steps(plan, "start"):
            self.work.say(step.title)
            self.work.start(self._before(step))
        self.work.all_up()
        for step in self._steps(plan, "uncordon"):
            self.work.say(step.title)
            self.work.act(self._before(step), "uncordon")

    def _canary(self, step: Step) -> None:
        """One machine more; it takes its part of the traffic until it has passed."""
        self.work.say(step.title)
        name, region, group = step.args["name"], step.args["region"], step.args["group"]
        machine = self.work.create(name, region, self.bodies.canary(group))
        seen = {**machine, "state": "started", "config": self.bodies.groups[group].config}
        self.work.retire([seen])
        self.work.api.destroy(machine["id"], self.work.leases.nonce(machine["id"]))
        self.work.leases.forget(machine["id"])
        self.work.journal.gone(name)
        self.work.journal.touched.pop(machine["id"], None)

    def _create(self, step: Step, bluegreen: bool) -> None:
        """A machine that is missing, or that takes another's place. With greens around none of them serves yet."""
        self.work.say(step.title)
        name, region, group = step.args["name"], step.args["region"], step.args["group"]
        old = step.args.get("machine", "")
        more: dict[str, Any] = {"skip_service_registration": True} if bluegreen else {}
        if step.do == "green":
            config = self.bodies.green(group, old)
            if may_sleep(config) and self._rests(old, group):
                more["skip_launch"] = True
        else:
            config = self.bodies.create(group, step.args["volume"], old)
        machine = self.work.create(name, region, config, **more)
        if bluegreen:
            self.greens.append(machine)

    def _rests(self, blue: str, group: str) -> bool:
        """A blue that rests gives a green that rests; but one of each group must show that it can run."""
        mine = [
            m for m in self.work.before.values() if metadata(m).get("fly_process_group") == group and not leftover(m)
        ]
        running = any(machine.get("state") == "started" for machine in mine)
        first = min(mine, key=lambda machine: str(machine.get("name")), default={"id": ""})
        return self.work.before[blue].get("state") != "started" and (running or first["id"] != blue)

    def _update_all(self, steps: list[Step]) -> None:
        if self.work.immediate:
            side_by_side([partial(self._update, step) for step in steps], AT_ONCE, self.work.stop)
            return
        groups: dict[str, list[Step]] = {}
        for step in sorted(steps, key=lambda step: str(step.args["machine"])):
            groups.setdefault(step.args["group"], []).append(step)
        side_by_side([partial(self._roll, mine) for mine in groups.values()], GROUPS_AT_ONCE, self.work.stop)

    def _roll(self, steps: list[Step]) -> None:
        """One group: those that do not run, then the first one alone, then as many at once as may be down."""
        warm = [step for step in steps if self._before(step).get("state") == "started"]
        cold = [step for step in steps if step not in warm]
        side_by_side([partial(self._update, step) for step in cold], COLD_AT_ONCE, self.work.stop)
        size = batch_size(len(warm), self.params["max_unavailable"])
        side_by_side([partial(self._update, step) for step in warm[:1]], 1, self.work.stop)
        side_by_side([partial(self._update, step) for step in warm[1:]], size, self.work.stop)

    def _update(self, step: Step) -> None:
        self.work.say(step.title)
        before, group = self._before(step), step.args["group"]
        config = self.bodies.update(before, group)
        try:
            self.work.update(before, config)
        except CloudError as error:
            if not no_room(error) or config.get("mounts"):
                raise
            region = str(before.get("region"))
            name = self.stock.name(group, region)
            self.work.say(f"replace machine {before.get('name')} by {name}: {error.message}")
            config["metadata"][BEFORE] = before["id"]
            self.work.create(name, region, config)
            self.replaced.append(before)

    def _stand(self, step: Step, plan: Plan) -> None:
        """A standby, for all others of its group that will be there at the end."""
        self.work.say(step.title)
        group = step.args["group"]
        going = {s.args["machine"] for s in self._steps(plan, "destroy", "replace", "green")}
        going |= {machine["id"] for machine in self.replaced}
        mine = [m for m in self.work.api.all() if metadata(m).get("fly_process_group") == group and not leftover(m)]
        others = [m["id"] for m in mine if m["id"] not in going and not (m.get("config") or {}).get("standbys")]
        if "machine" in step.args:
            before = self._before(step)
            self.work.update(before, self.bodies.update(before, group, others))
        else:
            config = self.bodies.create(group, step.args["volume"], standing_for=others)
            self.work.create(step.args["name"], step.args["region"], config, skip_launch=True)

    def _cutover(self, plan: Plan) -> Cutover:
        blues = [self._before(step) for step in self._steps(plan, "green")]
        surplus = [self._before(step) for step in self._steps(plan, "replace", "destroy")]
        return Cutover(self.work, self.greens, blues, [*surplus, *self.replaced])

    def _taken_back(self, problem: BaseException) -> CloudError:
        """Puts everything back; the error that says machine by machine what happened."""
        cause = problem if isinstance(problem, CloudError) else _unexpected(problem)
        journal, stop = self.work.journal, self.work.stop
        if not journal.touched and not journal.made:
            return cause
        undo = Undo(self.work)
        report = undo.all()
        outcome = "was taken back" if not undo.lost else f"could not be taken back on {undo.lost} machines"
        text = f"{cause.operation + ': ' if cause.operation else ''}{cause.message}"
        return CloudError(
            "\n  ".join([f"the rollout failed and {outcome}: {text}", *report]),
            "fly",
            f"release {self.params['app']}",
            cause.status,
            "interrupted" if stop.interrupted else cause.code,
            cause.request_id,
            cause.hint or "mend the image or config and run again",
        )

    def restart(self, plan: Plan) -> None:
        """Restart one after the other, each gated. There is nothing to put back: their config stays."""
        work = self.work
        with interruptible(work.stop, work.alert), work.leases:
            try:
                for machine in map(self._before, plan.steps):
                    work.say(f"restart machine {machine['name']}")
                    self._take(machine["id"])
                    work.api.act(machine["id"], "restart", work.leases.nonce(machine["id"]))
                    since = newest_event(machine)
                    work.gate.passed(machine["id"], machine["instance_id"], str(machine["name"]), since)
                    work.leases.give_back(machine["id"])
            except Cancelled:
                raise _unexpected(work.stop.problem or Cancelled()) from None


def _unexpected(problem: BaseException) -> CloudError:
    if isinstance(problem, CloudError):
        return problem
    text = f"internal error {type(problem).__name__}: {problem}"
    return CloudError(text, code="internal", hint="this is a defect of opsmap.cloud, please report it")
