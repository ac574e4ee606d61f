"""The Machines part of the emulated Fly.io over plain HTTP, on an instance of its own with a small image."""

from __future__ import annotations

import base64
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fly_http import Api, App, eventually, make_image
from tests.support import Instance, run

TEST = Instance("flyemu")
NAMES = (f"emu-{number}" for number in itertools.count(1))
DEFAULTS: dict[str, Any] = {}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("playbooks/local_cloud.yml")
    found = Api(TEST, TEST.token("fly"))
    # What is read back differently has tests of its own, and so has the time that a volume takes.
    DEFAULTS.update(found.control("PUT", "/settings", {"wire_noise": False, "volume_seconds": 0}))
    yield found
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(scope="module")
def image(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    api.call("POST", "/apps", {"name": "emu-image", "org_slug": "personal"}, expect=201)
    return make_image(TEST, "emu-image", api.token, tmp_path_factory.mktemp("image"))


@pytest.fixture
def app(api: Api, image: str) -> Iterator[App]:
    """An app; switches and limits are as they were afterwards."""
    name = next(NAMES)
    api.call("POST", "/apps", {"name": name, "org_slug": "acme"}, expect=201)
    yield App(api, name, image)
    api.control("PUT", "/settings", DEFAULTS)
    for limit in api.control("GET", "/fly/capacity")["capacity"]:
        api.control("POST", "/fly/capacity", {"region": limit["region"], "machines": None})
    api.call("DELETE", f"/apps/{name}", force="true", expect=202)


def switch(app: App, **values: Any) -> None:
    app.api.control("PUT", "/settings", values)


def error(answer: Any) -> str:
    return str(answer["error"])


# Answers in general (reference fly 1.2, 1.4, 1.5)


def test_errors_have_their_shapes(api: Api, app: App) -> None:
    unknown = api.raw("GET", "/nothing/here")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")
    assert unknown.headers["Content-Type"].startswith("text/plain")
    missing = api.call("GET", f"{app.path}/machines/0", expect=404)
    assert missing == {"error": "machine not found: 0", "status": "unknown"}
    assert Api(TEST, "wrong").call("GET", app.path, expect=401) == {"message": "Unauthorized"}
    assert "no JSON" in error(api.call("POST", f"{app.path}/machines", b"{", expect=400))
    assert "an integer" in error(api.call("POST", f"{app.path}/machines", {"lease_ttl": "1"}, expect=400))


def test_tokens_have_scopes(api: Api, app: App) -> None:
    other = next(NAMES)
    api.call("POST", "/apps", {"name": other, "org_slug": "acme"}, expect=201)
    deploy = Api(TEST, api.call("POST", f"{app.path}/deploy_token", {"expiry": "1h"})["token"])
    assert deploy.call("GET", f"{app.path}/machines") == []
    assert deploy.call("GET", "/tokens/current")["tokens"][0]["apps"] == [app.name]
    machine = App(deploy, app.name, app.image).create(skip_launch=True, until="stopped")
    for method, path in (("GET", f"/apps/{other}"), ("DELETE", f"/apps/{other}"), ("GET", "/orgs/acme/machines")):
        assert "deploy token" in error(deploy.call(method, path, expect=403))
    deploy.call("POST", "/apps", {"name": "more", "org_slug": "acme"}, expect=403)
    reader = Api(TEST, api.control("POST", "/fly/token", {"kind": "readonly"})["token"])
    assert reader.call("GET", f"{app.path}/machines/{machine['id']}")["id"] == machine["id"]
    reader.call("POST", f"{app.path}/machines/{machine['id']}/start", expect=403)
    joined = Api(TEST, f"FlyV1 fm2_unknown,{deploy.token}")
    assert joined.call("GET", app.path)["name"] == app.name
    short = Api(TEST, api.call("POST", f"{app.path}/deploy_token", {"expiry": "1s"})["token"])
    eventually(lambda: short.raw("GET", app.path).status_code == 401)
    api.call("POST", f"{app.path}/deploy_token", {"expiry": "soon"}, expect=400)
    api.call("DELETE", f"/apps/{other}", expect=202)


def test_rate_limits(api: Api, app: App) -> None:
    machine = app.create(skip_launch=True, until="stopped")["id"]
    one = f"{app.path}/machines/{machine}"
    switch(app, rate_limit=True)
    answers = [api.raw("GET", f"{one}/metadata") for _ in range(6)]
    assert [answer.status_code for answer in answers[:4]] == [200, 200, 200, 429]
    assert answers[3].json()["error"] == "rate limit exceeded"
    assert answers[3].headers["Retry-After"] == "1"
    gets = [api.raw("GET", one).status_code for _ in range(10)]
    assert gets == [200] * 10, "reading a machine has a burst of its own"
    switch(app, rate_limit_retry_after=False)
    silent = [api.raw("GET", f"{one}/metadata") for _ in range(6)][-1]
    assert (silent.status_code, "Retry-After" in silent.headers) == (429, False)
    time.sleep(1.1)
    api.call("GET", f"{one}/metadata")
    switch(app, rate_limit=False)
    assert {api.raw("GET", f"{one}/metadata").status_code for _ in range(6)} == {200}


# Create, read, update, destroy (2.2, 2.3)


def test_a_new_machine_is_not_found_at_first(app: App) -> None:
    switch(app, fresh_404_seconds=1.0)
    made = app.create(until="")
    assert made["state"] in ("created", "starting")
    assert re.fullmatch("[0-9a-f]{14}", made["id"])
    assert len(made["instance_id"]) == 26
    app.one("GET", made["id"], expect=404)
    eventually(lambda: app.one("GET", made["id"], expect=None).get("state") == "started")


def test_bodies_are_checked(app: App) -> None:
    cases = {
        "config.image is required": {"config": {}},
        "region mars not found": {"config": app.config(), "region": "mars"},
        "config.env.A must be a string": {"config": app.config(env={"A": 1})},
        "config.services[0].internal_port must be an integer": {
            "config": app.config(services=[{"protocol": "tcp", "internal_port": "80"}])
        },
        "force_https needs": {
            "config": app.config(
                services=[{"protocol": "tcp", "internal_port": 80, "ports": [{"port": 443, "force_https": True}]}]
            )
        },
        "below soft_limit": {
            "config": app.config(
                services=[{"protocol": "tcp", "internal_port": 80, "concurrency": {"soft_limit": 9, "hard_limit": 3}}]
            )
        },
        "exclude each other": {"config": app.config(size="shared-cpu-1x", guest={"cpus": 1})},
        "guest.memory_mb 300": {"config": app.config(guest={"memory_mb": 300})},
        "image_config is not supported": {
            "config": app.config(files=[{"guest_path": "/x", "image_config": "a", "raw_value": ""}])
        },
        "standbys cannot": {"config": app.config(standbys=["a"], services=[{"protocol": "tcp", "internal_port": 80}])},
        "schedule yearly": {"config": app.config(schedule="yearly")},
        "stop_config.timeout": {"config": app.config(stop_config={"timeout": "301s"})},
        "checks.a.port": {"config": app.config(checks={"a": {"type": "tcp"}})},
        "is no duration": {"config": app.config(checks={"a": {"type": "tcp", "port": 1, "interval": "soon"}})},
    }
    for text, body in cases.items():
        assert text in error(app.api.call("POST", f"{app.path}/machines", body, expect=400))
    strange = app.config(spot={"max_price_fraction": 0.5}, something_new={"a": [1]}, metrics={"port": 9, "path": "/m"})
    made = app.create(strange, skip_launch=True, until="stopped", lsvd=True, unheard_of=1)
    assert app.get(made["id"])["config"]["something_new"] == {"a": [1]}, "what is not known passes"


def test_names_are_unique_and_versions_are_kept(app: App) -> None:
    made = app.create(name="one", skip_launch=True, until="stopped")
    taken = app.api.call("POST", f"{app.path}/machines", {"name": "one", "config": app.config()}, expect=409)
    assert "already_exists" in error(taken)
    first = made["instance_id"]
    body = {"config": app.config(env={"A": "2"}), "skip_launch": True}
    wrong = app.one("POST", made["id"], "", {**body, "current_version": "0" * 26}, expect=412)
    assert first in error(wrong)
    second = app.one("POST", made["id"], "", {**body, "current_version": first})["instance_id"]
    third = app.one("POST", made["id"], "", body)["instance_id"]
    assert len({first, second, third}) == 3, "an identical config makes a version too"
    versions = app.one("GET", made["id"], "versions")
    assert [item["version"] for item in versions] == [third, second, first]
    assert versions[1]["user_config"]["env"] == {"A": "2"}
    assert app.one("GET", made["id"], version=first)["state"] == "replaced"
    assert app.get(made["id"])["state"] == "stopped"
    assert "replaced" in error(app.one("GET", made["id"], "wait", state="started", version=first, expect=400))


def test_update_restarts_and_wakes(app: App) -> None:
    made = app.create(app.config(env={"WHO": "old"}))
    app.run(made["id"], "touch", "/left")
    new = app.one("POST", made["id"], "", {"config": app.config(env={"WHO": "new"})})
    assert new["state"] == "replacing"
    app.wait(made["id"], "started", version=new["instance_id"])
    assert app.run(made["id"], "sh", "-c", "echo $WHO").split() == ["new"]
    assert app.one("POST", made["id"], "exec", {"command": ["ls", "/left"]})["exit_code"] != 0
    exit_event = app.events(made["id"], "exit")[0]["request"]["exit_event"]
    assert (exit_event["requested_stop"], exit_event["restarting"]) == (True, False)
    app.one("POST", made["id"], "stop")
    app.wait(made["id"], "stopped")
    woken = app.one("POST", made["id"], "", {"config": app.config()})
    assert app.wait(made["id"], "settled", version=woken["instance_id"])["state"] == "started"


def test_destroy_lingers_then_is_gone(app: App) -> None:
    made = app.create(app.config("sh", "-c", "exit 3", restart={"policy": "no"}), until="stopped")["id"]
    running = app.create()["id"]
    assert "not currently stopped" in error(app.one("DELETE", running, expect=412))
    assert app.one("DELETE", running, kill="true") == {"ok": True}
    switch(app, destroyed_seconds=2)
    app.one("DELETE", made)
    gone = app.get(made)
    assert gone["state"] == "destroyed"
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 3
    assert app.one("GET", made, "wait", state="destroyed")["ok"] is True
    app.one("GET", made, "wait", state="started", expect=404)
    app.one("POST", made, "start", expect=404)
    app.one("DELETE", made, expect=404)
    eventually(lambda: app.one("GET", made, expect=None).get("error"))
    app.one("GET", made, "wait", state="destroyed", expect=404)
    assert app.api.call("GET", f"{app.path}/machines") == []
    listed = app.api.call("GET", f"{app.path}/machines", include_deleted="true")
    assert {item["id"] for item in listed} == {made, running}


def test_a_bad_image_fails_later(app: App) -> None:
    made = app.create(app.config(image=f"registry.fly.io/{app.name}:none"), until="failed")["id"]
    event = app.events(made, "launch")[0]
    assert (event["status"], bool(event["request"]["error"])) == ("failed", True)
    good = app.one("POST", made, "", {"config": app.config()})
    app.wait(made, "started", version=good["instance_id"])
    switch(app, launch_failure="launch_failed")
    lost = app.create(app.config(image=f"registry.fly.io/{app.name}:none"), until="seen")["id"]
    app.wait(lost, "destroyed")
    assert app.events(lost, "launch")[0]["status"] == "launch_failed"
    bad = app.one("POST", good["id"], "", {"config": app.config(image=f"registry.fly.io/{app.name}:none")})
    assert app.wait(good["id"], "settled", version=bad["instance_id"])["state"] == "failed", "it ran before"


def test_the_tag_is_resolved_once_per_version(app: App) -> None:
    made = app.create()["id"]
    reference = app.get(made)["image_ref"]
    assert (reference["registry"], reference["tag"]) == ("registry.fly.io", "1")
    assert reference["digest"].startswith("sha256:")
    pinned = app.image.rpartition(":")[0] + "@" + reference["digest"]
    assert app.get(app.create(app.config(image=pinned))["id"])["config"]["image"] == pinned


# Waiting (2.4)


def test_wait(app: App) -> None:
    made = app.create(skip_launch=True, until="stopped")["id"]
    for query in ({"timeout": 0}, {"timeout": 61}, {"timeout": "x"}, {"state": "asleep"}, {"version": "0" * 26}):
        assert "invalid_argument" in error(app.one("GET", made, "wait", **query, expect=400))
    late = app.one("GET", made, "wait", state="started", timeout=1, expect=408)
    assert late["error"] == "machine failed to reach desired state, started, currently stopped"
    either = app.one("GET", made, "wait", state=["failed,suspended", "stopped"])
    assert either == {"ok": True, "state": "stopped", "version": app.get(made)["instance_id"], "event_id": ANY_ID}
    before = app.get(made)["events"][0]["id"]
    app.one("GET", made, "wait", state="stopped", from_event_id=before, timeout=1, expect=408)
    assert app.one("POST", made, "start") == {"previous_state": "stopped", "migrated": False, "new_host": ""}
    app.wait(made, "settled", from_event_id=before)
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    seen = app.one("GET", made, "wait", state="started", from_event_id=before)
    assert seen["state"] == "started", "what came after the event counts, also if it is over"


class _AnyId:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and len(other) == 26

    __hash__ = None  # type: ignore[assignment]


ANY_ID = _AnyId()


# Leases (2.5)


def test_leases(app: App) -> None:
    made = app.create(skip_launch=True, until="stopped")
    one = made["id"]
    app.one("GET", one, "lease", expect=404)
    taken = app.one("POST", one, "lease", {"ttl": 30, "description": "deploy"}, expect=201)
    assert taken["status"] == "success"
    lease, nonce = taken["data"], taken["data"]["nonce"]
    assert (lease["version"], lease["description"]) == (made["instance_id"], "deploy")
    assert "@" in lease["owner"]
    assert 28 <= lease["expires_at"] - time.time() <= 31
    assert "nonce" not in app.one("GET", one, "lease")["data"]
    assert app.one("GET", one, "lease", nonce=nonce)["data"]["nonce"] == nonce
    assert "lease currently held by" in error(app.one("POST", one, "lease", {"ttl": 9}, expect=409))
    again = app.one("POST", one, "lease", nonce=nonce, ttl=60, expect=201)["data"]
    assert (again["nonce"], again["expires_at"] > lease["expires_at"] + 20) == (nonce, True)
    update = {"config": app.config(), "skip_launch": True}
    for verb, body in {
        "": update,
        **dict.fromkeys(("start", "stop", "suspend", "restart", "cordon", "uncordon")),
        "signal": {"signal": "SIGHUP"},
    }.items():
        assert "lease currently held by" in error(app.one("POST", one, verb, body, expect=409)), verb
    assert "lease currently held by" in error(app.one("DELETE", one, force="true", expect=409))
    assert "lease currently held by" in error(app.one("DELETE", one, "lease", nonce="other", expect=409))
    app.one("POST", one, "metadata/free", {"value": "yes"}, expect=204)
    app.one("POST", one, "cordon", nonce=nonce)
    shown = app.one("GET", one, include_leases="true")["lease"]
    assert set(shown) == {"description", "expires_at", "owner"}
    assert "lease" not in app.get(one)
    assert app.one("DELETE", one, "lease", nonce=nonce) == {"status": "success", "data": {"ok": True}}
    assert "lease not found" in error(app.one("DELETE", one, "lease", nonce=nonce, expect=404))
    app.one("POST", one, "lease", {"ttl": 0}, expect=400)
    app.one("POST", one, "lease", {"ttl": 1}, expect=201)
    app.one("POST", one, "uncordon", expect=409)
    eventually(lambda: app.one("POST", one, "uncordon", expect=None).get("ok"))


def test_leases_that_come_with_a_call(app: App) -> None:
    made = app.create(skip_launch=True, lease_ttl=30, until="stopped")
    body = {"config": app.config(), "skip_launch": True}
    app.one("POST", made["id"], "", body, expect=409)
    assert "nonce" not in app.get(made["id"])
    updated = app.one("POST", made["id"], "", {**body, "lease_ttl": 60}, nonce=made["nonce"])
    assert updated["nonce"] == made["nonce"]
    lease = app.one("GET", made["id"], "lease")["data"]
    assert lease["version"] == updated["instance_id"]


# Metadata, lists, events (2.2, 2.6)


def test_metadata(app: App) -> None:
    made = app.create(app.config(metadata={"a": "1", "b": "2"}), skip_launch=True, until="stopped")
    one, version = made["id"], made["instance_id"]
    assert app.one("GET", one, "metadata") == {"a": "1", "b": "2"}
    app.one("PUT", one, "metadata", {"metadata": {"a": None, "c": "3"}, "machine_version": version}, expect=204)
    app.one("PATCH", one, "metadata", {"metadata": {"c": "", "d": "4"}}, expect=204)
    assert app.one("GET", one, "metadata") == {"b": "2", "d": "4"}
    app.one("PATCH", one, "metadata", {"metadata": {"x": "1"}, "machine_version": "0" * 26}, expect=412)
    app.one("PATCH", one, "metadata", {"metadata": {"x": 1}}, expect=400)
    app.one("PATCH", one, "metadata", {}, expect=400)
    assert app.one("POST", one, "metadata/e", {"value": "5"}, expect=204) == ""
    assert app.one("GET", one, "metadata/e") == {"value": "5"}
    app.one("POST", one, "metadata/e", {"value": "6", "updated_at": "2001-01-01T00:00:00Z"}, expect=412)
    app.one("POST", one, "metadata/e", {"value": "6", "updated_at": "yesterday"}, expect=400)
    app.one("POST", one, "metadata/e", {"value": "6", "updated_at": "2101-01-01T00:00:00Z"}, expect=204)
    app.one("DELETE", one, "metadata/e", expect=204)
    app.one("GET", one, "metadata/e", expect=404)
    app.one("DELETE", one, "metadata/e", expect=404)
    found = app.get(one)
    assert (found["instance_id"], found["config"]["metadata"]) == (version, {"b": "2", "d": "4"})


def test_lists(app: App) -> None:
    first = app.create(app.config(metadata={"k": "v", "n": "1"}), region="ewr")["id"]
    second = app.create(app.config(metadata={"k": "v", "n": "2"}), region="fra", skip_launch=True, until="stopped")[
        "id"
    ]

    def ids(**query: Any) -> list[str]:
        return [item["id"] for item in app.api.call("GET", f"{app.path}/machines", **query)]

    assert ids() == [first, second]
    assert ids(region="fra") == [second]
    assert ids(state="started,failed") == [first]
    assert ids(state="stopped") == [second]
    assert ids(**{"metadata.k": "v"}) == [first, second]
    assert ids(**{"metadata.k": "v", "metadata.n": "2"}) == [second]
    summary = app.api.call("GET", f"{app.path}/machines", summary="true")[0]
    assert not set(summary) & {"config", "checks", "events", "host_status", "nonce"}
    assert len(app.one("GET", first, "events", limit=1)) == 1
    app.one("GET", first, "events", limit="x", expect=400)
    assert [event["type"] for event in app.one("GET", first, "events")] == ["start", "launch"]


def test_lists_of_an_organisation_come_in_pages(app: App) -> None:
    ids = [app.create(name=f"m{n}", skip_launch=True, until="stopped")["id"] for n in range(4)]
    app.one("DELETE", ids[0])
    pages, cursor = [], ""
    while True:
        page = app.api.call("GET", "/orgs/acme/machines", limit=1, cursor=cursor)
        pages.append([item["id"] for item in page["machines"]])
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert [page for page in pages if page] == [[one] for one in ids[1:]]
    assert [] in pages, "a page may be empty and not the last"
    whole = app.api.call("GET", "/orgs/acme/machines")
    assert (whole["last_machine_id"], whole["error_regions"]) == (ids[-1], [])
    item = whole["machines"][0]
    assert (item["app_name"], item["version"]) == (app.name, item["instance_id"])
    assert set(item["config"]) <= {"guest", "image", "metadata"}
    assert "config" not in app.api.call("GET", "/orgs/acme/machines", summary="true")["machines"][0]
    since = whole["last_updated_at"]
    assert app.api.call("GET", "/orgs/acme/machines", updated_after=since)["machines"] == []
    app.one("POST", ids[2], "cordon")
    changed = app.api.call("GET", "/orgs/acme/machines", updated_after=since)["machines"]
    assert [item["id"] for item in changed] == [ids[2]]
    app.api.call("GET", "/orgs/acme/machines", cursor="%%%", expect=400)
    app.api.call("GET", "/orgs/acme/machines", updated_after="today", expect=400)


def test_lists_lag(app: App) -> None:
    switch(app, list_lag_seconds=1.5)
    made = app.create(skip_launch=True, until="stopped")["id"]

    def of_app() -> list[Any]:
        return list(app.api.call("GET", f"{app.path}/machines"))

    def of_org() -> list[Any]:
        return list(app.api.call("GET", "/orgs/acme/machines")["machines"])

    assert of_app() == []
    eventually(of_app, 5)
    assert of_org() == [], "the organisation's list lags more"
    eventually(of_org, 5)
    app.one("DELETE", made)
    assert [item["state"] for item in of_app()] == ["stopped"]
    eventually(lambda: not of_app(), 5)


def test_cordons(app: App) -> None:
    made = app.create(skip_launch=True, skip_service_registration=True, until="stopped")["id"]
    assert app.get(made)["cordoned"] is True
    for verb, cordoned in (("uncordon", False), ("uncordon", False), ("cordon", True), ("cordon", True)):
        assert app.one("POST", made, verb) == {"ok": True}
        assert app.get(made)["cordoned"] is cordoned
    body = {"config": app.config(), "skip_launch": True}
    assert app.one("POST", made, "", body)["cordoned"] is True, "an update leaves it as it is"
    assert app.one("POST", made, "", {**body, "skip_service_registration": False})["cordoned"] is False


# Starting and stopping (2.2, 2.7)


def test_stop_start_and_signals(app: App) -> None:
    shell = 'trap "exit 0" INT; trap "echo usr1 >> /tmp/got" USR1; trap "exit 7" TERM; while :; do sleep 0.1; done'
    made = app.create(app.config("sh", "-c", shell, restart={"policy": "no"}))["id"]
    app.run(made, "touch", "/mark")
    for signal in ("SIGUSR1", 10, "USR1"):
        app.one("POST", made, "signal", {"signal": signal})
        time.sleep(0.3)
    assert app.run(made, "cat", "/tmp/got") == "usr1\n" * 3
    assert "unknown signal" in error(app.one("POST", made, "signal", {"signal": "SIGWINCH"}, expect=400))
    app.one("POST", made, "signal", {"signal": 99}, expect=400)
    assert app.one("POST", made, "stop") == {"ok": True}
    app.wait(made, "stopped")
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 0, "SIGINT is the default"
    app.one("POST", made, "stop")
    app.one("POST", made, "signal", {"signal": 9}, expect=412)
    app.one("POST", made, "restart", expect=412)
    app.one("POST", made, "suspend", expect=412)
    app.one("POST", made, "exec", {"command": ["true"]}, expect=412)
    app.one("POST", made, "start")
    app.wait(made, "started")
    assert app.one("POST", made, "exec", {"command": ["ls", "/mark"]})["exit_code"] != 0, "the files are fresh"
    app.one("POST", made, "stop", {"signal": "SIGTERM", "timeout": "5s"})
    app.wait(made, "stopped")
    event = app.events(made, "exit")[0]["request"]["exit_event"]
    assert (event["exit_code"], event["requested_stop"]) == (7, True)
    app.one("POST", made, "stop", {"timeout": "301s"}, expect=400)


def test_restart_keeps_the_version(app: App) -> None:
    made = app.create()
    app.run(made["id"], "touch", "/mark")
    app.one("POST", made["id"], "restart", timeout="5s")
    app.wait(made["id"], "started", from_event_id=app.events(made["id"], "restart")[0]["id"])
    found = app.get(made["id"])
    assert found["instance_id"] == made["instance_id"]
    assert app.one("POST", made["id"], "exec", {"command": ["ls", "/mark"]})["exit_code"] != 0
    assert len(app.one("GET", made["id"], "versions")) == 1


def test_stop_config_is_kept(app: App) -> None:
    deaf = 'trap "" INT TERM; trap "exit 9" QUIT; while :; do sleep 0.1; done'
    quick = {"signal": "SIGINT", "timeout": "1s"}
    made = app.create(app.config("sh", "-c", deaf, stop_config=quick))["id"]
    start = time.monotonic()
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    assert 0.9 < time.monotonic() - start < 5
    assert app.events(made, "exit")[0]["request"]["exit_event"]["guest_signal"] == 9
    new = app.one("POST", made, "", {"config": app.config("sh", "-c", deaf, stop_config={"signal": "SIGQUIT"})})
    app.wait(made, "started", version=new["instance_id"])
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 9


def test_suspend_resumes_where_it_was(app: App) -> None:
    made = app.create()["id"]
    other = app.create()["id"]
    app.run(made, "sh", "-c", "echo here > /mark; sleep 300 & echo $! > /pid")
    app.one("POST", made, "suspend")
    app.wait(made, "suspended")
    names = app.run(other, "sh", "-c", f"getent ahostsv6 {made}.vm.{app.name}.internal || echo none")
    assert names == "none\n", "nobody answers for a suspended machine"
    assert app.get(made)["checks"] == []
    app.one("POST", made, "start")
    app.wait(made, "started")
    assert app.run(made, "sh", "-c", "cat /mark; test -d /proc/$(cat /pid) && echo alive") == "here\nalive\n"
    address = app.get(made)["private_ip"]
    assert address in app.run(other, "getent", "ahostsv6", f"{made}.vm.{app.name}.internal")
    app.one("POST", made, "suspend")
    app.wait(made, "suspended")
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    app.one("POST", made, "start")
    app.wait(made, "started")
    assert app.one("POST", made, "exec", {"command": ["ls", "/mark"]})["exit_code"] != 0, "the snapshot was dropped"
    swap = app.create(app.config(init={"swap_size_mb": 64}))["id"]
    app.one("POST", swap, "suspend")
    assert app.wait(swap, "settled")["state"] == "stopped", "a machine with swap cannot be suspended"


def test_restart_policies(app: App) -> None:
    crash = app.config("sh", "-c", "exit 4", restart={"policy": "on-failure", "max_retries": 2})
    made = app.create(crash, until="stopped")["id"]
    exits = [event["request"] for event in app.events(made, "exit")]
    assert [(e["exit_event"]["restarting"], e["restart_count"]) for e in exits] == [(False, 2), (True, 1), (True, 0)]
    assert {(e["exit_event"]["exit_code"], e["exit_event"]["requested_stop"]) for e in exits} == {(4, False)}
    done = app.create(app.config("true"), until="stopped")["id"]
    assert len(app.events(done, "exit")) == 1, "a clean end is no failure"
    never = app.create(app.config("false", restart={"policy": "no"}), until="stopped")["id"]
    assert len(app.events(never, "exit")) == 1
    large = app.config("perl", "-e", "$x = 'a' x 600_000_000; sleep 9", restart={"policy": "no"})
    starved = app.events(app.create(large, until="stopped")["id"], "exit")[0]["request"]["exit_event"]
    assert (starved["oom_killed"], starved["guest_signal"]) == (True, 9)
    always = app.create(app.config("true", restart={"policy": "always"}), until="seen")["id"]
    eventually(lambda: len(app.events(always, "exit")) >= 3)
    app.one("POST", always, "stop")
    app.wait(always, "stopped")
    count = len(app.events(always, "start"))
    time.sleep(2)
    assert len(app.events(always, "start")) == count, "what was asked to stop rests"
    killed = app.create()["id"]
    app.one("POST", killed, "signal", {"signal": 9})
    eventually(lambda: len(app.events(killed, "start")) == 2)
    event = app.events(killed, "exit")[0]["request"]["exit_event"]
    assert (event["guest_signal"], event["oom_killed"]) == (9, False)


def test_release_command_machines(app: App) -> None:
    config = app.config("sh", "-c", "sleep 1; exit 5", auto_destroy=True, restart={"policy": "no"})
    config["dns"] = {"skip_registration": True}
    made = app.create(config, skip_launch=True, until="stopped")["id"]
    app.one("POST", made, "start")
    app.wait(made, "started")
    app.wait(made, "destroyed")
    types = [event["type"] for event in app.get(made)["events"]]
    assert types.index("destroy") < types.index("exit") < types.index("start")
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 5


def test_schedules(app: App) -> None:
    made = app.create(app.config("true", schedule="hourly"), until="stopped")["id"]
    assert app.events(made, "start") == []
    switch(app, schedule_hour_seconds=1)
    eventually(lambda: len([e for e in app.events(made, "start") if e["status"] == "started"]) >= 2)
    daily = app.create(app.config("true", schedule="daily"), until="stopped")["id"]
    time.sleep(2)
    assert app.events(daily, "start") == []


def test_standbys_and_silent_hosts(app: App) -> None:
    first = app.create()["id"]
    standby = app.create(app.config(standbys=[first]), skip_launch=True, until="stopped")["id"]
    other = app.create()["id"]
    app.api.control("POST", "/fly/host", {"machine": first, "status": "unreachable"})
    app.wait(standby, "started")
    found = app.get(first)
    assert (found["host_status"], found["config"]) == ("unreachable", None)
    assert found["incomplete_config"]["image"] == app.image
    assert app.run(other, "sh", "-c", f"getent ahostsv6 {first}.vm.{app.name}.internal || echo none") == "none\n"
    body = {"config": app.config()}
    for verb in ("", "start", "stop", "suspend", "restart", "cordon", "lease", "metadata/a"):
        sent = {"": body, "metadata/a": {"value": "1"}}.get(verb)
        assert "does not answer" in error(app.one("POST", first, verb, sent, expect=408)), verb
    app.one("POST", first, "exec", {"command": ["true"]}, expect=408)
    app.one("DELETE", first, expect=408)
    app.api.control("POST", "/fly/host", {"machine": first, "status": "ok"})
    assert app.run(first, "echo", "back") == "back\n"
    app.api.control("POST", "/fly/host", {"machine": first, "status": "unknown"})
    assert app.get(first)["host_status"] == "unknown"
    app.one("DELETE", first, force="true")
    app.wait(first, "destroyed")
    failing = app.create(skip_launch=True, until="stopped")["id"]
    second = app.create(app.config(standbys=[failing]), skip_launch=True, until="stopped")["id"]
    app.one("POST", failing, "", {"config": app.config(image=f"registry.fly.io/{app.name}:none")})
    app.wait(failing, "failed")
    app.wait(second, "started")


def test_capacity(app: App) -> None:
    volume = app.api.call("POST", f"{app.path}/volumes", {"name": "data", "region": "nrt", "size_gb": 1})["id"]
    first = app.create(region="nrt", skip_launch=True, until="stopped")["id"]
    app.api.control("POST", "/fly/capacity", {"region": "nrt", "machines": 1})
    more = {"config": app.config(), "region": "nrt"}
    full = app.api.call("POST", f"{app.path}/machines", more, expect=409)
    assert full["status"] == "insufficient_capacity"
    app.api.control("POST", "/fly/capacity", {"region": "nrt", "machines": 1, "status": 422})
    app.api.call("POST", f"{app.path}/machines", more, expect=422)
    mounted = {"config": app.config(mounts=[{"volume": volume, "path": "/data"}]), "region": "nrt"}
    bound = app.api.call("POST", f"{app.path}/machines", mounted, expect=412)
    assert "insufficient resources to create new machine with existing volume" in error(bound)
    same = {"config": app.config(), "skip_launch": True}
    app.one("POST", first, "", same)
    larger = {"config": app.config(guest={"memory_mb": 512}), "skip_launch": True}
    grown = app.one("POST", first, "", larger, expect=409)
    assert "aborted: could not reserve resource for machine: insufficient memory" in error(grown)
    app.api.control("POST", "/fly/capacity", {"region": "nrt", "machines": 0})
    app.one("POST", first, "", same, expect=409)
    place = {"org_slug": "acme", "region": "nrt,ewr", "count": 3}
    assert app.api.call("POST", "/platform/placements", place)["regions"] == [
        {"region": "ewr", "count": 3, "concurrency": 3}
    ]
    app.api.call("POST", "/platform/placements", {**place, "region": "nrt"}, expect=422)
    app.api.control("POST", "/fly/capacity", {"region": "nrt", "machines": None})
    app.one("POST", first, "", larger)


# What runs inside (2.2, 2.7)


def test_environment_files_and_secrets(app: App) -> None:
    encoded = base64.b64encode(b"from a secret").decode()
    written = app.api.call("POST", f"{app.path}/secrets", {"values": {"FILE": encoded, "SHARED": "secret"}})
    files = [
        {"guest_path": "/etc/app/raw", "raw_value": base64.b64encode(b"raw").decode(), "mode": 0o600},
        {"guest_path": "/etc/app/secret", "secret_name": "FILE"},
    ]
    config = app.config(env={"SHARED": "env", "OWN": "1"}, files=files, guest={"memory_mb": 512})
    made = app.create(config, min_secrets_version=written["version"])
    one = made["id"]
    lines = dict(line.split("=", 1) for line in app.run(one, "env").splitlines() if "=" in line)
    assert (lines["SHARED"], lines["OWN"]) == ("secret", "1"), "secrets win"
    assert (lines["FLY_APP_NAME"], lines["FLY_MACHINE_ID"], lines["FLY_REGION"]) == (app.name, one, "ewr")
    assert (lines["FLY_MACHINE_VERSION"], lines["FLY_VM_MEMORY_MB"]) == (made["instance_id"], "512")
    assert lines["FLY_PRIVATE_IP"] == app.get(one)["private_ip"]
    assert lines["FLY_PRIVATE_IP"] in app.run(one, "getent", "ahostsv6", "fly-local-6pn")
    assert app.run(one, "sh", "-c", "cat /etc/app/raw /etc/app/secret") == "rawfrom a secret"
    assert app.run(one, "stat", "-c", "%a", "/etc/app/raw", "/etc/app/secret") == "600\n644\n"
    app.api.call("POST", f"{app.path}/secrets", {"values": {"SHARED": "later"}})
    app.one("POST", one, "restart")
    app.wait(one, "started", from_event_id=app.events(one, "restart")[0]["id"])
    assert app.run(one, "sh", "-c", "echo $SHARED") == "secret\n", "a restart does not bring staged secrets"
    new = app.one("POST", one, "", {"config": config})
    app.wait(one, "started", version=new["instance_id"])
    assert app.run(one, "sh", "-c", "echo $SHARED") == "later\n"
    bare = app.create(app.config(), skip_secrets=True)["id"]
    assert app.run(bare, "sh", "-c", "echo [$SHARED]") == "[]\n"
    ahead = {"config": config, "min_secrets_version": 99}
    assert "secrets version 99" in error(app.api.call("POST", f"{app.path}/machines", ahead, expect=412))
    lost = app.create(app.config(files=[{"guest_path": "/x", "secret_name": "NONE"}]), until="failed")["id"]
    assert "secret NONE is not set" in app.events(lost, "launch")[0]["request"]["error"]


def test_exec_ps_and_memory(app: App) -> None:
    made = app.create(app.config("perl", "/server.pl", "9090"))["id"]
    done = app.one("POST", made, "exec", {"command": ["sh", "-c", "cat; echo err >&2; exit 3"], "stdin": "in\n"})
    assert done == {"exit_code": 3, "exit_signal": 0, "stdout": "in\n", "stderr": "err\n"}
    assert app.one("POST", made, "exec", {"cmd": "echo 'a b'"})["stdout"] == "a b\n"
    assert app.one("POST", made, "exec", {"command": ["sh", "-c", "kill -9 $$"]})["exit_signal"] == 9
    long = ["sh", "-c", "sleep 61 & sleep 62; true"]
    app.one("POST", made, "exec", {"command": long, "timeout": 1}, expect=408)
    eventually(lambda: not [item for item in app.one("GET", made, "ps") if "sleep 6" in item["command"]])
    app.one("POST", made, "exec", {}, expect=400)
    app.one("POST", made, "exec", {"command": ["true"], "container": "x"}, expect=400)
    app.run(made, "sh", "-c", "perl /server.pl 9091 >/dev/null 2>&1 & sleep 0.3")
    found = {item["command"]: item for item in app.one("GET", made, "ps")}
    server = found["perl /server.pl 9090"]
    assert server["listen_sockets"] == [{"proto": "tcp", "address": "0.0.0.0:9090"}]
    assert server["rss"] > 100_000
    assert found["perl /server.pl 9091"]["listen_sockets"][0]["address"] == "0.0.0.0:9091"
    pids = [item["pid"] for item in app.one("GET", made, "ps", sort_by="pid", order="desc")]
    assert pids == sorted(pids, reverse=True)
    app.one("GET", made, "ps", sort_by="colour", expect=400)
    memory = app.one("GET", made, "memory")
    assert memory["limit_mb"] == 256
    assert 0 < memory["available_mb"] <= 256
    assert app.one("PUT", made, "memory", {"limit_mb": 192})["limit_mb"] == 192
    app.one("PUT", made, "memory", {"limit_mb": 1}, expect=400)
    assert app.one("POST", made, "memory/reclaim", {"amount_mb": 8})["limit_mb"] == 192


def test_init_and_sizes(app: App) -> None:
    made = app.create(app.config(init={"entrypoint": ["sh", "-c"], "cmd": ["sleep 400"]}))["id"]
    assert any("sleep 400" in item["command"] for item in app.one("GET", made, "ps"))
    tty = app.create(app.config(init={"exec": ["sh", "-c", "test -t 1 && sleep 400"], "tty": True}))["id"]
    time.sleep(0.5)
    assert app.get(tty)["state"] == "started"
    large = app.create(app.config(size="performance-2x"))["id"]
    assert app.one("GET", large, "memory")["limit_mb"] == 4096


def test_several_processes_in_one_machine(app: App) -> None:
    app.api.call("POST", f"{app.path}/secrets", {"values": {"HIDDEN": "h", "GIVEN": "it's given"}})
    note = 'echo "$WHO $REGION $HIDDEN $GIVEN" > /tmp/$WHO; id -un >> /tmp/$WHO; exec sleep 500'
    processes = [
        {"exec": ["perl", "/server.pl", "8080"]},
        {
            "exec": ["sh", "-c", note],
            "user": "nobody",
            "env": {"WHO": "second"},
            "env_from": [{"env_var": "REGION", "field_ref": "region"}],
            "ignore_app_secrets": True,
            "secrets": [{"env_var": "GIVEN", "name": "GIVEN"}],
        },
        {"exec": ["sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 6"]},
    ]
    made = app.create(app.config(processes=processes, restart={"policy": "no"}))["id"]
    eventually(lambda: app.one("POST", made, "exec", {"command": ["test", "-s", "/tmp/second"]})["exit_code"] == 0)
    assert app.run(made, "cat", "/tmp/second") == "second ewr  it's given\nnobody\n"
    commands = " ".join(item["command"] for item in app.one("GET", made, "ps"))
    assert "perl /server.pl 8080" in commands
    assert "sleep 500" in commands
    assert "given" not in commands, "no secret in an argument list"
    app.run(made, "touch", "/tmp/end")
    app.wait(made, "stopped")
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 6, "the first to end decides"
    app.one("POST", made, "start")
    app.wait(made, "started")
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    assert app.events(made, "exit")[0]["request"]["exit_event"]["exit_code"] == 0


def test_files_that_stay(app: App) -> None:
    made = app.create(app.config(guest={"persist_rootfs": "restart"}))["id"]
    app.run(made, "touch", "/mark")
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    app.one("POST", made, "start")
    app.wait(made, "started")
    assert app.run(made, "ls", "/mark") == "/mark\n"
    new = app.one("POST", made, "", {"config": app.config()})
    app.wait(made, "started", version=new["instance_id"])
    assert app.one("POST", made, "exec", {"command": ["ls", "/mark"]})["exit_code"] != 0


def test_names_on_the_private_network(app: App) -> None:
    config = app.config(metadata={"fly_process_group": "web", "tier": "gold"})
    first = app.create(config)["id"]
    hidden = app.create({**config, "dns": {"skip_registration": True}})["id"]
    address = app.get(first)["private_ip"]
    for name in (f"{app.name}.internal", f"ewr.{app.name}.internal", f"web.process.{app.name}.internal"):
        assert app.run(hidden, "getent", "ahostsv6", name).split()[0] == address
    assert address in app.run(hidden, "getent", "ahostsv6", f"gold.tier.kv._metadata.{app.name}.internal")
    named = app.create(app.config(dns={"hostname_fqdn": "web.example.test", "searches": ["internal"]}))["id"]
    assert app.run(named, "hostname", "-f").strip() == "web.example.test"
    assert "internal" in app.run(named, "cat", "/etc/resolv.conf")


def test_volumes_are_given_back_later(app: App) -> None:
    switch(app, detach_seconds=1)
    volume = app.api.call("POST", f"{app.path}/volumes", {"name": "data", "region": "ewr", "size_gb": 1})["id"]
    mount = {"mounts": [{"volume": volume, "path": "/data"}]}
    elsewhere = {"config": app.config(**mount), "region": "fra"}
    assert "is in region ewr" in error(app.api.call("POST", f"{app.path}/machines", elsewhere, expect=400))
    made = app.create(app.config(**mount))["id"]
    app.run(made, "sh", "-c", "echo kept > /data/x")
    app.api.call("POST", f"{app.path}/machines", {"config": app.config(**mount)}, expect=412)
    app.one("POST", made, "", {"config": app.config()}, expect=400)
    app.one("DELETE", made, force="true")

    def holder() -> Any:
        return app.api.call("GET", f"{app.path}/volumes/{volume}")["attached_machine_id"]

    assert holder() == made
    eventually(lambda: holder() is None)
    again = app.create(app.config(**mount))["id"]
    assert app.run(again, "cat", "/data/x") == "kept\n"


# Checks (2.3, 2.7)


def test_checks_are_probed(app: App) -> None:
    quick = {"interval": "1s", "timeout": "1s", "grace_period": "1s"}
    http = {"type": "http", "port": 8080, "path": "/", "kind": "readiness", **quick}
    config = app.config(
        services=[
            {
                "protocol": "tcp",
                "internal_port": 8080,
                "checks": [{"type": "tcp", **quick}, {"type": "http", "path": "/x", **quick}],
            }
        ],
        checks={
            "http": http,
            "closed": {"type": "tcp", "port": 81, **quick},
            "patient": {"type": "tcp", "port": 82, **quick, "grace_period": "60s"},
            "tls": {**http, "protocol": "https", "tls_skip_verify": True, "tls_server_name": "x.test"},
        },
    )
    slow = {"only": {"type": "tcp", "port": 82, **quick, "grace_period": "60s"}}
    assert app.get(app.create(app.config(checks=slow))["id"])["checks"] == [], "no result yet"
    made = app.create(config)["id"]

    def checks() -> dict[str, Any]:
        return {item["name"]: item for item in app.get(made)["checks"]}

    eventually(lambda: {"closed", "tls", "http"} <= set(checks()))
    found = checks()
    good = {"servicecheck-00-tcp-8080", "servicecheck-01-http-8080", "http"}
    assert {name for name, item in found.items() if item["status"] == "passing"} == good
    assert found["closed"]["output"].endswith("connect: connection refused")
    assert found["tls"]["status"] == "critical"
    assert "patient" not in found, "nothing is said of it within its grace period"
    before = found["http"]["updated_at"]
    assert checks()["http"]["updated_at"] == before, "the time is of the last change"
    app.run(made, "touch", "/tmp/sick")
    eventually(lambda: checks()["http"]["status"] == "critical")
    assert "500" in checks()["http"]["output"]
    assert checks()["http"]["updated_at"] > before
    assert checks()["servicecheck-00-tcp-8080"]["status"] == "passing"
    assert app.get(made)["state"] == "started", "a failing check restarts nothing"
    app.one("POST", made, "stop")
    app.wait(made, "stopped")
    assert app.get(made)["checks"] == []


# The local cloud itself


def test_everything_survives_a_restart_of_the_local_cloud(app: App) -> None:
    made = app.create()["id"]
    app.run(made, "touch", "/mark")
    asleep = app.create()["id"]
    app.run(asleep, "touch", "/mark")
    app.one("POST", asleep, "suspend")
    app.wait(asleep, "suspended")
    resting = app.create(skip_launch=True, until="stopped")["id"]
    ends = app.create(
        app.config("sh", "-c", "while [ ! -e /end ]; do sleep 0.1; done; exit 8", restart={"policy": "no"})
    )
    nonce = app.one("POST", resting, "lease", {"ttl": 300}, expect=201)["data"]["nonce"]
    events = {one: app.one("GET", one, "events") for one in (made, asleep, resting)}
    containers = {one: _container(one) for one in (made, asleep, ends["id"])}
    run("docker", "stop", f"opsmap-{TEST.name}-cloud")
    run("docker", "exec", containers[ends["id"]], "touch", "/end")
    run("docker", "start", f"opsmap-{TEST.name}-cloud")
    eventually(lambda: _answers(app), 60)
    eventually(lambda: app.get(ends["id"])["state"] == "stopped")
    assert app.events(ends["id"], "exit")[0]["request"]["exit_event"]["exit_code"] == 8
    assert {one: app.one("GET", one, "events") for one in (made, asleep, resting)} == events
    assert app.run(made, "ls", "/mark") == "/mark\n"
    assert _container(made) == containers[made]
    app.one("POST", asleep, "start")
    app.wait(asleep, "started")
    assert app.run(asleep, "ls", "/mark") == "/mark\n"
    app.one("POST", resting, "start", expect=409)
    app.one("POST", resting, "start", nonce=nonce)
    app.wait(resting, "started")


def _container(machine: str) -> str:
    return run("docker", "inspect", "--format", "{{.Id}}", f"opsmap-{TEST.name}-m-{machine}").stdout.strip()


def _answers(app: App) -> bool:
    try:
        return app.api.raw("GET", app.path).status_code == 200
    except OSError:
        return False


def test_faults_with_headers(api: Api, app: App) -> None:
    fault = {"kind": "status", "service": "fly", "status": 429, "headers": {"Retry-After": "7"}, "path": "/machines$"}
    api.control("POST", "/faults", fault)
    answer = api.raw("GET", f"{app.path}/machines")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert api.call("GET", f"{app.path}/machines") == []
