"""Whatever is declared and however it is read back: no difference, unless something else is meant.

The read-back differences are those of the local cloud, which was written from the reference alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences, merged
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from local_cloud.config import NOISE_ROWS
from local_cloud.fly.noise import noisy
from tests.unit.collection.fly_configs import CONFIGS, ROWS, changed, leaves

Config = dict[str, Any]
settings.register_profile("fly", max_examples=100, deadline=None, database=None, derandomize=True)
PROFILE = settings.get_profile("fly")
OWNED = {"init", "env", "services", "checks", "statics", "metrics", "files", "stop_config", "restart", "schedule"}


@given(CONFIGS, ROWS)
@settings(PROFILE, max_examples=200)
def test_a_read_back_config_is_no_difference(desired: Config, rows: set[int]) -> None:
    assert differences(desired, noisy(desired, rows)) == {}


@pytest.mark.parametrize("row", sorted(NOISE_ROWS))
@given(desired=CONFIGS)
@settings(PROFILE, max_examples=15)
def test_each_row_alone_is_no_difference(row: int, desired: Config) -> None:
    assert differences(desired, noisy(desired, {row})) == {}


@given(CONFIGS, ROWS, ROWS)
@settings(PROFILE)
def test_what_an_earlier_release_left_is_no_difference(desired: Config, rows: set[int], others: set[int]) -> None:
    """``previous`` compares one read-back config with another."""
    assert differences(noisy(desired, rows), noisy(noisy(desired, rows), others)) == {}


@given(CONFIGS, CONFIGS, ROWS, ROWS)
@settings(PROFILE)
def test_what_is_sent_converges_from_anything(
    desired: Config, before: Config, rows: set[int], others: set[int]
) -> None:
    sent = merged(noisy(before, rows), desired)
    assert differences(desired, sent) == {}
    assert differences(desired, noisy(sent, others)) == {}
    assert merged(noisy(sent, others), desired)["metadata"].items() >= sent["metadata"].items()


@given(CONFIGS, ROWS, st.data())
@settings(PROFILE, max_examples=200)
def test_a_change_of_one_leaf_is_seen_from_both_sides(desired: Config, rows: set[int], data: st.DataObject) -> None:
    paths = list(leaves(desired))
    path = data.draw(st.sampled_from(paths))
    other = changed(desired, path)
    assert differences(other, noisy(desired, rows)) != {}, path
    assert differences(desired, noisy(other, rows)) != {}, path


@given(CONFIGS, ROWS, st.data())
@settings(PROFILE)
def test_what_is_no_longer_declared_is_seen(desired: Config, rows: set[int], data: st.DataObject) -> None:
    """Leaving out a leaf that is owned is a difference, unless it said no more than the default."""
    at = [path for path in leaves(desired) if path[0] in OWNED and path[:2] != ("env", "PRIMARY_REGION")]
    assume(at)
    path = data.draw(st.sampled_from(at))
    less = copy.deepcopy(desired)
    part: Any = less
    for step in path[:-1]:
        part = part[step]
    was = part.pop(path[-1])
    if path[0] == "env" or (was and (path[-1], was) not in DEFAULTS):
        assert differences(less, noisy(desired, rows)) != {}, path


DEFAULTS = {
    *(("method", method) for method in ("get", "GET")),
    *(("protocol", "http"), ("kind", "informational"), ("type", "connections"), ("soft_limit", 20)),
    *(("autostop", "off"), ("policy", "on-failure"), ("max_retries", 10), ("signal", "SIGINT")),
    *(("timeout", stop) for stop in ("5s", "0m5s", 5_000_000_000)),
}


def planted(config: Config) -> Iterator[tuple[Config, str]]:
    """Every object of a config that is told apart from its neighbours, with the name of a key that nobody knows."""
    yield config, "top"
    for key in ("init", "guest", "restart", "stop_config", "metrics", "dns", "rootfs"):
        if config.get(key):
            yield config[key], key
    for name, check in (config.get("checks") or {}).items():
        yield check, f"check-{name}"
    for number, service in enumerate(config.get("services") or []):
        yield service, f"service-{number}"
        for key in ("ports", "checks"):
            yield from ((item, f"{key}-{number}-{at}") for at, item in enumerate(service.get(key) or []))
    for key in ("statics", "files", "mounts", "processes"):
        yield from ((item, f"{key}-{at}") for at, item in enumerate(config.get(key) or []))


def same_keys(config: Config) -> bool:
    """Whether two services can only be told apart by their place."""
    keys = [(s["protocol"], s["internal_port"]) for s in config.get("services") or []]
    return len(set(keys)) < len(keys)


@given(CONFIGS, ROWS)
@settings(PROFILE)
def test_keys_that_nobody_knows_survive_and_are_no_difference(desired: Config, rows: set[int]) -> None:
    assume(not same_keys(desired))
    observed = copy.deepcopy(desired)
    names = []
    for part, name in planted(observed):
        part[f"unknown-{name}"] = {"value": f"planted-{name}"}
        names.append(name)
    read = noisy(observed, rows)
    assert differences(desired, read) == {}
    sent = json.dumps(merged(read, desired))
    assert [name for name in names if f'"planted-{name}"' not in sent] == []


@given(CONFIGS, ROWS)
@settings(PROFILE, max_examples=50)
def test_a_key_that_nobody_knows_counts_once_it_is_declared(desired: Config, rows: set[int]) -> None:
    for part, name in planted(copy.deepcopy(desired)):
        assert name
        part["unknown"] = {"value": 1}
    wanted = copy.deepcopy(desired)
    wanted["unknown"] = {"value": 1, "list": [{"a": 1}]}
    assert set(differences(wanted, noisy(desired, rows))) == {"unknown"}
    assert differences(wanted, noisy({**wanted, "unknown": {**wanted["unknown"], "more": 2}}, rows)) == {}
    assert set(differences(wanted, noisy({**wanted, "unknown": {"value": 2, "list": [{"a": 1}]}}, rows))) == {
        "unknown.value"
    }
    assert merged({**wanted, "unknown": {"more": 2}}, wanted)["unknown"] == {"more": 2, **wanted["unknown"]}


@given(CONFIGS, CONFIGS, ROWS)
@settings(PROFILE, max_examples=50)
def test_neither_side_is_touched(desired: Config, before: Config, rows: set[int]) -> None:
    observed = noisy(before, rows)
    kept = copy.deepcopy((desired, observed))
    differences(desired, observed)
    merged(observed, desired)
    assert (desired, observed) == kept
