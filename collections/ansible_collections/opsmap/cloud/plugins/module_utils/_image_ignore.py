# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .dockerignore leaves out: the last line that matches a file, or a folder that holds it, decides."""

from __future__ import annotations

import re
from pathlib import Path


class Ignore:
    """The rules of one folder. ``<dockerfile>.dockerignore`` goes before ``.dockerignore``, as with docker."""

    def __init__(self, folder: Path, dockerfile: str = "") -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        own = folder / f"{dockerfile}.dockerignore"
        file = own if dockerfile and own.is_file() else folder / ".dockerignore"
        if file.is_file():
            for line in file.read_text(encoding="utf-8-sig").splitlines():
                self._add(line.strip())
        self.brings_back = any(not out for dummy, out in self._rules)

    def _add(self, line: str) -> None:
        if not line or line.startswith("#"):
            return
        out = not line.startswith("!")
        parts = [part for part in line.lstrip("!").strip().split("/") if part not in ("", ".")]
        if parts:
            self._rules.append((re.compile(_expression(parts) + r"(/.*)?\Z", re.DOTALL), out))

    def leaves_out(self, name: str) -> bool:
        """Whether a file or folder, by its name from the folder, stays out."""
        left_out = False
        for rule, out in self._rules:
            if rule.match(name):
                left_out = out
        return left_out


def _expression(parts: list[str]) -> str:
    """A regular expression for a pattern: ``**`` is any number of folders, ``*`` and ``?`` stop at a slash."""
    text = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:.*/)?"
        else:
            text += _part(part) + ("" if last else "/")
    return text


def _part(part: str) -> str:
    text, at = "", 0
    while at < len(part):
        letter = part[at]
        close = part.find("]", at + 2) if letter == "[" else -1
        if letter == "*":
            at += part[at : at + 2] == "**"  # inside a name, two stars are one
            text += "[^/]*"
        elif letter == "?":
            text += "[^/]"
        elif close > 0:
            text += f"[{part[at + 1 : close]}]"
            at = close
        elif letter == "\\" and at + 1 < len(part):
            at += 1
            text += re.escape(part[at])
        else:
            text += re.escape(letter)
        at += 1
    return text
