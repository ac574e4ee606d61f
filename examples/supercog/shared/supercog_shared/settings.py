"""Settings come from the environment. All problems are told at once, by the variable's name and never its value."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


class SettingsError(Exception):
    """The environment is not what the service needs."""


class Environment:
    """Reads variables and collects what is wrong with them until check() is called."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name) or default
        if value is None:
            self.problems.append(f"{name} is not set")
        return value or ""

    def parsed(self, name: str, parse: Callable[[str], T], needs: str) -> T | None:
        value = self.text(name)
        if not value:
            return None
        try:
            return parse(value)
        except (ValueError, TypeError):
            self.problems.append(f"{name} is not {needs}")
            return None

    def check(self) -> None:
        if self.problems:
            raise SettingsError("; ".join(self.problems))


def instance_id() -> str:
    """Names the machine that answers."""
    return os.environ.get("FLY_MACHINE_ID") or socket.gethostname()
