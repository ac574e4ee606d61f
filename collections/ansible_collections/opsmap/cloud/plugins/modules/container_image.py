#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: Build an image when its inputs are new, push it, and tell its digest
version_added: 0.1.0
description:
  - The tag is a hash of everything that goes in (files, build arguments, Dockerfile, name of the base image), so an image is
    built once for the same inputs, on whatever machine.
  - Several folders may make up one context, each under its name, beside the source at the root. When the source has
    a C(poetry.lock), the locked requirements are exported into the context as C(requirements.txt).
  - Builds with BuildKit through the C(docker) command; pushes through the engine's API, so that the password is in no file
    and no argument list.
options:
  repository:
    description: Registry and name, such as V(registry.fly.io/supercog-agents); without O(push) a plain name.
    type: str
    required: true
  source:
    description: Folder that becomes the root of the context.
    type: path
  contexts:
    description: More folders, by the name of the folder in the context.
    type: dict
    default: {}
  files:
    description: More files, name in the context to path.
    type: dict
    default: {}
  dockerfile:
    description: Path of the Dockerfile in the context.
    type: str
    default: Dockerfile
  base_image:
    description: Image to build from, given to the Dockerfile as the argument E(BASE).
    type: str
  build_args:
    description: Build arguments. Not for secrets, they stay in the image.
    type: dict
    default: {}
  build_secrets:
    description: Files that the build may read and that stay in no layer, by id. An empty path is left out.
    type: dict
    default: {}
  labels:
    description: Labels of the image. They do not count as inputs.
    type: dict
    default: {}
  push:
    description: Whether to push to the registry. Without it the image stays in the engine.
    type: bool
    default: true
  registry_username:
    description: User of the registry. Fly.io takes any.
    type: str
    default: x
  registry_password:
    description: Password of the registry. On Fly.io it is the API token.
    type: str
  poetry:
    description: Command to export requirements with.
    type: str
    default: poetry
  docker_socket:
    description: Socket of the Docker engine.
    type: path
    default: /var/run/docker.sock
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Build and push the engine with the package that it shares
  opsmap.cloud.container_image:
    repository: registry.fly.io/supercog-agents
    source: examples/supercog/engine
    contexts:
      shared: examples/supercog/shared
    registry_password: "{{ fly_token }}"
  register: image
"""

RETURN = r"""
resource:
  description: The image. C(resource.reference) is what to deploy; it is by digest when the image is in a registry.
  returned: always
  type: dict
  sample:
    repository: registry.fly.io/supercog-agents
    tag: inputs-1f0c9a7be2d3044e
    inputs: 1f0c9a7be2d3044e
    digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    reference: registry.fly.io/supercog-agents@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["build registry.fly.io/supercog-agents:inputs-1f0c9a7be2d3044e", "push it"]
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _docker, _image_context, _registry
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, converge

SPEC: dict[str, Any] = {
    "argument_spec": {
        "repository": {"type": "str", "required": True},
        "source": {"type": "path"},
        "contexts": {"type": "dict", "default": {}},
        "files": {"type": "dict", "default": {}},
        "dockerfile": {"type": "str", "default": "Dockerfile"},
        "base_image": {"type": "str"},
        "build_args": {"type": "dict", "default": {}},
        "build_secrets": {"type": "dict", "default": {}, "no_log": False},
        "labels": {"type": "dict", "default": {}},
        "push": {"type": "bool", "default": True},
        "registry_username": {"type": "str", "default": "x"},
        "registry_password": {"type": "str", "no_log": True},
        "poetry": {"type": "str", "default": "poetry"},
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
    },
    "required_if": [("push", True, ("registry_password",))],
    "required_one_of": [("source", "contexts")],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    _image_context.check(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps to the image. ``observed``: its inputs, digest in the registry (or engine), and whether the engine has it."""
    seen = observed or {}
    name = f"{params['repository']}:inputs-{seen.get('inputs', '')}"
    result = Plan(after={"image": name})
    if seen.get("digest"):
        return result
    if not seen.get("local"):
        result.add("build", f"build {name}")
    if params["push"]:
        result.add("push", f"push {name}")
    elif seen.get("local"):
        result.add("tag", f"tag {name}")
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one image."""
    validate(params)
    engine, repository = _docker.Engine(params["docker_socket"]), params["repository"]
    inputs = _image_context.inputs(params)
    tag, label = f"inputs-{inputs}", f"dev.opsmap.inputs={inputs}"

    def in_registry() -> str | None:
        return _registry.digest(repository, tag, params["registry_username"], params["registry_password"])

    def observe() -> dict[str, Any]:
        digest = in_registry() if params["push"] else (engine.image(f"{repository}:{tag}") or {}).get("Id")
        local = None if digest else engine.labelled(label)
        return {"inputs": inputs, "digest": digest, "local": local}

    def carry_out(made: Plan) -> None:
        with _Lock(inputs):  # two services may want one image at once
            local = engine.labelled(label)
            if local:
                engine.tag(local, repository, tag)
            else:
                context.report(f"build {repository}:{tag}")
                _build(params, f"{repository}:{tag}", inputs, context)
            if params["push"]:
                context.report(f"push {repository}:{tag}")
                engine.push(repository, tag, params["registry_username"], params["registry_password"])

    def present(observed: dict[str, Any]) -> dict[str, Any]:
        digest = observed["digest"]
        by_digest = f"{repository}@{digest}" if params["push"] and digest else f"{repository}:{tag}"
        return {"repository": repository, "tag": tag, "inputs": inputs, "digest": digest, "reference": by_digest}

    return converge(observe, lambda observed: plan(params, observed), carry_out, present, context)


def _build(params: dict[str, Any], name: str, inputs: str, context: Context) -> None:
    folder = Path(tempfile.mkdtemp(prefix="opsmap-context-"))
    try:
        _image_context.lay_out(params, folder)
        _docker.build(folder, params, [name], {**params["labels"], "dev.opsmap.inputs": inputs}, context.report)
    finally:
        shutil.rmtree(folder)


class _Lock:
    """One build of the same inputs at a time on this machine."""

    def __init__(self, inputs: str) -> None:
        self._path = Path(tempfile.gettempdir()) / f"opsmap-build-{os.getuid()}-{inputs}.lock"

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
