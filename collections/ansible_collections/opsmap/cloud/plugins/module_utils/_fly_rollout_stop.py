# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending a rollout early: signals and failures become one flag that every step looks at before it begins anything.

Nothing is raised out of a signal handler: a call that was sent is always answered before its effect is taken back.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

T = TypeVar("T")

SLICE = 0.5  # seconds of sleep between two looks at the flag


class Cancelled(Exception):
    """Something else has ended the rollout; Stop.problem says what."""


class Stop:
    """The flag. ``problem`` is what came first and ends the rollout."""

    def __init__(self, clock: Clock) -> None:
        self.problem: BaseException | None = None
        self.interrupted = ""
        self._lock = threading.Lock()
        self._inner = clock
        self.clock = Clock(now=clock.now, sleep=self._sleep)

    def request(self, problem: BaseException) -> None:
        """Let nothing new begin."""
        with self._lock:
            self.problem = self.problem or problem

    def check(self) -> None:
        """Raise Cancelled once the rollout has to end."""
        if self.problem is not None:
            raise Cancelled

    def _sleep(self, seconds: float) -> None:
        self.check()
        while seconds > 0:
            self._inner.sleep(min(SLICE, seconds))
            seconds -= SLICE
            self.check()


@contextmanager
def interruptible(stop: Stop, alert: Callable[[str], None]) -> Iterator[None]:
    """SIGINT and SIGTERM set the flag; further ones are ignored and said so. Only the main thread can listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, dummy: object) -> None:
        name = signal.Signals(number).name
        if stop.interrupted:
            alert(f"{name} is ignored: machines are being put back, that ends by itself")
            return
        stop.interrupted = name
        text = f"interrupted by {name}"
        alert(f"{text}: what was begun is put back, that takes a moment; please wait")
        # The lock may be held by this very thread: a plain assignment is enough here.
        stop.problem = stop.problem or CloudError(text, code="interrupted", hint="run again")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def side_by_side(work: Sequence[Callable[[], T]], limit: int, stop: Stop | None = None) -> list[T]:
    """Run all, at most ``limit`` at once. With ``stop``, the first failure keeps the rest from beginning.

    Raises the first failure when all that had begun have ended.
    """

    def guarded(one: Callable[[], T]) -> T:
        if stop is None:
            return one()
        try:
            stop.check()
            return one()
        except Cancelled:
            raise
        except BaseException as error:
            stop.request(error)
            raise

    if not work:
        return []
    with ThreadPoolExecutor(max_workers=max(1, min(limit, len(work)))) as pool:
        running = [pool.submit(guarded, one) for one in work]
        # Not without end: a signal that comes just before the main thread blocks would be noticed only when it wakes.
        while wait(running, timeout=SLICE).not_done:
            pass
        problems = [problem for problem in (future.exception() for future in running) if problem]
    if problems:
        raise next((problem for problem in problems if not isinstance(problem, Cancelled)), problems[0])
    return [future.result() for future in running]
