"""fly.toml as data: every file in cases_toml/ is a fly.toml and what it means, or what is wrong with it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml import translate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Section

FILES = sorted((Path(__file__).parent / "cases_toml").glob("*.yml"))
SAME = {
    "mount": "mounts",
    "metric": "metrics",
    **dict.fromkeys(("compute", "computes", "release_command_vm"), "vm"),
    **dict.fromkeys(("tcp_checks", "http_checks"), "checks"),
}
# What a file without a word means: one group, and nothing stated about it.
NOTHING: dict[str, Any] = {
    "app": "",
    "primary_region": "",
    "console_command": "",
    "build": {"image": "", "dockerfile": "", "build_args": {}, "build_target": "", "ignorefile": ""},
    "machines": {"config": {}, "files": [], "groups": [{"name": "app", "config": {}}]},
    "default_group": "app",
    "volumes": [],
    "services_by_group": {"app": []},
    "env": {},
    "deploy_wait_timeout": None,
    "warnings": [],
}


def reader(files: dict[str, str]) -> Callable[[str], bytes]:
    """A folder with these files."""

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path].encode()

    return read


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_meaning(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    result, notes = translate(case["toml"].encode(), reader(case.get("files", {})))
    if "problems" in case:
        assert len(notes.problems) == len(case["problems"]), notes.problems
        for wanted in case["problems"]:
            assert [found for found in notes.problems if found.startswith(wanted)], (wanted, notes.problems)
        return
    assert notes.problems == []
    expected = copy.deepcopy(NOTHING)
    for key, value in case["expect"].items():
        expected[key] = {**expected[key], **value} if key in ("build", "machines") else value
    assert result == expected


def test_a_file_that_is_not_text() -> None:
    notes = translate(b"app = 'x'\nprimary_region = '\xff'\n", reader({}))[1]
    assert notes.problems == ["line 2: byte 0xff is not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("raw", [b"a = " + b"9" * 5000, b"a = " + b"[" * 5000])
def test_what_no_reader_takes_is_a_problem(raw: bytes) -> None:
    notes = translate(raw, reader({}))[1]
    assert len(notes.problems) == 1


def test_problems_show_no_value_of_the_environment() -> None:
    notes = translate(b"[env]\nKEY = ['planted-2f']\n[http_service]\ninternal_port = 'planted-2f'\n", reader({}))[1]
    assert len(notes.problems) == 2
    assert "planted-2f" not in str(notes.problems)


def test_every_key_is_in_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """And every key that is looked for is in the documentation."""
    asked: set[str] = set()
    used: set[str] = set()
    plain_raw = Section.raw

    def raw(section: Section, key: str) -> Any:
        value = plain_raw(section, key)
        path = re.sub(r'^checks\.("[^"]+"|[^.]+)$', "checks.one", re.sub(r"\[\d+\]", "", section.path))
        if path in ("checks", "env") or path.endswith("headers"):
            return value  # names that are the user's
        name = path.removesuffix(".one").rpartition(".")[2]
        where = f"{SAME.get(name, name)}.{key}"
        asked.add(where)
        used.update([where] if value is not None else [])
        return value

    monkeypatch.setattr(Section, "raw", raw)
    for file in FILES:
        case = yaml.safe_load(file.read_text())
        translate(case["toml"].encode(), reader(case.get("files", {})))
    assert sorted(asked - used) == []
    page = (Path(__file__).parents[3] / "docs" / "fly-toml.md").read_text()
    keys = {key for where in asked for key in where.split(".") if key}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []
