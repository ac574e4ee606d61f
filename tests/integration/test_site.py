"""The whole stack through ansible-playbook, on an instance of its own. The order of the tests is the story."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.contract.published import FILES, Description
from tests.support import ROOT, SPECS, Instance, changed, needs_specs, run

TEST = Instance("test")
APP = "app.supercog.localhost"
HOSTS = ("redis", "postgres", "dashboard", "agents", "triggersvc")
DASHBOARD = "supercog-dashboard-local"
TWICE = {"internal_port": 3000, "ports": [{"port": 443}]}


@pytest.fixture(scope="module")
def first() -> str:
    """Output of the first converge, from nothing."""
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    nothing = TEST.playbook("site.yml", "--check", "--diff")
    assert "a run makes everything behind them anew" in " ".join(nothing.split())
    assert TEST.containers() == []
    TEST.playbook("playbooks/local_cloud.yml")
    empty = changed(TEST.playbook("site.yml", "--check", "--diff"))
    assert {host for host, count in empty.items() if count} == {f"{name}.local" for name in HOSTS}
    assert not TEST.call(1, "GET", "/v1/apps?org_slug=personal", "fly")["apps"]
    return TEST.playbook("site.yml")


def test_first_converge_deploys(first: str) -> None:
    assert changed(first)["dashboard.local"] > 0
    assert f"https://{APP}:{TEST.port + 5}" in first


def test_second_converge_changes_nothing(first: str) -> None:
    assert set(changed(TEST.playbook("site.yml")).values()) == {0}


def test_check_mode_agrees(first: str) -> None:
    output = TEST.playbook("site.yml", "--check", "--diff")
    assert set(changed(output).values()) == {0}
    assert "--- before" not in output


def test_one_service_alone(first: str) -> None:
    assert changed(TEST.playbook("site.yml", "--limit", "agents.local")) == {"agents.local": 0}


def test_front_door_is_open(first: str) -> None:
    status, page = TEST.get(APP)
    assert status == 200
    assert "<html" in page
    status, answer = TEST.get("engine.supercog.localhost", "/health")
    assert (status, json.loads(answer)["status"]) == (200, "ok")


def test_secrets_stay_where_they_belong(first: str) -> None:
    secrets = {
        path.name: path.read_text().strip() for path in TEST.folder.iterdir() if path.suffix == "" and path.is_file()
    }
    assert "admin_password" in secrets
    journal = json.dumps(TEST.call(0, "GET", "/journal?since=0", "control"))
    images = run("docker", "images", "--quiet", "--filter", f"reference=localhost:{TEST.port + 4}/*").stdout.split()
    history = run("docker", "inspect", *images).stdout + run("docker", "history", "--no-trunc", images[0]).stdout
    processes = run("ps", "-eo", "args").stdout
    for name, secret in secrets.items():
        for where, text in {"output": first, "journal": journal, "images": history, "arguments": processes}.items():
            assert secret not in text, f"{name} is in {where}"


@needs_specs
@pytest.mark.parametrize("service", FILES)
def test_requests_and_answers_are_as_published(first: str, service: str) -> None:
    described = Description(SPECS / FILES[service])
    entries = TEST.call(0, "GET", f"/journal?since=0&service={service}", "control")["entries"]
    assert {entry["method"] for entry in entries} >= {"GET", "POST"}
    assert [text for entry in entries for text in described.problems(entry)] == []
    spoilt = next(entry for entry in entries if entry["path"].endswith("/databases") and entry["method"] == "GET")
    assert described.problems(
        {**spoilt, "response": dict.fromkeys(spoilt["response"], 17.5)}
    )  # the comparison can fail


def test_drift_is_seen_and_repaired(first: str) -> None:
    machines = TEST.call(1, "GET", f"/v1/apps/{DASHBOARD}/machines", "fly")
    TEST.call(1, "DELETE", f"/v1/apps/{DASHBOARD}/machines/{machines[0]['id']}?force=true", "fly")
    output = TEST.playbook("site.yml", "--check")
    assert changed(output)["dashboard.local"] == 1
    assert len(TEST.call(1, "GET", f"/v1/apps/{DASHBOARD}/machines", "fly")) == len(machines) - 1
    assert changed(TEST.playbook("site.yml"))["dashboard.local"] == 1
    assert len(TEST.call(1, "GET", f"/v1/apps/{DASHBOARD}/machines", "fly")) == len(machines)


def images() -> set[str]:
    return {m["config"]["image"] for m in TEST.call(1, "GET", f"/v1/apps/{DASHBOARD}/machines", "fly")}


def test_a_release_that_fails_is_taken_back(first: str) -> None:
    before = images()
    arguments = ["playbooks/release.yml", "--limit", "dashboard.local", "-e", '{"opsmap_service_env": {"PORT": "1"}}']
    output = TEST.playbook(*arguments, check=False)
    assert "the rollout failed and was taken back" in output
    assert "previous config is back" in output
    assert images() == before
    assert TEST.get(APP)[0] == 200
    assert set(changed(TEST.playbook("site.yml")).values()) == {0}


def test_the_previous_release_comes_back(first: str) -> None:
    release = [
        "playbooks/release.yml",
        "--limit",
        "triggersvc.local",
        "-e",
        '{"opsmap_sns_topic_arn": "arn:aws:sns:x:1:other"}',
    ]
    assert changed(TEST.playbook(*release))["triggersvc.local"] == 1

    def topics() -> set[str]:
        found = TEST.call(1, "GET", "/v1/apps/supercog-triggersvc-local/machines", "fly")
        return {machine["config"]["env"].get("SNS_TOPIC_ARN", "") for machine in found}

    assert topics() == {"arn:aws:sns:x:1:other"}
    TEST.playbook("playbooks/rollback.yml", "--limit", "triggersvc.local")
    assert topics() == {""}


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["-e", "env=nope"], "local, prod, staging"),
        (["-e", "do_postgres_region=moon1"], "moon1"),
        (["-e", "do_postgres_size=db-huge"], "db-huge"),
        (["-e", "redis_cloud_region=moon-1"], "moon-1"),
        (["-e", "redis_cloud_size=7TB"], "7TB"),
        (["-e", "opsmap_region=moo"], "Fly.io has no moo"),
        (["-e", "opsmap_domain=Not_a_domain"], "is no host name"),
        (["-e", "dashboard_port=70000"], "caddy_config_port"),
        (["-e", "email_port=3000"], "caddy_config_email_port"),
        (["-e", "metrics_port=3000"], "caddy_config_metrics_port"),
        (["-e", json.dumps({"caddy_config_agent_services": {"x": "an evil host"}})], "an evil host must be host names"),
        (["-e", json.dumps({"caddy_config_agent_services": {"default": "x.internal"}})], "and not default"),
        (["-e", json.dumps({"caddy_config_upload_limit": "much"})], "line "),
        (["-e", "opsmap_source=/nowhere"], "agents_image_source: /nowhere/engine is no folder"),
        (["-e", "local_cloud_docker_socket=/nowhere.sock"], "docker_socket"),
        (["-e", "env=prod"], "opsmap_fly_api_token: not given"),
        (["-e", json.dumps({"fly_app_config": {"services": [TWICE, TWICE]}})], "two services share one external port"),
        (["-e", json.dumps({"fly_app_config": {"services": [{"ports": [{"port": "x"}]}]}})], "port is 'x'"),
        (["-e", json.dumps({"opsmap_service_secrets": {"1ST_KEY": "x"}})], "1ST_KEY is no name of a secret"),
        (["-e", "fly_volume_encrypted=false"], "encrypted"),
        (["-e", "redis_cloud_enable_tls=perhaps"], "redis_cloud_enable_tls"),
        (
            ["-e", "local_cloud_instance=other", "-e", f"local_cloud_port_base={TEST.port}"],
            "local_cloud_port_base: port",
        ),
        (["-e", "local_cloud_instance=other", "-e", "local_cloud_min_free_gb=999999"], "min_free_gb"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_bad_input_stops_before_the_first_write(first: str, extra: list[str], says: str) -> None:
    before = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    done = run("ansible-playbook", "site.yml", *extra, check=False, OPSMAP_INSTANCE=TEST.purpose)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert says in output, output[-3000:]
    assert "Traceback" not in output
    entries = TEST.call(0, "GET", f"/journal?since={before}", "control")["entries"]
    assert [entry["path"] for entry in entries if entry["method"] not in ("GET", "HEAD")] == []


def test_all_problems_are_reported_together(first: str) -> None:
    output = TEST.playbook("site.yml", "-e", "dashboard_port=70000", "-e", "redis_cloud_size=7", check=False)
    assert "caddy_config_port" in output
    assert "redis_cloud_size: 7 is no size" in output


def test_an_encrypted_file_without_a_password_says_what_to_give(first: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory", inventory)
    vault = inventory / "group_vars" / "prod" / "vault.yml"
    vault.write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    output = TEST.playbook("site.yml", "-i", str(inventory), "-e", "env=prod", check=False)
    assert "vault.yml is encrypted and no password is given" in output
    assert "--vault-password-file" in output


def test_an_unsafe_route_is_refused_with_its_line_before_anything_is_changed(first: str, tmp_path: Path) -> None:
    template = tmp_path / "Caddyfile.j2"
    good = (ROOT / "templates" / "Caddyfile.j2").read_text()
    template.write_text(
        good.replace("reverse_proxy {{ caddy_config_api_upstream }} {", "reverse_proxy evil.example:80 {")
    )
    before = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    output = TEST.playbook("site.yml", "-e", f"caddy_config_template={template}", check=False)
    assert "upstream evil.example:80 is no known service" in " ".join(output.split())
    assert "validate the Caddyfile: line " in " ".join(output.split())
    entries = TEST.call(0, "GET", f"/journal?since={before}", "control")["entries"]
    assert [entry["path"] for entry in entries if entry["method"] not in ("GET", "HEAD")] == []


def test_the_product_is_closed_and_opened_without_a_deploy(first: str) -> None:
    def versions() -> set[str]:
        return {one["instance_id"] for one in TEST.call(1, "GET", f"/v1/apps/{DASHBOARD}/machines", "fly")}

    before = versions()
    assert changed(TEST.playbook("playbooks/maintenance.yml", "-e", "maintenance=on")) == {"dashboard.local": 1}
    assert {TEST.get(APP, path)[0] for path in ("/", "/api/me", "/", "/sconnections")} == {503}
    assert "Back soon" in TEST.get("engine.supercog.localhost", "/run_oauth")[1]
    assert TEST.get(APP, "/api/health")[0] == 200
    assert changed(TEST.playbook("playbooks/maintenance.yml", "-e", "maintenance=on")) == {"dashboard.local": 0}
    assert changed(TEST.playbook("playbooks/maintenance.yml", "-e", "maintenance=off")) == {"dashboard.local": 1}
    assert TEST.get(APP)[0] == 200
    assert versions() == before
    assert "give on or off" in TEST.playbook("playbooks/maintenance.yml", check=False)


def test_restart_of_the_cloud_keeps_everything(first: str) -> None:
    run("docker", "restart", "--time", "20", f"opsmap-{TEST.name}-cloud")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if TEST.get(APP, "/api/health")[0] == 200:
                break
        except OSError:
            time.sleep(0.5)
    assert set(changed(TEST.playbook("site.yml")).values()) == {0}
