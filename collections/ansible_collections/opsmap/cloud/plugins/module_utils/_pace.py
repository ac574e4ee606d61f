# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast calls may follow each other: unlimited until the server says that it was too fast, then in slots.

Fly limits each action on each app or machine on its own (one call a second, five when a machine is read), so a pace
belongs to a verb and a path. It starts with the first 429, because an account may be allowed more and a local cloud has
no limits. From then on the calls of all threads queue for slots, so that one refusal, and not one for each call, is the
price of finding out. A slot's length starts from the published limit and doubles when a call in a slot is refused too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

READ_SLOT, WRITE_SLOT, LONGEST_SLOT = 0.25, 1.05, 10.0  # seconds; a little above 1/5 and 1


@dataclass
class _Lane:
    """One verb on one path."""

    slot: float
    free_at: float  # when the next slot begins
    closed_until: float  # no call before; slots that were given out earlier are void


@dataclass
class Pace:
    """Shared by all threads of a transport."""

    clock: Clock = Clock()
    _lanes: dict[str, _Lane] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self, lane: str) -> bool:
        """Wait for a slot; whether there was one to wait for."""
        while True:
            with self._lock:
                found = self._lanes.get(lane)
                if found is None:
                    return False
                now = self.clock.now()
                start = max(now, found.free_at)
                found.free_at = start + found.slot
            if start > now:
                self.clock.sleep(start - now)
            with self._lock:
                if found.closed_until <= start:
                    return True

    def refused(self, lane: str, *, reading: bool, in_slot: bool, after: float | None) -> None:
        """A call was answered 429. ``after``: seconds that the server wants to be left alone, where it says so."""
        with self._lock:
            first = READ_SLOT if reading else WRITE_SLOT
            found = self._lanes.setdefault(lane, _Lane(first, 0.0, 0.0))
            if in_slot:
                found.slot = min(LONGEST_SLOT, found.slot * 2)
            reopens = self.clock.now() + (found.slot if after is None else after)
            found.free_at = max(found.free_at, reopens)
            if after is not None:
                found.closed_until = max(found.closed_until, reopens)


def seconds_of(retry_after: str | None, wall: Callable[[], float] = time.time) -> float | None:
    """A Retry-After header as seconds from now: it holds a number or a date. None where it says nothing."""
    text = (retry_after or "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall())
    except (TypeError, ValueError):
        return None
