"""The inventory plugin, through ansible-inventory, against a server that plays answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import run
from tests.unit.collection.test_transport import Script

PLANTED = "planted-2b7e"


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()


def machine(number: int, app: str = "web", **more: Any) -> dict[str, Any]:
    marks = {"fly_process_group": "worker" if number > 2 else "app", "opsmap_release": "20261124T101500Z"}
    config = {"image": "r/web:2", "metadata": marks, "env": {"KEY": PLANTED}}
    base = {"id": f"m{number}", "name": f"{app}-{number}", "region": "ewr", "state": "started", "private_ip": "fdaa::2"}
    return {**base, "config": config, **more}


def inventory(
    script: Script, tmp_path: Path, answers: list[Any], *flags: str, name: str = "x.fly.yml", **options: Any
) -> tuple[Any, str]:
    """What ansible-inventory lists, and its warnings."""
    script.answers = [answer if isinstance(answer, tuple) else (200, answer, {}) for answer in answers]
    file = tmp_path / name
    url = f"http://127.0.0.1:{script.server.server_port}"
    given = {"plugin": "opsmap.cloud.fly", "api_url": url, "api_token": PLANTED, "api_retries": 0, **options}
    file.write_text(yaml.safe_dump({key: value for key, value in given.items() if value is not None}))
    clean = {"FLY_API_TOKEN": "", "FLY_ACCESS_TOKEN": "", "FLY_ORG": "", "FLY_FLAPS_BASE_URL": ""}
    done = run("ansible-inventory", "-i", str(file), "--list", *flags, check=False, folder=tmp_path, **clean)
    text = " ".join(done.stderr.split())
    return (json.loads(done.stdout) if done.returncode == 0 else None), text


def hosts(listed: Any, group: str) -> list[str]:
    return sorted((listed.get(group) or {}).get("hosts") or [])


def plain(value: Any) -> Any:
    """ansible-inventory marks what comes from outside."""
    return value["__ansible_unsafe"] if isinstance(value, dict) and "__ansible_unsafe" in value else value


def test_machines_are_hosts_in_groups(script: Script, tmp_path: Path) -> None:
    web = [machine(1), machine(2, state="stopped"), machine(3, region="lhr"), machine(4, state="destroyed")]
    listed, warnings = inventory(
        script,
        tmp_path,
        [{"name": "web"}, web, {"name": "my-api"}, [machine(9, "my-api")], (404, {}, {})],
        apps=["web", "my-api", "gone"],
        keyed_groups=[{"key": "fly_release", "prefix": "release"}],
        groups={"abroad": "fly_region != 'ewr'"},
        compose={"ansible_host": "fly_private_ip", "shout": "fly_name | upper"},
    )
    assert script.answers == []
    assert hosts(listed, "fly") == ["my-api-9", "web-1", "web-2", "web-3"]
    assert hosts(listed, "app_web") == ["web-1", "web-2", "web-3"]
    assert hosts(listed, "app_my_api") == ["my-api-9"]
    assert hosts(listed, "region_lhr") == hosts(listed, "abroad") == ["web-3"]
    assert hosts(listed, "process_worker") == ["my-api-9", "web-3"]
    assert hosts(listed, "state_stopped") == ["web-2"]
    assert len(hosts(listed, "release_20261124T101500Z")) == 4
    variables = {key: plain(value) for key, value in listed["_meta"]["hostvars"]["web-1"].items()}
    assert (variables["fly_id"], variables["fly_app"], variables["fly_image"]) == ("m1", "web", "r/web:2")
    assert (variables["ansible_host"], variables["shout"]) == ("fdaa::2", "WEB-1")
    assert set(variables["fly_metadata"]) == {"fly_process_group", "opsmap_release"}
    assert "there is no app gone" in warnings
    assert PLANTED not in json.dumps(listed) + warnings


def test_an_organization_with_names_that_two_apps_have(script: Script, tmp_path: Path) -> None:
    pages = [
        {"machines": [machine(1, app_name="web", name="same")], "next_cursor": "c", "error_regions": ["syd"]},
        {"machines": [machine(2, app_name="api", name="same"), machine(3, app_name="api")], "next_cursor": ""},
    ]
    listed, warnings = inventory(script, tmp_path, pages, org="{{ 'ac' ~ 'me' }}", filters={"state": ["started"]})
    assert hosts(listed, "fly") == ["same-m1", "same-m2", "web-3"]
    assert plain(listed["_meta"]["hostvars"]["same-m1"]["ansible_host"]) == "m1.vm.web.internal"
    assert script.seen[0][1].startswith("/v1/orgs/acme/machines")
    assert "machines of syd are missing: these regions did not answer" in warnings


def test_options_are_rendered_with_extra_variables(script: Script, tmp_path: Path) -> None:
    token = "{{ given }}"
    inventory(script, tmp_path, [{"name": "web"}, []], "-e", "given=from-outside", apps=["web"], api_token=token)
    assert script.seen[0][2]["Authorization"] == "Bearer from-outside"


def test_the_cache_spares_the_calls_and_holds_no_secret(script: Script, tmp_path: Path) -> None:
    settings = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "kept")}
    first, _ = inventory(script, tmp_path, [{"name": "web"}, [machine(1)]], apps=["web"], **settings)
    again, _ = inventory(script, tmp_path, [], apps=["web"], **settings)
    assert hosts(first, "fly") == hosts(again, "fly") == ["web-1"]
    assert len(script.seen) == 2
    kept = [file.read_text() for file in (tmp_path / "kept").iterdir()]
    assert kept
    assert PLANTED not in "".join(kept)
    fresh, _ = inventory(
        script, tmp_path, [{"name": "web"}, [machine(1), machine(2)]], "--flush-cache", apps=["web"], **settings
    )
    assert hosts(fresh, "fly") == ["web-1", "web-2"]


@pytest.mark.parametrize(
    ("options", "answers", "says"),
    [
        ({}, [], "apps, org: none is given -> give apps: [...] or org: <slug>"),
        ({"apps": ["web"], "org": "acme"}, [], "apps, org: both are given"),
        (
            {"org": "acme", "filters": {"sate": "x"}},
            [],
            "filters: sate is not known -> use group, metadata, region, state",
        ),
        ({"org": "acme", "api_token": None}, [], "api_token: is empty -> set it in the file or in FLY_API_TOKEN"),
        ({"org": "nobody"}, [(404, {}, {})], "there is no organization 'nobody' for this token"),
        ({"apps": ["web"]}, [(401, {"message": "Unauthorized"}, {})], "Unauthorized (HTTP 401) -> check the token"),
        (
            {"apps": ["web"], "strict": True, "compose": {"x": "nothing.there"}},
            [{"name": "web"}, [machine(1)]],
            "Could not set x for host web-1",
        ),
    ],
)
def test_mistakes_are_named(
    script: Script, tmp_path: Path, options: dict[str, Any], answers: list[Any], says: str
) -> None:
    _dummy, text = inventory(script, tmp_path, answers, **options)
    assert says in text
    assert "Traceback" not in text
    assert PLANTED not in text


def test_other_files_are_left_to_others(script: Script, tmp_path: Path) -> None:
    listed, _dummy = inventory(script, tmp_path, [], name="hosts.yml", apps=["web"])
    assert script.seen == []
    assert hosts(listed, "fly") == []
