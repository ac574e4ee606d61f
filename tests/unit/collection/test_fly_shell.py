"""What is around Fly's machines, module by module, against a fake that counts every request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.unit.collection.fake_fly_shell import FakeFly
from tests.unit.collection.fake_http import Fault, served
from tests.unit.collection.runs import run_module
from tests.unit.collection.test_in_process import play

CASES = Path(__file__).parent / "cases" / "fly_certificate"
KEY = "a-key-of-fingerprints"


@pytest.fixture
def fly() -> Iterator[FakeFly]:
    with served(FakeFly(apps={"web": {"name": "web", "organization": {"slug": "acme"}}})) as fake:
        yield fake


def converged(fly: FakeFly, module: str, check: bool = False, /, **options: Any) -> dict[str, Any]:
    return run_module(module, check, api_url=fly.url, api_token="t", wait_timeout=30, **options)


def refused(fly: FakeFly, module: str, /, **options: Any) -> str:
    with pytest.raises(CloudError) as caught:
        converged(fly, module, **options)
    return str(caught.value)


# Apps


def test_a_name_of_another_organization_is_refused_before_anything_is_made(fly: FakeFly) -> None:
    text = refused(fly, "fly_app", name="taken", org="acme")
    assert "the name taken is taken by another organization (the token is of acme)" in text
    assert "choose another name" in text
    assert fly.writes() == []


def test_a_deploy_token_is_told_apart_from_a_taken_name(fly: FakeFly) -> None:
    fly.scopes = [{"org_slug": "acme", "apps": ["other"]}]
    fly.refusals["GET", "/v1/apps/new"] = 403, {"error": "forbidden"}
    assert "the token is for other alone" in refused(fly, "fly_app", name="new", org="acme")


def test_a_deploy_token_makes_no_app(fly: FakeFly) -> None:
    fly.scopes = [{"org_slug": "acme", "apps": [{"name": "other"}]}]
    fly.refusals["POST", "/v1/apps"] = 403, {"error": "not authorized"}
    text = refused(fly, "fly_app", name="new", org="acme")
    assert "the token may not make apps in acme" in text
    assert "it is a deploy token; use a token of the organization" in text


def test_an_unknown_organization_names_those_that_the_token_knows(fly: FakeFly) -> None:
    text = refused(fly, "fly_app", name="new", org="nope")
    assert "org: there is no 'nope', or the token does not see it" in text
    assert "the token is of acme" in text


def test_the_reason_stays_when_the_scope_cannot_be_read(fly: FakeFly) -> None:
    fly.refusals["GET", "/v1/tokens/current"] = 500, {"error": "broken"}
    assert "fly orgs list" in refused(fly, "fly_app", name="new", org="nope", api_retries=0)


def test_a_name_that_is_taken_meanwhile(fly: FakeFly) -> None:
    fly.refusals["POST", "/v1/apps"] = 422, {"error": "Name has already been taken", "status": "name_taken"}
    assert "choose another name" in refused(fly, "fly_app", name="new", org="acme")


def test_an_app_is_made_once_when_the_answer_is_lost(fly: FakeFly) -> None:
    fly.faults = [Fault("POST", "/v1/apps$", "lost")]
    assert converged(fly, "fly_app", name="new", org="acme")["resource"]["name"] == "new"
    assert fly.writes() == [("POST", "/v1/apps")]


def test_a_fresh_app_may_be_unreadable_for_a_moment(fly: FakeFly) -> None:
    answers = iter([(404, {}), (404, {}), (401, {"message": "Unauthorized"}), (404, {})])
    known = fly.get_app
    fly.get_app = lambda name: next(answers, None) or known(name)  # type: ignore[method-assign]
    assert converged(fly, "fly_app", name="new", org="acme")["changed"]


# Secrets


def secrets(fly: FakeFly, check: bool = False, /, **options: Any) -> dict[str, Any]:
    return converged(fly, "fly_secrets", check, app="web", fingerprint_key=KEY, **{"secrets": {"A": "one"}, **options})


def posts(fly: FakeFly) -> list[Any]:
    return [body for method, _, body in fly.seen if method == "POST"]


def release(fly: FakeFly, record: str) -> None:
    """What fly_machines does with the record."""
    fly.machines = [{"id": "1", "config": {"metadata": {"opsmap_secrets": record}}}]


def test_all_secrets_are_one_version_and_a_second_run_writes_nothing_before_there_are_machines(fly: FakeFly) -> None:
    first = secrets(fly, secrets={"A": "one", "B": True, "C": 5})
    assert (first["changed"], first["resource"]["version"]) == (True, 1)
    assert [(k, v) for k, v in posts(fly)[0]["values"].items() if len(k) == 1] == [
        ("A", "one"),
        ("B", "true"),
        ("C", "5"),
    ]
    second = secrets(fly, secrets={"A": "one", "B": True, "C": 5})
    assert (second["changed"], second["resource"]["version"]) == (False, None)
    assert second["resource"]["record"] == first["resource"]["record"]
    assert len(posts(fly)) == 1


def test_the_record_of_the_machines_serves_alone(fly: FakeFly) -> None:
    release(fly, secrets(fly)["resource"]["record"])
    fly.secrets = {"A": fly.secrets["A"]}  # the mark is gone
    assert not secrets(fly)["changed"]
    assert len(posts(fly)) == 1


def test_only_what_differs_is_written_and_the_old_mark_goes(fly: FakeFly) -> None:
    release(fly, secrets(fly, secrets={"A": "one", "B": "two"})["resource"]["record"])
    marks = {name for name in fly.secrets if name.startswith("OPSMAP")}
    result = secrets(fly, secrets={"A": "one", "B": "new"})
    assert result["plan"] == ["set secret B"]
    written = posts(fly)[1]["values"]
    assert "A" not in written
    assert [written[mark] for mark in marks] == [None]
    assert len([name for name in fly.secrets if name.startswith("OPSMAP")]) == 1


def test_foreign_changes_are_seen_and_mended_without_and_with_machines(fly: FakeFly) -> None:
    for machines in (False, True):
        record = secrets(fly)["resource"]["record"]
        if machines:
            release(fly, record)
        fly.set_secrets({"values": {"A": "foreign"}})
        seen = secrets(fly, True)
        assert seen["warnings"] == ["secrets of web that someone else touched are set again: A (changed)"]
        assert seen["diff"]["before"] == {"A": "changed by someone else"}
        assert secrets(fly)["changed"]
        fly.set_secrets({"values": {"A": None, "X": "foreign"}})
        mended = secrets(fly)
        assert "A (removed)" in mended["warnings"][0]
        assert "purge removes them): X" in mended["warnings"][1]
        assert mended["resource"]["unlisted"] == ["X"]
        assert not secrets(fly)["changed"]
        assert secrets(fly, purge=True)["plan"] == ["delete secret X"]


def test_staged_values_wait_and_a_later_run_releases_them_without_writing(fly: FakeFly) -> None:
    release(fly, secrets(fly)["resource"]["record"])
    staged = secrets(fly, secrets={"A": "two"}, stage=True)
    assert (staged["changed"], staged["resource"]["record"], staged["resource"]["staged"]) == (True, None, True)
    again = secrets(fly, secrets={"A": "two"}, stage=True)
    assert (again["changed"], again["resource"]["staged"]) == (False, True)
    assert len(posts(fly)) == 2
    released = secrets(fly, secrets={"A": "two"})
    assert (released["changed"], released["resource"]["version"]) == (False, 3)
    assert posts(fly)[2]["values"] == {"OPSMAP_RECORD_NONE": None}
    assert "OPSMAP_RECORD_NONE" not in fly.secrets
    release(fly, released["resource"]["record"])
    assert secrets(fly, secrets={"A": "two"})["resource"]["version"] is None
    assert len(posts(fly)) == 3


def test_a_name_that_is_no_longer_listed_does_not_restart_machines(fly: FakeFly) -> None:
    record = secrets(fly, secrets={"A": "one", "B": "two"})["resource"]["record"]
    release(fly, record)
    assert secrets(fly)["resource"]["record"] == record
    assert secrets(fly, purge=True)["resource"]["record"] != record


def test_check_mode_writes_nothing(fly: FakeFly) -> None:
    release(fly, "an.older.record")
    assert secrets(fly, True, stage=False)["changed"]
    assert fly.writes() == []


def test_a_file_is_sent_in_base64(fly: FakeFly, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\x00\xff")
    secrets(fly, files=[{"name": "F", "src": str(tmp_path / "key")}, {"name": "G", "content": "text"}])
    written = posts(fly)[0]["values"]
    assert (written["F"], written["G"]) == ("AP8=", "dGV4dA==")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((413, {"error": "payload too large"}), "larger than Fly.io takes"),
        ((400, {"error": "secret A exceeds the maximum"}), "larger than Fly.io takes"),
        ((400, {"error": "invalid secret name"}), "letters, digits and underscores"),
        ((403, {"error": "forbidden"}), "read-only token"),
    ],
)
def test_refusals_of_secrets_say_what_to_do(fly: FakeFly, answer: tuple[int, Any], says: str) -> None:
    fly.refusals["POST", "/v1/apps/web/secrets"] = answer
    text = refused(fly, "fly_secrets", app="web", secrets={"A": "one-value"})
    assert says in text
    assert "one-value" not in text


def test_short_secrets_do_not_spoil_the_result(fly: FakeFly, tmp_path: Path) -> None:
    """Ansible masks secrets wherever they occur in a result: a ``1`` would hit the version and the record."""
    values = {"A": "1", "B": "true", "C": "b", "D": "a-long-value"}
    options = {"app": "web", "secrets": values, "fingerprint_key": KEY, "api_url": fly.url, "api_token": "t0ken"}
    tasks: list[dict[str, object]] = [
        {"opsmap.cloud.fly_secrets": options, "register": "made"},
        {"ansible.builtin.debug": {"msg": "<{{ made.resource.version }}> <{{ made.resource.record }}>"}},
    ]
    expected = secrets(fly, True, secrets=values)["resource"]["record"].split(".")[0]
    output = play(tmp_path, tasks)
    assert "<1> <" + expected in output
    assert "a-long-value" not in output


# Addresses


def test_a_lost_answer_allocates_no_second_address(fly: FakeFly) -> None:
    fly.faults = [Fault("POST", "ip_assignments", "lost")]
    assert converged(fly, "fly_ip", app="web", addresses=["v6", "v4"])["resource"] == {
        "v4": ["137.66.0.2"],
        "v6": ["2a09::1"],
    }
    assert len(fly.writes()) == 2
    assert not converged(fly, "fly_ip", app="web", addresses=["v6", "v4"])["changed"]


def test_two_of_a_kind_are_two(fly: FakeFly) -> None:
    assert len(converged(fly, "fly_ip", app="web", addresses=[{"type": "v6", "count": 2}])["resource"]["v6"]) == 2


# Certificates


def test_records_come_as_data_and_as_an_aligned_table(fly: FakeFly) -> None:
    result = converged(fly, "fly_certificate", app="web", hostname=["app.example.com", "*.example.com"])
    kinds = [(record["type"], record["name"]) for record in result["records"] if "*" not in record["name"]]
    assert kinds == [
        ("A", "app.example.com"),
        ("AAAA", "app.example.com"),
        ("CNAME", "app.example.com"),
        ("CNAME", "_acme-challenge.app.example.com"),
        ("TXT", "_fly-ownership.app.example.com"),
    ]
    lines = result["table"].splitlines()
    assert lines[0].split() == ["TYPE", "NAME", "VALUE", "FOR"]
    column = lines[0].index("VALUE")
    assert {line[column - 2 : column] for line in lines} == {"  "}
    assert [path for method, path, _ in fly.seen if method == "GET" and "%2A" in path]
    assert not converged(fly, "fly_certificate", app="web", hostname=["app.example.com", "*.example.com"])["changed"]


def test_nobody_waits_for_foreign_dns_unless_asked(fly: FakeFly) -> None:
    assert converged(fly, "fly_certificate", app="web", hostname="app.example.com")["changed"]
    fly.certificates["app.example.com"]["validation_errors"] = [{"message": "no AAAA", "remediation": "create it"}]
    text = refused(fly, "fly_certificate", app="web", hostname="app.example.com", wait=True)
    assert "app.example.com is pending_validation (certificate app.example.com: no AAAA -> create it)" in text
    result = converged(fly, "fly_certificate", app="web", hostname="app.example.com")
    assert result["warnings"] == ["certificate app.example.com: no AAAA -> create it"]


def test_the_limit_of_the_authority_ends_the_waiting_at_once(fly: FakeFly) -> None:
    converged(fly, "fly_certificate", app="web", hostname="app.example.com")
    fly.certificates["app.example.com"]["rate_limited_until"] = "2120-01-02T03:04:05Z"
    before = len(fly.seen)
    text = refused(fly, "fly_certificate", app="web", hostname="app.example.com", wait=True)
    assert "limit is used up until 2120-01-02 03:04 UTC" in text
    assert len(fly.seen) - before <= 3


def test_an_uploaded_certificate_is_sent_once(fly: FakeFly) -> None:
    case = yaml.safe_load((CASES / "uploaded_unchanged.yml").read_text())["options"]
    assert converged(fly, "fly_certificate", **case)["plan"] == ["upload certificate app.example.com"]
    assert fly.seen[-2][2]["private_key"] == case["private_key"]
    assert not converged(fly, "fly_certificate", **case)["changed"]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("private key does not match the certificate", "must belong to the first certificate"),
        ("certificate has expired", "give a certificate that is valid"),
        ("hostname is used by another app", "from the app that has it"),
        ("certificate SAN does not include the hostname", "must name the host name"),
    ],
)
def test_refused_uploads_say_what_to_do(fly: FakeFly, message: str, says: str) -> None:
    case = yaml.safe_load((CASES / "uploaded_unchanged.yml").read_text())["options"]
    fly.refusals["POST", "/v1/apps/web/certificates/custom"] = 422, {"error": message}
    text = refused(fly, "fly_certificate", **case)
    assert says in text
    assert message in text
