# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image registries (the distribution API, version 2): reading digests, storing a document beside an image."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Response, Transport

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LISTS = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
MANIFESTS = ", ".join((DOCKER_MANIFEST, OCI_MANIFEST, *LISTS))
HUB = "registry-1.docker.io"


def split(repository: str) -> tuple[str, str]:
    """Registry host and repository name of a reference. Names without a host are Docker Hub's."""
    host, _dummy, name = repository.partition("/")
    if not name or not ("." in host or ":" in host or host == "localhost"):
        return HUB, repository if name else f"library/{repository}"
    return (HUB if host in ("docker.io", "index.docker.io") else host), name


def parts(reference: str) -> tuple[str, str]:
    """Repository, and tag or digest, of a reference; V(latest) where it has neither."""
    name, at, digest_ = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    has_tag = bool(colon) and "/" not in tag
    return (repository if has_tag else name), (digest_ if at else tag if has_tag else "latest")


class Registry:
    """One repository of a registry. Without a password, as anybody."""

    def __init__(self, repository: str, username: str = "", password: str = "") -> None:
        host, self.name = split(repository)
        scheme = "http" if re.match(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$", host) else "https"
        self.repository = repository
        self._basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode() if password else ""
        headers: dict[str, str | Secret] = {"Accept": MANIFESTS}
        if self._basic:
            headers["Authorization"] = Secret(self._basic)
        self._http = Transport("registry", f"{scheme}://{host}", headers, retries=3)

    def digest(self, tag: str) -> str | None:
        """Digest of a tag, or None when the registry has none."""
        operation = f"look up {self.repository}:{tag}"
        answer = self._call("HEAD", f"manifests/{tag}", operation, accept=(403, 404))
        if answer.status >= 300:
            return None  # 403 and 404: the app, and with it the repository, is not there yet
        return answer.headers.get("docker-content-digest")

    def config_digest(self, tag: str, platform: str) -> str | None:
        """The id that an engine would know an image of this platform by, or None when there is none."""
        for _dummy in range(2):
            answer = self._call("GET", f"manifests/{tag}", f"look up {self.repository}:{tag}", accept=(403, 404))
            if answer.status >= 300 or not answer.body:
                return None
            if "config" in answer.body:
                return str(answer.body["config"]["digest"])
            fitting = [m["digest"] for m in answer.body.get("manifests", []) if _is(m.get("platform") or {}, platform)]
            if not fitting:
                return None
            tag = fitting[0]
        return None

    def index(self, tag: str, images: dict[str, str]) -> None:
        """Put images of several platforms under one tag. ``images``: platform to the tag that it was pushed by."""
        operation = f"index {self.repository}:{tag}"
        entries = []
        for platform, pushed in images.items():
            about = self._call("HEAD", f"manifests/{pushed}", operation).headers
            names = zip(("os", "architecture", "variant"), platform.split("/"), strict=False)
            entries.append(
                {
                    "mediaType": about["content-type"],
                    "digest": about["docker-content-digest"],
                    "size": int(about["content-length"]),
                    "platform": dict(names),
                }
            )
        kind = LISTS[0] if {entry["mediaType"] for entry in entries} == {DOCKER_MANIFEST} else LISTS[1]
        body = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
        self._call("PUT", f"manifests/{tag}", operation, body=body, headers={"Content-Type": kind})

    def store(self, tag: str, kind: str, document: dict[str, Any]) -> None:
        """Put a JSON document under a tag, as an artifact."""
        operation = f"store {self.repository}:{tag}"
        config, layer = (self._blob(body, operation) for body in ({}, document))
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": {"mediaType": EMPTY, **config},
            "layers": [{"mediaType": kind, **layer}],
        }
        self._call("PUT", f"manifests/{tag}", operation, body=manifest, headers={"Content-Type": OCI_MANIFEST})

    def _blob(self, body: dict[str, Any], operation: str) -> dict[str, Any]:
        text = json.dumps(body).encode()  # as the transport writes it
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        if self._call("HEAD", f"blobs/{digest}", operation, accept=(404,)).status == 404:
            begun = urlsplit(self._call("POST", "blobs/uploads/", operation).headers["location"])
            where = begun.path.removeprefix(f"/v2/{self.name}/")
            query = {**dict(parse_qsl(begun.query)), "digest": digest}
            kind = {"Content-Type": "application/octet-stream"}
            self._call("PUT", where, operation, query=query, body=body, headers=kind)
        return {"digest": digest, "size": len(text)}

    def _call(self, method: str, where: str, operation: str, accept: tuple[int, ...] = (), **more: Any) -> Response:
        """One call; a bearer challenge is followed once."""
        path = f"/v2/{self.name}/{where}"
        answer = self._http.call(method, path, operation=operation, accept=(401, *accept), **more)
        challenge = answer.headers.get("www-authenticate", "")
        if answer.status == 401 and challenge.lower().startswith("bearer"):
            self._http.headers["Authorization"] = self._token(challenge)
            answer = self._http.call(method, path, operation=operation, accept=(401, *accept), **more)
        if answer.status == 401:
            hint = "check registry_password"
            raise CloudError("the registry refuses the credentials", "registry", operation, 401, hint=hint)
        return answer

    def _token(self, challenge: str) -> Secret:
        """Follow a bearer challenge, as the distribution specification describes."""
        given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        login: dict[str, str | Secret] = {"Authorization": Secret(self._basic)} if self._basic else {}
        http = Transport("registry", given["realm"], login, retries=3)
        query = {key: given.get(key) for key in ("service", "scope")}
        body: dict[str, Any] = http.get("", operation="log in to the registry", query=query) or {}
        return Secret("Bearer " + str(body.get("token") or body.get("access_token") or ""))


def _is(found: dict[str, Any], platform: str) -> bool:
    return f"{found.get('os')}/{found.get('architecture')}" == "/".join(platform.split("/")[:2])
