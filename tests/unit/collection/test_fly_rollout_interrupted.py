"""A real ansible-playbook is interrupted in the middle of a rollout: the worker puts back what it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.collection.fake_fly import FakeFly
from tests.unit.collection.fake_http import served
from tests.unit.collection.fly_runs import CHECKED, old_machine, snapshot

ROOT = Path(__file__).parents[3]
LIMIT = 60.0  # seconds for anything here


@pytest.fixture
def fly() -> Iterator[FakeFly]:
    fake = FakeFly()
    with served(fake):
        for number in (1, 2):
            old_machine(fake, f"web-app-ewr-{number}")
        yield fake


def playbook(tmp_path: Path, url: str) -> subprocess.Popen[str]:
    task = {
        "app": "web",
        "api_url": url,
        "api_token": "token",
        "image": "new",
        "count": {"ewr": 2},
        "config": CHECKED,
        "smoke_seconds": 60,
    }
    book = tmp_path / "play.yml"
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{"opsmap.cloud.fly_machines": task}],
    }
    book.write_text(yaml.safe_dump([play]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "web.test,", str(book)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal sends Ctrl-C to such a group
    )


def until(happened: Callable[[], Any]) -> None:
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1)], ids=["once", "twice", "term"]
)
def test_it_is_put_back(fly: FakeFly, tmp_path: Path, number: signal.Signals, times: int) -> None:
    before = snapshot(fly)
    run = playbook(tmp_path, fly.url)
    until(lambda: any(m["config"]["image"] == "new" and m["state"] == "started" for m in fly.machines.values()))
    assert snapshot(fly) != before
    for _ in range(times):
        os.killpg(run.pid, number)
        time.sleep(0.3)
    output, _ = run.communicate(timeout=LIMIT)  # ends with the worker: it holds the other end
    assert run.returncode != 0
    assert snapshot(fly) == before
    assert all(machine["lease"] is None for machine in fly.machines.values())
    assert f"interrupted by {number.name}" in output
    assert "web-app-ewr-1: previous config is back" in output
    assert "web-app-ewr-2: not touched" in output
    assert "Traceback" not in output
