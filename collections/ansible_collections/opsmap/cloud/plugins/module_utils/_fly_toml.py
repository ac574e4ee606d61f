# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fly.toml with flyctl's meaning, as options of our modules. Pure: files that it names are read by what the caller gives."""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _fly_toml_machine as machine
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_checks import top_level
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_groups import Groups, init, overrides
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Notes, Section
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_services import services
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_units import SECOND, go_duration, seconds

STRATEGIES = ("rolling", "immediate", "canary", "bluegreen")
BUILDERS = "this is not built here; build the image with container_image or from a Dockerfile, and remove the key"
BY_FLYCTL = "only flyctl does this; make it by hand, give what comes of it as fly_app_secrets, and remove the key"
CONTAINERS = "machine configs in files are not read; give their content as fly_app_config, and remove the key"
Reader = Callable[[str], bytes]


def translate(raw: bytes, read: Reader) -> tuple[dict[str, Any], Notes]:
    """What the file says, and what is wrong with it. The result is of no use when there are problems.

    read: gives the content of a file that ``[[files]]`` names; raises OSError.
    """
    notes = Notes()
    root = Section(_parse(raw, notes), "", notes)
    if notes.problems:
        return {}, notes
    result = _file(root, read)
    root.close()
    return {**result, "warnings": notes.warnings}, notes


def _parse(raw: bytes, notes: Notes) -> dict[str, Any]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        notes.problems.append(f"line {line}: byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8")
        return {}
    try:
        values = tomllib.loads(text)
        notes.problems += [f"{path}: the number does not fit into 64 bits" for path in _oversized(values, "")]
        return values
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
        lines = text.split("\n")
        place = found.group(2, 3) if found else (len(lines), len(lines[-1]) + 1)
        says = found.group(1) if found else str(error)
        notes.problems.append(f"line {place[0]}, column {place[1]}: {says}")
    except (RecursionError, ValueError):  # ValueError: more digits than Python reads
        notes.problems.append("a number is too long, or lists and tables are nested too deeply")
    return {}


