# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of an image in a git repository: a folder of a commit, and which commit a folder on disk is at."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

PREFIX = "git+"
SCHEMES = ("file", "https", "ssh")
EXAMPLE = "write git+https://host/repository#revision, with :folder behind the revision for a part of it"


@dataclass(frozen=True)
class Reference:
    """``git+URL#REVISION[:FOLDER]``, taken apart."""

    url: str
    revision: str
    folder: str


@dataclass(frozen=True)
class Origin:
    """Where the files of a folder come from; empty when it is in no repository."""

    url: str = ""
    revision: str = ""
    dirty: bool = False


def is_reference(text: str) -> bool:
    """Whether a source names a repository rather than a folder."""
    return text.startswith(PREFIX)


def parse(option: str, text: str) -> Reference:
    """Take a reference apart; refuse what git could take for an option, and passwords, which would be seen."""
    url, _dummy, rest = text[len(PREFIX) :].partition("#")
    revision, _dummy, folder = rest.partition(":")
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise bad_option(option, f"{parts.scheme or url}:// is no way to a repository", EXAMPLE)
    if parts.password:
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        hint = "use git's credential helper, or ssh"
        raise bad_option(option, f"the address of {shown} holds a password, which would be in argument lists", hint)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/@{}^~+-]*", revision) or ".." in revision:
        raise bad_option(option, f"{revision!r} is no revision; a branch, a tag or a commit is needed", EXAMPLE)
    if folder.startswith("/") or ".." in folder.split("/"):
        raise bad_option(option, f"{folder} leads out of the repository", EXAMPLE)
    return Reference(url, revision, folder)


def checked_out(option: str, text: str) -> tuple[Path, Origin]:
    """The folder of a reference on this machine, fetched when its commit is not here yet."""
    wanted = parse(option, text)
    store = _cache() / hashlib.sha256(wanted.url.encode()).hexdigest()[:16]
    commit = _commit(store, wanted, option)
    tree = store / "trees" / commit
    if not tree.is_dir():
        _unpack(store, commit, tree)
    folder = tree / wanted.folder
    if not folder.is_dir():
        raise bad_option(option, f"{wanted.url} has no folder {wanted.folder} at {commit[:12]}", EXAMPLE)
    return folder, Origin(wanted.url, commit)


def origin(folder: Path) -> Origin:
    """The commit that a folder is at, and whether something in it is not committed."""
    known = _ask(["-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"])
    if not known:
        return Origin()
    changes = _ask(["-C", str(folder), "status", "--porcelain", "--untracked-files=all", "--", "."])
    remote = _ask(["-C", str(folder), "config", "--get", "remote.origin.url"])
    parts = urlsplit(remote)
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.scheme in SCHEMES[1:] else ""
    return Origin(shown, known, bool(changes))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "opsmap" / "git"


def _commit(store: Path, wanted: Reference, option: str) -> str:
    """The commit of a revision. A whole commit that is here already is not asked for again."""
    inside = ["--git-dir", str(store / "repository")]
    whole = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", wanted.revision)
    if whole and (store / "trees" / wanted.revision).is_dir():
        return wanted.revision
    _git(["init", "--quiet", "--bare", str(store / "repository")], "make a cache")
    fetch = [*inside, "fetch", "--quiet", "--force", "--no-tags"]
    found = "FETCH_HEAD"
    try:
        _git([*fetch, "--depth", "1", wanted.url, wanted.revision], f"fetch {wanted.url}")
    except CloudError:  # a short commit is nothing that a server can be asked for: all of it is fetched
        everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        unshallow = ["--unshallow"] if (store / "repository" / "shallow").exists() else []
        _git([*fetch, *unshallow, wanted.url, *everything], f"fetch {wanted.url}")
        found = wanted.revision
    commit = _ask([*inside, "rev-parse", "--verify", "--quiet", f"{found}^{{commit}}"])
    if not commit:
        raise bad_option(option, f"{wanted.url} has no revision {wanted.revision}", EXAMPLE)
    return commit


def _unpack(store: Path, commit: str, tree: Path) -> None:
    """Put the files of a commit where they stay; the name appears only when all are there."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{commit}.", dir=tree.parent))
    try:
        archive = part / "archive.tar"
        inside = ["--git-dir", str(store / "repository")]
        _git([*inside, "archive", "--format", "tar", "--output", str(archive), commit], f"read commit {commit[:12]}")
        (part / "tree").mkdir()
        shutil.unpack_archive(archive, part / "tree", filter="data")
        try:
            (part / "tree").rename(tree)
        except OSError:
            if not tree.is_dir():  # another run was faster
                raise
    finally:
        shutil.rmtree(part)


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES), "LC_ALL": "C"}
    try:
        return subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
            ["git", *arguments], capture_output=True, text=True, check=False, env={**os.environ, **quiet}
        )
    except FileNotFoundError:
        raise CloudError("there is no git command", "docker", "read a repository", hint="install git") from None


def _git(arguments: list[str], operation: str) -> str:
    done = _run(arguments)
    if done.returncode != 0:
        hint = "check the address, the revision and git's credentials"
        raise CloudError(done.stderr.strip()[-600:] or "git failed", "docker", operation, code="refused", hint=hint)
    return done.stdout.strip()


def _ask(arguments: list[str]) -> str:
    """What git answers, or nothing."""
    try:
        done = _run(arguments)
    except CloudError:  # a machine without git has no revision to tell
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
