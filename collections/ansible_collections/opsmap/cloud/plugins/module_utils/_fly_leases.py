# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases on the machines that a rollout touches: taken before, prolonged in the background, always given back."""

from __future__ import annotations

import threading
from functools import partial

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machines_api import MachinesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_rollout_stop import side_by_side
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Patience, wait_for

AT_ONCE = 8
VISIBLE_TRIES, VISIBLE_PAUSE = 10, 0.3  # seconds between two tries
LOST = frozenset({400, 404, 409})  # a lease that has run out, or that somebody else has taken since


class Leases:
    """Use as a context manager. ``nonce`` gives what a mutating call must carry.

    ttl: seconds that a lease lasts; it is prolonged at a third of that, and before a call when that came too late.
    """

    def __init__(self, api: MachinesApi, ttl: int, patience: Patience) -> None:
        self.api = api
        self.ttl = ttl
        self.patience = patience
        self._nonces: dict[str, str] = {}
        self._fresh: dict[str, float] = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Leases:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._keeper.join()
        side_by_side([partial(self.give_back, machine) for machine in list(self._nonces)], AT_ONCE)

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
        self.adopt(machine, str((lease or {}).get("nonce")))
        return str((lease or {}).get("version") or "")

    def adopt(self, machine: str, nonce: str | None) -> None:
        """Keep a lease that was taken, or that came with a new machine."""
        if nonce:
            with self._lock:
                self._nonces[machine], self._fresh[machine] = nonce, self.patience.clock.now()

    @property
    def held(self) -> frozenset[str]:
        """Machines whose lease is held."""
        with self._lock:
            return frozenset(self._nonces)

    def nonce(self, machine: str) -> str:
        """Nonce of a lease that is held and good for a while, or an empty string.

        Raises CloudError when it has run out and somebody else holds the machine.
        """
        with self._lock:
            nonce, at = self._nonces.get(machine, ""), self._fresh.get(machine, 0.0)
        if nonce and self.patience.clock.now() - at > self.ttl / 2:
            self._prolong(machine, nonce)
            nonce = self._nonces.get(machine, "")
        return nonce

    def _prolong(self, machine: str, nonce: str) -> None:
        try:
            lease = self.api.lease(machine, self.ttl, nonce)
        except CloudError as error:
            if error.status not in LOST:
                raise
            lease = self.api.lease(machine, self.ttl)
        with self._lock:
            known = machine in self._nonces
        if known:
            self.adopt(machine, str(lease.get("nonce") or nonce))

    def forget(self, machine: str) -> None:
        """The machine is gone, and its lease with it."""
        with self._lock:
            self._nonces.pop(machine, None)

    def give_back(self, machine: str) -> None:
        """Release one lease. It runs out by itself when that fails."""
        with self._lock:
            nonce = self._nonces.pop(machine, "")
        if nonce:
            try:
                for _dummy in range(VISIBLE_TRIES):
                    if self.api.release(machine, nonce):
                        return
                    self.patience.clock.sleep(VISIBLE_PAUSE)  # a machine that was just made is not found for a moment
            except CloudError as error:
                self.patience.report(f"{error}; it runs out after {self.ttl} s")

    def _keep(self) -> None:
        while not self._ended.wait(self.ttl / 3):
            with self._lock:
                held = list(self._nonces.items())
            side_by_side([partial(self._keep_one, machine, nonce) for machine, nonce in held], AT_ONCE)

    def _keep_one(self, machine: str, nonce: str) -> None:
        try:
            self._prolong(machine, nonce)
        except CloudError as error:
            self.patience.report(f"lease of machine {machine} could not be prolonged: {error.message}")
