"""Figures of the README: python benchmarks/run.py [NAME...]. Prints a table, then one line per figure.

noop    second converge of the local environment, against an empty ansible-playbook run with the same plays and hosts; the table
        also has a run whose hosts do as many tasks, all of them debug: what Ansible takes for them before any of ours does anything
first   first converge with the base image present; layers that the engine has in its cache count as present
rolling12    a rolling deploy of 12 machines: see fly.py
image-noop, image-source-change    what an unchanged image costs, and one with a changed source file: see images.py
caddy-overhead    what the front door adds to FastAPI, at the median: see edge.py
"""

from __future__ import annotations

import itertools
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks import edge, fly, images
from tests.support import Instance, changed, run

BENCH = Instance("bench")
Row = tuple[str, float, float]


def seconds(*command: str) -> float:
    """Wall time of a run."""
    start = time.monotonic()
    run(*command, OPSMAP_INSTANCE=BENCH.purpose)
    return time.monotonic() - start


def plays() -> int:
    """Number of plays of site.yml."""
    listed = run("ansible-playbook", "site.yml", "--list-tasks", OPSMAP_INSTANCE=BENCH.purpose).stdout
    return sum(line.strip().startswith("play #") for line in listed.splitlines())


def tasks_by_host(output: str) -> dict[str, int]:
    """How many tasks each host did or skipped, from the recap."""
    recap = re.findall(r"^(\S+) +: ok=(\d+) .* skipped=(\d+) ", output.split("PLAY RECAP")[-1], re.MULTILINE)
    return {host: int(done) + int(skipped) for host, done, skipped in recap}


def debug_plays(tasks: dict[str, int]) -> list[str]:
    """Plays in which each host does so many tasks, side by side with all that have some left."""
    steps = [0, *sorted(set(tasks.values()))]
    return [
        f"- hosts: {':'.join(host for host, count in tasks.items() if count >= upto)}\n  tasks:\n"
        + "    - ansible.builtin.debug: {msg: nothing}\n" * (upto - before)
        for before, upto in itertools.pairwise(steps)
    ]


def noop() -> list[Row]:
    """Medians of five runs each, alternating."""
    run("ansible-playbook", "site.yml", OPSMAP_INSTANCE=BENCH.purpose)
    again = run("ansible-playbook", "site.yml", OPSMAP_INSTANCE=BENCH.purpose).stdout
    assert set(changed(again).values()) == {0}
    count, debugs = plays(), debug_plays(tasks_by_host(again))
    nothing = "- hosts: local\n  tasks: []\n"
    with (
        tempfile.NamedTemporaryFile("w", suffix=".yml") as empty,
        tempfile.NamedTemporaryFile("w", suffix=".yml") as debug,
    ):
        empty.write(nothing * count)
        debug.write("".join(debugs) + nothing * (count - len(debugs)))
        empty.flush()
        debug.flush()
        runs = [[seconds("ansible-playbook", book) for book in (empty.name, debug.name, "site.yml")] for _ in range(5)]
    bare, idle, full = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"empty run with {count} plays        {bare:7.2f} s")
    print(f"as many tasks, all debug      {idle:7.2f} s")
    print(f"second converge               {full:7.2f} s")
    return [("noop_ratio", full / bare, 3.0)]


def first() -> list[Row]:
    """Everything from an empty instance."""
    run("ansible-playbook", "playbooks/down.yml", "-e", "confirm=yes", OPSMAP_INSTANCE=BENCH.purpose)
    took = seconds("ansible-playbook", "site.yml")
    print(f"first converge           {took:7.2f} s")
    return [("first_seconds", took, 240.0)]


def main() -> int:
    """0 if every figure reaches its goal."""
    known: dict[str, Callable[[], list[Row]]] = {
        "first": first,
        "noop": noop,
        "rolling12": lambda: fly.rolling12(BENCH),
        "image-noop": lambda: images.noop(BENCH),
        "image-source-change": lambda: images.source_change(BENCH),
        "caddy-overhead": edge.overhead,
    }
    names = sys.argv[1:] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    rows = [row for name in names for row in known[name]()]
    run("ansible-playbook", "playbooks/down.yml", "-e", "confirm=yes", OPSMAP_INSTANCE=BENCH.purpose)
    for name, value, goal in rows:
        print(f"{name}={value:.2f} goal={goal:g} {'ok' if value <= goal else 'short'}")
    return 0 if all(value <= goal for _, value, goal in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
