# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls on the volumes of one app, and on the machines that hold them."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import VOLUME_GONE, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import path

Volume = dict[str, Any]
Snapshot = dict[str, Any]

USABLE = frozenset({"created", "hydrating"})  # any other state that is not gone is work in progress
COMPLETE = "created"  # a snapshot goes from waiting to running to this
FAILED = frozenset({"failed", "error", "errored"})
NO_ROOM = frozenset({"insufficient_capacity", "volume_placement_capacity"})


class VolumesApi:
    """Volumes of one app."""

    def __init__(self, client: Fly, app: str) -> None:
        self.client = client
        self.app = app

    def where(self, volume: str = "", verb: str = "") -> str:
        """Path of the list, of a volume, or of what is done to it."""
        base = path("/apps/{app}/volumes", app=self.app)
        return base + (path("/{id}", id=volume) if volume else "") + (f"/{verb}" if verb else "")

    def all(self, *, with_gone: bool = False) -> list[Volume]:
        """Volumes; empty where the app is missing. Deleted ones linger in the list for a day."""
        found = self.client.listed(self.app, "volumes") or []
        return [volume for volume in found if with_gone or volume.get("state") not in VOLUME_GONE]

    def snapshots(self, volume: str) -> list[Snapshot]:
        """Snapshots of a volume, complete or not; empty where the volume is missing."""
        found = self.client.http.find(self.where(volume, "snapshots"), operation=f"list snapshots of volume {volume}")
        return list(found or [])

    def snapshot(self, volume: str) -> None:
        """Begin a snapshot. One too many does no harm."""
        operation = f"snapshot volume {volume}"
        self.client.http.call("POST", self.where(volume, "snapshots"), operation=operation, repeatable=True)

    def create(self, body: dict[str, Any]) -> Volume:
        """Make a volume. Not repeatable: names are not unique, so the caller counts first."""
        operation = f"create volume {body['name']} in {body['region']}"
        try:
            made: Volume = self.client.http.call(
                "POST", self.where(), operation=operation, body=body, repeatable=False
            ).body
        except CloudError as error:
            if error.code in NO_ROOM or error.status == 412:
                error.hint = (
                    f"{body['region']} has no room for it; set require_unique_zone to false, ask for a smaller guest, "
                    "take another region, or try again later"
                )
            raise
        return made

    def change(self, volume: str, body: dict[str, Any]) -> None:
        """Change how snapshots are taken."""
        self.client.http.call("PUT", self.where(volume), operation=f"change volume {volume}", body=body)

    def extend(self, volume: str, size_gb: int) -> bool:
        """Grow; whether the machine that holds it must be restarted to see it."""
        operation = f"extend volume {volume} to {size_gb} GB"
        body = {"size_gb": size_gb}
        try:
            answer = self.client.http.call("PUT", self.where(volume, "extend"), operation=operation, body=body).body
        except CloudError:
            # an earlier answer may have been lost, and growing twice to one size may be refused
            if next((v["size_gb"] for v in self.all() if v["id"] == volume), 0) != size_gb:
                raise
            return True
        return bool((answer or {}).get("needs_restart"))

    def delete(self, volume: str) -> None:
        """Delete a volume that no machine holds."""
        self.client.http.call("DELETE", self.where(volume), operation=f"delete volume {volume}", accept=(404,))

    def machines(self) -> list[dict[str, Any]]:
        """Machines of the app, those that are going away too."""
        return list(self.client.listed(self.app, "machines") or [])

    def machine(self, machine: str) -> dict[str, Any]:
        """One machine; empty where it is missing."""
        where = path("/apps/{app}/machines/{id}", app=self.app, id=machine)
        return self.client.http.find(where, operation=f"get machine {machine}") or {}

    def restart(self, machine: str) -> bool:
        """Begin to restart a machine; False while somebody else leases it."""
        where = path("/apps/{app}/machines/{id}/restart", app=self.app, id=machine)
        operation = f"restart machine {machine}"
        return self.client.http.call("POST", where, operation=operation, repeatable=True, accept=(409,)).status != 409
