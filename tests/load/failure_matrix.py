#!/usr/bin/env python3
"""Releases that fail, every way, at every machine: tests/load/failure_matrix.py [--strategy S]... [--fail KIND]...

Each cell is a deploy as in deploy_under_load.py, with fewer requests, on an app that the next cell goes on with. It is ok
when the old version alone runs afterwards, no request failed, and deploying the old version once more changes nothing.
Requests may fail where immediate has changed all machines at once, and they do not come up until they are put back.
Prints a table and last ``cells=N ok=N wrong=N``; exits 0 only if none is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from tests.edge_app import App, Edge
from tests.load.deploy_under_load import (
    FAILURES,
    STRATEGIES,
    Boots,
    Outcome,
    first,
    measure,
    options,
    prepared,
    wrong,
)
from tests.support import Instance, changed

WHOLE = ("image", "command")  # these do not depend on the machine


def cells(given: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """Every strategy, kind and machine; a canary is one machine more."""
    for strategy in given.strategy or STRATEGIES:
        for kind in given.fail or FAILURES:
            last = 1 if kind in WHOLE else given.machines + (strategy == "canary")
            for at in range(1, last + 1):
                yield argparse.Namespace(**{**vars(given), "strategy": strategy, "fail": kind, "at": at})


class Matrix:
    """Goes through cells on one local cloud, with one app as long as it is as it was."""

    def __init__(self, edge: Edge, folder: Path) -> None:
        self.edge, self.folder = edge, folder
        self.image, self.boots = edge.image(folder), Boots(edge.instance)
        self.app: App | None = None
        self.count = 0

    def run(self, cell: argparse.Namespace) -> tuple[str, Outcome]:
        """ok, or what is wrong."""
        if self.app is None:
            self.count += 1
            self.app = App(self.edge, f"matrix-{self.count}-{int(time.time())}", self.image, "shared_v4", "v6")
            first(self.app, cell, self.boots, self.folder)
        found = measure(self.app, cell, self.boots, self.folder)
        problem = wrong(cell, self.boots, found)
        if not problem and changed(again := first(self.app, cell, self.boots, self.folder))["localhost"]:
            problem, found.output = "the old version is not as it was", again
        if problem:
            self.app.remove()
            self.app = None
        return problem or "ok", found


def main() -> int:
    parser = options()
    parser.description = (__doc__ or "").splitlines()[0]
    parser.add_argument("--strategy", action="append", choices=STRATEGIES, help="all without it")
    parser.add_argument("--fail", action="append", choices=FAILURES, help="all without it")
    parser.add_argument("--requests", type=int, default=100, help="at least so many in each cell")
    given = parser.parse_args()
    counted: Counter[str] = Counter()
    edge = prepared(Instance(given.instance))
    print(
        f"{'strategy':10} {'failure':10} {'at':>2} {'requests':>8} {'failed':>6} {'versions':>8} {'seconds':>7}  result"
    )
    with tempfile.TemporaryDirectory() as folder:
        matrix = Matrix(edge, Path(folder))
        for cell in cells(given):
            start = time.monotonic()
            result, found = matrix.run(cell)
            counted[result if result == "ok" else "wrong"] += 1
            figures = f"{found.load.count:8} {len(found.load.failed):6} {','.join(sorted(found.versions)):>8}"
            print(
                f"{cell.strategy:10} {cell.fail:10} {cell.at:2} {figures} {time.monotonic() - start:7.1f}  {result}",
                flush=True,
            )
            if result != "ok":
                print("\n".join([*found.load.failed[:5], found.output[-4000:]]))
    print(f"cells={counted.total()} ok={counted['ok']} wrong={counted['wrong']}")
    return 1 if counted["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
