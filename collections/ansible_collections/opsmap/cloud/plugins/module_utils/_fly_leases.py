# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases on the machines that a rollout touches: taken before, prolonged in the background, always given back."""

from __future__ import annotations

import threading

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for


class Leases:
    """Use as a context manager. ``nonce`` gives what a mutating call must carry."""

    def __init__(self, api: MachinesApi, ttl: int, patience: Patience) -> None:
        self.api = api
        self.ttl = ttl
        self.patience = patience
        self._nonces: dict[str, str] = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Leases:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._keeper.join()
        for machine in list(self._nonces):
            self.give_back(machine)

    def nonce(self, machine: str) -> str:
        """Nonce of a lease that is held, or an empty string."""
        return self._nonces.get(machine, "")

    def take(self, machine: str) -> str:
        """Take a lease; waits while another deploy holds it. Gives the version (instance id) that it is for."""
        held: list[str] = []

        def attempt() -> dict[str, object] | None:
            try:
                return dict(self.api.lease(machine, self.ttl))
            except CloudError as error:
                if error.status != 409:
                    raise
                held[:] = [error.message]
                return None

        lease = wait_for(
            f"lease of machine {machine}", attempt, bool, self.patience, state=lambda _: " ".join(held), service="fly"
        )
        with self._lock:
            self._nonces[machine] = str((lease or {}).get("nonce"))
        return str((lease or {}).get("version") or "")

    def adopt(self, machine: str, nonce: str | None) -> None:
        """Keep a lease that came with a new machine."""
        if nonce:
            with self._lock:
                self._nonces[machine] = nonce

    def forget(self, machine: str) -> None:
        """The machine is gone, and its lease with it."""
        with self._lock:
            self._nonces.pop(machine, None)

    def give_back(self, machine: str) -> None:
        """Release one lease."""
        with self._lock:
            nonce = self._nonces.pop(machine, "")
        if nonce:
            self.api.release(machine, nonce)

    def _keep(self) -> None:
        while not self._ended.wait(self.ttl / 3):
            with self._lock:
                held = list(self._nonces.items())
            for machine, nonce in held:
                try:
                    self.api.lease(machine, self.ttl, nonce)
                except CloudError as error:
                    self.patience.report(f"lease of machine {machine} could not be prolonged: {error.message}")
