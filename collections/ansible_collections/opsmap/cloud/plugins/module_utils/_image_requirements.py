# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a Python project, from its lock: what is installed is exactly what was locked."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

FILE = "requirements.txt"
PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")


@dataclass(frozen=True)
class Requirements:
    """How a project locks. ``tool``: ``poetry``, ``uv`` or ``plain``; ``files``: what decides the result."""

    tool: str
    folder: Path
    files: tuple[Path, ...]


def of(folder: Path) -> Requirements | None:
    """How the project in a folder locks; None when it has no requirements that we know of."""
    project = folder / "pyproject.toml"
    for tool, name in (("poetry", "poetry.lock"), ("uv", "uv.lock")):
        if (folder / name).is_file():
            if not project.is_file():
                raise bad_option("source", f"{folder} has {name} and no pyproject.toml", "add it, or remove the lock")
            return Requirements(tool, folder, (project, folder / name))
    if (folder / FILE).is_file():
        return Requirements("plain", folder, (folder / FILE,))
    tools = _table(project).get("tool", {}) if project.is_file() else {}
    for tool in ("poetry", "uv"):
        if tool in tools:
            hint = f"run {tool} lock in that folder and commit {tool}.lock"
            raise bad_option("source", f"{folder} is a {tool} project without {tool}.lock", hint)
    return None


def _table(project: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(project.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise bad_option("source", f"{project} is no TOML: {error}", "mend it") from None


def exported(requirements: Requirements, commands: dict[str, str]) -> str:
    """The locked requirements with their hashes; CloudError when the lock is older than pyproject.toml.

    Lines that name an index stay out: the builder's own settings apply. Folders stay out: they are contexts, and the
    Dockerfile takes them from there.
    """
    if requirements.tool == "plain":
        return (requirements.folder / FILE).read_text()
    tool, where = commands[requirements.tool], ["--directory", str(requirements.folder)]
    if requirements.tool == "poetry":
        _run([tool, "check", "--lock", *where], requirements)
        text = _run([tool, "export", "--format", FILE, "--only", "main", *where], requirements)
    else:
        options = ["--locked", "--no-dev", "--no-header", "--no-annotate", "--format", FILE]
        text = _run([tool, "export", *options, "--no-emit-project", "--no-emit-local", "--quiet", *where], requirements)
    indexes = ("--index-url", "--extra-index-url", "-i ")
    lines = [line for line in text.splitlines() if not line.startswith(indexes)]
    return (
        "\n".join(line for line in lines if "@ file:" not in line and not line.startswith(("-e ", "./", "../"))) + "\n"
    )


def _run(command: list[str], requirements: Requirements) -> str:
    tool = requirements.tool
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
            command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        hint = f"install {tool}" + (" with poetry-plugin-export" if tool == "poetry" else "")
        raise bad_option(tool, f"{command[0]} is not there", hint) from None
    if done.returncode != 0:
        text = (done.stderr.strip() or done.stdout.strip())[-600:]
        operation = f"{tool} {command[1]} in {requirements.folder}"
        hint = f"run {tool} lock in that folder and commit {tool}.lock"
        raise CloudError(text, "docker", operation, code="refused", hint=hint)
    return done.stdout


def packages(text: str) -> list[tuple[str, str, list[str]]]:
    """Name, version and sha256 hashes of each pinned requirement, by name."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        pinned = PINNED.match(line.strip())
        if pinned:
            hashes = sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found.append((re.sub(r"[-_.]+", "-", pinned[1]).lower(), pinned[2], hashes))
    return sorted(found)
