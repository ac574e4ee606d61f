"""Whether and when a machine that ended is started again (reference fly 2.7): pure."""

from __future__ import annotations

from typing import Any

WINDOW = 300.0  # seconds in which restarts are counted
RETRIES = 10


def restarts(config: dict[str, Any], code: int, so_far: int) -> bool:
    """Whether the restart policy starts it again. so_far: restarts within the window."""
    policy = config.get("restart") or {}
    kind = policy.get("policy") or "on-failure"
    if kind == "no":
        return False
    if kind == "always":
        return True
    retries = policy.get("max_retries")
    return code != 0 and so_far < (RETRIES if retries is None else int(retries))


def pause(so_far: int) -> float:
    """Seconds before the next restart."""
    return min(5.0, 0.2 * 2.0**so_far)
