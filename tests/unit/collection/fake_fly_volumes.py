"""Volumes of one Fly.io app in memory, from the published behaviour: everything takes a while, and names are not unique."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.unit.collection.fake_http import Answer, Fake, Route

APP = "/v1/apps/web"


@dataclass
class FakeFlyVolumes(Fake):
    """``work`` is how many reads of the list a new volume needs, ``lag`` how many it stays invisible for."""

    volumes: list[dict[str, Any]] = field(default_factory=list)
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshots: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    needs_restart: bool = False
    extends_once: bool = False
    snapshot_fails: bool = False
    work: int = 2
    lag: int = 0
    leased: int = 0
    reads: int = 0

    def authorized(self, headers: Any) -> bool:
        return bool(headers.get("Authorization") == "Bearer token")

    def routes(self) -> list[Route]:
        one = rf"{APP}/volumes/(vol_\w+)"
        return [
            ("GET", f"{APP}/volumes", self.index),
            ("POST", f"{APP}/volumes", self.create),
            ("PUT", one, self.change),
            ("PUT", f"{one}/extend", self.extend),
            ("DELETE", one, self.delete),
            ("GET", f"{one}/snapshots", self.list_snapshots),
            ("POST", f"{one}/snapshots", self.snapshot),
            ("GET", f"{APP}/machines", lambda: (200, list(self.machines.values()))),
            ("GET", rf"{APP}/machines/(m\w+)", self.machine),
            ("POST", rf"{APP}/machines/(m\w+)/restart", self.restart),
        ]

    def add(self, name: str = "data", region: str = "ewr", state: str = "created", **more: Any) -> dict[str, Any]:
        made = {"id": f"vol_{len(self.volumes) + 1}", "name": name, "region": region, "state": state, "size_gb": 1}
        made.update({"encrypted": True, "fstype": "ext4", "attached_machine_id": None, "host_status": "ok"})
        made.update({"snapshot_retention": 5, "auto_backup_enabled": True, "born": self.reads, **more})
        self.volumes.append(made)
        return made

    def living(self, name: str = "data") -> list[dict[str, Any]]:
        return [v for v in self.volumes if v["name"] == name and v["state"] != "pending_destroy"]

    def find(self, volume: str) -> dict[str, Any]:
        return next(item for item in self.volumes if item["id"] == volume)

    def index(self) -> Answer:
        self.reads += 1
        for volume in self.volumes:
            if volume["state"] in ("creating", "a_state_of_next_year") and self.reads - volume["born"] > self.work:
                volume["state"] = "created"
            elif volume["state"] == "creating" and self.reads - volume["born"] == self.work:
                volume["state"] = "a_state_of_next_year"
            if volume.get("detached_after") is not None:
                volume["detached_after"] -= 1
                if volume["detached_after"] < 0:
                    volume["attached_machine_id"], volume["detached_after"] = None, None
        return 200, [v for v in self.volumes if self.reads - v["born"] > self.lag]

    def create(self, body: Any) -> Answer:
        given = {k: v for k, v in body.items() if k not in ("compute", "compute_image", "require_unique_zone")}
        return 200, self.add(state="creating", **given)

    def change(self, volume: str, body: Any) -> Answer:
        self.find(volume).update(body)
        return 200, self.find(volume)

    def extend(self, volume: str, body: Any) -> Answer:
        found = self.find(volume)
        if body["size_gb"] < found["size_gb"] or (self.extends_once and body["size_gb"] == found["size_gb"]):
            return 400, {"error": "invalid_argument: size_gb must be larger"}
        found["size_gb"] = body["size_gb"]
        return 200, {"volume": found, "needs_restart": self.needs_restart}

    def delete(self, volume: str) -> Answer:
        found = self.find(volume)
        if found["attached_machine_id"]:
            return 400, {"error": "failed_precondition: volume is currently bound to a machine"}
        if not any(s["status"] == "created" for s in self.snapshots.get(volume, [])):
            return 500, {"error": "this test wants a complete snapshot before a volume goes"}
        found["state"] = "pending_destroy"
        return 200, found

    def list_snapshots(self, volume: str) -> Answer:
        order = ["waiting", "running", "failed" if self.snapshot_fails else "created"]
        shown = [dict(item) for item in self.snapshots.get(volume, [])]
        for item in self.snapshots.get(volume, []):
            if item["status"] in order[:2]:
                item["status"] = order[order.index(item["status"]) + 1]
        return 200, shown

    def snapshot(self, volume: str) -> Answer:
        kept = self.snapshots.setdefault(volume, [])
        made = {
            "id": f"vs_{volume}_{len(kept) + 1}",
            "status": "waiting",
            "volume_size": self.find(volume)["size_gb"] * 2**30,
        }
        kept.insert(0, {**made, "created_at": f"2026-11-24T10:00:{len(kept):02}Z"})
        return 200, {"Msg": {"backup": {"id": made["id"], "state": "waiting"}}}

    def machine(self, machine: str) -> Answer:
        found = self.machines.get(machine)
        if found is None:
            return 404, {"error": "not found"}
        shown = dict(found)
        if found["state"] == "restarting":
            found["state"] = "started"
        return 200, shown

    def restart(self, machine: str) -> Answer:
        if self.leased:
            self.leased -= 1
            return 409, {"error": "lease currently held by deploy@example.com"}
        self.machines[machine].update(state="restarting", updated_at=f"2026-11-24T11:00:{self.reads:02}Z")
        return 200, {}
