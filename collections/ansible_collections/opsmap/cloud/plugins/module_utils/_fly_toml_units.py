# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of a fly.toml: durations, sizes, commands and texts, read as flyctl reads them."""

from __future__ import annotations

import math
import re
import shlex
from decimal import Decimal
from typing import Any

NANOSECOND, MILLISECOND, SECOND = 1, 1_000_000, 1_000_000_000
LONGEST = 2**63 - 1  # what a Go duration can hold
UNITS = {
    "ns": NANOSECOND,
    "us": 1_000,
    "µs": 1_000,  # the micro sign
    "μs": 1_000,  # the Greek letter
    "ms": MILLISECOND,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:([kmgtp])i?b?|b)?", re.IGNORECASE)
DIGITS = re.compile("[0-9]{1,18}")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def nanoseconds(value: Any, unit: int) -> int | None:
    """A duration in nanoseconds: text such as ``1m30s``, or a number of ``unit``. None if it is no duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str):
        return _go_duration(value)
    if isinstance(value, float) and not abs(value) < LONGEST:
        return None
    return _bounded(int(value) * unit)


def _go_duration(text: str) -> int | None:
    unsigned = text.removeprefix("+")
    if unsigned == "0":
        return 0
    parts = PART.findall(unsigned[:64])
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        return None
    return _bounded(int(sum(Decimal(number) * UNITS[unit] for number, unit in parts)))


def _bounded(value: int) -> int | None:
    return value if 0 <= value <= LONGEST else None


def go_duration(value: int) -> str:
    """Nanoseconds in the form that the API reads back: ``1m30s``, ``500ms``."""
    if value < SECOND:
        return f"{value // MILLISECOND}ms" if value and value % MILLISECOND == 0 else f"{value}ns" if value else "0s"
    hours, rest = divmod(value, UNITS["h"])
    minutes, rest = divmod(rest, UNITS["m"])
    seconds = _short(Decimal(rest) / SECOND)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def seconds(value: int) -> int | float:
    """Nanoseconds in seconds."""
    return value // SECOND if value % SECOND == 0 else value / SECOND


def _short(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: Any, base: int, unit: str) -> int | None:
    """A size in whole ``unit`` (``m`` or ``g``): a number of them, or text such as ``1gb``. None if it is no size.

    base: 1024 for memory, 1000 for volumes, as flyctl counts them. What is left over is dropped.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    if isinstance(value, int) or DIGITS.fullmatch(value):
        return int(value)
    found = SIZE.fullmatch(value.strip()[:64])
    if not found:
        return None
    number, prefix = Decimal(found.group(1)), (found.group(2) or "").lower()
    whole: int = base ** POWERS[unit]
    return int(number * base ** POWERS[prefix]) // whole


def words(command: str) -> list[str] | None:
    """A command split as a shell would; None if a quote is not closed."""
    try:
        return shlex.split(command)
    except ValueError:
        return None


def text(value: Any) -> str | None:
    """A text, number or boolean in the form that flyctl gives it; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return str(value) if isinstance(value, (int, str)) else None
