# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls on the machines of one app. Mutating calls carry the lease's nonce when there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import GONE, Machine
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Response, explain, path

NONCE = "fly-machine-lease-nonce"


class MachinesApi:
    """Machines of one app. ``check`` is called before every call and may raise to keep it from being made."""

    def __init__(self, client: Fly, app: str, check: Callable[[], None] = lambda: None) -> None:
        self.client = client
        self.app = app
        self.check = check

    def where(self, machine: str = "", verb: str = "") -> str:
        """Path of the list, of a machine, or of what is done to it."""
        base = path("/apps/{app}/machines", app=self.app)
        return base + (path("/{id}", id=machine) if machine else "") + (f"/{verb}" if verb else "")

    def _call(self, method: str, where: str, operation: str, nonce: str = "", **options: Any) -> Response:
        self.check()
        headers = {NONCE: nonce} if nonce else None
        return self.client.http.call(method, where, operation=operation, headers=headers, **options)

    def all(self) -> list[Machine]:
        """Machines that exist; empty where the app is missing."""
        self.check()
        return [m for m in self.client.listed(self.app, "machines") or [] if m.get("state") not in GONE]

    def find(self, machine: str) -> Machine | None:
        """One machine, or None when it is missing. One that was destroyed may still be there, with that state."""
        answer = self._call("GET", self.where(machine), f"get machine {machine}", accept=(404,))
        return None if answer.status == 404 else dict(answer.body)

    def versions(self, machine: str) -> list[dict[str, Any]]:
        """Earlier configs, newest first; empty when the machine is long gone."""
        answer = self._call("GET", self.where(machine, "versions"), f"list versions of {machine}", accept=(404,))
        return [] if answer.status == 404 else list(answer.body or [])

    def wait(self, machine: str, states: tuple[str, ...], seconds: float, version: str = "") -> str:
        """The state that was reached, ``destroyed`` where the machine is gone, or nothing when the time is over.

        seconds: at least 1 and at most 60 are waited for.
        """
        query = {"state": states, "timeout": max(1, min(60, int(seconds))), "version": version or None}
        operation = f"wait for machine {machine}"
        answer = self._call("GET", self.where(machine, "wait"), operation, query=query, accept=(404, 408))
        if answer.status == 404:
            return "destroyed"
        return "" if answer.status == 408 else str((answer.body or {}).get("state") or states[0])

    def create(self, body: dict[str, Any]) -> Machine:
        """Make a machine. Not repeatable: the caller looks by name first."""
        operation = f"create machine {body['name']}"
        made: Machine = self._call("POST", self.where(), operation, body=body, repeatable=False).body
        return made

    def update(self, machine: str, body: dict[str, Any], nonce: str) -> Machine:
        """Replace the config. Repeatable, since the lease keeps others out."""
        operation = f"update machine {machine}"
        made: Machine = self._call(
            "POST", self.where(machine), operation, nonce, body=body, repeatable=bool(nonce)
        ).body
        return made

    def act(self, machine: str, verb: str, nonce: str = "") -> None:
        """Start, stop, suspend, restart, cordon or uncordon. Doing it twice is harmless."""
        self._call("POST", self.where(machine, verb), f"{verb} machine {machine}", nonce, repeatable=True)

    def mark(self, machine: str, key: str, value: str, nonce: str) -> None:
        """Set one key of the metadata, or remove it with an empty value; the machine is not restarted."""
        where, operation = self.where(machine, path("metadata/{key}", key=key)), f"mark machine {machine}"
        if value:
            self._call("POST", where, operation, nonce, body={"value": value}, repeatable=True)
        else:
            self._call("DELETE", where, operation, nonce, accept=(404,))

    def destroy(self, machine: str, nonce: str = "") -> None:
        """Destroy, running or not."""
        operation = f"destroy machine {machine}"
        self._call("DELETE", self.where(machine), operation, nonce, query={"force": "true"}, accept=(404,))

    def lease(self, machine: str, ttl: int, nonce: str = "") -> dict[str, Any]:
        """Take a lease, or with its nonce prolong it. The answer comes bare or in an envelope."""
        body, operation = {"ttl": ttl, "description": "opsmap"}, f"lease machine {machine}"
        answer = self._call("POST", self.where(machine, "lease"), operation, nonce, body=body).body
        return dict(answer.get("data") or answer)

    def release(self, machine: str, nonce: str) -> bool:
        """Give a lease back; one that has run out is no error. False when the machine itself was not found."""
        operation = f"release lease of {machine}"
        answer = self._call("DELETE", self.where(machine, "lease"), operation, nonce, accept=(400, 404))
        return answer.status != 404 or "lease" in explain(answer)[0]
