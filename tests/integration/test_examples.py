"""The EXAMPLES of every module are run against a local cloud, as they stand in the documentation."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.edge_app import until
from tests.integration.tiny import pushed
from tests.lint.test_static import PLUGINS
from tests.support import Instance, run

TEST = Instance("examples")
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if not path.stem.startswith("_"))
NOT_HERE = {
    "caddyfile": "its template needs the variables of a whole inventory; molecule/caddy_config runs it",
    "container_image": "it builds the product; test_site does",
    "http_check": "it signs in to the product; test_site does",
    "sns_subscription": "a service has to confirm it; test_site_email does",
    "role_check": "it reads the variables of a whole inventory; test_site does",
}
RUNNABLE = [name for name in MODULES if name not in NOT_HERE]
# What the machines of the examples are told to run, beside the image's own server.
PYTHON = """#!/bin/sh
case "$2" in hello.migrate) exit 0 ;; hello.worker) exec sleep infinity ;; esac
exit 64
"""
VARIABLES = {
    "openai_api_key": "sk-of-the-examples",
    "signing_key": "key-of-the-examples",
    "vault_reports_password": "Password-of-the-examples-1",
    "opsmap_fingerprint_key": "fingerprints-of-the-examples",
}


def source(module: str) -> Any:
    """A module of the collection, imported."""
    return importlib.import_module(f"ansible_collections.opsmap.cloud.plugins.modules.{module}")


def examples(module: str) -> list[dict[str, Any]]:
    """The tasks of a module's EXAMPLES."""
    return list(yaml.safe_load(source(module).EXAMPLES))


def options(module: str, number: int) -> dict[str, Any]:
    """What an example gives to its module."""
    return dict(examples(module)[number][f"opsmap.cloud.{module}"])


