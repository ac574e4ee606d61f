"""Roles are checked before they run: types from the specs, rules from the vars, everything reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.collection.test_in_process import play

FILES = {
    "defaults/main.yml": {"web_port": 80, "web_names": [], "web_token": "{{ planted | default('') }}"},
    "vars/main.yml": {
        "__web_rules": [
            {
                "variable": "web_port",
                "that": "{{ web_port in range(1, 65536) }}",
                "remedy": "{{ web_port }} is no port",
            },
            {"variable": "web_names", "that": "{{ __web_odd == [] }}", "remedy": "{{ __web_odd | join }} is no name"},
        ],
        "__web_odd": "{{ web_names | reject('match', '^[a-z]+$') }}",
    },
    "meta/argument_specs.yml": {
        "argument_specs": {
            "main": {
                "options": {
                    "web_port": {"type": "int"},
                    "web_names": {"type": "list", "elements": "str"},
                    "web_kind": {"type": "str", "choices": ["big", "small"], "default": "big"},
                    "web_token": {"type": "int", "no_log": True},
                }
            }
        }
    },
}
TASK = {"opsmap.cloud.role_check": {"roles": ["web"], "required_variables": ["key"], "required_hint": "see the vault"}}


@pytest.fixture
def role(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "roles" / "web" / name
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(content))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, ["key: not given; see the vault"]),
        ({"key": ""}, ["key: not given; see the vault"]),
        ({"key": "k", "web_port": 0, "web_names": ["a", "1"]}, ["web_port: 0 is no port", "web_names: 1 is no name"]),
        ({"key": "k", "web_kind": "odd"}, ["value of web_kind must be one of: big, small"]),
        ({"key": "k", "web_port": "{{ nowhere }}"}, ["'nowhere' is undefined"]),
    ],
)
def test_problems_are_named(role: Path, variables: dict[str, object], says: list[str]) -> None:
    output = play(role, [TASK], vars={"web_token": 1, **variables})
    assert "nothing was changed; mend this first:" in output
    for text in says:
        assert text in output


def test_rules_of_the_project_are_asked_too(role: Path) -> None:
    rules = [
        {"variable": "web_count", "that": "{{ web_count > 0 }}", "remedy": "at least one"},
        {"variable": "web_fine", "that": True, "remedy": "not to be seen"},
    ]
    task = {"opsmap.cloud.role_check": {"roles": ["web"], "rules": rules}}
    output = play(role, [task], vars={"web_count": 0, "web_token": 1})
    assert "web_count: at least one" in output
    assert "not to be seen" not in output


def test_a_role_without_problems_passes(role: Path) -> None:
    output = play(role, [TASK], vars={"key": "{{ undefined_is_not_asked_for }}", "web_token": 1})
    assert "failed=0" in output


def test_constants_are_rendered_once_and_shown_nowhere(role: Path) -> None:
    """Each on top of the ones before it; what cannot be rendered yet is left for whoever needs it."""
    (role / "count").write_text("")
    once = "{{ lookup('ansible.builtin.pipe', 'echo . >> ' ~ playbook_dir ~ '/count; echo planted-9e1f') }}"
    variables = {"key": "k", "web_token": 1, "once": once, "twice": "{{ once }}-{{ once }}", "later": "{{ nowhere }}"}
    check = {
        "opsmap.cloud.role_check": {**TASK["opsmap.cloud.role_check"], "resolve": ["once", "twice", "absent", "later"]}
    }
    use = {
        "ansible.builtin.assert": {
            "that": ["twice == once ~ '-' ~ once", "twice is match('planted-9e1f-planted-9e1f$')"]
        }
    }
    output = play(role, [check, use], vars=variables)
    assert "failed=0" in output
    assert (role / "count").read_text() == ".\n"
    assert "planted-9e1f" not in output


def test_a_secret_that_has_the_wrong_type_is_not_shown(role: Path) -> None:
    output = play(role, [TASK], vars={"key": "k", "web_token": "planted-7c21"})
    assert "web_token" in output
    assert "failed=1" in output
    assert "planted-7c21" not in output


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    output = play(tmp_path, [TASK], vars={"key": "k"})
    assert "there is no role web" in output