def _oversized(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _oversized(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _oversized(item, f"{path}[{number}]")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield path


def _file(root: Section, read: Reader) -> dict[str, Any]:
    groups, experimental = Groups(root), root.table("experimental")
    guests, base = machine.guests(root, groups), overrides(root, experimental)
    mounts = machine.mounts(root, groups, guests)
    parts = {
        "init": init(base, experimental, groups),
        "services": services(root, groups),
        "checks": top_level(root, groups),
        "metrics": machine.metrics(root, experimental, groups),
        "restart": machine.restarts(root, groups),
        "guest": guests,
    }
    env = _env(root)
    common = {
        "env": env,
        "init": base,
        "statics": machine.statics(root),
        "stop_config": machine.stop_config(root, experimental),
    }
    files, own_files = _files(root, groups, read)
    deploy, timeout = _deploy(root, bool(mounts))
    root.cannot(root.problem, CONTAINERS, "machine_config", "container")
    root.cannot(
        root.problem, "machine checks are not carried out here; use fly_app_verify, and remove them", "machine_checks"
    )
    _experimental(experimental)
    listed = [_group(name, parts, own_files[name], mounts) for name in groups.names]
    return {
        "app": root.text("app") or "",
        "primary_region": root.text("primary_region") or "",
        "console_command": root.text("console_command") or "",
        "build": _build(root),
        "machines": {
            **deploy,
            "config": {key: value for key, value in common.items() if value},
            "files": files,
            "groups": listed,
        },
        "default_group": groups.default,
        "volumes": [{key: value for key, value in mount.items() if value is not None} for mount in mounts],
        "services_by_group": parts["services"],
        "env": env,
        "deploy_wait_timeout": timeout,
    }


def _group(name: str, parts: dict[str, Any], files: list[Any], mounts: list[dict[str, Any]]) -> dict[str, Any]:
    config = {key: part[name] for key, part in parts.items() if part.get(name)}
    mount = next((mount for mount in mounts if mount["group"] == name), None)
    keys = ("path", "extend_threshold_percent", "add_size_gb", "size_gb_limit")
    found: dict[str, Any] = {"name": name, "config": config}
    if files:
        found["files"] = files
    if mount:
        found["mount"] = {"volume": mount["name"], **{key: mount[key] for key in keys if mount[key] is not None}}
    return found


def _env(root: Section) -> dict[str, str]:
    """``[env]``; old files have a list of tables."""
    given = root.raw("env")
    if isinstance(given, list):
        found: dict[str, str] = {}
        for section in root.tables("env"):
            found |= root.scalars("env", {name: section.raw(name) for name in section.values})
    else:
        found = root.mapping("env")
    for name in found:
        if name.startswith("FLY_"):
            root.warn("env", f"{name} begins with FLY_; such names are the platform's, and it may overwrite them")
    return found


def _build(root: Section) -> dict[str, Any]:
    section = root.table("build") or Section({}, "build", root.notes)
    section.cannot(section.problem, BUILDERS, "builder", "buildpacks", "builtin", "settings", "compose")
    image, dockerfile = section.text("image") or "", section.text("dockerfile") or ""
    if image and dockerfile:
        section.warn("dockerfile", "is not used: image is given")
    return {
        "image": image,
        "dockerfile": dockerfile,
        "build_args": section.mapping("args"),
        "build_target": section.text("build-target") or section.text("build_target") or "",
        "ignorefile": section.text("ignorefile") or "",
    }


def _deploy(root: Section, mounted: bool) -> tuple[dict[str, Any], int | float | None]:
    """Options of the rollout, and the seconds that it may wait."""
    section = root.table("deploy") or Section({}, "deploy", root.notes)
    strategy, share = section.text("strategy", STRATEGIES), section.number("max_unavailable")
    if mounted and strategy in ("canary", "bluegreen"):
        section.problem("strategy", f"{strategy} does not work with volumes; use rolling or immediate")
    if share is not None and not 0 < share < 10**6:
        section.problem("max_unavailable", f"{share} is neither a share above 0 nor a number of machines")
    elif share is not None and share > 1 and share != int(share):
        section.problem("max_unavailable", f"{share} is no whole number of machines")
    command, compute = section.command("release_command"), section.table("release_command_vm")
    limits = {key: _deadline(section, key) for key in ("release_command_timeout", "wait_timeout")}
    section.cannot(section.warn, "flyctl runs it when an app is made; run it by hand", "seed_command")
    found: dict[str, Any] = {"strategy": strategy, "max_unavailable": share}
    guest = machine.guest(compute, root.text("host_dedication_id")) if compute else None
    if compute:
        compute.texts("processes")  # flyctl takes the key, and it means nothing here
    if command:
        release = {"command": command, "guest": guest, "timeout": limits["release_command_timeout"]}
        found["release_command"] = {key: value for key, value in release.items() if value is not None}
    return {key: value for key, value in found.items() if value is not None}, limits["wait_timeout"]


def _deadline(section: Section, key: str) -> int | float | None:
    """Seconds. A number without a unit is nanoseconds to flyctl, which nobody means."""
    value = section.duration(key, 1)
    if value is None:
        return None
    if value < SECOND:
        given = section.raw(key)
        hint = f'; without a unit it is nanoseconds, write "{given}s"' if isinstance(given, (int, float)) else ""
        section.problem(key, f"{go_duration(value)} is less than a second{hint}")
    return seconds(value)


def _files(root: Section, groups: Groups, read: Reader) -> tuple[list[Any], dict[str, list[Any]]]:
    """Files of all groups, and those of single groups. One whose source is empty is none."""
    common: list[dict[str, Any]] = []
    own: dict[str, list[dict[str, Any]]] = {name: [] for name in groups.names}
    for section in root.tables("files"):
        path, names = section.absolute("guest_path"), groups.named(section)
        given = {key: section.text(key) for key in ("local_path", "secret_name", "raw_value")}
        sources = [key for key, value in given.items() if value]
        if len(sources) > 1:
            section.problem("", f"give one of {' and '.join(sources)}")
        elif sources:
            content = _content(section, sources[0], str(given[sources[0]]), read)
            for place in [own[name] for name in names] or [common]:
                place.append({"guest_path": path or "", **content})
    return common, own


def _content(section: Section, source: str, value: str, read: Reader) -> dict[str, str]:
    if source == "secret_name":
        return {"secret_name": value}
    if source == "raw_value":
        if _looks_encoded(value):
            says = (
                "looks like base64, and flyctl writes it as it stands; use local_path or secret_name for other content"
            )
            section.warn("raw_value", says)
        return {"raw_value": base64.b64encode(value.encode()).decode()}
    try:
        return {"raw_value": base64.b64encode(read(value)).decode()}
    except OSError as error:
        section.problem("local_path", f"{value} cannot be read: {error.strerror or error}")
        return {}


def _looks_encoded(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True).decode()) > 5
    except (binascii.Error, UnicodeDecodeError):
        return False


def _experimental(section: Section | None) -> None:
    """Flags of ``[experimental]`` that are no override of the command."""
    if section is None:
        return
    section.cannot(section.problem, BY_FLYCTL, "enable_consul", "enable_etcd", "attached")
    section.cannot(section.problem, CONTAINERS, "machine_config")
    section.cannot(section.problem, "use ports of services instead, and remove the key", "allowed_public_ports")
    image = "is about how flyctl stores images, and has no effect here"
    section.cannot(section.warn, image, "lazy_load_images", "use_zstd", "compression", "compression_level")
    if section.flag("auto_rollback") is False:
        section.warn("auto_rollback", "has no effect: a release that fails is always taken back")
    if section.flag("private_network") is False:
        section.problem("private_network", "every machine is on the private network; remove the key")
