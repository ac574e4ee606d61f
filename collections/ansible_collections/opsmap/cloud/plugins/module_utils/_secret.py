# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A string that does not print itself."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Any

REDACTED = "********"
SHORTEST = 4  # characters
CREDENTIALS_IN_URL = re.compile(r"(://[^:/@\s]*):\S*@")  # up to the last @: passwords may hold one


def scrubbed(value: Any) -> Any:
    """An API object without its passwords: the keys go, and so do those inside URLs."""
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items() if key != "password"}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return CREDENTIALS_IN_URL.sub(rf"\1:{REDACTED}@", value) if isinstance(value, str) else value


def maskable(secrets: Iterable[str]) -> set[str]:
    """Of the values that Ansible masks wherever they occur, those that are long enough.

    A secret such as ``3`` or ``yes`` would spoil numbers and words of a result that have nothing to do with it.
    """
    return {secret for secret in secrets if len(secret) >= SHORTEST}


class Secret:
    """Holds a secret; ``str`` and ``repr`` are redacted, only ``reveal()`` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Only the transport and code that sends it on may call this."""
        return self._value

    def __str__(self) -> str:
        return REDACTED

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")
