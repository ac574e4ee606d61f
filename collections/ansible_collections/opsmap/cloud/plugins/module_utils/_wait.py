# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one waiter: ready, failed, or still working, until a deadline on a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """Time as the waiter sees it; tests give one that does not pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to look, in seconds; ``report`` is told what is being waited for."""

    timeout: float = 600.0
    interval: float = 1.0
    clock: Clock = Clock()
    report: Callable[[str], None] = lambda text: None


REPORT_EVERY = 10.0


def wait_for(
    what: str,
    read: Callable[[], T],
    ready: Callable[[T], bool],
    patience: Patience,
    *,
    failed: Callable[[T], str | None] = lambda seen: None,
    state: Callable[[T], str] = lambda seen: "not ready",
    service: str = "opsmap",
) -> T:
    """Read until ready. Only ``failed`` ends it early: clouds add transitional states without notice.

    Raises CloudError ``failed_state`` with the reason that ``failed`` gave, or ``timeout`` with the state last seen.
    """
    clock = patience.clock
    start = clock.now()
    reported_state, reported_at = "", start
    while True:
        seen = read()
        if ready(seen):
            return seen
        reason = failed(seen)
        if reason:
            raise CloudError(message=reason, service=service, operation=f"wait for {what}", code="failed_state")
        elapsed = clock.now() - start
        current = state(seen)
        if current != reported_state or clock.now() - reported_at >= REPORT_EVERY:
            patience.report(f"{what}: {current} ({elapsed:.0f} s of at most {patience.timeout:.0f} s)")
            reported_state, reported_at = current, clock.now()
        if elapsed >= patience.timeout:
            raise CloudError(
                message=f"still '{current}' after {patience.timeout:g} s",
                service=service,
                operation=f"wait for {what}",
                code="timeout",
                hint="raise wait_timeout, or look at the resource in the cloud's own console; a rerun goes on waiting",
            )
        clock.sleep(min(patience.interval, max(0.0, patience.timeout - elapsed)))
