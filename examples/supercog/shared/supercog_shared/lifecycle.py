"""Lets long answers and loops end when the process is told to stop."""

from __future__ import annotations

_state = {"stopping": False}


def stop() -> None:
    _state["stopping"] = True


def stopping() -> bool:
    return _state["stopping"]
