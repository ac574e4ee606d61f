# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine: building with BuildKit through its command line, the rest through its API."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

TAIL = 25  # lines of a failed build that are shown


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def find_builder(folders: str) -> str:
    """A docker command that can use BuildKit: one with buildx, or one older than 23, which has it built in."""
    seen = []
    for folder in [*folders.split(os.pathsep), "/usr/bin"]:
        command = shutil.which("docker", path=folder)
        if not command or command in seen:
            continue
        seen.append(command)
        if (
            subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
                [command, "buildx", "version"], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return command
        asked = [command, "version", "--format", "{{.Client.Version}}"]
        answer = subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
            asked, capture_output=True, text=True, check=False
        )
        version = answer.stdout.split(".")[0]
        if version.isdigit() and int(version) < 23:
            return command
    problem = f"{', '.join(seen)} cannot use BuildKit" if seen else "there is no docker command"
    raise CloudError(problem, "docker", "build", code="refused", hint="install docker-buildx (or docker.io)")


class Engine:
    """One Docker engine at a socket."""

    def __init__(self, path: str) -> None:
        self.path = path

    def call(
        self, method: str, where: str, headers: dict[str, str] | None = None, accept: tuple[int, ...] = ()
    ) -> tuple[int, str]:
        """Status and text of an answer; CloudError for what is no success."""
        connection = _UnixConnection(self.path)
        try:
            connection.request(method, where, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except OSError as error:
            hint = "start Docker (make up does), or give docker_socket"
            raise CloudError(
                f"no answer at {self.path}: {error}", "docker", where, code="unreachable", hint=hint
            ) from None
        finally:
            connection.close()
        if answer.status >= 300 and answer.status not in accept:
            raise CloudError(_message(text), "docker", f"{method} {where}", answer.status)
        return answer.status, text

    def image(self, reference: str) -> dict[str, Any] | None:
        """An image that the engine has, or None."""
        status, text = self.call("GET", f"/images/{quote(reference, safe='/:@')}/json", accept=(404,))
        return None if status == 404 else json.loads(text)

    def labelled(self, label: str) -> str | None:
        """Id of an image with a label, or None."""
        filters = quote(json.dumps({"label": [label]}))
        found = json.loads(self.call("GET", f"/images/json?filters={filters}")[1])
        return found[0]["Id"] if found else None

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image one more name."""
        where = f"/images/{quote(image, safe=':')}/tag?repo={quote(repository, safe='')}&tag={quote(tag)}"
        self.call("POST", where)

    def push(self, repository: str, tag: str, username: str, password: str) -> str:
        """Push, and give the digest under which the registry has it. The credentials travel in a header only."""
        login = base64.urlsafe_b64encode(json.dumps({"username": username, "password": password}).encode()).decode()
        where = f"/images/{quote(repository, safe='/:')}/push?tag={quote(tag)}"
        text = self.call("POST", where, {"X-Registry-Auth": login})[1]
        digest = ""
        for line in text.splitlines():
            said = json.loads(line)
            if said.get("error"):
                hint = "the app must exist and the token must cover it" if "denied" in said["error"] else ""
                raise CloudError(said["error"], "registry", f"push {repository}:{tag}", hint=hint)
            digest = (said.get("aux") or {}).get("Digest") or digest
        if not digest:
            raise CloudError("the engine did not tell the digest", "docker", f"push {repository}:{tag}")
        return digest


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]


def build(
    context: Path, params: dict[str, Any], names: list[str], labels: dict[str, str], report: Callable[[str], None]
) -> None:
    """Build a context; what fails is told with the end of the build's output."""
    arguments = {**params["build_args"], **({"BASE": params["base_image"]} if params["base_image"] else {})}
    command = [find_builder(os.environ.get("PATH", "")), "build", "--progress", "plain", "--file"]
    command += [str(context / params["dockerfile"])]
    for name in names:
        command += ["--tag", name]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    for key, value in labels.items():
        command += ["--label", f"{key}={value}"]
    for key, file in params["build_secrets"].items():
        command += ["--secret", f"id={key},src={file}"] if file else []
    host = f"unix://{params['docker_socket']}"
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
        [*command, str(context)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_HOST": host, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )
    said: list[str] = []
    for line in process.stdout or []:
        said.append(line.rstrip())
        if line.startswith("#") and (" [" in line[:6] or "DONE" in line):
            report(line.strip()[:110])
    if process.wait() != 0:
        text = "\n".join(said[-TAIL:])
        raise CloudError(
            text, "docker", f"build {names[0]}", code="failed_state", hint="mend the Dockerfile or its source"
        )
