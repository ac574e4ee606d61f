"""What is given beside a fly.toml wins over it; and the same through Ansible: lookup, filter and the role's rules."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.opsmap.cloud.plugins.filter.fly_app_options import fly_app_options
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml import translate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_merge import options

from tests.unit.collection.test_in_process import ROOT, play

ONE = """
app = "hello"
primary_region = "ewr"
[build]
image = "example.test/hello:1"
[deploy]
strategy = "immediate"
max_unavailable = 2
wait_timeout = "2m"
release_command = "migrate"
[env]
A = "file"
B = "file"
[http_service]
internal_port = 8080
[mounts]
source = "data"
destination = "/data"
[[vm]]
memory = 512
[[files]]
guest_path = "/a"
raw_value = "file"
[[files]]
guest_path = "/b"
raw_value = "file"
"""
TWO = """
app = "hello"
primary_region = "ewr"
[processes]
web = "serve"
worker = "work"
[env]
A = "file"
[checks.alive]
type = "tcp"
port = 80
[[mounts]]
source = "data"
destination = "/data"
processes = ["worker"]
[[vm]]
memory = 512
[[files]]
guest_path = "/a"
raw_value = "file"
processes = ["web"]
"""


def file(text: str) -> dict[str, Any]:
    result, notes = translate(text.encode(), lambda path: path.encode())
    assert notes.problems == []
    return result


def test_without_a_file_it_is_what_is_given() -> None:
    given: dict[str, Any] = {
        "process_group": "web",
        "count": {"fra": 2},
        "image": "i",
        "config": {"guest": {"cpus": 1}, "services": [{"internal_port": 1}]},
        "env": {"A": "1"},
        "files": [{"guest_path": "/a", "content": "x"}],
        "mount": {"volume": "v", "path": "/v"},
        "strategy": "immediate",
        "max_unavailable": 1,
    }
    assert options({}, given) == {
        **{key: value for key, value in given.items() if key != "env"},
        "config": {**given["config"], "env": {"A": "1"}},
        "services": [{"internal_port": 1}],
        "regions": ["fra"],
        "conflicts": [],
        "port_problems": [],
    }
    nothing = {"process_group": "app", "count": {"ewr": 1}, "image": "", "config": {}, "files": [], "services": []}
    nothing |= {"regions": ["ewr"], "conflicts": [], "port_problems": []}
    assert options({}, {"max_unavailable": 0.0, "strategy": ""}) == nothing


def test_one_group_comes_in_the_short_form() -> None:
    service = {
        "protocol": "tcp",
        "internal_port": 8080,
        "autostart": True,
        "ports": [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["http", "tls"]}],
    }
    guest = {"cpu_kind": "shared", "cpus": 1, "memory_mb": 512}
    assert options(file(ONE), {}) == {
        "process_group": "app",
        "count": {"ewr": 1},
        "image": "example.test/hello:1",
        "config": {"env": {"A": "file", "B": "file"}, "services": [service], "guest": guest},
        "files": [{"guest_path": "/a", "raw_value": "ZmlsZQ=="}, {"guest_path": "/b", "raw_value": "ZmlsZQ=="}],
        "mount": {"volume": "data", "path": "/data"},
        "strategy": "immediate",
        "max_unavailable": 2,
        "release_command": {"command": ["migrate"]},
        "wait_timeout": 120,
        "services": [service],
        "regions": ["ewr"],
        "conflicts": [],
        "port_problems": [],
    }


def test_what_is_given_wins() -> None:
    given = {
        "name": "hello",
        "count": {"fra": 3},
        "image": "mine",
        "config": {"guest": {"memory_mb": 1024}, "services": [], "restart": {"policy": "no"}, "env": {"C": "config"}},
        "env": {"B": "mine"},
        "files": [{"guest_path": "/b", "content": "mine"}],
        "mount": {"volume": "other", "path": "/other"},
        "strategy": "rolling",
        "max_unavailable": 0.5,
    }
    made = options(file(ONE), given)
    assert made["config"] == {
        "env": {"A": "file", "B": "mine", "C": "config"},
        "services": [],
        "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 1024},
        "restart": {"policy": "no"},
    }
    assert made["files"] == [{"guest_path": "/a", "raw_value": "ZmlsZQ=="}, {"guest_path": "/b", "content": "mine"}]
    assert (made["image"], made["mount"], made["strategy"], made["max_unavailable"]) == (
        "mine",
        {"volume": "other", "path": "/other"},
        "rolling",
        0.5,
    )
    assert list(made["count"].items()) == [("ewr", 0), ("fra", 3)]  # PRIMARY_REGION is what the file says
    assert made["conflicts"] == []


def test_several_groups() -> None:
    given = {"config": {"guest": {"cpus": 2}}, "env": {"A": "mine"}, "files": [{"guest_path": "/a", "content": "mine"}]}
    made = options(file(TWO), {**given, "count": {"worker": {"fra": 1, "ewr": 2}}})
    common: dict[str, Any] = {"env": {"A": "mine"}, "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512}}
    checks = {"alive": {"type": "tcp", "port": 80}}
    assert made["groups"] == [
        {
            "name": "web",
            "count": {"ewr": 1},
            "config": {**common, "init": {"cmd": ["serve"]}, "checks": checks},
            "files": [],
        },
        {
            "name": "worker",
            "count": {"ewr": 2, "fra": 1},
            "config": {**common, "init": {"cmd": ["work"]}},
            "mount": {"volume": "data", "path": "/data"},
            "files": [],
        },
    ]
    assert made["config"] == {"env": {"A": "mine"}, "guest": {"cpus": 2}}
    assert made["files"] == [{"guest_path": "/a", "content": "mine"}]
    assert made["regions"] == ["ewr", "fra"]
    assert not {"process_group", "count", "mount"} & set(made)
    assert list(made["groups"][1]["count"]) == ["ewr", "fra"]


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        (ONE, {"name": "other"}, "the file is for app 'hello' and fly_app_name is 'other'"),
        (ONE, {"process_group": "web"}, "the file has app and fly_app_process_group is 'web'"),
        (TWO, {"process_group": "web"}, "the file has web, worker and fly_app_process_group is 'web'"),
        (TWO, {"mount": {"volume": "v", "path": "/v"}}, "fly_app_mount does not say for which of web, worker it is"),
        (
            TWO,
            {"count": {"wbe": {"ewr": 1}}},
            "fly_app_count: there is no process group 'wbe'; the file has web, worker",
        ),
    ],
)
def test_conflicts(text: str, given: dict[str, Any], says: str) -> None:
    found = options(file(text), given)["conflicts"]
    assert len(found) == 1
    assert says in found[0]


def at(*ports: Any, protocol: str = "tcp", internal: int = 5000) -> dict[str, Any]:
    """A service on these external ports; a pair is a range."""
    made = [{"start_port": p[0], "end_port": p[1]} if isinstance(p, tuple) else {"port": p} for p in ports]
    return {"protocol": protocol, "internal_port": internal, "ports": made}


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ([at(80), at(443)], []),
        ([at(5000), at(5000, protocol="udp")], []),
        ([at(80), at(80)], ["two services share one external port, TCP port 80 (raw); give each its own"]),
        ([at((4990, 5010)), at(5001)], ["two services share one external port, TCP port 4990-5010 (raw)"]),
        ([at("x")], ["services: port is 'x'; give a port from 1 to 65535"]),
        ([at(0)], ["services: port is 0"]),
        ([{"internal_port": 80}], []),
        ([7], ["a service is a mapping"]),
    ],
)
def test_external_ports_of_every_group(services: list[Any], says: list[str]) -> None:
    for text, groups in (("", ["app"]), (TWO, ["web", "worker"])):
        found = options(file(text) if text else {}, {"config": {"services": services}})["port_problems"]
        assert len(found) == len(says) * len(groups)
        for name, problem in zip(groups, found, strict=bool(says)):
            assert problem.startswith(f"group {name}: {says[0]}")


def test_an_unknown_option_of_the_filter_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="unknown option counts; known are process_group, count"):
        fly_app_options({}, counts={})


# As the release puts them together.
MADE = """{{ __fly_app_machines | combine(__fly_app_rollout | dict2items
  | rejectattr('key', 'in', ['config', 'files', 'groups', 'services']) | items2dict) | to_json }}"""


def ask(tmp_path: Path, toml: str, **variables: Any) -> tuple[str, str]:
    """Output of the role's check with a file, and what it then would give to fly_machines."""
    (tmp_path / "fly.toml").write_text(toml)
    given = {"fly_app_name": "hello", "fly_app_toml": str(tmp_path / "fly.toml"), **variables}
    written = tmp_path / "options.json"
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.include_role": {"name": "fly_app", "tasks_from": "validate", "public": True}},
        {
            "ansible.builtin.copy": {
                "dest": str(written),
                "mode": "0600",
                "content": MADE,
            }
        },
    ]
    output = play(tmp_path, tasks, vars=given)
    return output, written.read_text() if written.exists() else ""


