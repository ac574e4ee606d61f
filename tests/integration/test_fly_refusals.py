"""Bad input to the Fly modules against a local cloud: refused with the option and the remedy, and nothing is written."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

from tests.support import Instance

TEST = Instance("refusals")
APP = "refusals"
IMAGE = "registry.example/app:1"
UDP = {"protocol": "udp", "internal_port": 53, "ports": [{"port": 53}]}
WEB = {"protocol": "tcp", "internal_port": 8080, "ports": [{"port": 80, "handlers": ["http"], "force_https": True}]}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Instance]:
    """A local cloud with one app and one volume of 2 GB."""
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    try:
        TEST.playbook("playbooks/local_cloud.yml")
        converge("fly_app", name=APP)
        converge("fly_volume", app=APP, name="storage", region="ewr", size_gb=2)
        yield TEST
    finally:
        TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def converge(module_name: str, /, **options: Any) -> dict[str, Any]:
    """One run of a module, as the worker makes it."""
    module = importlib.import_module(f"ansible_collections.opsmap.cloud.plugins.modules.{module_name}")
    here = {"api_url": f"http://127.0.0.1:{TEST.port + 1}", "api_token": TEST.token("fly"), "wait_timeout": 20}
    conditions = {key: value for key, value in module.SPEC.items() if key != "argument_spec"}
    checked = ModuleArgumentSpecValidator(module.SPEC["argument_spec"], **conditions).validate({**here, **options})
    assert not checked.error_messages
    result: dict[str, Any] = module.run(dict(checked.validated_parameters), Context())
    return result


def writes(since: int) -> list[tuple[str, str, int]]:
    """What was asked for with another verb than GET, and how it was answered."""
    entries = TEST.call(0, "GET", f"/journal?since={since}&service=fly", "control")["entries"]
    return [(entry["method"], entry["path"], entry["status"]) for entry in entries if entry["method"] != "GET"]


def refused(module: str, /, **options: Any) -> tuple[str, list[tuple[str, str, int]]]:
    """The message of a refusal, and the writes that were made on the way to it."""
    before = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    with pytest.raises(CloudError) as caught:
        converge(module, **options)
    assert caught.value.hint, str(caught.value)
    return str(caught.value), writes(before)


@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        ("fly_app", {"name": "No_Name"}, "name: 'No_Name' is no app name"),
        ("fly_app", {"name": APP, "org": "acme"}, "org is 'personal'"),
        ("fly_app", {"name": APP, "network": "other"}, "network is 'default' and cannot become 'other'"),
        ("fly_app", {"name": APP, "regions": ["moo"]}, "regions: Fly.io has no moo"),
        ("fly_app", {"name": APP, "state": "absent"}, "confirm_destroy"),
        ("fly_app", {"name": APP, "api_token": "wrong"}, "check the token"),
        ("fly_ip", {"app": APP, "addresses": ["shared_v4", "v6"], "services": [UDP]}, "only served on a dedicated v4"),
        ("fly_ip", {"app": APP, "addresses": ["private_v6"], "services": [WEB]}, "Flycast has no HTTPS"),
        ("fly_ip", {"app": APP, "addresses": ["v5"]}, "addresses: 'v5' is no address"),
        ("fly_certificate", {"app": APP, "hostname": ["under_score.example.com"]}, "is no host name"),
        ("fly_secrets", {"app": APP, "secrets": {"A-B": "x"}}, "secrets: 'A-B' is no name"),
        ("fly_volume", {"app": APP, "name": "my-storage", "region": "ewr"}, "my-storage"),
        ("fly_volume", {"app": APP, "name": "storage", "region": "ewr", "size_gb": 1}, "shrink"),
        (
            "fly_machines",
            {"app": APP, "image": IMAGE, "count": {"lhr": 1}, "mount": {"volume": "storage", "path": "/data"}},
            "no free volume of pool storage in lhr",
        ),
        (
            "fly_machines",
            {
                "app": APP,
                "image": IMAGE,
                "count": {"ewr": 1},
                "config": {"services": [{**WEB, "concurrency": {"soft_limit": 20, "hard_limit": 10}}]},
            },
            "hard_limit is below soft_limit",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_be_known_is_refused_before_a_write(
    cloud: Instance, module: str, options: dict[str, Any], says: str
) -> None:
    text, made = refused(module, **options)
    assert says in text
    assert made == []


def test_an_unknown_organization(cloud: Instance) -> None:
    text, made = refused("fly_app", name="of-nobody", org="nope")
    assert "org: there is no 'nope', or the token does not see it" in text
    assert "the token is of personal" in text
    assert [(method, status) for method, _, status in made] == [("POST", 404)]


@pytest.mark.parametrize(
    ("fault", "module", "options", "says"),
    [
        (
            {"method": "GET", "path": "^/v1/apps/elsewhere$", "status": 403, "body": {"error": "unauthorized"}},
            "fly_app",
            {"name": "elsewhere"},
            "the name elsewhere is taken by another organization",
        ),
        (
            {"method": "POST", "path": "^/v1/apps$", "status": 422, "body": {"error": "Name has already been taken"}},
            "fly_app",
            {"name": "not-made-yet"},
            "Name has already been taken",
        ),
        (
            {"method": "POST", "path": "^/v1/apps$", "status": 403, "body": {"error": "not authorized"}},
            "fly_app",
            {"name": "not-made-yet"},
            "the token may not make apps in personal",
        ),
        (
            {"method": "POST", "path": "/secrets$", "status": 403, "body": {"error": "read-only token"}},
            "fly_secrets",
            {"app": APP, "secrets": {"A": "value-of-a"}},
            "a read-only token writes nothing",
        ),
        (
            {"method": "POST", "path": "/secrets$", "status": 413, "body": {"error": "request too large"}},
            "fly_secrets",
            {"app": APP, "secrets": {"A": "value-of-a"}},
            "larger than Fly.io takes",
        ),
        (
            {"method": "POST", "path": "/acme$", "status": 422, "body": {"error": "hostname is used by another app"}},
            "fly_certificate",
            {"app": APP, "hostname": ["app.example.com"]},
            "from the app that has it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_servers_answer_is_translated(
    cloud: Instance, fault: dict[str, Any], module: str, options: dict[str, Any], says: str
) -> None:
    TEST.call(0, "POST", "/faults", "control", {"kind": "status", "service": "fly", "count": -1, **fault})
    try:
        text, _made = refused(module, **options)
    finally:
        TEST.call(0, "DELETE", "/faults", "control")
    assert says in text
    assert "value-of-a" not in text


def test_secrets_are_written_once_before_there_is_a_machine(cloud: Instance) -> None:
    first = converge("fly_secrets", app=APP, secrets={"A": "value-of-a", "B": "3"}, fingerprint_key="key")
    assert first["changed"]
    before = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    second = converge("fly_secrets", app=APP, secrets={"A": "value-of-a", "B": "3"}, fingerprint_key="key")
    assert not second["changed"]
    assert writes(before) == []
    TEST.call(1, "POST", f"/v1/apps/{APP}/secrets", "fly", {"values": {"B": "4"}})
    TEST.call(1, "POST", f"/v1/apps/{APP}/secrets", "fly", {"values": {"A": None}})
    text = json.dumps(converge("fly_secrets", app=APP, secrets={"A": "value-of-a"}, fingerprint_key="key"))
    assert "not listed stay (purge removes them): B" in text
    assert "value-of-a" not in text
