# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of fields in a MachineConfig: how each is compared, and how it is merged into what a machine has.

Every kind has two operations. ``compare`` notes under a dotted path what is and what should be; ``merge`` gives the value to
send. For both, None on the wanted side means: it belongs to whoever declares the config and is not declared, so it goes away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Protocol

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_values import as_is, readable

Found = dict[str, tuple[Any, Any]]
Pair = tuple[str, Any, Any]


class Kind(Protocol):
    """What a field can do."""

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the differences."""

    def merge(self, wanted: Any, present: Any) -> Any:
        """The value to send; None for none."""


def tidy(value: Any) -> Any:
    """Without nulls and empties, for people."""
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items() if item not in (None, "", [], {})}
    return [tidy(item) for item in value] if isinstance(value, (list, tuple)) else value


def odd(kind: type, *values: Any) -> bool:
    """Whether a value is there and not of its type: it is compared as it is and sent as it is, for the server to refuse."""
    return any(value and not isinstance(value, kind) for value in values)


@dataclass(frozen=True)
class Leaf:
    """One value. Nothing, false, 0, empty and the server's default are the same; ``read`` brings both sides to one form."""

    read: Callable[[Any], Any] = as_is
    default: Any = None
    show: Callable[[Any], Any] = tidy

    def form(self, value: Any) -> Any:
        """The form that is compared; None for all that counts as absent."""
        try:
            form = self.read(value) if value else None
        except (TypeError, ValueError):  # not of the field's type: compared as it is, and refused by the server
            form = value
        return None if not form or form == self.default else form

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the difference."""
        if self.form(wanted) != self.form(present):
            found[where] = (self.show(present), self.show(wanted))

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted."""
        return wanted


@dataclass(frozen=True)
class Unknown:
    """A field that the reference does not know (yet): passes through, and is compared as far as it is declared."""

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note differences of what is declared."""
        if isinstance(wanted, dict) and isinstance(present, dict):
            for key, item in sorted(wanted.items()):
                if item is not None:
                    self.compare(item, present.get(key), f"{where}.{key}", found)
        elif isinstance(wanted, list) and isinstance(present, list) and len(wanted) == len(present):
            for number, (one, other) in enumerate(zip(wanted, present, strict=True)):
                self.compare(one, other, f"{where}[{number}]", found)
        elif (wanted or None) != (present or None):
            found[where] = (present, wanted)

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted, laid over what is there."""
        if isinstance(wanted, dict) and isinstance(present, dict):
            return {**present, **{key: self.merge(item, present.get(key)) for key, item in wanted.items()}}
        return present if wanted is None else wanted


