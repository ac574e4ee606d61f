"""Time for threads: it passes only when all of them sleep, to the moment at which the next one wakes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock


class VirtualTime:
    """``run`` gives each call a thread of its own; ``clock`` is what they go by."""

    def __init__(self) -> None:
        self._now = 0.0
        self._awake = 0
        self._sleeping: list[float] = []
        self._moved = threading.Condition()
        self.clock = Clock(now=self.now, sleep=self.sleep)

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._moved:
            until = self._now + seconds
            self._sleeping.append(until)
            self._awake -= 1
            self._advance()
            self._moved.wait_for(lambda: self._now >= until)

    def run(self, calls: list[Callable[[], Any]], threads: int) -> list[Any]:
        """Results of the calls, in their order, made by so many threads."""
        self._awake = threads
        waiting = list(enumerate(calls))
        results: dict[int, Any] = {}

        def work() -> None:
            try:
                while True:
                    with self._moved:
                        if not waiting:
                            return
                        number, call = waiting.pop(0)
                    results[number] = call()
            finally:
                with self._moved:
                    self._awake -= 1
                    self._advance()

        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(work) for _dummy in range(threads)]:
                future.result()
        return [results[number] for number in range(len(calls))]

    def _advance(self) -> None:
        """Whoever wakes is counted as awake before it runs, so that time does not pass over it."""
        if self._awake or not self._sleeping:
            return
        self._now = min(self._sleeping)
        woken = [until for until in self._sleeping if until <= self._now]
        self._sleeping = [until for until in self._sleeping if until > self._now]
        self._awake += len(woken)
        self._moved.notify_all()
