"""Bad input to the Fly modules against a local cloud: refused with the option and the remedy, and nothing is written."""

from __future__ import annotations

import datetime
import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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
        ("fly_app", {"name": "taken"}, "the name taken is taken by another organization (the token is of personal)"),
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


def test_a_deploy_token_is_for_one_app(cloud: Instance) -> None:
    token = TEST.call(1, "POST", f"/v1/apps/{APP}/deploy_token", "fly", {})["token"]
    text, made = refused("fly_app", name="another", api_token=token)
    assert f"the token is for {APP} alone" in text
    assert "use a token of the organization" in text
    assert made == []
    assert not converge("fly_app", name=APP, api_token=token)["changed"]


def own_certificate(days: int) -> tuple[str, str]:
    """A certificate for own.example.com that ends in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own.example.com")])
    begin = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(begin)
    made = made.not_valid_after(begin + datetime.timedelta(days=days))
    names = x509.SubjectAlternativeName([x509.DNSName("own.example.com")])
    chain = made.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_certificate_of_ones_own_is_sent_when_it_differs(cloud: Instance) -> None:
    def given(pair: tuple[str, str]) -> dict[str, Any]:
        return {"app": APP, "hostname": ["own.example.com"], "fullchain": pair[0], "private_key": pair[1]}

    first, renewed = own_certificate(60), own_certificate(120)
    text, made = refused("fly_certificate", **given((first[0], renewed[1])))
    assert "private_key must belong to the first certificate of fullchain" in text
    assert [status for _, _, status in made] == [422]
    result = converge("fly_certificate", **given(first))
    assert result["plan"] == ["upload certificate own.example.com"]
    assert {record["type"] for record in result["records"]} >= {"CNAME", "TXT"}
    assert not converge("fly_certificate", **given(first))["changed"]
    assert converge("fly_certificate", **given(renewed))["plan"] == ["replace certificate own.example.com"]
    assert not converge("fly_certificate", **given(renewed))["changed"]
    assert converge("fly_certificate", app=APP, hostname=["own.example.com"], state="absent")["changed"]


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
