# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out a plan for machines, gated, and puts everything back when a step fails.

The way: create what is missing, then update machine by machine, then destroy what is too many. On any failure, SIGINT or
SIGTERM the machines that were touched get their previous config back under their lease, and new ones are destroyed.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import merged
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_gate import Gate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_leases import Leases
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    RELEASE,
    Machine,
    metadata,
    newest_event,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, Step


class Interrupted(BaseException):
    """SIGINT or SIGTERM during a rollout."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Signals become Interrupted, so that what was begun is put back. Only the main thread can listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, dummy: object) -> None:
        raise Interrupted(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def batch_size(total: int, max_unavailable: float) -> int:
    """Machines that may be down at once: a number from 1 on, or a share below 1 (rounded up)."""
    share = max_unavailable if max_unavailable >= 1 else math.ceil(total * max_unavailable)
    return max(1, min(total, int(share)))


class Rollout:
    """One run over one process group."""

    def __init__(
        self,
        api: MachinesApi,
        params: dict[str, Any],
        context: Context,
        config: Callable[[Machine | None], dict[str, Any]],
    ) -> None:
        self.api = api
        self.params = params
        self.context = context
        self.patience = context.patience(params)
        self.gate = Gate(api, self.patience, params["smoke_seconds"])
        self.leases = Leases(api, params["lease_ttl"], self.patience)
        self.config = config
        self.release = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.before: dict[str, Machine] = {}
        self.touched: list[str] = []
        self.created: list[Machine] = []
        self.volumes: dict[str, str] = {}
        self.marks: dict[str, str] = {}
        self.gated = params["strategy"] != "immediate"

    def carry_out(self, plan: Plan, machines: list[Machine]) -> None:
        """All steps, or none."""
        self.before = {machine["id"]: machine for machine in machines}
        steps = {do: [step for step in plan.steps if step.do == do] for do in ("create", "update", "start", "destroy")}
        self._pair_volumes(steps["create"])
        number = max([int(metadata(m).get("fly_release_version") or 0) for m in machines] or [0]) + 1
        self.marks = {RELEASE: self.release, "fly_release_version": str(number)}
        with interruptible(), self.leases:
            try:
                for step in steps["update"] + steps["start"]:
                    self._take(step.args["machine"])
                for step in steps["create"]:
                    self._report(step)
                    self._create(**step.args)
                self._update_all(steps["update"])
                for step in steps["start"]:
                    self._report(step)
                    self._start(step.args["machine"])
            except (CloudError, Interrupted, KeyboardInterrupt) as problem:
                raise self._put_back(problem) from None
            for step in steps["destroy"]:
                self._report(step)
                self.api.destroy(step.args["machine"])

    def _report(self, step: Step) -> None:
        self.context.report(step.title)

    def _pair_volumes(self, creations: list[Step]) -> None:
        """A free volume for each new machine that mounts one; nothing is changed if one is missing."""
        if not self.params["mount"] or not creations:
            return
        pool = self.params["mount"]["volume"]
        free = [
            v for v in self.api.client.volumes(self.api.app) if v["name"] == pool and not v.get("attached_machine_id")
        ]
        for step in creations:
            region = step.args["region"]
            volume = next((v for v in free if v["region"] == region), None)
            if volume is None:
                hint = f"make one first: fly_volume with name={pool}, region={region} and a count of all machines there"
                raise refused(step.title, f"no free volume of pool {pool} in {region}", hint)
            free.remove(volume)
            self.volumes[step.args["name"]] = volume["id"]

    def _take(self, machine: str) -> None:
        version = self.leases.take(machine)
        known = self.before[machine].get("instance_id")
        if version and known and version != known:
            raise refused(f"update machine {machine}", "it was changed by someone else meanwhile", "run again")

    def _body(self, machine: Machine | None) -> dict[str, Any]:
        config = merged((machine or {}).get("config") or {}, self.config(machine))
        if self.params["state"] == "present":  # an earlier release keeps its own marks
            config["metadata"] = {**config["metadata"], **self.marks}
        body: dict[str, Any] = {"config": config}
        if self.params["secrets_version"] is not None:
            body["min_secrets_version"] = self.params["secrets_version"]
        return body

    def _create(self, name: str, region: str) -> None:
        body = {**self._body(None), "name": name, "region": region, "lease_ttl": self.params["lease_ttl"]}
        if name in self.volumes:
            body["config"]["mounts"] = [{**self.params["mount"], "volume": self.volumes[name]}]

        def look() -> Machine | None:
            return next((m for m in self.api.all() if m.get("name") == name), None)

        machine = make_once(look, lambda: self.api.create(body), 3, self.patience.clock)
        self.created.append(machine)
        self.leases.adopt(machine["id"], machine.get("nonce"))
        if self.gated:
            self.gate.passed(machine["id"], machine["instance_id"], name)

    def _update_all(self, steps: list[Step]) -> None:
        """The first one alone, then as many at once as may be down."""
        total = len(steps)
        if not total:
            return
        size = total if not self.gated else batch_size(total, self.params["max_unavailable"])
        batches = [steps[:1], *(steps[at : at + size] for at in range(1, total, size))] if self.gated else [steps]
        for batch in batches:
            with ThreadPoolExecutor(max_workers=min(8, len(batch))) as pool:
                running = [pool.submit(self._update, step) for step in batch]
            for future in running:
                future.result()

    def _update(self, step: Step) -> None:
        self._report(step)
        before = self.before[step.args["machine"]]
        rests = before.get("state") in ASLEEP
        body = {**self._body(before), "current_version": before.get("instance_id"), "skip_launch": rests}
        self.touched.append(before["id"])
        made = self.api.update(before["id"], body, self.leases.nonce(before["id"]))
        if self.gated and not rests:
            self.gate.passed(before["id"], made["instance_id"], str(before.get("name")))

    def _start(self, machine: str) -> None:
        before = self.before[machine]
        self.api.act(machine, "start", self.leases.nonce(machine))
        if self.gated:
            self.gate.passed(machine, str(before["instance_id"]), str(before.get("name")), newest_event(before))

    def _put_back(self, problem: BaseException) -> CloudError:
        """Previous configs under the leases, new machines away; says machine by machine what happened."""
        cause = (
            problem if isinstance(problem, CloudError) else CloudError(f"interrupted by {problem}", code="interrupted")
        )
        report = []
        for machine in self.created:
            report.append(self._undo(f"new machine {machine['name']}: destroyed", partial(self._unmake, machine)))
        for machine_id in self.touched:
            before = self.before[machine_id]
            report.append(
                self._undo(f"machine {before['name']}: previous config is back", partial(self._restore, before))
            )
        for machine_id, before in self.before.items():
            if self.leases.nonce(machine_id) and machine_id not in self.touched:
                report.append(f"machine {before['name']}: not touched")
        lost = any("COULD NOT" in line for line in report)
        outcome = (
            "the rollout failed, and not all of it could be taken back"
            if lost
            else "the rollout failed and was taken back"
        )
        text = f"{cause.operation + ': ' if cause.operation else ''}{cause.message}"
        return CloudError(
            "\n  ".join([f"{outcome}: {text}", *report]),
            "fly",
            f"release {self.api.app}",
            cause.status,
            cause.code,
            cause.request_id,
            cause.hint or "mend the image or config and run again",
        )

    def _undo(self, done: str, action: Callable[[], None]) -> str:
        try:
            action()
        except CloudError as error:
            return f"{done.split(':')[0]}: COULD NOT BE PUT BACK: {error}"
        return done

    def _unmake(self, machine: Machine) -> None:
        self.api.destroy(machine["id"], self.leases.nonce(machine["id"]))
        self.leases.forget(machine["id"])

    def _restore(self, before: Machine) -> None:
        rests = before.get("state") in ASLEEP
        body = {"config": before["config"], "skip_launch": rests}
        made = self.api.update(before["id"], body, self.leases.nonce(before["id"]))
        if not rests:
            self.gate.passed(before["id"], made["instance_id"], str(before.get("name")))

    def restart(self, machines: list[Machine]) -> None:
        """Restart one after the other, each gated."""
        with interruptible(), self.leases:
            for machine in machines:
                self.before[machine["id"]] = machine
                self._take(machine["id"])
                self.context.report(f"restart machine {machine['name']}")
                began = machine.get("updated_at")
                self.api.act(machine["id"], "restart", self.leases.nonce(machine["id"]))
                self._left(machine["id"], began)
                self.gate.passed(machine["id"], machine["instance_id"], str(machine["name"]), newest_event(machine))
                self.leases.give_back(machine["id"])

    def _left(self, machine: str, began: Any) -> None:
        """A restart is asynchronous: look until the machine has moved at all, a moment at most."""
        clock = self.patience.clock
        for _dummy in range(10):
            if self.gate.read(machine).get("updated_at") != began:
                return
            clock.sleep(0.1)


def previous_configs(api: MachinesApi, machines: list[Machine]) -> dict[str, dict[str, Any]]:
    """By machine, the config of the newest release before the current one."""
    found: dict[str, dict[str, Any]] = {}
    for machine in machines:
        current = metadata(machine).get(RELEASE, "")
        configs = [version.get("user_config") or {} for version in api.versions(machine["id"])]
        earlier = {(c.get("metadata") or {}).get(RELEASE, ""): c for c in reversed(configs)}
        older = sorted(release for release in earlier if release < current)
        if older:
            found[machine["id"]] = earlier[older[-1]]
    return found
