"""The static checks, each by the tool that owns the rule."""

from __future__ import annotations

import ast
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
        ["python", "scripts/edge_docs.py", "--check"],
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


PLUGINS = ROOT / "collections" / "ansible_collections" / "opsmap" / "cloud" / "plugins"
SOURCES = sorted([*PLUGINS.rglob("*.py"), *(ROOT / "local_cloud").rglob("*.py")])
TEXTS = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def length(node: ast.AST, *without: ast.AST) -> int:
    """Lines of a node, without those of others."""
    return node.end_lineno - node.lineno + 1 - sum(length(other) for other in without)  # type: ignore[attr-defined]


def large(path: Path) -> list[str]:
    """What of a file is larger than CONTRIBUTING.md says."""
    tree = ast.parse(path.read_text())
    texts = [node for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in TEXTS]
    code = len(path.read_text().splitlines()) - sum(map(length, texts))
    limit = 150 if path.parent.name in ("modules", "lookup") else 300
    found = [f"{path}: {code} lines of code"] if code > limit else []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [child for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [f"{path}: {node.name} has {length(node, *inner)} lines"] if length(node, *inner) > 45 else []
    return found


def test_files_and_functions_stay_small() -> None:
    assert [text for path in SOURCES for text in large(path)] == []
