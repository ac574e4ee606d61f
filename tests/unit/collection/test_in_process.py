"""A module in the worker behaves as one in its own process: options, environment, errors, and no secret in the output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PLANTED = "planted-token-5d1e"
UNREACHABLE = "http://127.0.0.1:9"


def play(tmp_path: Path, tasks: list[dict[str, object]], connection: str = "local", **extra: object) -> str:
    """What ansible-playbook prints at -vvvv for these tasks."""
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([{"hosts": "all", "connection": connection, "tasks": tasks, **extra}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "web.test,", "-vvvv", str(book)]
    variables = {"ansible_python_interpreter": sys.executable}
    done = subprocess.run(
        [*command, "-e", yaml.safe_dump(variables, default_flow_style=True).strip()],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_defaults_of_the_group_reach_the_module_and_the_token_stays_hidden(tmp_path: Path) -> None:
    defaults = {"group/opsmap.cloud.fly": {"api_url": UNREACHABLE, "api_token": PLANTED, "api_retries": 0}}
    output = play(tmp_path, [{"opsmap.cloud.fly_app": {"name": "web"}}], module_defaults=defaults)
    assert "no answer from http://127.0.0.1:9" in output
    assert "code: unreachable" in output
    assert PLANTED not in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("group", "module", "options"),
    [
        ("fly", "fly_app_info", {"name": "web"}),
        ("fly", "fly_machines_info", {"app": "web"}),
        ("fly", "fly_volume_info", {"app": "web"}),
        ("digitalocean", "do_database_cluster_info", {"name": "sup"}),
    ],
)
def test_modules_that_do_not_wait_take_the_defaults_of_their_group(
    tmp_path: Path, group: str, module: str, options: dict[str, object]
) -> None:
    given = {"api_url": UNREACHABLE, "api_token": PLANTED, "api_retries": 0, "wait_timeout": 5, "poll_interval": 1}
    defaults = {f"group/opsmap.cloud.{group}": given}
    output = play(tmp_path, [{f"opsmap.cloud.{module}": options}], module_defaults=defaults)
    assert "no answer from http://127.0.0.1:9" in output


def test_the_environment_of_a_task_reaches_the_worker(tmp_path: Path) -> None:
    environment = {"FLY_API_TOKEN": PLANTED, "FLY_FLAPS_BASE_URL": UNREACHABLE, "OPSMAP_API_RETRIES": "0"}
    output = play(tmp_path, [{"opsmap.cloud.fly_app": {"name": "web"}, "environment": environment}])
    assert "no answer from http://127.0.0.1:9" in output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "missing required arguments: name"),
        ({"name": "web", "state": "there"}, "value of state must be one of: present, absent"),
        ({"name": "web", "nmae": "x"}, "unknown option nmae. Supported parameters include"),
        ({"name": "web"}, "missing required arguments: api_token"),
        ({"name": "We_b", "api_token": PLANTED}, "'We_b' is no app name"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, str], says: str) -> None:
    token = {} if "api_token" in says else {"api_token": PLANTED}
    output = play(tmp_path, [{"opsmap.cloud.fly_app": {**token, **options}}])
    assert says in output
    assert "Traceback" not in output


def test_the_ordinary_way_gives_the_same_error(tmp_path: Path) -> None:
    """async leaves the worker: the module runs as its own process."""
    options = {"name": "web", "api_url": UNREACHABLE, "api_token": PLANTED, "api_retries": 0}
    output = play(tmp_path, [{"opsmap.cloud.fly_app": options, "async": 30, "poll": 1}])
    assert "no answer from http://127.0.0.1:9" in output
    assert PLANTED not in output.replace("ansible-tmp", "")