def test_the_role_takes_a_file_over(tmp_path: Path) -> None:
    output, made = ask(
        tmp_path, TWO + '[[restart]]\npolicy = "always"\n', fly_app_env={"A": "mine"}, fly_app_count={"fra": 2}
    )
    assert "restart[0]: names no processes, so it is for web alone" in output
    wanted = options(file(TWO + '[restart]\npolicy = "always"\n'), {"env": {"A": "mine"}, "count": {"fra": 2}})
    assert json.loads(made) == wanted


def test_the_role_without_a_file(tmp_path: Path) -> None:
    made = ask(tmp_path, "", fly_app_toml="", fly_app_env={"A": "1"}, fly_app_image="i")[1]
    assert json.loads(made)["config"] == {"env": {"A": "1"}}
    assert json.loads(made)["count"] == {"ewr": 1}
    assert not {"strategy", "max_unavailable", "mount", "groups"} & set(json.loads(made))


@pytest.mark.parametrize(
    ("toml", "variables", "says"),
    [
        (
            "[http_service]\nconcurency = 1\n[[vm]]\ncpus = 3\n",
            {},
            ["http_service.concurency: unknown key; did you mean concurrency?", "vm[0].cpus: shared machines have"],
        ),
        ("app = \n", {}, ["line 1, column 7: Invalid value"]),
        ('app = "other"', {}, ["the file is for app 'other' and fly_app_name is 'hello'"]),
        (TWO, {"fly_app_config": {"services": [at(80), at(80)]}}, ["fly_app_config.services: group web: two services"]),
        ("", {"fly_app_toml": "nowhere/fly.toml"}, ["nowhere/fly.toml cannot be read: there is no such file"]),
    ],
)
def test_the_role_names_the_problems(tmp_path: Path, toml: str, variables: dict[str, Any], says: list[str]) -> None:
    output, made = ask(tmp_path, toml, **variables)
    assert made == ""
    for text in says:
        assert f"{text}" in output
    assert "Traceback" not in output


