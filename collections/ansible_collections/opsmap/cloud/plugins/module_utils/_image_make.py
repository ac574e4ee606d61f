# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making an image from a recipe: context, build, search for secrets, bill of materials."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import (
    _image_build,
    _image_context,
    _image_git,
    _image_requirements,
    _image_sbom,
    _image_seal,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._docker import Engine
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._registry import Registry, parts, split

INPUTS = "dev.opsmap.inputs"
PLATFORM = "linux/amd64"  # what Fly.io runs


def variants(platforms: list[str]) -> dict[str, list[str]]:
    """The builds that make an image: what comes after its tag, and for which platforms. Several make an index."""
    if len(platforms) < 2:
        return {"": platforms}
    return {f"-{platform.replace('/', '-')}": [platform] for platform in platforms}


def identity(engine: Engine, platforms: list[str], reference: str) -> str:
    """What a base image is: its id, the same on every machine that has or would pull it; one for each platform.

    The engine's image counts if it is of the platform, because it is what a build would use; else the registry's.
    """
    if "@sha256:" in reference:
        return reference.partition("@")[2]
    try:
        known = engine.image(reference)
    except CloudError as error:
        if error.code != "unreachable":
            raise
        known = None  # without an engine nothing can be built, but what is built already is found
    found = [_of_platform(known or {}, platform, reference) for platform in platforms or [""]]
    return "+".join(found)


def _is_for(image: dict[str, Any], platform: str) -> bool:
    """Whether an image of the engine is for a platform; the engine tells no variant of it."""
    return [image.get("Os"), image.get("Architecture")] == platform.split("/")[:2]


def _of_platform(known: dict[str, Any], platform: str, reference: str) -> str:
    """The id of a base image. ``known``: what the engine has by that name; ``platform``: the engine's own if empty."""
    if known and (not platform or _is_for(known, platform)):
        return str(known["Id"])
    repository, tag = parts(reference)
    wanted = platform or PLATFORM
    hint = "docker pull it, or write its name as name@sha256:..."
    try:
        found, reason = Registry(repository).config_digest(tag, wanted), "its registry has none"
    except CloudError as error:
        found, reason = None, error.message
    if not found and not known:
        raise bad_option("base_image", f"the engine has no {reference} for {wanted}, and {reason}", hint)
    return found or str(known["Id"])  # FROM --platform may want that one


def existing(params: dict[str, Any]) -> dict[str, Any]:
    """The image that O(image) names, by digest. It must be there."""
    repository, tag = parts(params["image"])
    same = params["repository"] and split(params["repository"])[0] == split(repository)[0]
    login = (params["registry_username"], params["registry_password"] or "") if same else ("", "")
    digest = Registry(repository, *login).digest(tag)
    if not digest:
        raise bad_option("image", f"the registry has no {params['image']}", "push it first, or correct the name")
    reference = f"{repository}@{digest}"
    named = None if tag.startswith("sha256:") else tag
    return {
        "repository": repository,
        "tag": named,
        "inputs": None,
        "digest": digest,
        "reference": reference,
        "sbom": None,
    }


def in_engine(engine: Engine, params: dict[str, Any], inputs: str) -> bool:
    """Whether the engine has the image for all its platforms, by whatever name."""
    return all(engine.labelled(f"{INPUTS}={inputs}{variant}") for variant in variants(params["platforms"]))


def make(
    params: dict[str, Any], recipe: _image_context.Recipe, engine: Engine, registry: Registry, context: Context
) -> list[str]:
    """Build or tag, then push; the bill of materials first, because the image's tag is what says that all is there.

    Gives warnings.
    """
    tag, builds = f"inputs-{recipe.inputs}", variants(params["platforms"])
    with Lock(recipe.inputs):  # two services may want one image at once
        for variant in builds:
            local = engine.labelled(f"{INPUTS}={recipe.inputs}{variant}")
            if local:
                engine.tag(local, params["repository"], tag + variant)
            else:
                context.report(f"build {params['repository']}:{tag}{variant}")
                build(params, recipe, engine, context, variant)
        warnings = bill(params, recipe, engine, registry) if params["sbom"] else []
        if params["push"]:
            _push(params, engine, context, tag, list(builds))
            if len(builds) > 1:
                registry.index(tag, {platforms[0]: tag + variant for variant, platforms in builds.items()})
    return warnings


def _push(params: dict[str, Any], engine: Engine, context: Context, tag: str, builds: list[str]) -> None:
    login = (params["registry_username"], params["registry_password"] or "")
    for variant in builds:
        context.report(f"push {params['repository']}:{tag}{variant}")
        engine.push(params["repository"], tag + variant, login, context.report)


