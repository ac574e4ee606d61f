# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made from: the files of its context, and the hash of everything that goes in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _image_dockerfile, _image_git, _image_requirements
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._image_ignore import Ignore

# Never part of an image, whatever the ignore file says: what tools leave behind, and where people keep secrets.
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
    | {".env", ".netrc", ".pypirc", ".git-credentials", ".aws", ".ssh", "id_rsa", "id_ecdsa", "id_ed25519"}
    | {".dockerignore"}  # has had its say here, and knows nothing of the other folders
)
OPEN_ENV = re.compile(r"\.env\.(example|sample|template|dist)$")
PRIVATE_KEY = re.compile(rb"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")
EPOCH = 315532800  # seconds, 1980-01-01: the date of every file, so that layers do not depend on when they were made
WAY = 2  # counts up when an image of the same inputs would be made otherwise


@dataclass(frozen=True)
class Recipe:
    """What an image is made from, read once."""

    dockerfile: str
    files: list[tuple[str, Path]]
    requirements: _image_requirements.Requirements | None
    bases: dict[str, str]
    origins: list[_image_git.Origin]
    inputs: str


def check(params: dict[str, Any]) -> None:
    """Refuse folders, files and platforms that are none."""
    for option, where in (("source", params["source"]), *(("contexts", c) for c in params["contexts"].values())):
        if where and _image_git.is_reference(where):
            _image_git.parse(option, where)
        elif where and not Path(where).is_dir():
            raise bad_option(option, f"{where} is no folder", "give the path of a checkout, or git+URL#REVISION")
    for option in ("contexts", "files"):
        for name in params[option]:
            if not name or name.startswith("/") or ".." in name.split("/"):
                raise bad_option(option, f"{name!r} leads out of the context", "give a relative name")
    for option in ("files", "build_secrets"):
        for name, file in params[option].items():
            if (file or option == "files") and not Path(file).is_file():
                raise bad_option(option, f"{file} (for {name}) is no file", "give the path of a file")
    _check_platforms(params["platforms"], params["push"])
    if not (params["source"] or params["contexts"] or params["image"]):
        raise bad_option("source", "there is nothing to build", "give source, contexts, or an image that exists")
    local = params["source"] and not _image_git.is_reference(params["source"])
    if local and not params["contexts"] and params["dockerfile"] not in params["files"]:
        _dockerfile(params, [("", Path(params["source"]))])


def _check_platforms(platforms: list[str], push: bool) -> None:
    for name in platforms:
        if not re.fullmatch(r"[a-z]+/[a-z0-9]+(/[a-z0-9]+)?", name):
            raise bad_option("platforms", f"{name} is no platform", "write it as linux/amd64")
        if platforms.count(name) > 1:
            raise bad_option("platforms", f"{name} is given twice", "give each platform once")
    if len(platforms) > 1 and not push:
        raise bad_option(
            "platforms", "an engine holds one platform by a name", "push the image, or build for one platform"
        )


def read(params: dict[str, Any], identity: Callable[[str], str]) -> Recipe:
    """Collect the inputs. ``identity`` tells what an image is by its name."""
    folders: list[tuple[str, Path]] = []
    origins = []
    named = [("source", "", params["source"]), *(("contexts", *item) for item in sorted(params["contexts"].items()))]
    for option, name, where in named:
        if where and _image_git.is_reference(where):
            folder, origin = _image_git.checked_out(option, where)
            folders.append((name, folder))
            origins.append(origin)
        elif where:
            folders.append((name, Path(where)))
    dockerfile = _dockerfile(params, folders)
    files = [pair for name, folder in folders for pair in _named(name, folder, params["dockerfile"])]
    files += [(name, Path(file)) for name, file in sorted(params["files"].items())]
    source = folders[0][1] if params["source"] else None
    requirements = _image_requirements.of(source) if source else None
    arguments = {**params["build_args"], **({"BASE": params["base_image"]} if params["base_image"] else {})}
    bases = {image: identity(image) for image in sorted(_image_dockerfile.stages(dockerfile, arguments).images)}
    decided = {
        "way": WAY,
        "dockerfile": dockerfile,
        "bases": bases,
        "arguments": arguments,
        "platforms": params["platforms"],
    }
    more = [("\0lock", file) for file in requirements.files] if requirements else []
    hashed = _hash(decided, files + more, [value.encode() for value in params["secret_values"].values()])
    return Recipe(dockerfile, files, requirements, bases, origins, hashed)


