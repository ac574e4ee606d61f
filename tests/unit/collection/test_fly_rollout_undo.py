"""Whatever ends a rollout, the app ends on one version: the old one, as it was, with nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_fly import FakeFly
from tests.unit.collection.fake_http import Fault
from tests.unit.collection.fly_runs import CHECKED, fake_fly, old_machine, release, snapshot

COUNT = 4
FATES = ("crash", "sick", "hang", "nopull")


@pytest.fixture
def fly() -> Iterator[FakeFly]:
    with fake_fly() as fake:
        yield fake


def populated(fly: FakeFly, states: tuple[str, ...] = ("started",) * COUNT) -> dict[str, Any]:
    for number, state in enumerate(states, 1):
        old_machine(fly, f"web-app-ewr-{number}", state)
    return snapshot(fly)


def fails(fly: FakeFly, before: dict[str, Any], **options: Any) -> CloudError:
    with pytest.raises(CloudError) as caught:
        release(fly, image="new", count={"ewr": COUNT}, **options)
    assert snapshot(fly) == before
    assert [m["name"] for m in fly.machines.values() if m["lease"]] == []
    assert caught.value.code != "internal", caught.value
    return caught.value


def places(strategy: str) -> range:
    """The launches of the new image: canary has one more."""
    return range(1, COUNT + (2 if strategy == "canary" else 1))


CASES = [(strategy, k) for strategy in ("rolling", "canary", "bluegreen", "immediate") for k in places(strategy)]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize(("strategy", "k"), CASES)
def test_the_kth_machine_does_not_come_up(fly: FakeFly, strategy: str, k: int, fate: str) -> None:
    before = populated(fly)
    fly.trouble = {"image": "new", "at": k, "kind": fate}
    error = fails(fly, before, strategy=strategy)
    assert "the rollout failed and was taken back" in error.message
    says = {"crash": "exit code 1", "sick": "connection refused on port 8080", "hang": "still", "nopull": "not start"}
    assert says[fate] in error.message


@pytest.mark.parametrize(
    ("status", "message"),
    [(500, "boom"), (409, "aborted: insufficient memory"), (412, "insufficient resources"), (422, "invalid config")],
)
@pytest.mark.parametrize(("strategy", "k"), CASES)
def test_the_kth_write_is_refused(fly: FakeFly, strategy: str, k: int, status: int, message: str) -> None:
    """The calls that write configs, in their order; the same machine is refused each time it is tried."""
    before = populated(fly)
    writes = 0
    refused: set[str] = set()
    answer = fly.answer

    def refusing(method: str, path: str, body: Any) -> Any:
        nonlocal writes
        if method == "POST" and isinstance(body, dict) and (body.get("config") or {}).get("image") == "new":
            key = body.get("name") or path
            if key not in refused:
                writes += 1
                if writes == k:
                    refused.add(key)
            if key in refused:
                return status, {"error": message}
        return answer(method, path, body)

    fly.answer = refusing  # type: ignore[method-assign]
    error = fails(fly, before, strategy=strategy)
    assert message in error.message


def interrupt(number: signal.Signals, alerts: list[str]) -> None:
    """Send it, and wait until the main thread has heard it: this clock is faster than any thread."""
    heard = len(alerts)
    os.kill(os.getpid(), number)
    end = time.monotonic() + 5
    while len(alerts) == heard and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("strategy", "k"), CASES)
def test_a_signal_at_the_kth_machine(fly: FakeFly, strategy: str, k: int, number: signal.Signals) -> None:
    before = populated(fly)
    alerts: list[str] = []
    fly.on_write = lambda image, at: interrupt(number, alerts) if (image, at) == ("new", k) else None
    error = fails(fly, before, strategy=strategy, alert=alerts.append)
    assert error.code == "interrupted"
    assert f"interrupted by {number.name}" in error.message
    assert "put back" in alerts[0]


def test_a_second_signal_does_not_break_the_putting_back(fly: FakeFly) -> None:
    before = populated(fly)
    alerts: list[str] = []
    fly.on_write = lambda image, at: interrupt(signal.SIGINT, alerts) if image == "old" or at == 3 else None
    fails(fly, before, alert=alerts.append)
    assert [text for text in alerts if "is ignored" in text]


@pytest.mark.parametrize("strategy", ["rolling", "immediate", "bluegreen"])
def test_states_come_back_as_they_were(fly: FakeFly, strategy: str) -> None:
    before = populated(fly, ("started", "stopped", "suspended", "started"))
    assert before["web-app-ewr-3"]["state"] == "suspended"
    if strategy == "immediate":
        fly.faults = [Fault("POST", r"/machines/m4$|/machines/m\w+$", "status", 422, skip=3)]
    else:
        fly.trouble = {"image": "new", "at": 2 if strategy == "bluegreen" else 4, "kind": "crash"}
    fails(fly, before, strategy=strategy)


@pytest.mark.parametrize("kind", ["lost", "status"])
@pytest.mark.parametrize("strategy", ["rolling", "bluegreen", "canary"])
def test_an_answer_that_is_lost_makes_no_second_machine(fly: FakeFly, strategy: str, kind: str) -> None:
    populated(fly)
    fly.faults = [Fault("POST", "/machines$", kind, 500), Fault("POST", r"/machines/m\w+$", kind, 500)]
    result = release(fly, image="new", count={"ewr": COUNT + 1}, strategy=strategy)
    alive = [m for m in fly.machines.values() if m["state"] != "destroyed"]
    assert result["changed"]
    assert [m["config"]["image"] for m in alive] == ["new"] * (COUNT + 1)
    assert len(fly.machines) == COUNT + 1 + (COUNT if strategy == "bluegreen" else 1 if strategy == "canary" else 0)


def test_one_that_cannot_be_put_back_does_not_keep_the_others_from_it(fly: FakeFly) -> None:
    before = populated(fly)
    fly.trouble = {"image": "new", "at": 4, "kind": "crash"}
    answer = fly.answer
    stuck = list(fly.machines)[1]
    fly.answer = lambda m, p, b: (  # type: ignore[method-assign]
        (500, {"error": "boom"})
        if p.endswith(f"/{stuck}") and isinstance(b, dict) and (b.get("config") or {}).get("image") == "old"
        else answer(m, p, b)
    )
    with pytest.raises(CloudError, match="could not be taken back on 1 machines") as caught:
        release(fly, image="new", count={"ewr": COUNT})
    assert "web-app-ewr-2: COULD NOT BE PUT BACK" in caught.value.message
    now = snapshot(fly)
    assert {name for name in before if before[name] != now.get(name)} == {"web-app-ewr-2"}


@pytest.mark.parametrize("step", ["uncordon", "metadata/", "cordon$", "stop$"])
@pytest.mark.parametrize("at", range(3))
def test_the_cutover_fails_before_the_first_old_machine_is_gone(fly: FakeFly, step: str, at: int) -> None:
    before = populated(fly)
    pattern = rf"/m\w+/{step}" if step != "cordon$" else r"/m\w+/cordon$"
    fly.faults = [Fault("POST", pattern, "status", 422, skip=at)]
    error = fails(fly, before, strategy="bluegreen")
    assert "was taken back" in error.message


@pytest.mark.parametrize("at", range(COUNT))
def test_an_old_machine_that_cannot_be_destroyed(fly: FakeFly, at: int) -> None:
    """The first one: the old release stays. A later one: the new release goes on, and the old machine serves nothing."""
    before = populated(fly)
    answer, stuck = fly.answer, f"web-app-ewr-{at + 1}"

    def refusing(method: str, path: str, body: Any) -> Any:
        key = path.rsplit("/", 1)[-1]
        if method == "DELETE" and fly.machines.get(key, {}).get("name") == stuck:
            return 500, {"error": "boom"}
        return answer(method, path, body)

    fly.answer = refusing  # type: ignore[method-assign]
    if at == 0:
        fails(fly, before, strategy="bluegreen")
        return
    with pytest.raises(CloudError, match="the new release runs on all machines, but 1 old ones are left") as caught:
        release(fly, image="new", count={"ewr": COUNT}, strategy="bluegreen")
    assert stuck in caught.value.message
    serving = {m["config"]["image"] for m in fly.machines.values() if m["state"] == "started" and not m["cordoned"]}
    assert serving == {"new"}
    assert [m for m in fly.machines.values() if m["lease"]] == []
    fly.answer = answer  # type: ignore[method-assign]
    again = release(fly, image="new", count={"ewr": COUNT}, strategy="bluegreen")
    assert again["plan"] == [f"destroy machine {stuck} (an earlier deploy has replaced it)"]


def test_all_groups_are_put_back_when_one_fails(fly: FakeFly) -> None:
    old_machine(fly, "web-app-ewr-1")
    old_machine(fly, "web-job-ewr-1", group="job", config={})
    before = snapshot(fly)
    fly.trouble = {"image": "new", "at": 2, "kind": "crash"}
    with pytest.raises(CloudError, match="taken back"):
        release(
            fly,
            image="new",
            config={},
            groups=[{"name": "app", "count": {"ewr": 1}, "config": CHECKED}, {"name": "job", "count": {"ewr": 2}}],
        )
    assert snapshot(fly) == before
    assert len([m for m in fly.machines.values() if m["state"] != "destroyed"]) == 2
