# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single steps of a rollout. What a step is about to change is written down first, so that it can be taken back."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_gate import SLICE, Gate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_leases import Leases
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    ASLEEP,
    VERSION,
    Machine,
    may_sleep,
    metadata,
    newest_event,
    rests_after_launch,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import Stop, side_by_side
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

AT_ONCE = 8
WAITED_AT_ONCE = 30
CREATE_AGAIN = 3  # after an answer in doubt
STOP_TIMEOUT = 310.0  # seconds; no stop signal is given longer than 300
REFUSED = frozenset({400, 401, 403, 404, 412, 422})  # answers that mean: nothing was changed


class Journal:
    """What was begun: machines as they were, names of new ones with their ids, and what went wrong where."""

    def __init__(self) -> None:
        self.touched: dict[str, Machine] = {}
        self.rewritten: set[str] = set()
        self.made: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        self._lock = threading.Lock()

    def touch(self, before: Machine, *, rewrite: bool = False) -> None:
        """About to change a machine; ``rewrite``: its config too."""
        with self._lock:
            self.touched.setdefault(before["id"], before)
            if rewrite:
                self.rewritten.add(before["id"])

    def unwritten(self, machine: str) -> None:
        """The server has refused the new config."""
        with self._lock:
            self.rewritten.discard(machine)

    def make(self, name: str, machine: str = "") -> None:
        """About to make a machine, or its id."""
        with self._lock:
            self.made[name] = machine

    def gone(self, name: str) -> None:
        """A new machine that was needed for a while only."""
        with self._lock:
            self.made.pop(name, None)

    def blame(self, name: str, problem: str) -> None:
        """What went wrong with a machine."""
        with self._lock:
            self.problems[name] = problem


