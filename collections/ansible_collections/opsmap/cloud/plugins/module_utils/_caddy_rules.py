# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Caddyfile must not do, and on which line it does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._caddy_routes import Json, Route, routes

PORTS = {"http": "80", "https": "443"}
HEREDOC = re.compile(r"<<(\w+)$")
STAND_IN = "line-{}.invalid"


@dataclass(frozen=True)
class Guard:
    """An upstream that only requests of one method and path may reach."""

    upstream: str
    method: str
    path: str

    def broken_by(self, route: Route) -> bool:
        """Whether a route lets other requests through to it."""
        if self.upstream not in route.upstreams:
            return False
        methods = any(match.method == (self.method,) for match in route.matches)
        paths = any(match.path == (self.path,) for match in route.matches)
        return not (methods and paths) or any(path != self.path for path in route.rewrites)


def problems(
    text: str, adapt: Callable[[str], Json | None], upstreams: list[str] | None, guards: list[Guard]
) -> list[str]:
    """What the rules refuse, each with its line. `adapt` gives Caddy's JSON form of a Caddyfile, or None."""
    config = adapt(text)
    found = routes(config) if config else []
    return [*_unknown(text, found, upstreams), *_unguarded(text, adapt, found, guards)]


def _unknown(text: str, found: list[Route], upstreams: list[str] | None) -> Iterator[str]:
    if upstreams is None:
        return
    for place in dict.fromkeys(place for route in found for place in route.upstreams):
        if place in upstreams:
            continue
        reason = "is taken from the request" if "{" in place else "is no known service"
        lines = _lines_with(text, place)
        yield f"{_at(lines[:1])}upstream {place} {reason}; known are {', '.join(sorted(upstreams))}"


def _unguarded(
    text: str, adapt: Callable[[str], Json | None], found: list[Route], guards: list[Guard]
) -> Iterator[str]:
    for guard in guards:
        if not any(guard.broken_by(route) for route in found):
            continue
        lines = [line for line in _lines_with(text, guard.upstream) if _breaks(text, adapt, guard, line)]
        yield f"{_at(lines)}a route to {guard.upstream} besides {guard.method} {guard.path}"


def _breaks(text: str, adapt: Callable[[str], Json | None], guard: Guard, line: int) -> bool:
    """Whether this line makes the forbidden route: a stand-in for the upstream on this line alone is then reached."""
    host, _sep, port = guard.upstream.rpartition(":")
    lines = text.splitlines()
    lines[line - 1] = lines[line - 1].replace(host, STAND_IN.format(line))
    config = adapt("\n".join(lines) + "\n")
    instead = Guard(f"{STAND_IN.format(line)}:{port}", guard.method, guard.path)
    return config is None or any(instead.broken_by(route) for route in routes(config))


def crowded(text: str) -> list[str]:
    """Ports that more than one site claims, each with the line of the later one."""
    taken: dict[str, int] = {}
    found = []
    for line, addresses in _sites(text):
        for port in dict.fromkeys(_port(address) for address in addresses):
            if port in taken:
                found.append(f"line {line}: a second site on port {port}; the first is on line {taken[port]}")
            taken.setdefault(port, line)
    return found


def _port(address: str) -> str:
    scheme, _sep, rest = address.rpartition("://")
    port = re.search(r":(\d+)$", rest.partition("/")[0])
    return port[1] if port else PORTS.get(scheme, "443")


def _sites(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line and addresses of each site block; global options and snippets are none."""
    depth, pending, first = 0, list[str](), 0
    for line, tokens in _tokens(text):
        opens = tokens[-1] == "{"
        if depth == 0 and tokens != ["}"]:
            first = first if pending else line
            pending += [part for token in tokens if token != "{" for part in token.split(",") if part]
            if opens and pending and not pending[0].startswith(("(", "&(")):
                yield first, pending
            if opens or not tokens[-1].endswith(","):
                pending = []
        depth += opens - (tokens == ["}"])


def _tokens(text: str) -> Iterator[tuple[int, list[str]]]:
    """Words of each line that has any, without comments and without what heredocs hold."""
    until = ""
    for number, line in enumerate(text.splitlines(), 1):
        if until:
            until = "" if line.strip().startswith(until) else until
            continue
        tokens = re.sub(r"(^|\s)#.*", "", line).split()
        if tokens:
            yield number, tokens
            heredoc = HEREDOC.search(tokens[-1])
            until = heredoc[1] if heredoc else ""


def _lines_with(text: str, place: str) -> list[int]:
    """Lines that name a place: host and port, else the host, else what a placeholder is called."""
    short = re.sub(r"\{http\.(?:request\.)?", "{", place)
    host = place.rpartition(":")[0] or place
    inner = re.search(r"([\w-]+)\}", place)
    for name in (place, short, short.rpartition(":")[0], host, inner[1] if inner else ""):
        if name and (lines := lines_of(text, name)):
            return lines
    return []


def lines_of(text: str, name: str) -> list[int]:
    """Lines that have this name, not as a part of another."""
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)")
    return [number for number, tokens in _tokens(text) if any(word.search(token) for token in tokens)]


def _at(lines: list[int]) -> str:
    if not lines:
        return ""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}: "


def as_dicts(found: list[Route]) -> list[dict[str, Any]]:
    """Routes as a module returns them."""
    return [
        {
            "listen": list(route.listen),
            "hosts": list(route.values("host")),
            "methods": list(route.values("method")),
            "paths": list(route.values("path")),
            "when": [text for match in route.matches for text in match.others],
            "answer": route.answer,
        }
        for route in found
        if not route.asks
    ]
