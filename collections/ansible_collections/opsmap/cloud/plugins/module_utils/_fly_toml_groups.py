# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process groups of a fly.toml: which there are, which sections belong to which, and what each machine starts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _fly_toml_units as units
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_read import Section

APP = "app"
RESERVED = ("fly_app_release_command", "fly_app_test_machine_command", "fly_app_console")


class Groups:
    """The groups by name. Without ``[processes]`` there is one, ``app``."""

    def __init__(self, root: Section) -> None:
        self.commands = _commands(root)
        self.declared = bool(self.commands)
        self.names: list[str] = sorted(self.commands) or [APP]
        self.default = APP if APP in self.names else self.names[0]

    def of(self, section: Section) -> list[str]:
        """Groups that a section names in ``processes``; the default group if it names none."""
        return self.named(section) or [self.default]

    def named(self, section: Section) -> list[str]:
        """Groups that a section names in ``processes``; none if it names none."""
        given = section.texts("processes") or []
        for name in given:
            if name and name not in self.names:
                near = get_close_matches(name, self.names, 1)
                hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(self.names)}"
                section.problem("processes", f"there is no process group {name!r}; {hint}")
        known = [name or self.default for name in given if not name or name in self.names]
        return list(dict.fromkeys(known)) or ([self.default] if given else [])

    def of_service(self, section: Section) -> list[str]:
        """As ``of``; where groups are declared a service must say to which it belongs."""
        if self.declared and not section.texts("processes"):
            groups = f"[processes] defines {', '.join(self.names)}; say which of them this service belongs to"
            section.problem("processes", f"missing: {groups}")
        return self.of(section)


def _commands(root: Section) -> dict[str, list[str]]:
    """Group to command. Old files have a list of ``{name, command}``."""
    value = root.raw("processes")
    given = {} if isinstance(value, list) else root.mapping("processes")
    if isinstance(value, list):
        for item in root.tables("processes"):
            named, command = item.text("name"), item.text("command")
            if named is None:
                item.problem("name", "missing; give the group a name")
            else:
                given[named] = command or ""
    return {name: _command(root, name, given[name]) for name in given if _usable(root, name)}


def _command(root: Section, name: str, command: str) -> list[str]:
    found = units.words(command)
    if found is None:
        root.problem("processes", f"the command of {name} has a quote that is not closed")
    return found or []


def _usable(root: Section, name: str) -> bool:
    if name in RESERVED:
        root.problem("processes", f"{name} is reserved by Fly.io; use another name")
    elif not name:
        root.problem("processes", "a process group has no name")
    return bool(name) and name not in RESERVED


def overrides(root: Section, experimental: Section | None) -> dict[str, Any]:
    """What every machine overrides, that of the release command too: the entry point, and swap."""
    entrypoint = experimental.texts("entrypoint", single=True) if experimental else None
    found = {"entrypoint": entrypoint, "swap_size_mb": root.whole("swap_size_mb")}
    return {key: value for key, value in found.items() if value}


def init(common: dict[str, Any], experimental: Section | None, groups: Groups) -> dict[str, dict[str, Any]]:
    """``init`` of each group: its command from ``[processes]``, else the one of ``[experimental]``; exec replaces both."""
    command = experimental.texts("cmd", single=True) if experimental else None
    replaced = experimental.texts("exec", single=True) if experimental else None
    found: dict[str, dict[str, Any]] = {}
    for name in groups.names:
        values = {"cmd": groups.commands.get(name) or command, "exec": replaced}
        found[name] = {**{key: value for key, value in values.items() if value}, **common}
    return found