def build(
    params: dict[str, Any], recipe: _image_context.Recipe, engine: Engine, context: Context, variant: str = ""
) -> None:
    """Build one variant, and leave the image in the engine under its tag."""
    name = f"{params['repository']}:inputs-{recipe.inputs}{variant}"
    platforms = variants(params["platforms"])[variant]
    builder = _image_build.choose(params["builder"])
    if builder is None and params["builder"] == "auto":
        context.report(f"no BuildKit here, so no cache mounts: {_image_build.NO_BUILDKIT}")
    with tempfile.TemporaryDirectory(prefix="opsmap-build-") as made:  # 0700: secrets may be in it
        work = Path(made)
        folder, dockerfile = work / "context", work / "Dockerfile"
        folder.mkdir()
        dockerfile.write_text(recipe.dockerfile)
        _image_context.lay_out(recipe, folder)
        if recipe.requirements:
            (folder / _image_requirements.FILE).write_text(_requirements(params, recipe))
        _image_context.settle(folder)
        secrets = {key: file for key, file in params["build_secrets"].items() if file} | _written(params, work)
        arguments = {**params["build_args"], **({"BASE": params["base_image"]} if params["base_image"] else {})}
        labels = {**labels_of(params, recipe), **params["labels"], INPUTS: recipe.inputs + variant}
        job = _image_build.Job(folder, dockerfile, name, arguments, labels, secrets, platforms, context.report)
        if builder:
            _image_build.with_buildkit(builder, job, params["docker_socket"])
        else:
            _image_build.with_legacy_api(engine, job)
    _check_platform(engine, name, platforms)
    _image_seal.seal(engine, name, params["secret_values"])


def _check_platform(engine: Engine, name: str, platforms: list[str]) -> None:
    """Remove and refuse what is for another platform, because the Dockerfile names it or the builder does as it likes."""
    made = engine.image(name) or {}
    if platforms and not _is_for(made, platforms[0]):
        engine.remove(name, steps=True)
        problem = f"the image is for {made.get('Os')}/{made.get('Architecture')} and not for {platforms[0]}"
        hint = "write FROM without --platform in the last stage, and use BuildKit (builder=buildkit)"
        raise CloudError(problem, "docker", f"build {name}", code="refused", hint=hint)


def _written(params: dict[str, Any], work: Path) -> dict[str, str]:
    """Secrets as files that are there during the build, for this user alone."""
    (work / "secrets").mkdir(mode=0o700)
    written = {}
    for number, (key, value) in enumerate(params["secret_values"].items()):
        file = work / "secrets" / str(number)
        file.touch(mode=0o600)
        file.write_text(value)
        written[key] = str(file)
    return written


def labels_of(params: dict[str, Any], recipe: _image_context.Recipe) -> dict[str, str]:
    """Where the image comes from, in the labels that tools know."""
    folders = [where for where in [params["source"], *params["contexts"].values()] if where]
    local = [_image_git.origin(Path(where)) for where in folders if not _image_git.is_reference(where)]
    origins = [origin for origin in [*recipe.origins, *local] if origin.revision]
    found = {}
    if origins:
        first = next((o for o in recipe.origins if _image_git.is_reference(params["source"] or "")), None) or (
            local[0] if local and local[0].revision else origins[0]
        )
        found = {
            "org.opencontainers.image.revision": first.revision,
            "dev.opsmap.dirty": str(any(origin.dirty for origin in origins)).lower(),
        }
        if first.url and not first.url.startswith("file:"):
            found["org.opencontainers.image.source"] = first.url
    if params["base_image"]:
        found["org.opencontainers.image.base.name"] = params["base_image"]
        digest = recipe.bases.get(params["base_image"], "")
        found["org.opencontainers.image.base.digest"] = "" if "+" in digest else digest
    return {key: value for key, value in found.items() if value}


def check_lock(params: dict[str, Any], recipe: _image_context.Recipe) -> None:
    """Refuse a lock that is older than its project, before anything is built."""
    _requirements(params, recipe)


def _requirements(params: dict[str, Any], recipe: _image_context.Recipe) -> str:
    """The project's requirements, exported once for these inputs; empty for a project without a lock."""
    if not recipe.requirements:
        return ""
    kept = cache("requirements") / f"{recipe.inputs}.txt"
    if not kept.is_file():
        text = _image_requirements.exported(recipe.requirements, {"poetry": params["poetry"], "uv": params["uv"]})
        _keep(kept, text)
    return kept.read_text()


def bill(params: dict[str, Any], recipe: _image_context.Recipe, engine: Engine, registry: Registry) -> list[str]:
    """Make the bill of materials, a file on this machine, and store it beside the image. Gives warnings."""
    tag = f"inputs-{recipe.inputs}"
    kept = cache("sbom") / f"{tag}.cdx.json"
    if not kept.is_file():
        name = f"{params['repository']}:{tag}{next(iter(variants(params['platforms'])))}"  # the first platform speaks for all
        python = _image_requirements.packages(_requirements(params, recipe)) if recipe.requirements else []
        files = [(inside, Path(file)) for inside, file in sorted(params["files"].items())]
        systems = (engine.file(name, _image_sbom.DPKG), engine.file(name, _image_sbom.RELEASE))
        title = params["repository"].rpartition("/")[2]
        found = _image_sbom.document(title, recipe.inputs, python, *systems, files, recipe.bases)
        _keep(kept, json.dumps(found, indent=1))
    try:
        if params["push"]:
            registry.store(f"{tag}.sbom", _image_sbom.TYPE, json.loads(kept.read_text()))
    except CloudError as error:
        if error.status is None or error.status == 401 or error.status >= 500:
            raise
        return [f"the registry takes images only, the bill of materials is in {kept}: {error}"]
    return []


def cache(kind: str) -> Path:
    """A folder for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "opsmap" / kind


def _keep(file: Path, text: str) -> None:
    """Write a file so that nobody sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as part:
        part.write(text)
    os.replace(part.name, file)


class Lock:
    """One build of the same inputs at a time on this machine."""

    def __init__(self, inputs: str) -> None:
        self._path = Path(tempfile.gettempdir()) / f"opsmap-build-{os.getuid()}-{inputs}.lock"

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
