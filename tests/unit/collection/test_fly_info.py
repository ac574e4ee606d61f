"""The modules that only read: filters, pages, releases, and always the same keys."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.runs import MODULES, run_module
from tests.unit.collection.test_transport import Script


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()


def read(script: Script, module: str, answers: list[Any], **options: Any) -> dict[str, Any]:
    """The result; answers are bodies, or (status, body)."""
    pairs = [answer if isinstance(answer, tuple) else (200, answer) for answer in answers]
    script.answers = [(status, body, {}) for status, body in pairs]
    url = f"http://127.0.0.1:{script.server.server_port}"
    result = run_module(module, api_url=url, api_token="token", api_retries=0, **options)
    assert script.answers == [], "not all of it was asked for"
    assert {method for method, *_ in script.seen} <= {"GET"}
    assert result["changed"] is False
    return result


def machine(number: int, **more: Any) -> dict[str, Any]:
    marks = {"fly_process_group": "app", "opsmap_release": "20261124T101500Z", "fly_release_version": "2", "tier": "a"}
    config = {"image": "r/web:2", "metadata": marks, "env": {"PLANTED": "planted-61c0"}}
    return {
        "id": f"m{number}",
        "name": f"web-app-ewr-{number}",
        "region": "ewr",
        "state": "started",
        "config": config,
        **more,
    }


def ids(result: dict[str, Any]) -> list[str]:
    return [found["id"] for found in result["resource"]["machines"]]


def test_machines_of_an_app(script: Script) -> None:
    result = read(script, "fly_machines_info", [[machine(2), machine(1), machine(3, state="destroyed")]], app="web")
    assert ids(result) == ["m1", "m2"]
    shown = result["resource"]["machines"][0]
    assert (shown["app"], shown["group"], shown["release"], shown["image"]) == (
        "web",
        "app",
        "20261124T101500Z",
        "r/web:2",
    )
    assert {"id", "name", "group", "region", "state", "private_ip", "instance_id", "release"} <= set(shown)
    assert "planted" not in str(result)
    assert read(script, "fly_machines_info", [(404, {"error": "not found"})], app="gone")["resource"] == {
        "machines": []
    }


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"region": ["lhr"]}, ["m2"]),
        ({"region": ["lhr", "ewr"]}, ["m1", "m2", "m3"]),
        ({"group": ["worker"]}, ["m3"]),
        ({"state": ["stopped", "suspended"]}, ["m2"]),
        ({"metadata": {"tier": "a", "fly_process_group": "app"}}, ["m1", "m2"]),
        ({"metadata": {"fly_release_version": 2}}, ["m1", "m2"]),
        ({"metadata": {"tier": "b"}}, []),
        ({"region": ["ewr"], "state": ["stopped"]}, []),
    ],
)
def test_filters(script: Script, filters: dict[str, Any], found: list[str]) -> None:
    old = {"config": {"metadata": {"process_group": "worker"}}}  # as flyctl wrote it in its early days
    listed = [machine(1), machine(2, region="lhr", state="stopped"), machine(3, **old)]
    assert ids(read(script, "fly_machines_info", [listed], app="web", **filters)) == found


def test_an_organization_is_read_to_its_last_page(script: Script) -> None:
    pages = [
        {"machines": [machine(1, app_name="web")], "next_cursor": "c1", "error_regions": ["syd"]},
        {"machines": [], "next_cursor": "c2"},
        {"machines": [machine(2, app_name="api")], "next_cursor": "", "error_regions": ["ams", "syd"]},
    ]
    result = read(script, "fly_machines_info", pages, org="acme")
    assert [(m["app"], m["id"]) for m in result["resource"]["machines"]] == [("api", "m2"), ("web", "m1")]
    assert result["warnings"] == ["machines of ams, syd are missing: these regions did not answer"]
    assert [path.split("?")[0] for _, path, *_ in script.seen] == ["/v1/orgs/acme/machines"] * 3
    assert ["cursor=c1" in path for _, path, *_ in script.seen] == [False, True, False]


def test_a_cursor_that_goes_round_is_an_error(script: Script) -> None:
    pages = [{"machines": [], "next_cursor": "c1"}, {"machines": [], "next_cursor": "c1"}]
    with pytest.raises(CloudError, match="the server gives cursor c1 twice"):
        read(script, "fly_machines_info", pages, org="acme")


@pytest.mark.parametrize("module", ["fly_machines_info", "fly_volume_info", "fly_app_info"])
def test_an_unknown_organization_is_named(script: Script, module: str) -> None:
    with pytest.raises(CloudError, match="org: there is no organization 'nobody' for this token") as failure:
        read(script, module, [(404, {"error": "not found"})], org="nobody")
    assert failure.value.code == "bad_option"


def test_releases_are_those_that_can_be_named(script: Script) -> None:
    def version(release: str | None, number: str, image: str) -> dict[str, Any]:
        marks = {"fly_process_group": "app", "fly_release_version": number}
        marks.update({"opsmap_release": release} if release else {})
        return {"version": "v", "user_config": {"image": image, "metadata": marks}}

    now, before = "20261124T101500Z", "20261123T090000Z"
    histories = [
        [version(now, "2", "r/web:2"), version(before, "1", "r/web:1"), version(None, "1", "r/web:0")],
        [version(now, "2", "r/web:2")],
    ]
    result = read(script, "fly_machines_info", [[machine(1), machine(2)], *histories], app="web", versions=True)
    one, two = "web-app-ewr-1", "web-app-ewr-2"
    rest = {"app": "web", "groups": ["app"]}
    assert result["resource"]["releases"] == [
        {"id": now, "number": "2", "time": "2026-11-24T10:15:00Z", "image": "r/web:2",
         "machines": [one, two], "running": [one, two], **rest},
        {"id": before, "number": "1", "time": "2026-11-23T09:00:00Z", "image": "r/web:1",
         "machines": [one], "running": [], **rest},
        {"id": None, "number": "1", "time": None, "image": "r/web:0", "machines": [one], "running": [], **rest},
    ]  # fmt: skip


def test_a_machine_whose_host_is_away_has_what_is_known_of_it(script: Script) -> None:
    lost = machine(
        1, config=None, incomplete_config={"metadata": {"fly_process_group": "app"}}, host_status="unreachable"
    )
    result = read(script, "fly_machines_info", [[lost], []], app="web", versions=True)
    assert [(m["group"], m["image"], m["host_status"]) for m in result["resource"]["machines"]] == [
        ("app", None, "unreachable")
    ]
    assert result["resource"]["releases"] == []


def volume(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"vol_{number}", "name": "data", "region": "ewr", "state": "created", "size_gb": 1, **more}


def test_volumes(script: Script) -> None:
    listed = [volume(2, region="lhr"), volume(1), volume(3, name="other"), volume(4, state="pending_destroy")]

    def found(**options: Any) -> list[str]:
        result = read(script, "fly_volume_info", [listed], app="web", **options)
        return [item["id"] for item in result["resource"]["volumes"]]

    assert found() == ["vol_1", "vol_2", "vol_3"]
    assert found(deleted=True) == ["vol_1", "vol_4", "vol_2", "vol_3"]
    assert found(name="data", region="ewr") == ["vol_1"]
    assert found(volume_id="vol_3") == ["vol_3"]


def test_volumes_of_an_organization_with_snapshots(script: Script) -> None:
    page = {"volumes": [volume(1, app_name="web"), volume(2, app_name="api")], "next_cursor": ""}
    old = {"id": "vs_1", "status": "created", "created_at": "2026-11-23T10:00:00Z", "graph": 1}
    new = {"id": "vs_2", "status": "running", "created_at": None}
    result = read(script, "fly_volume_info", [page, [old, new], (404, {})], org="acme", snapshots=True)
    api, web = result["resource"]["volumes"]
    assert ([s["id"] for s in api["snapshots"]], web["snapshots"]) == (["vs_2", "vs_1"], [])
    assert script.seen[1][1].startswith("/v1/apps/api/volumes/vol_2/snapshots")
    assert set(api["snapshots"][0]) == {"id", "status", "size", "volume_size", "created_at", "retention_days"}


def test_the_module_that_manages_a_pool_gives_the_same_keys(script: Script) -> None:
    read_only = read(script, "fly_volume_info", [[volume(1)]], app="web")["resource"]["volumes"][0]
    script.answers = [(200, [volume(1)], {})]
    url = f"http://127.0.0.1:{script.server.server_port}"
    managed = run_module("fly_volume", api_url=url, api_token="token", app="web", name="data", region="ewr")
    assert managed["resource"]["volumes"] == [read_only]


DETAILS: list[Any] = [
    {"ips": [{"ip": "66.241.1.1", "shared": True}, {"ip": "2a09::1"}, {"ip": "fdaa::3", "network": {"name": "x"}}]},
    {"certificates": [{"hostname": "a.example"}], "next_cursor": "c1"},
    {"certificates": [{"hostname": "b.example"}], "next_cursor": ""},
    {"secrets": [{"name": "KEY", "digest": "1f", "created_at": "t1", "updated_at": "t2", "value": "planted-77c1"}]},
]


def test_one_app_with_all_that_is_known_of_it(script: Script) -> None:
    result = read(script, "fly_app_info", [{"name": "web", "status": "deployed"}, *DETAILS], name="web")
    [app] = result["resource"]["apps"]
    assert app["addresses"] == {"shared_v4": ["66.241.1.1"], "v6": ["2a09::1"], "private_v6": ["fdaa::3"]}
    assert [item["hostname"] for item in app["certificates"]] == ["a.example", "b.example"]
    assert app["secrets"] == [{"name": "KEY", "digest": "1f", "created_at": "t1", "updated_at": "t2"}]
    assert "planted" not in str(result)
    assert read(script, "fly_app_info", [(404, {})], name="gone")["resource"] == {"apps": []}


def test_all_apps_in_short(script: Script) -> None:
    listed = {"total_apps": 2, "apps": [{"name": "web"}, {"name": "api"}]}
    result = read(script, "fly_app_info", [listed], org="acme", details=False)
    assert [app["name"] for app in result["resource"]["apps"]] == ["api", "web"]
    assert "org_slug=acme" in script.seen[0][1]


@pytest.mark.parametrize("module", ["fly_machines_info", "fly_volume_info", "fly_app_info"])
def test_every_option_is_used_above(module: str) -> None:
    spec = importlib.import_module(f"{MODULES}.{module}").SPEC["argument_spec"]
    shared = {"api_url", "api_token", "api_timeout", "api_retries", "ca_path", "wait_timeout", "poll_interval"}
    assert set(spec) - shared - given_to(module) == set()


def given_to(module: str) -> set[str]:
    """Names that this file's tests of a module give, by keyword or in the table of a decorator; whichever of them run here."""
    tests = [node for node in ast.parse(Path(__file__).read_text()).body if isinstance(node, ast.FunctionDef)]
    nodes = [list(ast.walk(test)) for test in tests if f"'{module}'" in ast.dump(test)]
    keywords = {node.arg for found in nodes for node in found if isinstance(node, ast.keyword) and node.arg}
    tables = [key for found in nodes for node in found if isinstance(node, ast.Dict) for key in node.keys]
    return keywords | {str(key.value) for key in tables if isinstance(key, ast.Constant)}


@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        ("fly_machines_info", {}, "one of the following is required: app, org"),
        ("fly_volume_info", {"app": "web", "org": "acme"}, "mutually exclusive: app|org"),
        ("fly_app_info", {}, "one of the following is required: name, org"),
    ],
)
def test_an_app_or_an_organization(module: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(AssertionError) as failure:
        run_module(module, api_token="token", **options)
    assert says in str(failure.value)
