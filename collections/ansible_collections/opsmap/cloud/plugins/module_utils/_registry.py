# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading digests from an image registry (the distribution API, version 2)."""

from __future__ import annotations

import base64
import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport, path

MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "oci.image.index.v1",
    )
)


def split(repository: str) -> tuple[str, str]:
    """Registry host and repository name of a reference."""
    host, _dummy, name = repository.partition("/")
    return host, name


def digest(repository: str, tag: str, username: str, password: str) -> str | None:
    """Digest of a tag, or None when the registry has none."""
    host, name = split(repository)
    scheme = "http" if re.match(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$", host) else "https"
    basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
    http = Transport("registry", f"{scheme}://{host}", {"Authorization": Secret(basic), "Accept": MANIFESTS}, retries=3)
    where, operation = (
        path("/v2/{name}/manifests/{tag}", name="NAME", tag=tag).replace("NAME", name),
        f"look up {repository}:{tag}",
    )
    answer = http.call("HEAD", where, operation=operation, accept=(401, 403, 404))
    if answer.status == 401 and "bearer" in answer.headers.get("www-authenticate", "").lower():
        http.headers["Authorization"] = _token(answer.headers["www-authenticate"], basic)
        answer = http.call("HEAD", where, operation=operation, accept=(401, 403, 404))
    if answer.status == 401:
        raise CloudError(
            "the registry refuses the credentials", "registry", operation, 401, hint="check registry_password"
        )
    if answer.status >= 300:
        return None  # 403 and 404: the app, and with it the repository, is not there yet
    return answer.headers.get("docker-content-digest")


def _token(challenge: str, basic: str) -> Secret:
    """Follow a bearer challenge, as the distribution specification describes."""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    http = Transport("registry", parts["realm"], {"Authorization": Secret(basic)}, retries=3)
    query = {key: parts.get(key) for key in ("service", "scope")}
    body: dict[str, Any] = http.get("", operation="log in to the registry", query=query) or {}
    return Secret("Bearer " + str(body.get("token") or body.get("access_token") or ""))
