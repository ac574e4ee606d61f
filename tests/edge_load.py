"""Constant load through the proxy: HTTP/1.1 and HTTP/2, connections kept and fresh. Every failure is remembered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

import httpx

from tests.edge_app import App, machine_of

KINDS = ("kept", "fresh", "http2", "plain")


class Load:
    """Requests until it is left, and at least ``least`` of them."""

    def __init__(self, app: App, least: int, path: str = "/", workers: int = 1) -> None:
        self.app, self.least, self.path = app, least, path
        self.failed: list[str] = []
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in KINDS * workers]

    @property
    def count(self) -> int:
        """Requests so far."""
        return sum(self.asked.values())

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while kind is None and self.count < self.least and not self.failed:
            time.sleep(0.1)
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, kind: str) -> None:
        kept = None if kind == "fresh" else self.app.edge.client(http2=kind == "http2")
        while not self._stop.is_set():
            self.asked[kind] += 1
            try:
                answer = self.app.get(self.path, client=kept, outside=80 if kind == "plain" else 443)
                assert answer.text.endswith("z"), "the answer is not whole"
                self.answered[machine_of(answer)] += 1
            except (httpx.HTTPError, AssertionError) as problem:
                self.failed.append(f"{kind}: {problem!r}")
        if kept:
            kept.close()
