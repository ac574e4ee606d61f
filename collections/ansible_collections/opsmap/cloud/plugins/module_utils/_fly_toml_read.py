# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a TOML table key by key: every problem is noted with its path, none stops the reading.

A key that nobody asked for is unknown. So what is asked for is at once the list of what is known, and there is no second one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _fly_toml_units as units

BARE = re.compile("[A-Za-z0-9_-]+")
KINDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
LARGEST = 2**31 - 1


@dataclass
class Notes:
    """What was found while reading. ``problems`` make the file unusable, ``warnings`` do not."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def kind(value: Any) -> str:
    """What a value is, in words. Never the value: it may be something that nobody should see."""
    return KINDS.get(type(value), "a date")


def empty(value: Any) -> bool:
    """Whether a value says nothing: old files carry many such keys."""
    return value in ("", False, 0) or value == [] or value == {}


class Section:
    """One table of the file. Methods give None for what is not there, and for what is wrong after noting it."""

    def __init__(self, values: dict[str, Any], path: str, notes: Notes) -> None:
        self.values, self.path, self.notes = values, path, notes
        self._asked: set[str] = set()
        self._inside: list[Section] = []

    def at(self, key: str) -> str:
        """The path of a key, as it would be written in the file."""
        name = key if BARE.fullmatch(key) else f'"{key}"'
        return f"{self.path}.{name}" if self.path else name

    def problem(self, key: str, says: str) -> None:
        self.notes.problems.append(f"{self.at(key) if key else self.path}: {says}")

    def warn(self, key: str, says: str) -> None:
        self.notes.warnings.append(f"{self.at(key) if key else self.path}: {says}")

    def raw(self, key: str) -> Any:
        """The value as it stands in the file."""
        self._asked.add(key)
        return self.values.get(key)

    def has(self, key: str) -> bool:
        """Whether the key is there and says something."""
        value = self.raw(key)
        return value is not None and value != ""

    def _typed(self, key: str, expected: str, *types: type) -> Any:
        value = self.raw(key)
        if value is None or value == "" or type(value) in types:
            return None if value == "" else value
        self.problem(key, f"expected {expected}, not {kind(value)}")
        return None

    def text(self, key: str, choices: Collection[str] = ()) -> str | None:
        value: str | None = self._typed(key, "text", str)
        if value is not None and choices and value not in choices:
            self.problem(key, f"there is no {value!r}; use one of {', '.join(choices)}{_near(value, choices)}")
            return None
        return value

    def absolute(self, key: str) -> str | None:
        """An absolute path in the machine. It must be given."""
        value = self.text(key)
        if value is None and not self.has(key):
            self.problem(key, "missing; give an absolute path")
        elif value is not None and not value.startswith("/"):
            self.problem(key, f"{value!r} is no absolute path")
        return value if value and value.startswith("/") else None

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._typed(key, "true or false", bool)
        return value

    def whole(self, key: str, low: int = 0, high: int = LARGEST) -> int | None:
        """A whole number within bounds. Digits as text are taken, as old files write ports."""
        given = self.raw(key)
        digits = isinstance(given, str) and units.DIGITS.fullmatch(given)
        value: int | None = int(given) if digits else self._typed(key, "a whole number", int)
        if value is None or low <= value <= high:
            return value
        self.problem(key, f"{value} is not from {low} to {high}" if high < LARGEST else f"{value} is below {low}")
        return None

    def number(self, key: str) -> float | int | None:
        value: float | int | None = self._typed(key, "a number", int, float)
        return value

    def texts(self, key: str, single: bool = False) -> list[str] | None:
        """A list of texts. single: one text alone is a list of one."""
        given = self.raw(key)
        if single and isinstance(given, str):
            return [given] if given else None
        value: list[str] | None = self._typed(key, "a list of texts", list)
        if value is not None and not all(isinstance(item, str) for item in value):
            wrong = next(item for item in value if not isinstance(item, str))
            self.problem(key, f"expected a list of texts, but one is {kind(wrong)}")
            return None
        return value

    def duration(self, key: str, unit: int) -> int | None:
        """Nanoseconds. unit: what a number without one means."""
        value = self.raw(key)
        if value is None or value == "":
            return None
        found = units.nanoseconds(value, unit)
        if found is None:
            shown = (
                f"{value!r} is no duration" if isinstance(value, (str, int, float)) else f"{kind(value)} is no duration"
            )
            self.problem(key, f'{shown}; write a number with a unit, such as "15s" or "1m30s"')
        return found

    def size(self, key: str, base: int, unit: str) -> int | None:
        """A whole number of megabytes (unit ``m``) or gigabytes (``g``)."""
        value = self.raw(key)
        if value is None or value == "":
            return None
        found = units.size(value, base, unit)
        if found is None:
            shown = repr(value) if isinstance(value, (str, int, float)) else kind(value)
            self.problem(key, f'{shown} is no size; write a whole number of {unit.upper()}B, or text such as "1gb"')
        return found

    def command(self, key: str) -> list[str] | None:
        """A command line, split as a shell would."""
        value = self.text(key)
        found = units.words(value) if value else None
        if value and found is None:
            self.problem(key, "a quote is not closed")
        return found

    def mapping(self, key: str) -> dict[str, str]:
        """Names to texts; numbers and booleans become text."""
        value = self._typed(key, "a table", dict)
        return self.scalars(key, value or {})

    def scalars(self, key: str, value: dict[str, Any]) -> dict[str, str]:
        """Values as text, as the API wants them."""
        found = {name: units.text(item) for name, item in value.items()}
        for name, item in found.items():
            if item is None:
                inner = Section({}, self.at(key), self.notes)
                inner.problem(
                    name, f"expected text, a number or a boolean, not {kind(value[name])}; write it in quotes"
                )
        return {name: item for name, item in found.items() if item is not None}

    def table(self, key: str) -> Section | None:
        value = self._typed(key, "a table", dict)
        return None if value is None else self.inner(value, self.at(key))

    def tables(self, *keys: str) -> list[Section]:
        """Tables of a list, or the only one; several keys are spellings of one."""
        found = []
        for key in keys:
            value = self.raw(key)
            if isinstance(value, list) and all(isinstance(item, dict) for item in value):
                found += [self.inner(item, f"{self.at(key)}[{number}]") for number, item in enumerate(value)]
            elif value is not None:
                only = self._typed(key, "a table or a list of tables", dict)
                found += [] if only is None else [self.inner(only, self.at(key))]
        return found

    def inner(self, values: dict[str, Any], path: str) -> Section:
        """A table inside; its unknown keys are noted with this one's."""
        self._inside.append(Section(values, path, self.notes))
        return self._inside[-1]

    def cannot(self, note: Callable[[str, str], None], says: str, *keys: str) -> None:
        """Note keys that cannot be honoured, unless they are empty. note: ``problem`` or ``warn``."""
        for key in keys:
            value = self.raw(key)
            if value is not None and not empty(value):
                note(key, says)

    def close(self) -> None:
        """Note the keys that nobody asked for, here and inside."""
        for key in self.values:
            if key not in self._asked:
                near = get_close_matches(key, sorted(self._asked), 1)
                self.problem(key, "unknown key" + (f"; did you mean {near[0]}?" if near else ""))
        for section in self._inside:
            section.close()


def _near(value: str, choices: Collection[str]) -> str:
    near = get_close_matches(value, choices, 1)
    return f"; did you mean {near[0]}?" if near else ""
