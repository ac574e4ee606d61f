"""What machines were like a while ago: lists that lag are answered from it (reference fly 5.4)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

Machine = dict[str, Any]
KEPT = 300.0  # seconds


class History:
    """Copies of machines by the time at which they were stored, in memory only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._copies: dict[str, list[tuple[float, str]]] = {}

    def note(self, machine: Machine, always: bool = False) -> None:
        """Keep a copy. always: it was so all the time, as far as anybody knows."""
        now = self._clock()
        copies = self._copies.setdefault(machine["id"], [])
        copies.append((-math.inf if always else now, json.dumps(machine)))
        while len(copies) > 1 and copies[1][0] <= now - KEPT:
            copies.pop(0)

    def at(self, machine: Machine, ago: float) -> Machine | None:
        """The machine as it was; None if it was not there yet."""
        copies = self._copies.get(machine["id"])
        if ago <= 0 or not copies:
            return machine
        moment = self._clock() - ago
        found = [copy for at, copy in copies if at <= moment]
        return dict(json.loads(found[-1])) if found else None

    def forget(self, machine_id: str) -> None:
        """Drop the copies of a machine."""
        self._copies.pop(machine_id, None)