@dataclass(frozen=True)
class Map:
    """Names with values. ``foreign`` names are set by others: compared when declared, kept otherwise."""

    read: Callable[[Any], Any] = as_is
    write: Callable[[Any], Any] = as_is
    foreign: Callable[[str], bool] = lambda name: False
    name: Callable[[str], str] = str

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the differences by name."""
        if odd(dict, wanted, present):
            UNKNOWN.compare(wanted, present, where, found)
            return
        ours, theirs = self._named(wanted), self._named(present)
        for name in sorted({*ours, *theirs}):
            if name not in ours and self.foreign(name):
                continue
            one, other = ours.get(name), theirs.get(name)
            if self.read(one) != self.read(other):
                found[f"{where}.{name}"] = (other, self.write(one))

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted, and what others have set."""
        if odd(dict, wanted):
            return wanted
        kept = {name: value for name, value in self._named(present).items() if self.foreign(name)}
        ours = {str(name): self.write(value) for name, value in (wanted or {}).items() if self.read(value) is not None}
        stated = self._named(wanted)
        return {**{name: value for name, value in kept.items() if name not in stated}, **ours} or None

    def _named(self, values: Any) -> dict[str, Any]:
        given = values if isinstance(values, dict) else {}
        return {self.name(str(name)): value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Struct:
    """Fields by name. An undeclared field of ``owned`` goes away; any other stays as it is.

    ignored: never compared. prepare: applied to both sides before they are compared. needs: the field without which the
    server refuses the rest; undeclared, the struct goes with it, and with what nobody knows in it.
    """

    fields: dict[str, Kind]
    owned: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = as_is
    needs: str = ""

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the differences field by field."""
        if odd(dict, wanted, present):
            UNKNOWN.compare(wanted, present, where, found)
            return
        ours, theirs = self.prepare(wanted or {}), self.prepare(present or {})
        for key in sorted({*ours, *theirs} - self.ignored):
            if ours.get(key) is not None or key in self.owned:
                at = f"{where}.{key}" if where else key
                self.fields.get(key, UNKNOWN).compare(ours.get(key), theirs.get(key), at, found)

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted, what is not ours, and what nobody knows."""
        if odd(dict, wanted):
            return wanted
        ours, theirs = wanted or {}, present if isinstance(present, dict) else {}
        made: dict[str, Any] = {}
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            value = theirs.get(key)
            if ours.get(key) is not None or key in self.owned:
                value = self.fields.get(key, UNKNOWN).merge(ours.get(key), value)
            if value is not None:
                made[key] = value
        useless = wanted is None and self.needs and self.needs not in made
        return None if useless else made or None


@dataclass(frozen=True)
class Named:
    """Structs by name; ``foreign`` names are the server's own."""

    item: Struct
    foreign: Callable[[str], bool] = lambda name: False

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the differences by name."""
        if odd(dict, wanted, present):
            UNKNOWN.compare(wanted, present, where, found)
            return
        ours, theirs = wanted or {}, present or {}
        for name in sorted({*ours, *theirs}):
            if name in ours and name in theirs:
                self.item.compare(ours[name], theirs[name], f"{where}.{name}", found)
            elif name in ours or not self.foreign(name):
                found[f"{where}.{name}"] = (shown(theirs.get(name)), shown(ours.get(name)))

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted by name, and the server's own."""
        if odd(dict, wanted):
            return wanted
        theirs = present if isinstance(present, dict) else {}
        kept = {name: value for name, value in theirs.items() if self.foreign(name)}
        ours = {name: self.item.merge(value, theirs.get(name)) or {} for name, value in (wanted or {}).items()}
        return {**kept, **ours} or None


@dataclass(frozen=True)
class Items:
    """A list of structs that are told apart by keys, the strictest first. Without keys the position counts."""

    item: Struct
    keys: tuple[Callable[[dict[str, Any]], str], ...] = field(default=())

    def compare(self, wanted: Any, present: Any, where: str, found: Found) -> None:
        """Note the differences by key."""
        if odd(list, wanted, present):
            UNKNOWN.compare(wanted, present, where, found)
            return
        for label, one, other in self.pairs(wanted, present):
            at = f"{where}[{label}]"
            if one is None or other is None:
                found[at] = (shown(other), shown(one))
            else:
                self.item.compare(one, other, at, found)

    def merge(self, wanted: Any, present: Any) -> Any:
        """What is wanted; what nobody knows survives in the item of the same key."""
        if odd(list, wanted):
            return wanted
        present = present if isinstance(present, list) else []
        pairs = self.pairs(wanted, present)
        return [self.item.merge(one, other) or {} for _label, one, other in pairs if one is not None] or None

    def pairs(self, wanted: Any, present: Any) -> list[Pair]:
        """(label, wanted or None, present or None), wanted ones first and in their order."""
        ours, theirs = list(wanted or []), list(present or [])
        if not self.keys:
            return [(str(at), one, other) for at, (one, other) in enumerate(zip_longest(ours, theirs))]
        match: dict[int, int] = {}
        for fits in (self._same, *(_by(key) for key in self.keys)):
            for at, one in enumerate(ours):
                free = (i for i, other in enumerate(theirs) if i not in match.values() and fits(one, other))
                if at not in match and (hit := next(free, None)) is not None:
                    match[at] = hit
        matched = [(one, theirs[match[at]] if at in match else None) for at, one in enumerate(ours)]
        gone = [(None, other) for i, other in enumerate(theirs) if i not in match.values()]
        label = self._label(ours, theirs)
        return _numbered([(label(one if one is not None else other), one, other) for one, other in [*matched, *gone]])

    def _same(self, one: Any, other: Any) -> bool:
        found: Found = {}
        self.item.compare(one, other, "", found)
        return not found

    def _label(self, *sides: list[Any]) -> Callable[[Any], str]:
        """The shortest key that tells the items of each side apart."""
        for key in reversed(self.keys):
            if all(len({_key(key, item) for item in side}) == len(side) for side in sides):
                return lambda item: _key(key, item)
        return lambda item: _key(self.keys[0], item)


def _key(key: Callable[[dict[str, Any]], str], item: Any) -> str:
    return key(item) if isinstance(item, dict) else str(item)


def _by(key: Callable[[dict[str, Any]], str]) -> Callable[[Any, Any], bool]:
    return lambda one, other: _key(key, one) == _key(key, other)


def _numbered(pairs: list[Pair]) -> list[Pair]:
    """Labels that occur twice get a number."""
    seen: dict[str, int] = {}
    made = []
    for label, one, other in pairs:
        seen[label] = seen.get(label, 0) + 1
        made.append((label if seen[label] == 1 else f"{label}#{seen[label]}", one, other))
    return made


def shown(value: Any) -> Any:
    """A whole item for the diff; durations in it as a person writes them."""
    made = tidy(value)
    return {k: readable(v) if k in DURATIONS else v for k, v in made.items()} if isinstance(made, dict) else made


DURATIONS = frozenset({"interval", "timeout", "grace_period"})
UNKNOWN = Unknown()
