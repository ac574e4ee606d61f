"""Read-back differences of the local cloud: each row makes its own and no other."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local_cloud.config import NOISE_ROWS, Switches, noise_rows
from local_cloud.fly.noise import go_duration, noisy, noisy_machine

Config = dict[str, Any]
CHECK = {
    "type": "http",
    "port": 1,
    "interval": "90s",
    "grace_period": "5s",
    "headers": [{"name": "X-A", "values": ["1"]}],
}
PORTS = [{"port": 443, "handlers": ["tls", "http"], "force_https": False}, {"port": 80, "handlers": ["http"]}]
FULL: Config = {
    "image": "nginx",
    "size": "performance-2x",
    "guest": {"persist_rootfs": "always"},
    "env": {"A": "1", "B": True},
    "metadata": {"fly_process_group": "web"},
    "mounts": [{"volume": "vol_1", "path": "/data"}],
    "services": [
        {
            "protocol": "tcp",
            "internal_port": 1,
            "autostop": "stop",
            "autostart": False,
            "ports": PORTS,
            "checks": [CHECK],
        },
        {"protocol": "udp", "internal_port": 2, "autostop": "off"},
    ],
    "checks": {"alive": CHECK},
    "stop_config": {"timeout": 60_000_000_000},
    "restart": {"policy": "always"},
    "statics": [{"guest_path": "/a", "url_prefix": "/s"}],
    "files": [{"guest_path": "/f", "raw_value": "-_-_"}],
    "standbys": [],
}


def paths(value: Any, where: str = "") -> dict[str, Any]:
    """Dotted path -> value, of all leaves and empties."""
    if isinstance(value, dict) and value:
        return {k: v for key, item in value.items() for k, v in paths(item, f"{where}.{key}").items()}
    if isinstance(value, list) and value:
        return {k: v for number, item in enumerate(value) for k, v in paths(item, f"{where}[{number}]").items()}
    return {where[1:]: value}


def touched(row: int) -> dict[str, tuple[Any, Any]]:
    """Path -> (sent, read back), where they differ; MISSING where there is nothing."""
    sent, read = paths(FULL), paths(noisy(FULL, {row}))
    missing = "-"
    found = {where: (sent.get(where, missing), read.get(where, missing)) for where in {*sent, *read}}
    return {where: pair for where, pair in found.items() if pair[0] is not pair[1] and pair[0] != pair[1]}


EXPECTED: dict[int, dict[str, tuple[Any, Any]]] = {
    1: {"init": ("-", {})},
    2: {"dns": ("-", {})},
    3: {
        "standbys": ([], "-"),
        "processes": ("-", []),
        **{f"init.{key}": ("-", None) for key in ("exec", "entrypoint", "cmd")},
        **{f"services[{n}].concurrency": ("-", None) for n in (0, 1)},
        "services[1].ports": ("-", None),
        "services[1].checks": ("-", []),
    },
    4: {
        "size": ("performance-2x", "-"),
        "guest.cpu_kind": ("-", "performance"),
        "guest.cpus": ("-", 2),
        "guest.memory_mb": ("-", 4096),
    },
    5: {"restart.max_retries": ("-", 10)},
    6: {"services[0].autostop": ("stop", True), "services[1].autostop": ("off", False)},
    7: {
        "auto_destroy": ("-", False),
        "services[0].autostart": (False, "-"),
        "services[0].min_machines_running": ("-", 0),
        "services[1].autostart": ("-", False),
        "services[1].min_machines_running": ("-", 0),
        "services[0].ports[0].force_https": (False, "-"),
        "services[0].ports[1].force_https": ("-", False),
    },
    8: {f"services[{n}].force_instance_key": ("-", None) for n in (0, 1)},
    9: {"statics[0].tigris_bucket": ("-", ""), "statics[0].index_document": ("-", "")},
    10: {
        "stop_config.timeout": (60_000_000_000, "1m0s"),
        **{f"{at}.interval": ("90s", "1m30s") for at in ("checks.alive", "services[0].checks[0]")},
        **{f"{at}.grace_period": ("5s", 5_000_000_000) for at in ("checks.alive", "services[0].checks[0]")},
    },
    11: {
        "services[0].ports[0].handlers[0]": ("tls", "http"),
        "services[0].ports[0].handlers[1]": ("http", "tls"),
    },
    13: {"mounts[0].name": ("-", "data"), "mounts[0].encrypted": ("-", True), "mounts[0].size_gb": ("-", 1)},
    14: {
        "metadata.fly_flyctl_version": ("-", "0.3.200"),
        "metadata.fly_release_id": ("-", "rel_1"),
        "metadata.other_tool": ("-", "here"),
    },
    15: {"env.FLY_PROCESS_GROUP": ("-", "web"), "env.PRIMARY_REGION": ("-", "ewr")},
    16: {},
    17: {f"{at}.headers[0].name": ("X-A", "x-a") for at in ("checks.alive", "services[0].checks[0]")},
    18: {"guest.persist_rootfs": ("always", 3)},
    19: {"env.B": (True, "true")},
    20: {},
    21: {},
    22: {"disable_machine_autostart": ("-", False)},
    24: {"files[0].raw_value": ("-_-_", "+/+/"), "files[0].mode": ("-", 0)},
}


@pytest.mark.parametrize("row", sorted(EXPECTED))
def test_a_row_makes_its_own_difference_and_no_other(row: int) -> None:
    assert touched(row) == EXPECTED[row]


def test_row_12_turns_lists_around() -> None:
    read = noisy(FULL, {12})
    assert [service["internal_port"] for service in read["services"]] == [2, 1]
    assert [port["port"] for port in read["services"][1]["ports"]] == [80, 443]
    assert noisy(read, {12}) == FULL


def test_row_23_is_at_every_level() -> None:
    new = [where for where in touched(23) if where.endswith("future_option.level")]
    assert {where.split("future_option")[0] for where in new} == {
        *("", "guest.", "restart.", "stop_config.", "checks.alive."),
        *("services[0].", "services[1].", "services[0].ports[0].", "services[0].ports[1].", "services[0].checks[0]."),
    }
    assert touched(23)["cache_drive.size_mb"] == ("-", 1024)


def test_row_22_gives_size_back_beside_the_guest_to_who_sent_it() -> None:
    assert noisy(FULL, {4, 22})["size"] == "performance-2x"
    assert "size" not in noisy({"image": "x"}, NOISE_ROWS)


def test_row_5_has_every_form_of_the_default() -> None:
    forms = [noisy({"image": str(number)}, {5})["restart"] for number in range(60)]
    for form in ({}, {"policy": ""}, {"policy": "on-failure"}, {"policy": "on-failure", "max_retries": 10}):
        assert form in forms
    given = {"restart": {"policy": "on-failure", "max_retries": 3}}
    assert noisy(given, {5}) == given


def test_rows_of_the_machine_around_the_config() -> None:
    checks = [{"name": "alive", "status": "passing"}]
    hub = {"registry": "registry-1.docker.io", "repository": "nginx", "tag": "latest"}
    shown = {"config": {"image": "nginx"}, "image_ref": hub, "checks": checks}
    assert noisy_machine(shown, {16})["image_ref"]["repository"] == "library/nginx"
    assert [check["name"] for check in noisy_machine(shown, {20})["checks"]] == ["alive", "bg_deployments_compat_app"]
    assert noisy_machine({**shown, "checks": []}, {20})["checks"] == []
    assert noisy_machine(shown, {23})["host_features"] == []
    assert noisy_machine(shown, set()) == shown
    assert noisy_machine({"config": None, "incomplete_config": {}}) == {
        "config": None,
        "incomplete_config": {},
        "host_features": [],
    }


def test_nothing_is_injected_without_rows_and_the_config_is_not_touched() -> None:
    before = copy.deepcopy(FULL)
    assert noisy(FULL, ()) == FULL
    noisy(FULL)
    assert before == FULL
    assert noisy(FULL) == noisy(FULL)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("90s", "1m30s"),
        ("60s", "1m0s"),
        ("3600s", "1h0m0s"),
        ("3661s", "1h1m1s"),
        ("1500ms", "1.5s"),
        ("250ms", "250ms"),
        ("0.0015s", "1.5ms"),
        (90_000_000_000, "1m30s"),
        (1_500, "1.5\u00b5s"),
        (7, "7ns"),
        (0, "0s"),
        (100_000_000_000, "1m40s"),
    ],
)
def test_durations_are_written_as_go_does(given: str | int, written: str) -> None:
    assert go_duration(given) == written


def test_rows_are_chosen_by_a_switch() -> None:
    switches = Switches()
    assert switches.noise == NOISE_ROWS
    switches.update({"wire_noise_rows": " 1, 24 "})
    assert switches.noise == {1, 24}
    switches.update({"wire_noise_rows": ""})
    assert switches.noise == set()
    switches.update({"wire_noise_rows": "all", "wire_noise": False})
    assert switches.noise == set()


@pytest.mark.parametrize("text", ["0", "25", "1,x", "1;2", "-3"])
def test_what_is_no_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wire_noise_rows: .* is no row"):
        noise_rows(text)
    with pytest.raises(ValueError, match="wire_noise_rows"):
        Switches().update({"wire_noise_rows": text})
    with pytest.raises(ValueError, match="must be a string"):
        Switches().update({"wire_noise_rows": 1})
