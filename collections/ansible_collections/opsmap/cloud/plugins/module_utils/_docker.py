# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine, through its API."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

SILENCE = 600.0  # seconds without a byte after which the engine is given up


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=SILENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One Docker engine at a socket."""

    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def answer(
        self,
        method: str,
        where: str,
        headers: dict[str, str] | None = None,
        body: bytes | BinaryIO | Iterable[bytes] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Iterator[http.client.HTTPResponse]:
        """An open answer; CloudError for what is no success."""
        connection = _UnixConnection(self.path)
        try:
            connection.request(method, where, body=body, headers=headers or {})
            answer = connection.getresponse()
            if answer.status >= 300 and answer.status not in accept:
                text = answer.read().decode(errors="replace")
                raise CloudError(_message(text), "docker", f"{method} {where.partition('?')[0]}", answer.status)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            hint = "start Docker (make up does), or give docker_socket"
            problem = f"no answer at {self.path}: {error or type(error).__name__}"
            raise CloudError(problem, "docker", where.partition("?")[0], code="unreachable", hint=hint) from None
        finally:
            connection.close()

    def call(
        self,
        method: str,
        where: str,
        headers: dict[str, str] | None = None,
        accept: tuple[int, ...] = (),
        body: bytes | None = None,
    ) -> tuple[int, str]:
        """Status and text of an answer."""
        with self.answer(method, where, headers, body, accept) as answer:
            return answer.status, answer.read().decode(errors="replace")

    def stream(
        self, where: str, headers: dict[str, str] | None = None, body: BinaryIO | bytes | None = None
    ) -> Iterator[dict[str, Any]]:
        """The messages of a long POST, as they come."""
        with self.answer("POST", where, headers, body) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def image(self, reference: str) -> dict[str, Any] | None:
        """An image that the engine has, or None."""
        status, text = self.call("GET", f"/images/{quote(reference, safe='/:@')}/json", accept=(404,))
        return None if status == 404 else json.loads(text)

    def labelled(self, label: str) -> str | None:
        """Id of an image with a label and a name, or None: what has no name is a build that did not come to its end."""
        filters = quote(json.dumps({"label": [label], "dangling": ["false"]}))
        found = json.loads(self.call("GET", f"/images/json?filters={filters}")[1])
        return found[0]["Id"] if found else None

    def tag(self, image: str, repository: str, tag: str) -> None:
        """Give an image one more name."""
        where = f"/images/{quote(image, safe=':')}/tag?repo={quote(repository, safe='')}&tag={quote(tag)}"
        self.call("POST", where)

    def remove(self, image: str, steps: bool = False) -> None:
        """Remove an image, and the steps that it was made by if that is said; nothing happens if it is gone or in use."""
        self.call("DELETE", f"/images/{quote(image, safe=':/')}?noprune={int(not steps)}", accept=(404, 409))

    def push(self, repository: str, tag: str, login: tuple[str, str], report: Callable[[str], None]) -> str:
        """Push, and give the digest under which the registry has it. The credentials travel in a header only."""
        header = json.dumps({"username": login[0], "password": login[1]}).encode()
        where = f"/images/{quote(repository, safe='/:')}/push?" + urlencode({"tag": tag})
        digest = ""
        for said in self.stream(where, {"X-Registry-Auth": base64.urlsafe_b64encode(header).decode()}):
            if said.get("error"):
                hint = "the app must exist and the token must cover it" if "denied" in said["error"] else ""
                raise CloudError(said["error"], "registry", f"push {repository}:{tag}", hint=hint)
            if said.get("status") in ("Pushed", "Layer already exists"):
                report(f"layer {said.get('id', '')}: {said['status'].lower()}")
            digest = (said.get("aux") or {}).get("Digest") or digest
        if not digest:
            raise CloudError("the engine did not tell the digest", "docker", f"push {repository}:{tag}")
        return digest

    def file(self, image: str, path: str) -> bytes | None:
        """A tar with one file of an image, or None; nothing of the image is run."""
        body = json.dumps({"Image": image, "Cmd": ["none"], "NetworkDisabled": True}).encode()
        made = json.loads(self.call("POST", "/containers/create", {"Content-Type": "application/json"}, body=body)[1])
        try:
            with self.answer("GET", f"/containers/{made['Id']}/archive?path={quote(path)}", accept=(404,)) as answer:
                content = answer.read()
                return None if answer.status == 404 else content
        finally:
            self.call("DELETE", f"/containers/{made['Id']}?force=1", accept=(404,))


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
