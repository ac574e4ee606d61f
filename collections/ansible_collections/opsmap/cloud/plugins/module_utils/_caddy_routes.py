# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Caddy config does with requests: one route per way to an answer.

Read from Caddy's JSON form, in which imports, snippets and variables have been resolved by Caddy itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

Json = dict[str, Any]
KNOWN = ("host", "path", "method")


@dataclass(frozen=True)
class Match:
    """All that must hold of a request at one level. Empty tuples: anything."""

    host: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """A way to an answer.

    listen: addresses of the server.
    matches: what must hold, outermost first.
    answer: who answers, in words.
    upstreams: `host:port` of those that it is handed to; several if a map chooses.
    asks: the upstream is asked on the way, as forward_auth does; others answer.
    rewrites: paths that it was given on the way.
    """

    listen: tuple[str, ...]
    matches: tuple[Match, ...]
    answer: str = ""
    upstreams: tuple[str, ...] = ()
    asks: bool = False
    rewrites: tuple[str, ...] = ()

    def values(self, kind: str) -> tuple[str, ...]:
        """The innermost hosts, paths or methods that are asked for."""
        found = [getattr(match, kind) for match in self.matches if getattr(match, kind)]
        return tuple(found[-1]) if found else ()


@dataclass
class _Way:
    """Where the walk is."""

    route: Route
    maps: list[Json]
    root: str = ""
    rewrites: tuple[str, ...] = field(default=())


def routes(config: Json) -> list[Route]:
    """All routes of a config, in Caddy's order."""
    found: list[Route] = []
    for server in _servers(config):
        maps = list(_handlers(server, "map"))
        way = _Way(Route(tuple(server.get("listen", ())), ()), maps)
        found += _walk([*server.get("routes", []), *server.get("named_routes", {}).values()], way)
        found += _walk(server.get("errors", {}).get("routes", []), replace(way, route=_failed(way.route)))
    return found


def _servers(config: Json) -> list[Json]:
    return list(config.get("apps", {}).get("http", {}).get("servers", {}).values())


def _failed(route: Route) -> Route:
    return replace(route, matches=(*route.matches, Match(others=("an error",))))


def _handlers(value: Any, name: str) -> Iterator[Json]:
    """Every handler of this name, at any depth."""
    if isinstance(value, dict):
        if value.get("handler") == name:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _handlers(item, name)


def _walk(listed: list[Json], way: _Way) -> Iterator[Route]:
    """Root and rewrites hold for what follows in the same list."""
    way = replace(way)
    for entry in listed:
        for match in [_match(one) for one in entry.get("match") or [{}]]:
            matches = way.route.matches if match == Match() else (*way.route.matches, match)
            inner = replace(way, route=replace(way.route, matches=matches))
            for handler in entry.get("handle", []):
                yield from _handle(handler, inner)
            way.root, way.rewrites = inner.root, inner.rewrites


def _match(one: Json) -> Match:
    plain = {kind: tuple(one.get(kind, ())) for kind in KNOWN}
    return Match(**plain, others=tuple(_words(name, value) for name, value in one.items() if name not in KNOWN))


def _words(name: str, value: Any) -> str:
    """A matcher in words, as a person would look for it in the Caddyfile."""
    if name == "not":
        return "not " + " or ".join(" ".join(_words(*item) for item in one.items()) for one in value)
    if name == "file":
        return f"file {value.get('root', '')}{(value.get('try_files') or [''])[0]}"
    if name == "remote_ip":
        return f"from {' '.join(value.get('ranges', []))}"
    if name == "header_regexp":
        return " ".join(f"{header} has {regexp.get('pattern')}" for header, regexp in value.items())
    return f"{name} {' '.join(value) if isinstance(value, list) else ''}".strip()


def _handle(handler: Json, way: _Way) -> Iterator[Route]:
    kind = handler.get("handler")
    if kind == "subroute":
        yield from _walk(handler.get("routes", []), way)
        yield from _walk(handler.get("errors", {}).get("routes", []), replace(way, route=_failed(way.route)))
    elif kind == "vars":
        way.root = str(handler.get("root", way.root))
    elif kind == "rewrite":
        if path := handler.get("uri") or handler.get("strip_path_prefix") or handler.get("path_regexp"):
            way.rewrites = (*way.rewrites, str(path))
    elif kind == "reverse_proxy":
        yield from _proxied(handler, way)
    elif kind == "intercept":
        for response in handler.get("handle_response", []):
            yield from _walk(response.get("routes", []), way)
    elif kind in ("static_response", "error"):
        status = str(handler.get("status_code", 200))
        text = "the error's status" if "{" in status else f"{status} {handler.get('body', '')}".strip()
        yield replace(way.route, answer=text)
    elif kind == "file_server":
        files = f"files in {handler.get('root', way.root)}"
        yield replace(way.route, answer=f"{handler.get('status_code', '')} {files}".strip())
    elif kind == "metrics":
        yield replace(way.route, answer="metrics of Caddy")


def _proxied(handler: Json, way: _Way) -> Iterator[Route]:
    upstreams = tuple(dict.fromkeys(_upstreams(handler, way.maps)))
    changed = handler.get("rewrite", {}).get("uri")
    rewrites = (*way.rewrites, changed) if changed else way.rewrites
    asks = bool(handler.get("handle_response"))
    yield replace(way.route, answer=" or ".join(upstreams), upstreams=upstreams, asks=asks, rewrites=rewrites)
    for response in handler.get("handle_response", []):
        yield from _walk(response.get("routes", []), way)


def _upstreams(handler: Json, maps: list[Json]) -> Iterator[str]:
    for upstream in handler.get("upstreams", []):
        yield from _resolved(str(upstream.get("dial", "")), maps)
    yield from _dynamic(handler.get("dynamic_upstreams"), maps)
    transport = handler.get("transport", {})
    if proxy := transport.get("network_proxy", {}).get("url") or transport.get("forward_proxy_url"):
        yield str(proxy)


def _dynamic(source: Json | None, maps: list[Json]) -> Iterator[str]:
    if source is None:
        return
    if source.get("source") == "a":
        yield from _resolved(f"{source.get('name')}:{source.get('port') or 80}", maps)
    elif source.get("source") == "multi":
        for one in source.get("sources", []):
            yield from _dynamic(one, maps)
    else:
        yield f"{source.get('source')} {source.get('name', '')}".strip()


def _resolved(place: str, maps: list[Json]) -> Iterator[str]:
    """The place with what maps put into it; placeholders that no map makes stay."""
    used = [one for one in maps if any(name in place for name in one.get("destinations", []))]
    tables = [[one.get("defaults") or [], *(row.get("outputs", []) for row in one.get("mappings", []))] for one in used]
    for rows in product(*tables):
        text = place
        for one, row in zip(used, rows, strict=True):
            for name, value in zip(one["destinations"], row, strict=False):
                text = text.replace(name, str(value))
        yield text
