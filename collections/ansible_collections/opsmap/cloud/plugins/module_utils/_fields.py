# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field tables: where an option lives in the API's object, how it is compared, and whether it may change."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import refused

Change = Literal["update", "grow", "create"]


def same(value: Any) -> Any:
    """Compared as it is."""
    return value


def absent_is_empty(value: Any) -> Any:
    """None, '', [] and {} are one value: clouds echo them at will."""
    return None if value in (None, "", [], {}) else value


def as_set(value: Any) -> Any:
    """Order does not matter; nothing and empty are one."""
    return sorted(map(str, value or []))


def casefolded(value: Any) -> Any:
    """Compared without regard to case."""
    return value.casefold() if isinstance(value, str) else value


def cidrs(value: Any) -> Any:
    """A set of networks: ``192.0.2.1`` is ``192.0.2.1/32``."""
    return sorted(str(ipaddress.ip_network(item, strict=False)) for item in value or [])


def major(value: Any) -> Any:
    """Only the major version: ``16.4`` is ``16``."""
    return str(value).split(".", maxsplit=1)[0] if value not in (None, "") else None


@dataclass(frozen=True)
class Field:
    """One option of a resource.

    name: the option; at: dotted path in the API's object (the name if empty).
    compare: both sides are put through it before they are compared.
    change: ``update`` freely, ``grow`` upwards only, ``create`` only when the resource is made.
    remedy: what to do when a change is refused.
    """

    name: str
    at: str = ""
    compare: Callable[[Any], Any] = same
    change: Change = "update"
    remedy: str = "make a new resource under another name and move over"

    def read(self, resource: dict[str, Any]) -> Any:
        """The field's value in an API object; None where the path is missing."""
        value: Any = resource
        for key in (self.at or self.name).split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


def differences(
    what: str, fields: Iterable[Field], desired: dict[str, Any], observed: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Options that are given (not None) and differ: name -> (is, should be).

    Raises CloudError ``refused`` for a change that the field does not allow, naming field, values and remedy.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for field in fields:
        wanted = desired.get(field.name)
        if wanted is None:
            continue
        present = field.read(observed)
        if field.compare(wanted) == field.compare(present):
            continue
        if field.change == "create":
            raise refused(f"change {what}", f"{field.name} is {present!r} and cannot become {wanted!r}", field.remedy)
        if field.change == "grow" and present is not None and wanted < present:
            raise refused(
                f"change {what}", f"{field.name} is {present!r} and cannot shrink to {wanted!r}", field.remedy
            )
        found[field.name] = (present, wanted)
    return found
