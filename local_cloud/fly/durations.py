"""Go durations: ``90s``, ``1m30s`` or whole nanoseconds."""

from __future__ import annotations

import re

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")


def seconds(value: str | float | None, default: float) -> float:
    """A duration in seconds; a ValueError names what is none."""
    if value in (None, ""):
        return default
    if isinstance(value, (int, float)):
        return value / 1e9
    parts = PART.findall(str(value))
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def rendered(value: str | float) -> str:
    """As Go writes it back: ``90s`` becomes ``1m30s``, ``60s`` becomes ``1m0s``."""
    total = seconds(value, 0.0)
    if total < 1:
        return f"{round(total * 1000)}ms" if total else "0s"
    hours, rest = divmod(total, 3600)
    minutes, left = divmod(rest, 60)
    text = f"{left:g}s"
    if hours:
        return f"{int(hours)}h{int(minutes)}m{text}"
    return f"{int(minutes)}m{text}" if minutes else text
