# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to an earlier release: which one, and what each machine ran then. Pure: no calls."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config import differences
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_groups import volume_of
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import (
    RECORD,
    RELEASE,
    TAG,
    Machine,
    group,
    leftover,
    metadata,
    reachable,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan

Configs = list[dict[str, Any]]  # of one machine and those whose place it took, newest first
OUTSIDE = "made outside of opsmap"


def release_of(config: dict[str, Any]) -> str:
    """The release that a config belongs to; empty for what flyctl has made."""
    return str((config.get("metadata") or {}).get(RELEASE) or "")


def before_current(configs: Configs, current: str) -> str | None:
    """The release that was there before a machine first got its current one; None when there was none.

    A release that failed was put back and is not among them: after it comes a version of an earlier release.
    """
    releases = [release_of(config) for config in configs]
    if current not in releases:
        return None
    first = len(releases) - 1 - releases[::-1].index(current)
    return next((release for release in releases[first + 1 :] if release < current), None)


def target(wanted: str, machines: list[Machine], versions: dict[str, Configs]) -> str:
    """The release to return to."""
    known = {release_of(config) for configs in versions.values() for config in configs}
    if wanted:
        if wanted not in known:
            listed = ", ".join(sorted(release or OUTSIDE for release in known)) or "none"
            raise bad_option("release", f"{wanted} is in no machine's history", f"give one of these: {listed}")
        return wanted
    current = max((metadata(machine).get(RELEASE, "") for machine in machines), default="")
    newest = [machine for machine in machines if metadata(machine).get(RELEASE, "") == current]
    found = [before_current(versions.get(machine["id"]) or [], current) for machine in newest]
    earlier = [release for release in found if release is not None]
    if not earlier:
        names = ", ".join(str(machine.get("name")) for machine in newest) or "the app"
        reason = f"{names} has no release before {current or 'the current one'}"
        raise refused("put the previous release back", reason, "release a known good image instead")
    return max(earlier)


def earlier_config(machine: Machine, configs: Configs, release: str) -> dict[str, Any] | None:
    """What a machine ran in a release, as it can be sent now; None when it did not exist then.

    Its volume is the one that it has, secrets do not go back, and metadata of others stays.
    """
    found = next((config for config in configs if release_of(config) == release), None)
    if found is None:  # a release that did not touch this machine: it ran what came before
        older = [config for config in configs if release_of(config) < release]
        found = max(older, key=release_of, default=None)
    if found is None:
        return None
    kept = metadata(machine)
    config = {**found, "metadata": {**kept, **(found.get("metadata") or {})}}
    for key in (RECORD, TAG):
        config["metadata"].pop(key, None)
        config["metadata"].update({key: kept[key]} if key in kept else {})
    config.pop("mounts", None)
    if volume_of(machine):
        config["mounts"] = machine["config"]["mounts"]
    if not release_of(found):
        config["metadata"].pop(RELEASE, None)
    return config


def plan_previous(params: dict[str, Any], machines: list[Machine], versions: dict[str, Configs]) -> Plan:
    """Update every machine that ran something else in the release."""
    result = Plan()
    mine = [machine for machine in machines if not leftover(machine)]
    for machine in mine:
        if not reachable(machine):
            result.warnings.append(f"machine {machine['name']} is left alone: its host is {machine.get('host_status')}")
    mine = [machine for machine in mine if reachable(machine)]
    release = target(params["release"] or "", mine, versions)
    for machine in mine:
        name, config = str(machine["name"]), earlier_config(machine, versions.get(machine["id"]) or [], release)
        if config is None:
            text = f"machine {name} did not exist in release {release or OUTSIDE} and stays as it is"
            result.warnings.append(text)
            continue
        now, then = metadata(machine).get(RELEASE), release_of(config) or None
        if not differences(config, machine["config"], machine.get("image_ref")) and then == now:
            continue
        result.before[name] = {"release": now, "image": machine["config"].get("image")}
        result.after[name] = {"release": then or "the first", "image": config.get("image")}
        title = f"update machine {name}: back to release {then or 'the first'}"
        result.add("update", title, machine=machine["id"], group=group(machine))
    return result
