# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that an image is built from, and the hash of everything that goes in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

# Never part of an image, whatever the ignore file says.
LEFT_OUT = frozenset(
    {
        ".git",
        ".venv",
        "__pycache__",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".cache",
        "node_modules",
        ".DS_Store",
    }
)


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative name and path of every file that counts, in a fixed order."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(names):
            if name not in LEFT_OUT and not name.endswith(".pyc"):
                found = Path(base) / name
                yield str(found.relative_to(folder)), found


def sources(params: dict[str, Any]) -> list[tuple[str, Path]]:
    """Name in the context and path of every file: the source at the root, each context in its folder."""
    found = list(walk(Path(params["source"]))) if params["source"] else []
    for name, folder in sorted(params["contexts"].items()):
        found += [(f"{name}/{inside}", file) for inside, file in walk(Path(folder))]
    return found + [(name, Path(file)) for name, file in sorted(params["files"].items())]


def inputs(params: dict[str, Any]) -> str:
    """Hash of all that decides what the image is: 16 hex digits."""
    digest = hashlib.sha256()
    decided = {key: params[key] for key in ("dockerfile", "build_args", "base_image")}
    digest.update(json.dumps(decided, sort_keys=True).encode())
    for name, file in sources(params):
        executable = os.access(file, os.X_OK)
        digest.update(f"\0{name}\0{executable}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def check(params: dict[str, Any]) -> None:
    """Refuse folders and files that are not there."""
    for option, where in (("source", params["source"]), *(("contexts", c) for c in params["contexts"].values())):
        if where and not Path(where).is_dir():
            raise bad_option(option, f"{where} is no folder", "give the path of a checkout")
    for name, file in params["files"].items():
        if not Path(file).is_file():
            raise bad_option("files", f"{file} (for {name}) is no file", "give the path of a file")
    if params["dockerfile"] not in {name for name, dummy in sources(params)}:
        where = params["source"] or ", ".join(params["contexts"].values())
        raise bad_option("source", f"{where} has no {params['dockerfile']}", "add one, or name it in dockerfile")


def lay_out(params: dict[str, Any], target: Path) -> None:
    """Fill an empty folder with the context."""
    for name, file in sources(params):
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    if (target / "poetry.lock").exists() and not (target / "requirements.txt").exists():
        _export(Path(params["source"]), target / "requirements.txt", params["poetry"])


def _export(source: Path, target: Path, poetry: str) -> None:
    """Write the locked requirements with their hashes. Lines that name an index stay out: the builder's own applies."""
    command = [poetry, "export", "--format", "requirements.txt", "--only", "main", "--directory", str(source)]
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
            command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise bad_option("poetry", f"{poetry} is not there", "install poetry with poetry-plugin-export") from None
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()[-600:]
        raise CloudError(text, "docker", f"export the requirements of {source}", hint="run poetry lock in that folder")
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("--index-url", "--extra-index-url"))]
    target.write_text("\n".join(_without_paths(lines)) + "\n")


def _without_paths(lines: list[str]) -> list[str]:
    """Requirements on folders go: the folder is a context, and the Dockerfile installs it."""
    return [line for line in lines if "@ file:" not in line and not line.startswith("-e ")]
