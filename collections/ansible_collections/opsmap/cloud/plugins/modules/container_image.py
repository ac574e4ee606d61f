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
  - The tag is a hash of everything that goes in (files after C(.dockerignore), build arguments, Dockerfile, lock of the
    requirements, and the id of every image that the Dockerfile starts from), so an image is built once for the same inputs,
    on whatever machine. Present in the registry under that tag, nothing is built and nothing pushed.
  - Several folders may make up one context, each under its name, beside the source at the root. A folder's own
    C(.dockerignore) says what of it stays out. Files that hold secrets by their name (C(.env), C(id_rsa) and such) stay out
    always, and a private key stops the build.
  - With a C(poetry.lock) or C(uv.lock) in the source, the locked requirements are exported with their hashes into the context as
    C(requirements.txt). A lock that is older than its C(pyproject.toml) is an error, in check mode too.
  - Builds with BuildKit through the C(docker) command where one can, else through the engine's API. Pushes through the
    engine's API, so that the password is in no file and no argument list.
  - The image gets the labels C(org.opencontainers.image.revision), C(.source), C(.base.name) and C(.base.digest), and
    C(dev.opsmap.inputs) and C(dev.opsmap.dirty), of the first build of these inputs.
  - A bill of materials (CycloneDX) is stored in the repository under the image's tag with C(.sbom) behind it.