def test_preflight_reports_them_with_all_others(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text("wibble = 1\nkill_timeout = 999\n")
    given = {"fly_app_name": "hello", "fly_app_toml": str(tmp_path / "fly.toml"), "fly_app_certificates": ["A_B"]}
    output = play(tmp_path, [{"opsmap.cloud.role_check": {"roles": ["fly_app"]}}], vars=given)
    for text in ("fly_app_toml: kill_timeout: 16m39s is more than 5m", "wibble: unknown key", "A_B is no host name"):
        assert text in output


@pytest.mark.parametrize("toml", ["", 'app = "hello"'])
def test_preflight_does_not_ask_for_what_other_roles_make(tmp_path: Path, toml: str) -> None:
    (tmp_path / "fly.toml").write_text(toml)
    later = dict.fromkeys(("fly_app_files", "fly_app_env", "fly_app_image"), "{{ made_by_another_role }}")
    given = {"fly_app_name": "hello", "fly_app_toml": str(tmp_path / "fly.toml") if toml else "", **later}
    output = play(tmp_path, [{"opsmap.cloud.role_check": {"roles": ["fly_app"]}}], vars=given)
    assert "failed=0" in output


def test_the_lookup_fails_with_all_problems(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text("wibble = 1\nwobble = 2\n")
    (tmp_path / "good.toml").write_text('[[files]]\nguest_path = "/a"\nlocal_path = "beside.txt"\n')
    (tmp_path / "beside.txt").write_text("content")
    good = f"{{{{ lookup('opsmap.cloud.fly_toml', '{tmp_path}/good.toml').machines.files[0].raw_value | b64decode }}}}"
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.debug": {"msg": f"read {good}"}},
        {"ansible.builtin.debug": {"msg": f"{{{{ lookup('opsmap.cloud.fly_toml', '{tmp_path}/fly.toml').app }}}}"}},
    ]
    output = play(tmp_path, tasks)
    assert "read content" in output
    assert f"{tmp_path}/fly.toml cannot be used:" in output
    assert "wibble: unknown key" in output
    assert "wobble: unknown key" in output


def test_what_a_file_says_is_no_template(tmp_path: Path) -> None:
    made = ask(tmp_path, "[env]\nA = '{{ fly_app_name }}'\n")[1]
    assert json.loads(made)["config"]["env"] == {"A": "{{ fly_app_name }}"}


def test_the_documentation_names_the_variables_that_win() -> None:
    page = (ROOT / "docs" / "fly-toml.md").read_text()
    specs = yaml.safe_load((ROOT / "roles" / "fly_app" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    named = set(re.findall("fly_app_[a-z_]+", page))
    known = {name for spec in specs.values() for name in spec["options"]}
    assert named - known == set()
