# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls on the machines of one app. Mutating calls carry the lease's nonce when there is one."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import GONE, Machine
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import path

NONCE = "fly-machine-lease-nonce"


class MachinesApi:
    """Machines of one app."""

    def __init__(self, client: Fly, app: str) -> None:
        self.client = client
        self.app = app

    def where(self, machine: str = "", verb: str = "") -> str:
        """Path of the list, of a machine, or of what is done to it."""
        base = path("/apps/{app}/machines", app=self.app)
        return base + (path("/{id}", id=machine) if machine else "") + (f"/{verb}" if verb else "")

    def all(self) -> list[Machine]:
        """Machines that exist; empty where the app is missing."""
        return [m for m in self.client.listed(self.app, "machines") or [] if m.get("state") not in GONE]

    def find(self, machine: str) -> Machine | None:
        """One machine, or None."""
        found: Machine | None = self.client.http.find(self.where(machine), operation=f"get machine {machine}")
        return None if found and found.get("state") == "destroyed" else found

    def versions(self, machine: str) -> list[dict[str, Any]]:
        """Earlier configs, newest first."""
        found: list[dict[str, Any]] = self.client.http.get(
            self.where(machine, "versions"), operation=f"list versions of {machine}"
        )
        return found or []

    def create(self, body: dict[str, Any]) -> Machine:
        """Make a machine. Not repeatable: the caller looks by name first."""
        operation = f"create machine {body['name']}"
        made: Machine = self.client.http.call(
            "POST", self.where(), operation=operation, body=body, repeatable=False
        ).body
        return made

    def update(self, machine: str, body: dict[str, Any], nonce: str) -> Machine:
        """Replace the config. Repeatable, since the lease keeps others out."""
        made: Machine = self.client.http.call(
            "POST",
            self.where(machine),
            operation=f"update machine {machine}",
            body=body,
            headers={NONCE: nonce} if nonce else None,
            repeatable=bool(nonce),
        ).body
        return made

    def act(self, machine: str, verb: str, nonce: str = "") -> None:
        """Start, stop or restart."""
        headers = {NONCE: nonce} if nonce else None
        operation = f"{verb} machine {machine}"
        self.client.http.call("POST", self.where(machine, verb), operation=operation, headers=headers, repeatable=True)

    def destroy(self, machine: str, nonce: str = "") -> None:
        """Destroy, running or not."""
        headers = {NONCE: nonce} if nonce else None
        operation = f"destroy machine {machine}"
        self.client.http.call(
            "DELETE", self.where(machine), operation=operation, query={"force": "true"}, headers=headers, accept=(404,)
        )

    def lease(self, machine: str, ttl: int, nonce: str = "") -> dict[str, Any]:
        """Take a lease, or with its nonce prolong it. The answer comes bare or in an envelope."""
        answer = self.client.http.call(
            "POST",
            self.where(machine, "lease"),
            operation=f"lease machine {machine}",
            body={"ttl": ttl, "description": "opsmap"},
            headers={NONCE: nonce} if nonce else None,
        ).body
        return dict(answer.get("data") or answer)

    def release(self, machine: str, nonce: str) -> None:
        """Give a lease back; one that has run out is no error."""
        self.client.http.call(
            "DELETE",
            self.where(machine, "lease"),
            operation=f"release lease of {machine}",
            headers={NONCE: nonce},
            accept=(400, 404),
        )