class Work:
    """The hands of one rollout. ``api`` makes no call once the rollout has to end; ``calm`` always does."""

    def __init__(self, params: dict[str, Any], context: Context, machines: list[Machine]) -> None:
        self.params = params
        self.stop = Stop(context.clock)
        self.alert = context.alert
        self._report = context.report
        speaking = dataclasses.replace(context, report=self.say)
        self.calm_patience = speaking.patience(params)
        self.patience = dataclasses.replace(self.calm_patience, clock=self.stop.clock)
        self.api = MachinesApi(Fly(params, self.stop.clock), params["app"], self.stop.check)
        self.calm = MachinesApi(Fly(params, context.clock), params["app"])
        self.leases = Leases(self.calm, params["lease_ttl"], self.patience)
        self.gate = Gate(self.api, self.patience, params["smoke_seconds"])
        self.immediate = params["strategy"] == "immediate"
        self.to_come_up: list[Callable[[], None]] = []
        self.journal = Journal()
        self.before = {machine["id"]: machine for machine in machines}

    def say(self, text: str) -> None:
        """Progress. After an interruption Ansible may no longer listen."""
        (self.alert if self.stop.interrupted else self._report)(text)

    def body(self, config: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A body that boots with the secrets that the release was made for."""
        version = self.params["secrets_version"]
        return {"config": config, **more, **({} if version is None else {"min_secrets_version": version})}

    def create(self, name: str, region: str, config: dict[str, Any], *, gated: bool = True, **more: Any) -> Machine:
        """Make a machine and lead it through the gate; never a second one because an answer was lost."""
        body = self.body(config, name=name, region=region, lease_ttl=self.params["lease_ttl"], **more)

        def look() -> Machine | None:
            return next((machine for machine in self.api.all() if machine.get("name") == name), None)

        self.journal.make(name)
        with self.blamed(name):
            machine = make_once(look, lambda: self.api.create(body), CREATE_AGAIN, self.stop.clock)
            self.journal.make(name, machine["id"])
            self.leases.adopt(machine["id"], machine.get("nonce"))
            if not machine.get("nonce"):  # made by a call whose answer was lost: its lease has to run out
                self.leases.take(machine["id"])
            if gated and not more.get("skip_launch"):
                self._through_gate(machine["id"], machine["instance_id"], name)
        return machine

    def update(self, before: Machine, config: dict[str, Any]) -> None:
        """Write a config, under the lease, and lead the machine through the gate."""
        rests = rests_after_launch(config) or (before.get("state") in ASLEEP and may_sleep(config))
        body = self.body(config, current_version=before.get("instance_id"), skip_launch=rests)
        with self.blamed(str(before.get("name"))):
            nonce = self.leases.nonce(before["id"])
            self.stop.check()
            self.journal.touch(before, rewrite=True)
            made = self._written(before, body, nonce)
            if not rests:
                self._through_gate(before["id"], made["instance_id"], str(before.get("name")))

    def _written(self, before: Machine, body: dict[str, Any], nonce: str) -> Machine:
        """The machine with its new config. A 412 may come from our own call before, whose answer was lost."""
        try:
            return self.api.update(before["id"], body, nonce)
        except CloudError as error:
            if error.status == 412:
                now = self.api.find(before["id"]) or {}
                if metadata(now).get(VERSION) == body["config"]["metadata"].get(VERSION):
                    return now
            if error.status in REFUSED or no_room(error):
                self.journal.unwritten(before["id"])
            raise

    def start(self, before: Machine) -> None:
        """Start one that rests."""
        with self.blamed(str(before.get("name"))):
            self.act(before, "start")
            version, since = str(before["instance_id"]), newest_event(before)
            self._through_gate(before["id"], version, str(before.get("name")), since)

    def _through_gate(self, machine: str, version: str, name: str, since: int = 0) -> None:
        """Now; or, when all are changed at once, after the last change."""

        def passed() -> None:
            with self.blamed(name):
                self.gate.passed(machine, version, name, since)

        if self.immediate:
            self.to_come_up.append(passed)
        else:
            passed()

    def all_up(self) -> None:
        """Wait for the machines that were changed at once."""
        side_by_side(self.to_come_up, WAITED_AT_ONCE, self.stop)

    def act(self, before: Machine, verb: str) -> None:
        """Start, stop, cordon or uncordon a machine that was there before."""
        nonce = self.leases.nonce(before["id"])
        self.stop.check()
        self.journal.touch(before)
        self.api.act(before["id"], verb, nonce)

    def retire(self, machines: list[Machine]) -> None:
        """Take machines out of service without losing a request: cordon, drain, stop, wait. None is destroyed.

        Those that do not stop in time are left to the force of their destruction.
        """
        running = [m for m in machines if m.get("state") not in {*ASLEEP, "failed"} and not unreachable(m)]
        serving = [m for m in running if (m.get("config") or {}).get("services")]
        side_by_side([partial(self.act, machine, "cordon") for machine in serving], AT_ONCE, self.stop)
        if serving:
            self.stop.clock.sleep(self.params["drain_seconds"])
        side_by_side([partial(self.act, machine, "stop") for machine in running], AT_ONCE, self.stop)
        side_by_side([partial(self._stopped, machine) for machine in running], AT_ONCE, self.stop)

    def _stopped(self, machine: Machine) -> None:
        clock = self.stop.clock
        end = clock.now() + min(STOP_TIMEOUT, self.patience.timeout)
        while not self.api.wait(machine["id"], ("stopped",), SLICE) and clock.now() < end:
            clock.sleep(self.patience.interval)

    def blamed(self, name: str) -> Blame:
        """A context in which a failure is noted for the report."""
        return Blame(self.journal, name)


class Blame:
    """Notes a CloudError of its block for a machine, and lets it pass."""

    def __init__(self, journal: Journal, name: str) -> None:
        self.journal = journal
        self.name = name

    def __enter__(self) -> Blame:
        return self

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if isinstance(error, CloudError):
            self.journal.blame(self.name, error.message)


def unreachable(machine: Machine) -> bool:
    """Whether nothing but its destruction can be asked for."""
    return machine.get("host_status", "ok") not in ("ok", "", None)


def no_room(error: CloudError) -> bool:
    """Whether the machine's host cannot take the new version; another host may."""
    text = error.message.lower()
    return "could not reserve resource for machine" in text or "deploys to this host are temporarily disabled" in text
