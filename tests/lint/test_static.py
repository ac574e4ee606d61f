"""The static checks, each by the tool that owns the rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import ROOT, run

YAML = ["inventory", "group_vars", "playbooks", "roles", "site.yml", "molecule", "collections"]
PYTHON = ["collections", "local_cloud", "examples", "tests", "scripts", "benchmarks", "molecule"]
FILES = run("git", "ls-files").stdout.splitlines()


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", *PYTHON],
        ["ruff", "format", "--check", "collections", "local_cloud"],
        ["mypy"],
        ["yamllint", "--strict", "-c", ".config/yamllint.yml", *YAML],
        ["ansible-lint", "--offline"],
        ["ansible-playbook", "--syntax-check", "site.yml"],
        ["python", "scripts/role_docs.py", "--check"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_tool(command: list[str]) -> None:
    run(*command)


def test_shell() -> None:
    scripts = [name for name in FILES if name.endswith(".sh") or name == ".ci/run"]
    run("shellcheck", *scripts)


@pytest.mark.parametrize("playbook", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "playbooks").glob("*.yml")))
def test_every_playbook_sees_the_group_vars(playbook: str) -> None:
    """A playbook alone has its own folder as the base; without inventory/group_vars it would find nothing."""
    assert (ROOT / "inventory" / "group_vars").resolve() == ROOT / "group_vars"
    run("ansible-playbook", "--syntax-check", playbook)
    hosts = run("ansible-inventory", "--host", "agents.prod").stdout
    assert '"agents_port"' in hosts


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_every_role_is_whole(role: str) -> None:
    for part in ("defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml", "README.md"):
        assert (ROOT / "roles" / role / part).is_file(), f"roles/{role} has no {part}"
    assert (ROOT / "molecule" / role / "molecule.yml").is_file(), f"no molecule scenario {role}"


FORBIDDEN = {
    "package index": re.compile("py" + r"pi\.org|python" + r"hosted|registry\.npm" + "js"),
    "key": re.compile("BEGIN [A-Z ]*" + "PRIVATE KEY|AKIA[0-9A-Z]{16}"),
    "left undone": re.compile(r"\b(TO" + "DO|FIX" + r"ME)\b"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_file_holds(kind: str) -> None:
    found = []
    for name in FILES:
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and path.suffix not in (".svg", ".png"):
            found += [f"{name}: {hit.group()}" for hit in FORBIDDEN[kind].finditer(path.read_text(errors="replace"))]
    assert found == []


def test_collection_and_local_cloud_share_no_code() -> None:
    for path in (ROOT / "local_cloud").rglob("*.py"):
        assert "ansible_collections" not in path.read_text(), path
    for path in (ROOT / "collections").rglob("*.py"):
        assert "local_cloud" not in Path(path).read_text(), path
