# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building an image: BuildKit through the docker command where there is one that can, else the engine's own builder."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.opsmap.cloud.plugins.module_utils import _image_context, _image_dockerfile
from ansible_collections.opsmap.cloud.plugins.module_utils._docker import Engine
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

TAIL = 25  # lines of a failed step that are shown
WIDTH = 110  # characters of a line of progress
HINT = "mend the Dockerfile or its source"
NO_BUILDKIT = "install docker-buildx (or docker.io, whose command has BuildKit built in)"


@dataclass(frozen=True)
class Job:
    """One build. ``secrets``: id to path of a file."""

    folder: Path
    dockerfile: Path
    name: str
    arguments: dict[str, str]
    labels: dict[str, str]
    secrets: dict[str, str]
    platforms: list[str]
    report: Callable[[str], None]


@dataclass(frozen=True)
class Builder:
    """A docker command with BuildKit. ``buildx``: the plugin rather than the command's own."""

    command: str
    buildx: bool


def find_builder(folders: str) -> Builder | None:
    """A docker command that can use BuildKit: one with buildx, or one older than 23, which has it built in."""
    seen, own = [], None
    for folder in [*folders.split(os.pathsep), "/usr/bin"]:
        command = shutil.which("docker", path=folder)
        if not command or command in seen:
            continue
        seen.append(command)
        if _answer([command, "buildx", "version"]) is not None:
            return Builder(command, True)
        version = (_answer([command, "version", "--format", "{{.Client.Version}}"]) or "").split(".")[0]
        if own is None and version.isdigit() and 18 <= int(version) < 23:
            own = Builder(command, False)
    return own


def _answer(command: list[str]) -> str | None:
    done = subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
        command, capture_output=True, text=True, check=False
    )
    return done.stdout or ("" if done.returncode == 0 else None)


def choose(wanted: str) -> Builder | None:
    """The builder for the option ``builder``; None is the legacy API."""
    if wanted == "legacy":
        return None
    found = find_builder(os.environ.get("PATH", ""))
    if wanted == "buildkit" and not found:
        raise bad_option("builder", "no docker command here can use BuildKit", NO_BUILDKIT)
    return found


@dataclass
class Progress:
    """What a build says: kept by step, so that a failure shows the end of the step that failed."""

    report: Callable[[str], None]
    titles: dict[str, str] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    failed: str = ""
    rest: list[str] = field(default_factory=list)

    def step(self, number: str, title: str) -> None:
        """A step has begun."""
        if self.titles.get(number) != title:
            self.titles[number] = title
            self.report(title[:WIDTH])

    def line(self, number: str, text: str) -> None:
        """A step said something; only the end of it is kept."""
        lines = self.said.setdefault(number, [])
        lines.append(text)
        del lines[:-TAIL]

    def plain(self, line: str) -> None:
        """A line of BuildKit's plain output."""
        found = re.match(r"#(\d+) (.*)", line)
        if not found:
            self.rest = [*self.rest, line][-TAIL:] if line.strip() else self.rest
            return
        number, text = found[1], found[2]
        if text.startswith("ERROR"):
            self.failed = number
            self.line(number, text)
        elif re.match(r"(\d+\.\d+ |DONE |CACHED|CANCELED|sha256:|transferring |\.\.\.)", text):
            self.line(number, re.sub(r"^\d+\.\d+ ", "", text))
            if text.startswith(("DONE", "CACHED")) and "[internal]" not in self.titles.get(number, "[internal]"):
                self.report(f"{self.titles[number][: WIDTH - 14]}: {text.lower()}")
        else:
            self.step(number, text)

    def end(self) -> str:
        """What to tell about a failure: the step, then its last lines."""
        if not self.failed:
            return "\n".join(self.rest)
        return "\n".join([self.titles.get(self.failed, ""), *self.said.get(self.failed, [])])


