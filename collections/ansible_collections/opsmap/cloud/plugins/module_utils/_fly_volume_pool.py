# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool of volumes as it is, and the calls that change it."""

from __future__ import annotations

import math
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import GONE, newest_event
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volumes import (
    COMPLETE,
    FAILED,
    USABLE,
    Snapshot,
    Volume,
    VolumesApi,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers, Plan, apply
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

GB = 2**30


class Pool:
    """Volumes of one name in one region of an app."""

    def __init__(self, api: VolumesApi, params: dict[str, Any], context: Context) -> None:
        self.api = api
        self.params = params
        self.context = context
        self.patience = context.patience(params)
        self.known: set[str] = set()  # volumes that were there, or were made here
        self.made: set[str] = set()
        self.warnings: list[str] = []

    def volumes(self) -> list[Volume]:
        """The pool; without what is deleted and lingers."""
        return [v for v in self.api.all() if self.own(v)]

    def own(self, volume: Volume) -> bool:
        """Whether a volume is of the pool."""
        return bool(volume["name"] == self.params["name"] and volume["region"] == self.params["region"])

    def observe(self) -> dict[str, Any]:
        """Volumes, and what is needed to plan: which holders are gone, which volumes grow alone, what to restore from."""
        if self.params["state"] == "absent":
            everything = self.api.all()
            volumes = [v for v in everything if self.own(v)]
            stranger = next((v for v in everything if v["id"] == self.params["volume_id"] and v not in volumes), None)
            return {"volumes": self._with_holders(volumes), "stranger": stranger}
        volumes = self.volumes() if self.context.check_mode else self._settled()
        self.known |= {volume["id"] for volume in volumes}
        missing = len(volumes) < self.params["count"]
        return {"volumes": self._with_growth(volumes), "source": self._source() if missing else None}

    def _settled(self) -> list[Volume]:
        """The pool when nothing is being made of it any more; an unknown state is work in progress."""

        def working(volumes: list[Volume]) -> list[str]:
            unseen = self.made - {volume["id"] for volume in volumes}
            busy = [v for v in volumes if v.get("state") not in USABLE and v.get("host_status") in (None, "", "ok")]
            return [f"{v['id']} is {v.get('state')}" for v in busy] + [f"{v} is not visible yet" for v in unseen]

        return wait_for(
            f"volumes {self.params['name']} in {self.params['region']}",
            self.volumes,
            lambda volumes: not working(volumes),
            self.patience,
            state=lambda volumes: ", ".join(working(volumes)),
            service="fly",
        )

    def _with_holders(self, volumes: list[Volume]) -> list[Volume]:
        """A volume is detached some time after its machine has gone: who holds it may be gone already."""
        if not any(volume.get("attached_machine_id") for volume in volumes):
            return volumes
        alive = {machine["id"] for machine in self.api.machines() if machine.get("state") not in GONE}
        return [
            {**v, "detaching": bool(v.get("attached_machine_id")) and v["attached_machine_id"] not in alive}
            for v in volumes
        ]

    def _with_growth(self, volumes: list[Volume]) -> list[Volume]:
        """A mount with a threshold grows its volume: being larger than asked for is then no mistake."""
        size = self.params["size_gb"]
        larger = {v["id"] for v in volumes if size and v["size_gb"] > size and v.get("attached_machine_id")}
        if not larger:
            return volumes
        mounts = [m for machine in self.api.machines() for m in (machine.get("config") or {}).get("mounts") or []]
        growing = {mount.get("volume") for mount in mounts if mount.get("extend_threshold_percent")}
        return [{**v, "grows_by_itself": v["id"] in larger & growing} for v in volumes]

    def _source(self) -> dict[str, Any] | None:
        """What new volumes are filled from: kind, id and size where it is known."""
        params = self.params
        if params["source_volume_id"]:
            found = next((v for v in self.api.all() if v["id"] == params["source_volume_id"]), None)
            if found is None:
                reason = f"app {params['app']} has no volume {params['source_volume_id']}"
                raise bad_option("source_volume_id", reason, "give one that fly_volume_info lists")
            return {"kind": "volume", "id": found["id"], "size_gb": found["size_gb"]}
        if not (params["snapshot_id"] or params["snapshot"]):
            return None
        snapshots = self._snapshots()
        if params["snapshot_id"]:  # of another app perhaps; then only the server knows its size
            found = next((s for s in snapshots if s["id"] == params["snapshot_id"]), {"id": params["snapshot_id"]})
        else:
            pool = params["snapshot_pool"] or params["name"]
            complete = [s for s in snapshots if s["pool"] == pool and s.get("status") == COMPLETE]
            if not complete:
                reason = f"no volume of pool {pool} in app {params['app']} has a complete snapshot"
                raise refused("restore the last snapshot", reason, "give snapshot_id, or leave snapshot out")
            found = max(complete, key=lambda s: str(s.get("created_at") or ""))
        size = math.ceil((found.get("volume_size") or 0) / GB)
        return {"kind": "snapshot", "id": found["id"], "size_gb": size or None}

    def _snapshots(self) -> list[Snapshot]:
        """Snapshots of all volumes of the app, deleted ones too: they are what is restored most."""
        volumes = self.api.all(with_gone=True)
        return [{**s, "pool": v["name"]} for v in volumes for s in self.api.snapshots(v["id"])]

    def carry_out(self, plan: Plan) -> None:
        """Make the calls. What the server says meanwhile is added to the plan's warnings."""
        self.warnings = plan.warnings
        handlers: Handlers = {
            "create": self.create,
            "extend": self.extend,
            "change": self.api.change,
            "delete": self.delete,
        }
        apply(plan, handlers, self.context)

    def create(self, body: dict[str, Any]) -> None:
        """Make one more, unless one has appeared that nobody knows: the trace of a lost answer."""

        def look() -> Volume | None:
            return next((volume for volume in self.volumes() if volume["id"] not in self.known), None)

        volume = make_once(look, lambda: self.api.create(body), self.params["api_retries"], self.patience.clock)
        self.known.add(volume["id"])
        self.made.add(volume["id"])

    def extend(self, volume: str, size: int) -> None:
        """Grow; then restart the machine that holds it, if it must be and may be."""
        if not self.api.extend(volume, size):
            return
        holder = next((v.get("attached_machine_id") for v in self.volumes() if v["id"] == volume), None)
        machine = self.api.machine(holder) if holder else {}
        if machine.get("state") != "started":
            return  # it sees the new size when it starts
        if self.params["restart"]:
            self._restart(machine)
            return
        self.warnings.append(
            f"machine {holder} sees the new size of volume {volume} only after a restart: "
            "set restart to true next time, or restart it now (fly_machines with state=restarted)"
        )

    def _restart(self, machine: dict[str, Any]) -> None:
        """A restart is asynchronous: it is over when the machine has moved and is started again."""
        wait_for(
            f"lease of machine {machine['id']}",
            lambda: self.api.restart(machine["id"]),
            bool,
            self.patience,
            state=lambda dummy: "held by somebody else",
            service="fly",
        )
        began = (machine.get("updated_at"), newest_event(machine))
        wait_for(
            f"restart of machine {machine['id']}",
            lambda: self.api.machine(machine["id"]),
            lambda m: m.get("state") == "started" and (m.get("updated_at"), newest_event(m)) != began,
            self.patience,
            failed=lambda m: f"it is {m['state']}" if m.get("state") in (*GONE, "failed") else None,
            state=lambda m: str(m.get("state")),
            service="fly",
        )

    def delete(self, volume: str) -> None:
        """Wait until it is detached, keep a complete snapshot of it, then delete it."""
        self._until(volume, "detached", lambda v: v is None or not v.get("attached_machine_id"))
        before = {snapshot["id"] for snapshot in self.api.snapshots(volume)}
        self.api.snapshot(volume)
        self._complete(volume, before)
        self.api.delete(volume)
        self._until(volume, "deleted", lambda v: v is None)

    def _until(self, volume: str, what: str, ready: Any) -> None:
        wait_for(
            f"volume {volume} to be {what}",
            lambda: next((v for v in self.volumes() if v["id"] == volume), None),
            ready,
            self.patience,
            state=lambda v: f"{(v or {}).get('state')}, machine {(v or {}).get('attached_machine_id') or 'none'}",
            service="fly",
        )

    def _complete(self, volume: str, before: set[str]) -> None:
        def fresh() -> list[Snapshot]:
            return [snapshot for snapshot in self.api.snapshots(volume) if snapshot["id"] not in before]

        def failed(snapshots: list[Snapshot]) -> str | None:
            bad = next((s for s in snapshots if s.get("status") in FAILED), None)
            return f"snapshot {bad['id']} is {bad['status']}; volume {volume} is not deleted" if bad else None

        wait_for(
            f"snapshot of volume {volume}",
            fresh,
            lambda snapshots: any(s.get("status") == COMPLETE for s in snapshots),
            self.patience,
            failed=failed,
            state=lambda snapshots: ", ".join(f"{s['id']} is {s.get('status')}" for s in snapshots) or "not begun",
            service="fly",
        )
