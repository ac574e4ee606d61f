"""Fly machines in memory, on a clock that is given: states take time, leases run out, versions are kept.

What an image does when it runs is in its name: ``crash`` ends with code 1 a moment after each start, ``sick`` never passes
its checks, ``hang`` never starts, ``exit0`` and ``exit1`` end once. ``trouble`` gives the k-th launch of an image such a fate.
``on_write`` is told of every config that was written: the image, and how many there were of it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

from tests.unit.collection.fake_http import Answer, Fake, Route

Machine = dict[str, Any]
RESTING = ("created", "started", "stopped", "suspended", "failed", "destroyed")
START, RUN, STOP = 1.0, 0.5, 0.2  # seconds: to start, until a crashing program ends, to stop
BASE = "/v1/apps/web/machines"


@dataclass
class FakeFly(Fake):
    """One app called web."""

    clock: Clock = Clock()
    machines: dict[str, Machine] = field(default_factory=dict)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    trouble: dict[str, Any] = field(default_factory=dict)  # image, at, kind
    on_write: Callable[[str, int], None] = lambda image, number: None
    writes_of: dict[str, int] = field(default_factory=dict)
    launches: dict[str, int] = field(default_factory=dict)
    number: int = 0
    early_404: float = 0.2

    def authorized(self, headers: Any) -> bool:
        return bool(headers.get("authorization") == "Bearer token")

    def routes(self) -> list[Route]:
        one = BASE + r"/(m\w+)"
        return [
            ("GET", "/v1/apps/web/volumes", lambda: (200, self.volumes)),
            ("GET", BASE, lambda: (200, [self.show(m) for m in self.machines.values() if m["state"] != "destroyed"])),
            ("POST", BASE, self.create),
            ("GET", one, lambda key: self.reading(key, lambda m: (200, self.show(m)))),
            ("POST", one, lambda key, body: self.writing(key, lambda m: self.update(m, body))),
            ("DELETE", one, lambda key: self.writing(key, self.destroy)),
            ("GET", one + "/wait", lambda key: self.reading(key, self.wait)),
            ("GET", one + "/versions", lambda key: self.reading(key, lambda m: (200, list(reversed(m["versions"]))))),
            ("POST", one + "/lease", lambda key, body: self.reading(key, lambda m: self.lease(m, body))),
            ("DELETE", one + "/lease", lambda key: self.writing(key, self.release)),
            ("POST", one + r"/metadata/(\w+)", self.mark),
            ("DELETE", one + r"/metadata/(\w+)", self.unmark),
            ("POST", one + r"/(start|stop|suspend|restart|cordon|uncordon)", self.act),
        ]

    # what is there

    def add(self, name: str, config: dict[str, Any], state: str = "started", **more: Any) -> Machine:
        """A machine that was there long before."""
        self.number += 1
        key = f"m{self.number}"
        machine = {
            "id": key,
            "name": name,
            "region": "ewr",
            "state": state,
            "instance_id": f"01V{self.number:04}",
            "config": copy.deepcopy(config),
            "events": [],
            "host_status": "ok",
            "cordoned": False,
            "born": -100.0,
            "lease": None,
            "agenda": [],
            "versions": [],
            "restarts": 0,
            **more,
        }
        self.machines[key] = machine
        self.remember(machine)
        self.event(machine, "launch", "created")
        if state == "started":
            self.event(machine, "start", "started")
        return machine

    def remember(self, machine: Machine) -> None:
        version = {"version": machine["instance_id"], "user_config": copy.deepcopy(machine["config"])}
        machine["versions"].append(version)

    def event(self, machine: Machine, kind: str, status: str, request: dict[str, Any] | None = None) -> None:
        self.number += 1
        at = int(self.clock.now() * 1000) + 10_000_000 + self.number
        found = {"id": f"e{self.number}", "type": kind, "status": status, "source": "flyd", "timestamp": at}
        machine["events"].insert(0, {**found, **({"request": request} if request else {})})

    def show(self, machine: Machine) -> Machine:
        self.advance(machine)
        hidden = ("born", "lease", "agenda", "versions", "restarts", "fate", "launched")
        shown = copy.deepcopy({key: value for key, value in machine.items() if key not in hidden})
        shown["checks"] = self.checks(machine)
        if machine["host_status"] != "ok":
            shown.update(config=None, incomplete_config=shown["config"])
        return shown

    def checks(self, machine: Machine) -> list[dict[str, Any]]:
        found = []
        sick = machine.get("fate") == "sick"
        if machine["state"] != "started" or self.clock.now() - machine.get("launched", -100.0) < 1.5:
            return []
        for service in machine["config"].get("services") or []:
            for number, check in enumerate(service.get("checks") or []):
                name = f"servicecheck-{number:02}-{check['type']}-{service['internal_port']}"
                output = "connect: connection refused" if sick else "200 OK"
                found.append({"name": name, "status": "critical" if sick else "passing", "output": output})
        return found

    # time

    def plan(self, machine: Machine, seconds: float, action: Callable[[Machine], None]) -> None:
        machine["agenda"].append((self.clock.now() + seconds, action))

    def advance(self, machine: Machine) -> None:
        while machine["agenda"] and machine["agenda"][0][0] <= self.clock.now():
            machine["agenda"].pop(0)[1](machine)

    def boot(self, machine: Machine, *, again: bool = False) -> None:
        image = machine["config"]["image"]
        if not again:
            self.launches[image] = self.launches.get(image, 0) + 1
            number = self.launches[image]
            fates = re.findall(r"crash|sick|hang|exit0|exit1|nopull", image)
            machine["fate"] = fates[0] if fates else ""
            if (self.trouble.get("image"), self.trouble.get("at")) == (image, number):
                machine["fate"] = self.trouble["kind"]
            machine["restarts"] = 0
        machine["state"] = "starting"
        if machine["fate"] == "nopull":
            self.plan(machine, START, lambda m: self.become(m, "failed", "launch"))
        elif machine["fate"] != "hang":
            self.plan(machine, START, self.started)

    def started(self, machine: Machine) -> None:
        machine["launched"] = self.clock.now()
        self.become(machine, "started", "start")
        if machine["fate"] in ("crash", "exit0", "exit1"):
            self.plan(machine, RUN, self.exited)

    def exited(self, machine: Machine) -> None:
        code = 0 if machine["fate"] == "exit0" else 1
        policy = (machine["config"].get("restart") or {}).get("policy") or "on-failure"
        again = code != 0 and policy != "no" and machine["restarts"] < 10
        facts = {"exit_code": code, "restarting": again, "requested_stop": False, "oom_killed": False}
        self.become(machine, "stopped", "exit", {"exit_event": facts, "restart_count": machine["restarts"]})
        if again:
            machine["restarts"] += 1
            self.plan(machine, 0.5, lambda m: self.boot(m, again=True))
        elif machine["config"].get("auto_destroy"):
            self.become(machine, "destroyed", "destroy")

    def become(self, machine: Machine, state: str, event: str, request: dict[str, Any] | None = None) -> None:
        machine["state"] = state
        self.event(machine, event, state, request)

    def asked(self, machine: Machine, state: str) -> None:
        facts = {"exit_code": 0, "requested_stop": True, "restarting": False}
        self.become(machine, state, "exit", {"exit_event": facts})

    # requests

    def reading(self, key: str, action: Callable[[Machine], Answer]) -> Answer:
        machine = self.machines.get(key)
        if machine is None or self.clock.now() - machine["born"] < self.early_404:
            return 404, {"error": "machine not found"}
        self.advance(machine)
        return action(machine)

    def held(self, machine: Machine) -> bool:
        lease = machine["lease"]
        if lease and lease["expires_at"] <= self.clock.now():
            machine["lease"] = lease = None
        return bool(lease and lease["nonce"] != self.headers.get("fly-machine-lease-nonce"))

    def writing(self, key: str, action: Callable[[Machine], Answer]) -> Answer:
        machine = self.machines.get(key)
        if machine is None or machine["state"] == "destroyed":
            return 404, {"error": "machine not found"}
        self.advance(machine)
        if self.held(machine):
            return 409, {"error": "failed: machine lease currently held by someone@example.test"}
        if machine["host_status"] != "ok" and "force" not in self.query:
            return 408, {"error": "the host does not answer"}
        return action(machine)

    def written(self, config: dict[str, Any]) -> None:
        image = config["image"]
        self.writes_of[image] = self.writes_of.get(image, 0) + 1
        self.on_write(image, self.writes_of[image])

    def create(self, body: dict[str, Any]) -> Answer:
        if any(m["name"] == body["name"] and m["state"] != "destroyed" for m in self.machines.values()):
            return 409, {"error": "already_exists: unique machine name violation"}
        for mount in body["config"].get("mounts") or []:
            volume = next((v for v in self.volumes if v["id"] == mount["volume"]), None)
            if volume is None or volume["region"] != body["region"] or volume["attached_machine_id"]:
                return 412, {"error": "volume is not free in this region"}
            volume["attached_machine_id"] = f"m{self.number + 1}"
        machine = self.add(body["name"], body["config"], "created", region=body["region"], born=self.clock.now())
        machine["cordoned"] = bool(body.get("skip_service_registration"))
        answer = self.show(machine)
        if body.get("lease_ttl"):
            machine["lease"] = {"nonce": f"n{self.number}", "expires_at": self.clock.now() + body["lease_ttl"]}
            answer["nonce"] = machine["lease"]["nonce"]
        self.written(body["config"])
        if body.get("skip_launch") or body["config"].get("schedule") or body["config"].get("standbys"):
            self.plan(machine, 0.2, lambda m: self.become(m, "stopped", "stop"))
        else:
            self.boot(machine)
        return 200, answer

    def update(self, machine: Machine, body: dict[str, Any]) -> Answer:
        if body.get("current_version") not in (None, machine["instance_id"]):
            return 412, {"error": f"failed_precondition: current version is {machine['instance_id']}"}
        rests = machine["state"] in ("stopped", "suspended", "created")
        self.number += 1
        machine.update(config=copy.deepcopy(body["config"]), instance_id=f"01V{self.number:04}", agenda=[])
        if "skip_service_registration" in body:
            machine["cordoned"] = body["skip_service_registration"]
        self.remember(machine)
        self.written(machine["config"])
        self.event(machine, "update", "replacing")
        if rests and body.get("skip_launch"):
            machine["state"] = "stopped"
        else:
            machine["state"] = "replacing"
            self.plan(machine, STOP, self.boot)
        return 200, self.show(machine)

    def destroy(self, machine: Machine) -> Answer:
        if machine["state"] == "started" and "force" not in self.query:
            return 412, {"error": "not currently stopped"}
        machine.update(agenda=[], lease=None)
        self.become(machine, "destroyed", "destroy")
        for volume in self.volumes:
            if volume["attached_machine_id"] == machine["id"]:
                volume["attached_machine_id"] = None
        return 200, {"ok": True}

    def wait(self, machine: Machine) -> Answer:
        wanted = [state for value in self.query.get("state", ["started"]) for state in value.split(",")]
        seconds, version = int(self.query.get("timeout", ["60"])[0]), self.query.get("version", [""])[0]
        if not 1 <= seconds <= 60:
            return 400, {"error": "invalid_argument: timeout"}
        end = self.clock.now() + seconds
        while True:
            self.advance(machine)
            state = machine["state"]
            settled = "settled" in wanted and state in RESTING and not (state == "created" and machine["agenda"])
            if (state in wanted or settled) and version in ("", machine["instance_id"]):
                return 200, {"ok": True, "state": state, "version": machine["instance_id"]}
            if self.clock.now() >= end:
                return 408, {"error": f"machine failed to reach desired state, {wanted[0]}, currently {state}"}
            self.clock.sleep(0.1)

    def lease(self, machine: Machine, body: dict[str, Any]) -> Answer:
        if self.held(machine):
            return 409, {"error": "machine lease currently held by someone@example.test"}
        self.number += 1
        nonce = (machine["lease"] or {}).get("nonce") or f"n{self.number}"
        made = {"nonce": nonce, "expires_at": self.clock.now() + body["ttl"], "version": machine["instance_id"]}
        machine["lease"] = made
        return 201, {"status": "success", "data": made}

    def release(self, machine: Machine) -> Answer:
        if machine["lease"] is None:
            return 404, {"error": "lease not found"}
        machine["lease"] = None
        return 200, {"status": "success", "data": {"ok": True}}

    def mark(self, key: str, name: str, body: dict[str, Any]) -> Answer:
        return self.writing(key, lambda m: (m["config"]["metadata"].update({name: body["value"]}), (204, None))[1])

    def unmark(self, key: str, name: str) -> Answer:
        return self.writing(key, lambda m: (m["config"]["metadata"].pop(name, None), (204, None))[1])

    def act(self, key: str, verb: str) -> Answer:
        def done(machine: Machine) -> Answer:
            if verb in ("cordon", "uncordon"):
                machine["cordoned"] = verb == "cordon"
            elif verb == "start" and machine["state"] != "started":
                self.boot(machine)
            elif verb in ("stop", "suspend") and machine["state"] == "started":
                state = "stopped" if verb == "stop" else "suspended"
                machine["agenda"].clear()
                machine["state"] = "stopping"
                self.plan(machine, STOP, lambda m: self.asked(m, state))
            elif verb == "restart":
                self.event(machine, "restart", "restarting")
                machine["state"] = "restarting"
                self.plan(machine, STOP, self.boot)
            return 200, {"ok": True}

        return self.writing(key, done)