def example(module: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """One example of a module, with other options."""
    return {**examples(module)[number], f"opsmap.cloud.{module}": {**options(module, number), **changes}}


def in_cluster(module: str, name: str) -> dict[str, Any]:
    """A task that makes something in the cluster of the examples."""
    return {f"opsmap.cloud.{module}": {"cluster": "supercog", "name": name}}


def before(module: str) -> list[dict[str, Any]]:
    """What an example takes for granted."""
    databases = [in_cluster("do_database", name) for name in ("monster_engine", "monster_dashboard")]
    users = [in_cluster("do_database_user", name) for name in ("engine", "dashboard", "report")]
    sessions = {"opsmap.cloud.redis_cloud_database": {"subscription": "supercog", "name": "sessions"}}
    if module == "fly_machines":  # one release more of the groups, so that there is one to return to
        groups = options(module, 1)["groups"]
        earlier = [{**group, "config": {**group["config"], "env": {"RELEASE": "earlier"}}} for group in groups]
        return [example(module, 1, groups=earlier)]
    if module == "fly_machines_info":  # three releases
        config = options("fly_machines", 0)["config"]
        several = [{**config, "env": {"RELEASE": number}} for number in range(3)]
        return [example("fly_machines", 0, app="supercog-agents", config=each) for each in several]
    if module == "redis_cloud_database":
        return [example("redis_cloud_subscription")]
    if module == "redis_cloud_acl_role":
        return [example("redis_cloud_subscription"), sessions]
    if module == "redis_cloud_acl_user":
        return [*before("redis_cloud_acl_role"), example("redis_cloud_acl_role")]
    if module == "redis_cloud_pro_database":
        return [example("redis_cloud_pro_subscription")]
    if module.startswith("do_") and module != "do_database_cluster":
        return [example("do_database_cluster"), *([*databases, *users] if module == "do_database_grant" else [])]
    return []


def replaced(value: Any, image: str) -> Any:
    """A task with an image of this registry, and ports that are free."""
    if isinstance(value, list):
        return [replaced(item, image) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: replaced(item, image) for key, item in value.items()}
    if "image" in made:
        made["image"] = image
    if "min_free_gb" in made:
        made["ports"] = [free_port() for _ in made["ports"]]
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def defaults() -> dict[str, Any]:
    """Where the clouds are, the only thing that the examples leave to the user; and short waits for modules that wait."""
    waiting = [name for name in RUNNABLE if "poll_interval" in source(name).SPEC["argument_spec"]]
    quick = {f"opsmap.cloud.{name}": {"wait_timeout": 120, "poll_interval": 0.2} for name in waiting}
    grants = {"ca_path": str(TEST.folder / "ca.crt"), "hostaddr": "127.0.0.1"}
    base = f"http://127.0.0.1:{TEST.port}"
    here = {offset: f"{base[: -len(str(TEST.port))]}{TEST.port + offset}" for offset in (1, 2, 3)}
    keys = {"api_key": TEST.token("redis_cloud_api_key"), "api_secret_key": TEST.token("redis_cloud_secret_key")}
    aws = {"access_key": TEST.token("aws_access_key"), "secret_key": TEST.token("aws_secret_key")}
    return {
        **quick,
        "group/opsmap.cloud.fly": {"api_url": here[1], "api_token": TEST.token("fly")},
        "group/opsmap.cloud.redis_cloud": {"api_url": f"{here[2]}/v1", **keys},
        "group/opsmap.cloud.digitalocean": {"api_url": here[3], "api_token": TEST.token("digitalocean")},
        "group/opsmap.cloud.aws": {"endpoint_url": f"http://127.0.0.1:{TEST.port + 9}", **aws},
        "opsmap.cloud.fly_machines": {**quick["opsmap.cloud.fly_machines"], "smoke_seconds": 1},
        "opsmap.cloud.do_database_grant": {**quick["opsmap.cloud.do_database_grant"], **grants},
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local cloud, and an image in its registry."""
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    try:
        TEST.playbook("playbooks/local_cloud.yml")
        yield pushed(TEST, "examples", tmp_path_factory.mktemp("tiny"), PYTHON)
    finally:
        TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def own_certificate(folder: Path) -> None:
    """The files that the example of fly_certificate reads."""
    where = ["-keyout", str(folder / "intern.key"), "-out", str(folder / "intern.pem"), "-days", "90", "-nodes"]
    names = ["-subj", "/CN=intern", "-addext", "subjectAltName=DNS:intern.supercog.example"]
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *where, *names)


def make_apps(tasks: list[dict[str, Any]]) -> None:
    """The apps that the examples name."""
    named = {
        options["app"]
        for task in tasks
        for options in task.values()
        if isinstance(options, dict) and isinstance(options.get("app"), str)
    }
    known = {app["name"] for app in TEST.call(1, "GET", "/v1/apps?org_slug=personal", "fly")["apps"]}
    for name in sorted(named - known):
        TEST.call(1, "POST", "/v1/apps", "fly", {"name": name, "org_slug": "personal"})


def make_snapshot() -> None:
    """A snapshot in the pool that the example of fly_volume restores from."""
    volumes = "/v1/apps/supercog-agents/volumes"
    made = TEST.call(1, "POST", volumes, "fly", {"name": "storage", "region": "ewr", "size_gb": 10})["id"]
    until(lambda: TEST.call(1, "GET", f"{volumes}/{made}", "fly")["state"] == "created")
    TEST.call(1, "POST", f"{volumes}/{made}/snapshots", "fly")
    until(lambda: TEST.call(1, "GET", f"{volumes}/{made}/snapshots", "fly")[0]["status"] == "created")


@pytest.mark.parametrize("module", RUNNABLE)
def test_examples_run(image: str, module: str, tmp_path: Path) -> None:
    tasks = replaced([*before(module), *examples(module)], image)
    make_apps(tasks)
    if module == "fly_volume":
        make_snapshot()
    own_certificate(tmp_path)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": defaults(),
        "vars": VARIABLES,
        "tasks": tasks,
    }
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([play], sort_keys=False))
    book.chmod(0o600)
    done = run("ansible-playbook", "-i", "localhost,", "-c", "local", str(book))
    assert f"ok={len(tasks)} " in done.stdout, done.stdout
    for secret in (*VARIABLES.values(), TEST.token("fly")):
        assert secret not in done.stdout + done.stderr


def test_what_cannot_run_here_exists() -> None:
    assert set(NOT_HERE) <= set(MODULES)