options:
  repository:
    description: Registry and name, such as V(registry.fly.io/supercog-agents); without O(push) a plain name.
    type: str
  image:
    description:
      - An image that exists, V(name@sha256:...) or V(name:tag), to be deployed as it is. It must be in its registry.
      - The credentials are used if it is in the registry of O(repository).
    type: str
  source:
    description: Folder that becomes the root of the context, or V(git+URL#REVISION[:FOLDER]).
    type: path
  contexts:
    description: More folders or git references, by the name of the folder in the context.
    type: dict
    default: {}
  files:
    description: More files, name in the context to path. One of them may be the Dockerfile.
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
    description: Build arguments. They stay in the image's history, so one that is called like a secret is refused.
    type: dict
    default: {}
  build_secrets:
    description: Files that the build may read and that stay in no layer, by id. An empty path is left out.
    type: dict
    default: {}
  secret_values:
    description:
      - Secrets that the build may read and that stay in no layer, by id; each at least 6 characters long.
      - Every layer, the history and the config are searched for them after the build; an image that holds one is removed.
    type: dict
    default: {}
  labels:
    description: Labels of the image. They do not count as inputs.
    type: dict
    default: {}
  platforms:
    description:
      - Platforms to build for, such as V([linux/amd64]); that of the engine if empty.
      - Several are built one after the other, pushed as C(inputs-HASH-linux-amd64) and so on, and put together as an index under
        the image's tag, of which each machine takes its own. An engine runs a foreign platform's C(RUN) with QEMU's C(binfmt_misc) only.
    type: list
    elements: str
    default: []
  builder:
    description: V(auto) takes BuildKit if a docker command can use it, else the V(legacy) API.
    type: str
    choices: [auto, buildkit, legacy]
    default: auto
  sbom:
    description: Whether to make a bill of materials and store it with the image.
    type: bool
    default: true
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
    description: Command to export the requirements of a C(poetry.lock) with; it needs the plugin C(poetry-plugin-export).
    type: str
    default: poetry
  uv:
    description: Command to export the requirements of a C(uv.lock) with.
    type: str
    default: uv
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

- name: Build a revision of a repository, with a token that its build needs
  opsmap.cloud.container_image:
    repository: registry.fly.io/supercog-agents
    source: git+https://git.example.com/supercog/engine#v1.4.0:service
    secret_values:
      index_token: "{{ vault_index_token }}"
    registry_password: "{{ fly_token }}"

- name: Take an image that somebody else has built
  opsmap.cloud.container_image:
    repository: registry.fly.io/supercog-agents
    image: registry.fly.io/supercog-agents@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    registry_password: "{{ fly_token }}"
"""

RETURN = r"""
resource:
  description:
    - The image. C(resource.reference) is what to deploy; it is by digest when the image is in a registry.
    - C(resource.sbom) is where the bill of materials is in the registry, or its path on this machine without O(push).
  returned: always
  type: dict
  sample:
    repository: registry.fly.io/supercog-agents
    tag: inputs-1f0c9a7be2d3044e
    inputs: 1f0c9a7be2d3044e
    digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    reference: registry.fly.io/supercog-agents@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    sbom: registry.fly.io/supercog-agents:inputs-1f0c9a7be2d3044e.sbom
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["build registry.fly.io/supercog-agents:inputs-1f0c9a7be2d3044e", "push it"]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import (
    _docker,
    _image_context,
    _image_make,
    _image_seal,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._registry import Registry

SPEC: dict[str, Any] = {
    "argument_spec": {
        "repository": {"type": "str"},
        "image": {"type": "str"},
        "source": {"type": "path"},
        "contexts": {"type": "dict", "default": {}},
        "files": {"type": "dict", "default": {}},
        "dockerfile": {"type": "str", "default": "Dockerfile"},
        "base_image": {"type": "str"},
        "build_args": {"type": "dict", "default": {}},
        "build_secrets": {"type": "dict", "default": {}, "no_log": False},
        "secret_values": {"type": "dict", "default": {}, "no_log": True},
        "labels": {"type": "dict", "default": {}},
        "platforms": {"type": "list", "elements": "str", "default": []},
        "builder": {"type": "str", "choices": ["auto", "buildkit", "legacy"], "default": "auto"},
        "sbom": {"type": "bool", "default": True},
        "push": {"type": "bool", "default": True},
        "registry_username": {"type": "str", "default": "x"},
        "registry_password": {"type": "str", "no_log": True},
        "poetry": {"type": "str", "default": "poetry"},
        "uv": {"type": "str", "default": "uv"},
        "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
    },
    "required_one_of": [("repository", "image")],
    "mutually_exclusive": [("image", "source"), ("image", "contexts")],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    _image_seal.check(params)
    _image_context.check(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps to the image. ``observed``: its inputs, digest in the registry (or engine), and whether the engine has it."""
    seen = observed or {}
    name = params["image"] or f"{params['repository']}:inputs-{seen.get('inputs', '')}"
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
    if params["image"]:
        found = _image_make.existing(params)
        return converge(lambda: found, lambda seen: plan(params, seen), lambda made: None, lambda seen: found, context)
    return _Image(params, context).converge()


class _Image:
    """One image, while it is looked up and made."""

    def __init__(self, params: dict[str, Any], context: Context) -> None:
        self.params, self.context = params, context
        self.engine = _docker.Engine(params["docker_socket"])
        platforms = params["platforms"]
        self.recipe = _image_context.read(params, lambda name: _image_make.identity(self.engine, platforms, name))
        self.repository, self.tag = params["repository"], f"inputs-{self.recipe.inputs}"
        login = (params["registry_username"], params["registry_password"] or "")
        self.registry = Registry(self.repository, *login)
        self.warnings: list[str] = []

    def converge(self) -> dict[str, Any]:
        """Look, plan, make."""
        result = converge(self.observe, lambda seen: plan(self.params, seen), self.make, self.present, self.context)
        return result | ({"warnings": self.warnings} if self.warnings else {})

    def observe(self) -> dict[str, Any]:
        """What is there. A lock that is too old is found here, so in check mode too."""
        if self.params["push"]:
            digest = self.registry.digest(self.tag)
        else:
            digest = (self.engine.image(f"{self.repository}:{self.tag}") or {}).get("Id")
        local = None if digest else _image_make.in_engine(self.engine, self.params, self.recipe.inputs)
        if not digest and not local:
            _image_make.check_lock(self.params, self.recipe)
        return {"inputs": self.recipe.inputs, "digest": digest, "local": local}

    def make(self, made: Plan) -> None:
        """Build, or tag what the engine has, and push."""
        self.warnings += _image_make.make(self.params, self.recipe, self.engine, self.registry, self.context)

    def present(self, observed: dict[str, Any]) -> dict[str, Any]:
        """The image as the result shows it."""
        digest, push = observed["digest"], self.params["push"]
        kept = _image_make.cache("sbom") / f"{self.tag}.cdx.json"
        bill = f"{self.repository}:{self.tag}.sbom" if push else str(kept) if kept.is_file() else None
        return {
            "repository": self.repository,
            "tag": self.tag,
            "inputs": self.recipe.inputs,
            "digest": digest,
            "reference": f"{self.repository}@{digest}" if push and digest else f"{self.repository}:{self.tag}",
            "sbom": bill if self.params["sbom"] else None,
        }


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
