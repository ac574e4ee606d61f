# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what an organization has: lists that are paged by cursor, and releases out of the machines' versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import VOLUME_GONE, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import GONE, RELEASE, Machine, group
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_present import present_machine
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import path

PAGE = 500  # items asked for at once; the server takes it as advice


class Reader:
    """Lists of an app or of all apps of an organization. ``warnings`` says what they lack."""

    def __init__(self, client: Fly) -> None:
        self.client = client
        self.warnings: list[str] = []

    def apps(self, org: str) -> list[dict[str, Any]]:
        """Apps of an organization."""
        operation = f"list apps of organization {org}"
        found = self.client.http.find("/apps", operation=operation, query={"org_slug": org})
        if found is None:
            raise self._no_org(org)
        return list(found.get("apps") or [])

    def machines(self, app: str | None, org: str | None) -> list[tuple[str, Machine]]:
        """(app, machine) of those that exist. The list of an organization is thinner and some seconds late."""
        if app:
            found = [(app, machine) for machine in self.client.listed(app, "machines") or []]
        else:
            found = [(str(item.get("app_name")), item) for item in self._of_org(str(org), "machines")]
        return [(name, machine) for name, machine in found if machine.get("state") not in GONE]

    def volumes(self, app: str | None, org: str | None, *, with_gone: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """(app, volume) of those that exist, or ``with_gone`` of those too that are deleted and still listed."""
        if app:
            found = [(app, volume) for volume in self.client.listed(app, "volumes") or []]
        else:
            found = [(str(item.get("app_name")), item) for item in self._of_org(str(org), "volumes")]
        return [(name, volume) for name, volume in found if with_gone or volume.get("state") not in VOLUME_GONE]

    def _of_org(self, org: str, what: str) -> list[dict[str, Any]]:
        """All pages; one may be empty and not be the last."""
        where, cursors = path("/orgs/{org}/", org=org) + what, [""]
        found: list[dict[str, Any]] = []
        late: set[str] = set()
        while True:
            query = {"limit": PAGE, "cursor": cursors[-1] or None}
            page = self.client.http.find(where, operation=f"list {what} of organization {org}", query=query)
            if page is None:
                raise self._no_org(org)
            found += page.get(what) or []
            late |= {str(region) for region in page.get("error_regions") or []}
            following = str(page.get("next_cursor") or "")
            if not following:
                break
            if following in cursors:
                operation = f"list {what} of organization {org}"
                raise CloudError(f"the server gives cursor {following} twice", "fly", operation, code="failed_state")
            cursors.append(following)
        if late:
            self.warnings.append(f"{what} of {', '.join(sorted(late))} are missing: these regions did not answer")
        return found

    @staticmethod
    def _no_org(org: str) -> CloudError:
        return bad_option(
            "org", f"there is no organization {org!r} for this token", "give its slug, as fly orgs list does"
        )

    def certificates(self, app: str) -> list[dict[str, Any]]:
        """Certificates of an app, all pages."""
        found: list[dict[str, Any]] = []
        cursor, seen = "", {""}
        while True:
            page = self.client.listed(app, "certificates", {"limit": PAGE, "cursor": cursor or None}) or {}
            found += page.get("certificates") or []
            cursor = str(page.get("next_cursor") or "")
            if cursor in seen:
                return found
            seen.add(cursor)

    def secrets(self, app: str) -> list[dict[str, Any]]:
        """Names, digests and times; values cannot be read."""
        found = (self.client.listed(app, "secrets") or {}).get("secrets") or []
        return [{key: item.get(key) for key in ("name", "digest", "created_at", "updated_at")} for item in found]

    def releases(self, machines: list[tuple[str, Machine]]) -> list[dict[str, Any]]:
        """Releases that the machines have had, newest first. Those of other tools have no id and cannot be named."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for app, machine in machines:
            where = path("/apps/{app}/machines/{id}/versions", app=app, id=machine["id"])
            versions = self.client.http.find(where, operation=f"list versions of {machine['id']}") or []
            current = machine.get("config") or {}
            for config in [current, *(version.get("user_config") or {} for version in versions)]:
                if config:
                    _note(found, app, machine, config, running=config is current)
        order = sorted(found.values(), key=lambda item: (item["time"] or "", int(item["number"] or 0)), reverse=True)
        return sorted(order, key=lambda item: str(item["app"]))


def _note(
    found: dict[tuple[str, str, str], dict[str, Any]],
    app: str,
    machine: Machine,
    config: Mapping[str, Any],
    running: bool,
) -> None:
    marks = config.get("metadata") or {}
    name, number = str(marks.get(RELEASE) or ""), str(marks.get("fly_release_version") or "")
    number = number if number.isdigit() else ""
    entry = found.setdefault(
        (app, name, "" if name else number),
        {
            "id": name or None,
            "number": number or None,
            "app": app,
            "image": config.get("image"),
            "time": time_of(name),
            "groups": [],
            "machines": [],
            "running": [],
        },
    )
    for key, value in (("groups", group({"config": dict(config)})), ("machines", machine.get("name"))):
        if value not in entry[key]:
            entry[key].append(value)
    if running:
        entry["running"].append(machine.get("name"))


def answer(resource: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """What a module that only reads returns."""
    return {"changed": False, "resource": resource, **({"warnings": reader.warnings} if reader.warnings else {})}


def time_of(release: str) -> str | None:
    """When a release was made, in RFC 3339; its id is the time."""
    if len(release) != 16 or not release.endswith("Z") or release[8] != "T":
        return None
    day, hour = release[:8], release[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{hour[:2]}:{hour[2:4]}:{hour[4:]}Z"


def fits(shown: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    """Whether a presented resource has what is asked for. A list means any of it, a dictionary all of it."""
    for key, wanted in filters.items():
        if wanted in (None, "", [], {}):
            continue
        value = shown.get(key)
        if isinstance(wanted, dict):
            if any((value or {}).get(name) != str(text) for name, text in wanted.items()):
                return False
        elif value not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def shown_machines(
    machines: list[tuple[str, Machine]], filters: Mapping[str, Any]
) -> list[tuple[dict[str, Any], tuple[str, Machine]]]:
    """Presented machines that pass the filters, each with what it was made from, in a fixed order."""
    pairs = [(present_machine(app, machine), (app, machine)) for app, machine in machines]
    chosen = [pair for pair in pairs if fits(pair[0], filters)]
    return sorted(chosen, key=lambda pair: (pair[0]["app"], str(pair[0]["name"]), str(pair[0]["id"])))