def _dockerfile(params: dict[str, Any], folders: list[tuple[str, Path]]) -> str:
    """Text of the Dockerfile: from a folder, whatever its ignore file says, or from ``files``."""
    wanted = str(params["dockerfile"])
    if wanted in params["files"]:
        return Path(params["files"][wanted]).read_text()
    for name, folder in folders:
        inside = wanted.removeprefix(f"{name}/") if name else wanted
        if (not name or inside != wanted) and (folder / inside).is_file():
            return (folder / inside).read_text()
    where = params["source"] or ", ".join(params["contexts"].values())
    raise bad_option("source", f"{where} has no {wanted}", "add one, or name it in dockerfile or files")


def _named(name: str, folder: Path, dockerfile: str) -> Iterator[tuple[str, Path]]:
    prefix = f"{name}/" if name else ""
    for inside, file in walk(folder, Ignore(folder, dockerfile)):
        yield prefix + inside, file


def walk(folder: Path, ignore: Ignore) -> Iterator[tuple[str, Path]]:
    """Relative name and path of every file and link that counts, in a fixed order."""
    for base, folders, names in os.walk(folder, onerror=_unreadable):
        kept = []
        for name in sorted(folders):
            found = Path(base) / name
            if name in LEFT_OUT:
                continue
            if found.is_symlink():
                names.append(name)
            elif ignore.brings_back or not ignore.leaves_out(str(found.relative_to(folder))):
                kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            found = Path(base) / name
            inside = str(found.relative_to(folder))
            if _counts(name) and not ignore.leaves_out(inside) and (found.is_symlink() or found.is_file()):
                yield inside, found


def _counts(name: str) -> bool:
    hidden = name in LEFT_OUT or (name.startswith(".env.") and not OPEN_ENV.match(name))
    return not hidden and not name.endswith(".pyc")


def _unreadable(error: OSError) -> None:
    raise bad_option("source", f"{error.filename} cannot be read: {error.strerror}", "mend its permissions") from None


def _hash(decided: dict[str, Any], files: list[tuple[str, Path]], secrets: list[bytes]) -> str:
    """16 hex digits over everything that decides what the image is."""
    digest = hashlib.sha256(json.dumps(decided, sort_keys=True).encode())
    for name, file in files:
        if file.is_symlink():
            digest.update(f"\0{name}\0link\0{os.readlink(file)}".encode())
            continue
        try:
            content = file.read_bytes()
        except OSError as error:
            _unreadable(error)
        _no_secret(name, content, secrets)
        digest.update(f"\0{name}\0{os.access(file, os.X_OK)}\0".encode())
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _no_secret(name: str, content: bytes, secrets: list[bytes]) -> None:
    """Refuse a file that must not get into an image."""
    hint = "name it in .dockerignore; give the build what it needs by build_secrets or secret_values"
    if PRIVATE_KEY.match(content):
        raise bad_option("source", f"{name} is a private key", hint)
    if any(secret in content for secret in secrets):
        raise bad_option("source", f"{name} holds one of secret_values", hint)


def lay_out(recipe: Recipe, target: Path) -> None:
    """Fill an empty folder with the context: the same dates and modes, whoever does it."""
    for name, file in recipe.files:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            place.symlink_to(os.readlink(file))
        else:
            shutil.copyfile(file, place)
            place.chmod(0o755 if os.access(file, os.X_OK) else 0o644)


def settle(folder: Path) -> None:
    """Give everything in a folder the same date."""
    for base, folders, names in os.walk(folder, topdown=False):
        for name in [*names, *folders]:
            os.utime(Path(base) / name, (EPOCH, EPOCH), follow_symlinks=False)
    for base, _dummy, _dummy2 in os.walk(folder):
        os.chmod(base, 0o755)
    os.utime(folder, (EPOCH, EPOCH))