def with_buildkit(builder: Builder, job: Job, socket: str) -> None:
    """Build with BuildKit. Secrets are mounted and stay in no layer."""
    command = [builder.command, *(["buildx", "build", "--load"] if builder.buildx else ["build"])]
    command += ["--progress", "plain", "--file", str(job.dockerfile), "--tag", job.name]
    if job.platforms:
        command += ["--platform", ",".join(job.platforms)]
    for option, pairs in (("--build-arg", job.arguments), ("--label", job.labels)):
        for key, value in pairs.items():
            command += [option, f"{key}={value}"]
    for key, file in job.secrets.items():
        command += ["--secret", f"id={key},src={file}"]
    chosen = {"DOCKER_BUILDKIT": "1", "DOCKER_HOST": f"unix://{socket}", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
        [*command, str(job.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **chosen, "SOURCE_DATE_EPOCH": str(_image_context.EPOCH)},
    )
    progress = Progress(job.report)
    for line in process.stdout or []:
        progress.plain(line.rstrip())
    if process.wait() != 0:
        raise CloudError(progress.end(), "docker", f"build {job.name}", code="failed_state", hint=HINT)


def with_legacy_api(engine: Engine, job: Job) -> None:
    """Build with the engine's own builder: no cache mounts; secrets come from an image that is there for the build only."""
    secrets = f"opsmap-secrets:{os.getpid()}-{os.urandom(4).hex()}"
    made: list[str] = []
    try:
        if job.secrets:
            files = {key: Path(file).read_bytes() for key, file in job.secrets.items()}
            _legacy(engine, job, "FROM scratch\nCOPY . /\n", secrets, files, made)
        text = _image_dockerfile.without_mounts(job.dockerfile.read_text(), set(job.secrets), secrets)
        _legacy(engine, job, text, job.name, None, made)
    finally:
        if job.secrets:
            engine.remove(secrets)
            _forget(engine, made)


def _legacy(
    engine: Engine, job: Job, dockerfile: str, name: str, files: dict[str, bytes] | None, made: list[str]
) -> None:
    """One build by the API, of the job's context or of some files. ``made`` gets the images of all steps."""
    query: dict[str, Any] = {"t": name, "dockerfile": ".opsmap.Dockerfile", "rm": "1", "forcerm": "1"}
    query |= {"buildargs": json.dumps(job.arguments), "labels": json.dumps(job.labels if files is None else {})}
    if job.platforms:  # its cache does not tell platforms apart
        query |= {"platform": job.platforms[0], "nocache": "1"}
    progress, number = Progress(job.report), ""
    with tempfile.TemporaryFile() as archive:
        _pack(
            job.folder if files is None else None, {**(files or {}), ".opsmap.Dockerfile": dockerfile.encode()}, archive
        )
        archive.seek(0)
        for said in engine.stream(f"/build?{urlencode(query)}", {"Content-Type": "application/x-tar"}, archive):
            for words in str(said.get("stream") or "").splitlines():
                if found := re.match(r"Step (\d+)/\d+ : (.*)", words):
                    number = progress.failed = found[1]
                    progress.step(number, words)
                elif found := re.match(r" ---> ([0-9a-f]{12})$", words):
                    made.append(found[1])
                elif words.strip():
                    progress.line(number, words)
            if said.get("error"):
                progress.line(number, str(said["error"]))
                raise CloudError(progress.end(), "docker", f"build {name}", code="failed_state", hint=HINT)


def _forget(engine: Engine, images: list[str]) -> None:
    """Remove what the steps left in the engine, the latest first: a secret was in one of them.

    An image with a name stays, and so does what it is made from.
    """
    for image in reversed(images):
        known = engine.image(image)
        if known and not known.get("RepoTags") and not known.get("RepoDigests"):
            engine.remove(image)


def _pack(folder: Path | None, files: dict[str, bytes], archive: Any) -> None:
    """A tar for the builder; the Dockerfile in it is no part of the context."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        if folder:
            tar.add(folder, arcname=".")
        for name, content in {**files, ".dockerignore": b".opsmap.Dockerfile\n.dockerignore\n"}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
