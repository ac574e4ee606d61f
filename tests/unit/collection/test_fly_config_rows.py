"""The rows of fly 5.2 one by one, written out: what is equal, what is not, and how the difference reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences, env, merged
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_values import guest_of

Config = dict[str, Any]


def at(**fields: Any) -> Config:
    """A config with one service."""
    return {"services": [{"protocol": "tcp", "internal_port": 3000, **fields}]}


def probe(**fields: Any) -> Config:
    """A config with one check."""
    return {"checks": {"alive": {"type": "http", "port": 80, **fields}}}


SHARED = {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}
EQUAL: list[tuple[int, Config, Config]] = [
    (1, {}, {"init": {}}),
    (2, {}, {"dns": {}}),
    (
        3,
        {},
        {
            "env": None,
            "metadata": None,
            "init": {"cmd": None, "exec": [], "tty": False},
            "services": [],
            "checks": None,
        },
    ),
    (3, at(checks=[], ports=None), at(concurrency=None)),
    (4, {}, {"guest": SHARED}),
    (4, {"guest": SHARED}, {}),
    (4, {"guest": {"memory_mb": 512}}, {"guest": {**SHARED, "memory_mb": 512, "max_memory_mb": 1024}}),
    (4, {"size": "performance-2x"}, {"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096}}),
    (4, {"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096}}, {"size": "performance-2x"}),
    (5, {}, {"restart": {}}),
    (5, {}, {"restart": {"policy": ""}}),
    (5, {"restart": {"policy": "on-failure"}}, {"restart": {"policy": "on-failure", "max_retries": 10}}),
    (5, {"restart": {"policy": "on-failure", "max_retries": 10}}, {}),
    (5, {"restart": {"policy": "always", "max_retries": 3}}, {"restart": {"policy": "always", "max_retries": 10}}),
    (6, at(autostop="off"), at(autostop=False)),
    (6, at(autostop="stop"), at(autostop=True)),
    (6, at(autostop=True), at(autostop="stop")),
    (6, at(autostop="off"), at()),
    (7, at(autostart=False, min_machines_running=0), at()),
    (7, at(), at(autostart=False, min_machines_running=0)),
    (7, {"auto_destroy": False}, {}),
    (8, at(), at(force_instance_key=None)),
    (
        9,
        {"statics": [{"guest_path": "/a", "url_prefix": "/s"}]},
        {"statics": [{"guest_path": "/a", "url_prefix": "/s", "tigris_bucket": "", "index_document": ""}]},
    ),
    (10, probe(interval="90s", timeout="60s"), probe(interval="1m30s", timeout="1m0s")),
    (10, probe(interval=15_000_000_000), probe(interval="15s")),
    (10, probe(interval="0.5s"), probe(interval="500ms")),
    (10, probe(interval="1500\u00b5s"), probe(interval="1.5ms")),
    (10, {"stop_config": {"timeout": "300s"}}, {"stop_config": {"timeout": "5m0s", "signal": "SIGINT"}}),
    (
        10,
        at(ports=[{"port": 1, "http_options": {"idle_timeout": 90}}]),
        at(ports=[{"port": 1, "http_options": {"idle_timeout": "1m30s"}}]),
    ),
    (
        11,
        at(ports=[{"port": 443, "handlers": ["tls", "http"]}]),
        at(ports=[{"port": 443, "handlers": ["http", "tls"]}]),
    ),
    (12, at(ports=[{"port": 443}, {"port": 80}]), at(ports=[{"port": 80}, {"port": 443}])),
    (
        12,
        at(ports=[{"start_port": 1, "end_port": 5}, {"port": 80}]),
        at(ports=[{"port": 80}, {"start_port": 1, "end_port": 5}]),
    ),
    (
        12,
        at(checks=[{"type": "http", "port": 1, "path": "/a"}, {"type": "http", "port": 1, "path": "/b"}]),
        at(checks=[{"type": "http", "port": 1, "path": "/b"}, {"type": "http", "port": 1, "path": "/a"}]),
    ),
    (
        12,
        {"services": [*at(ports=[{"port": 1}])["services"], *at(ports=[{"port": 2}], autostart=True)["services"]]},
        {"services": [*at(ports=[{"port": 2}], autostart=True)["services"], *at(ports=[{"port": 1}])["services"]]},
    ),
    (
        13,
        {"mounts": [{"volume": "vol_1", "path": "/data", "size_gb": 9}]},
        {"mounts": [{"volume": "vol_1", "path": "/data", "name": "data", "encrypted": True, "size_gb": 1}]},
    ),
    (14, {"metadata": {"mine": "1"}}, {"metadata": {"mine": "1", "fly_flyctl_version": "0.3", "other": "2"}}),
    (
        15,
        {"env": {"A": "1"}},
        {"env": {"A": "1", "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "ewr", "FLY_STANDBY_FOR": "m1"}},
    ),
    (16, {"image": "nginx"}, {"image": "registry-1.docker.io/library/nginx:latest"}),
    (16, {"image": "docker.io/flyio/hello:1"}, {"image": "flyio/hello:1"}),
    (16, {"image": "localhost:5000/web:1@sha256:a"}, {"image": "localhost:5000/web:2@sha256:a"}),
    (16, {"image": "registry.fly.io/web:1"}, {"image": "registry.fly.io/web:1@sha256:b"}),
    (17, probe(headers=[{"name": "X-A", "values": ["1"]}]), probe(headers=[{"name": "x-a", "values": ["1"]}])),
    (
        17,
        probe(headers=[{"name": "B", "values": "2"}, {"name": "A"}]),
        probe(headers=[{"name": "a"}, {"name": "b", "values": ["2"]}]),
    ),
    *(
        (18, {"guest": {**SHARED, "persist_rootfs": word}}, {"guest": {**SHARED, "persist_rootfs": number}})
        for word, number in (("never", 0), ("never", 1), ("never", "none"), ("none", ""), ("restart", 2), ("always", 3))
    ),
    (18, {"rootfs": {"persist": "always"}}, {"rootfs": {"persist": 3}}),
    (19, {"env": {"DEBUG": True, "PORT": 80}}, {"env": {"DEBUG": "true", "PORT": "80"}}),
    (20, probe(), {"checks": {**probe()["checks"], "bg_deployments_compat_1": {"type": "tcp", "port": 1}}}),
    (22, {"guest": SHARED}, {"guest": SHARED, "size": "shared-cpu-2x", "disable_machine_autostart": True}),
    (
        23,
        {"init": {"tty": True}},
        {"init": {"tty": True, "new": 1}, "spot": {"max_price_fraction": 0.5}, "host_features": ["x"]},
    ),
    (
        24,
        {"files": [{"guest_path": "/a", "raw_value": "aGk"}]},
        {"files": [{"guest_path": "/a", "raw_value": "aGk=", "mode": 0}]},
    ),
    (
        24,
        {"files": [{"guest_path": "/a", "raw_value": "-_-_\n"}]},
        {"files": [{"guest_path": "/a", "raw_value": "+/+/"}]},
    ),
]
DIFFERENT: list[tuple[int, Config, Config, dict[str, tuple[Any, Any]]]] = [
    (3, {"env": {"A": ""}}, {}, {"env.A": (None, "")}),
    (3, {"standbys": []}, {"standbys": ["m1"]}, {"standbys": (["m1"], [])}),
    (4, {"guest": {"memory_mb": 256}}, {"guest": {**SHARED, "memory_mb": 512}}, {"guest.memory_mb": (512, 256)}),
    (4, {"size": "shared-cpu-2x"}, {"guest": SHARED}, {"guest.cpus": (1, 2), "guest.memory_mb": (256, 512)}),
    (5, {"restart": {"policy": "no"}}, {"restart": {}}, {"restart.policy": (None, "no")}),
    (5, {}, {"restart": {"policy": "always"}}, {"restart.policy": ("always", None)}),
    (5, {"restart": {"max_retries": 3}}, {"restart": {"policy": "on-failure"}}, {"restart.max_retries": (None, 3)}),
    (6, at(autostop="suspend"), at(autostop=True), {"services[tcp/3000].autostop": (True, "suspend")}),
    (7, {"auto_destroy": False}, {"auto_destroy": True}, {"auto_destroy": (True, False)}),
    (7, at(autostart=False), at(autostart=True), {"services[tcp/3000].autostart": (True, False)}),
    (7, at(), at(autostart=True), {"services[tcp/3000].autostart": (True, None)}),
    (10, probe(interval="15s"), probe(interval="1m0s"), {"checks.alive.interval": ("1m0s", "15s")}),
    (10, probe(interval=90_000_000_000), probe(interval="1m0s"), {"checks.alive.interval": ("1m0s", "1m30s")}),
    (
        11,
        at(ports=[{"port": 443, "handlers": ["tls", "http"]}]),
        at(ports=[{"port": 443, "handlers": ["tls"]}]),
        {"services[tcp/3000].ports[443].handlers": (["tls"], ["tls", "http"])},
    ),
    (
        12,
        at(ports=[{"port": 443}, {"start_port": 5000, "end_port": 5009}]),
        at(ports=[{"start_port": 5000, "end_port": 5009, "force_https": True}, {"port": 80}]),
        {
            "services[tcp/3000].ports[443]": (None, {"port": 443}),
            "services[tcp/3000].ports[5000-5009].force_https": (True, None),
            "services[tcp/3000].ports[80]": ({"port": 80}, None),
        },
    ),
    (
        13,
        {"mounts": [{"volume": "vol_1", "path": "/data", "size_gb_limit": 20}]},
        {"mounts": [{"volume": "vol_1", "path": "/old", "extend_threshold_percent": 80}]},
        {
            "mounts[0].path": ("/old", "/data"),
            "mounts[0].extend_threshold_percent": (80, None),
            "mounts[0].size_gb_limit": (None, 20),
        },
    ),
    (14, {"metadata": {"mine": "1"}}, {"metadata": {"mine": "2"}}, {"metadata.mine": ("2", "1")}),
    (15, {"env": {"PRIMARY_REGION": "ams"}}, {"env": {"PRIMARY_REGION": "ewr", "X": "1"}},
     {"env.PRIMARY_REGION": ("ewr", "ams"), "env.X": ("1", None)}),
    (16, {"image": "web@sha256:b"}, {"image": "web@sha256:a"}, {"image": ("web@sha256:a", "web@sha256:b")}),
    (16, {"image": "web:2"}, {"image": "web:1"}, {"image": ("web:1", "web:2")}),
    (18, {"rootfs": {"persist": "never"}}, {"rootfs": {"persist": 3}}, {"rootfs.persist": (3, "never")}),
    (19, {"env": {"DEBUG": True}}, {"env": {"DEBUG": "True"}}, {"env.DEBUG": ("True", "true")}),
    (22, {"disable_machine_autostart": True}, {}, {"disable_machine_autostart": (None, True)}),
    (23, {"new": {"a": 1}}, {"new": {"a": 2, "b": 3}}, {"new.a": (2, 1)}),
    (
        24,
        {"files": [{"guest_path": "/a", "raw_value": "aGk="}, {"guest_path": "/b", "secret_name": "S"}]},
        {"files": [{"guest_path": "/a", "raw_value": "aG8=", "mode": 384}]},
        {
            "files[/a].mode": (384, None),
            "files[/a].raw_value": ("aG8=", "aGk="),
            "files[/b]": (None, {"guest_path": "/b", "secret_name": "S"}),
        },
    ),
]  # fmt: skip


def both(config: Config) -> Config:
    """With the image that every config has."""
    return {"image": "img", **config}


@pytest.mark.parametrize(("row", "desired", "observed"), EQUAL)
def test_equal(row: int, desired: Config, observed: Config) -> None:
    assert differences(both(desired), both(observed)) == {}


@pytest.mark.parametrize(("row", "desired", "observed", "found"), DIFFERENT)
def test_different(row: int, desired: Config, observed: Config, found: dict[str, Any]) -> None:
    assert differences(both(desired), both(observed)) == found
    assert differences(both(desired), merged(both(observed), both(desired))) == {}


def test_every_row_is_here_and_in_the_documentation() -> None:
    """21 is about the machine around the config, which is never compared."""
    rows = {case[0] for case in [*EQUAL, *DIFFERENT]}
    assert rows == set(range(1, 25)) - {21}
    page = (Path(__file__).parents[3] / "docs" / "fly-normalisation.md").read_text()
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(range(1, 25))


def test_of_a_machine_only_the_config_is_compared() -> None:
    """Row 21: nothing outside of the config can be a difference, since it is not handed over."""
    assert differences({"image": "img"}, {"image": "img", "private_ip": "fdaa::1", "instance_id": "x"}) == {}


@pytest.mark.parametrize(
    ("wanted", "present", "digest", "same"),
    [
        ("r.io/web@sha256:a", "r.io/web:1", "sha256:a", True),
        ("r.io/web:2@sha256:a", "r.io/web:1", "sha256:a", True),
        ("r.io/web@sha256:b", "r.io/web:1", "sha256:a", False),
        ("r.io/web@sha256:a", "r.io/web:1", None, False),
        ("r.io/other@sha256:a", "r.io/web:1", "sha256:a", False),
        ("r.io/web:1", "r.io/web:1", "sha256:moved", True),
        ("r.io/web:2", "r.io/web:1", "sha256:a", False),
        ("r.io/web:1", "r.io/web@sha256:a", "sha256:a", False),
        ("r.io/web@sha256:a", "r.io/web@sha256:c", "sha256:a", False),
    ],
)
def test_image_behind_a_tag(wanted: str, present: str, digest: str | None, same: bool) -> None:
    reference = {"registry": "r.io", "repository": "web", "tag": "1", "digest": digest} if digest else None
    found = differences({"image": wanted}, {"image": present}, reference)
    assert found == ({} if same else {"image": (present, wanted)})


@pytest.mark.parametrize(
    ("size", "kind", "cpus", "memory"),
    [(f"shared-cpu-{n}x", "shared", n, 256 * n) for n in (1, 2, 4, 6, 8)]
    + [(f"performance-{n}x", "performance", n, 2048 * n) for n in (1, 2, 4, 6, 8, 10, 12, 14, 16)],
)
def test_presets(size: str, kind: str, cpus: int, memory: int) -> None:
    assert guest_of(size) == {"cpu_kind": kind, "cpus": cpus, "memory_mb": memory}
    assert merged({}, {"size": size})["guest"] == guest_of(size)
    assert "size" not in merged({"size": "shared-cpu-1x"}, {"size": size})


def test_a_preset_that_nobody_knows_is_sent_alone() -> None:
    assert guest_of("shared-cpu-0x") is None
    assert guest_of("huge") is None
    assert merged({"guest": SHARED}, {"size": "huge"}) == {"size": "huge", "metadata": {}}


def test_two_services_on_one_port_are_told_apart_by_their_ports() -> None:
    one, two = at(ports=[{"port": 80}])["services"][0], at(ports=[{"port": 443}])["services"][0]
    found = differences({"services": [one, {**two, "autostart": True}]}, {"services": [two, one]})
    assert found == {"services[tcp/3000:443].autostart": (None, True)}


def test_a_moved_port_is_a_change_of_the_same_service() -> None:
    found = differences(at(ports=[{"port": 443}]), at(ports=[{"port": 80}], new=1))
    assert set(found) == {"services[tcp/3000].ports[443]", "services[tcp/3000].ports[80]"}
    assert merged(at(ports=[{"port": 80}], new=1), at(ports=[{"port": 443}])) == {
        **at(new=1, ports=[{"port": 443}]),
        "metadata": {},
    }


def test_items_that_nothing_tells_apart_are_numbered() -> None:
    check = {"type": "tcp", "port": 1}
    found = differences(at(checks=[check, check]), at(checks=[]))
    assert list(found) == ["services[tcp/3000].checks[tcp/1]", "services[tcp/3000].checks[tcp/1#2]"]


def test_what_a_service_no_longer_declares_goes_away() -> None:
    limits = {"type": "requests", "soft_limit": 50, "hard_limit": 90}
    found = differences(at(), at(concurrency=limits, autostop=True))
    assert found == {
        "services[tcp/3000].autostop": (True, None),
        "services[tcp/3000].concurrency.hard_limit": (90, None),
        "services[tcp/3000].concurrency.soft_limit": (50, None),
        "services[tcp/3000].concurrency.type": ("requests", None),
    }
    assert merged(at(concurrency=limits, autostop=True), at()) == {**at(), "metadata": {}}
    assert differences(at(), at(concurrency={"type": "connections", "soft_limit": 20})) == {}


def test_what_is_owned_and_not_declared_goes_away_but_for_what_others_own() -> None:
    observed: Config = {
        **at(),
        "image": "img",
        "env": {"A": "1", "FLY_PROCESS_GROUP": "app"},
        "init": {"cmd": ["x"], "new": 1},
        "checks": {"mine": {"type": "tcp"}, "bg_deployments_compat_1": {"type": "tcp"}},
        "files": [{"guest_path": "/a", "raw_value": "aGk="}],
        "schedule": "daily",
        "metrics": {"port": 9091, "path": "/metrics", "new": 1},
        "guest": SHARED,
        "dns": {"hostname": "x"},
        "processes": [{"cmd": ["y"]}],
        "metadata": {"fly_release_id": "r"},
    }
    assert differences({"image": "img"}, observed) == {
        "checks.mine": ({"type": "tcp"}, None),
        "env.A": ("1", None),
        "files[/a]": ({"guest_path": "/a", "raw_value": "aGk="}, None),
        "init.cmd": (["x"], None),
        "metrics.path": ("/metrics", None),
        "metrics.port": (9091, None),
        "schedule": ("daily", None),
        "services[tcp/3000]": ({"protocol": "tcp", "internal_port": 3000}, None),
    }
    assert merged(observed, {"image": "new"}) == {
        "image": "new",
        "env": {"FLY_PROCESS_GROUP": "app"},
        "init": {"new": 1},
        "checks": {"bg_deployments_compat_1": {"type": "tcp"}},
        **{key: observed[key] for key in ("guest", "dns", "processes", "metadata")},
    }


def test_what_is_sent_has_no_nulls_and_only_text_in_env() -> None:
    desired = {"image": "img", "env": {"A": True, "B": None, "C": 1}, "guest": None, "metadata": {"n": 3, "gone": ""}}
    sent = merged({"guest": SHARED, "dns": None, "metadata": {"gone": "1"}}, {**desired, **at(autostop=None)})
    assert sent == {**at(), "image": "img", "env": {"A": "true", "C": "1"}, "guest": SHARED, "metadata": {"n": "3"}}
    assert env({"A": True, "B": None, "C": 1.5, "D": "x"}) == {"A": "true", "C": "1.5", "D": "x"}


@pytest.mark.parametrize(
    "field", ["guest", "services", "checks", "restart", "files", "mounts", "env", "init", "metrics"]
)
@pytest.mark.parametrize("wrong", ["text", 7, True, ["x"], {"x": "y"}, [7], {"x": [1]}])
def test_what_is_of_the_wrong_type_is_a_difference_and_never_a_traceback(field: str, wrong: Any) -> None:
    observed: Config = {**at(), **probe(), "guest": SHARED, "restart": {"policy": "no"}}
    assert isinstance(differences({"image": "img", field: wrong}, observed), dict)
    assert isinstance(differences(observed, {"image": "img", field: wrong}), dict)
    assert isinstance(merged({field: wrong}, observed), dict)
    assert isinstance(merged(observed, {field: wrong}), dict)
