# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services of an app need of its addresses (reference fly 3.3). Pure: no calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option


@dataclass(frozen=True)
class Door:
    """One external port of a service. ``last`` differs from ``first`` for a range."""

    protocol: str
    first: int
    last: int
    handlers: frozenset[str]
    force_https: bool
    internal: int

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        how = "+".join(sorted(self.handlers)) or "raw"
        return f"{self.protocol.upper()} port {ports}" + (f" ({how})" if self.protocol == "tcp" else "")

    @property
    def shareable(self) -> bool:
        """Whether a shared IPv4 address leads here: by Host header on 80, by the name in TLS on 443.

        Other ports work on a shared address only in part, so they ask for one of their own, as flyctl does.
        """
        if self.protocol != "tcp" or self.first != self.last:
            return False
        if self.first == 80:
            return self.handlers == {"http"}
        return self.first == 443 and "tls" in self.handlers and self.handlers <= {"tls", "http"}

    @property
    def names_its_host(self) -> bool:
        """Whether a shared address can tell at all whom a connection is for."""
        return self.protocol == "tcp" and bool(self.handlers & {"http", "tls"})


def _number(value: Any, what: str) -> int:
    if isinstance(value, bool) or not str(value).isdigit() or not 1 <= int(value) <= 65535:
        raise bad_option("services", f"{what} is {value!r}", "give a port from 1 to 65535")
    return int(value)


def doors(services: Iterable[dict[str, Any]]) -> list[Door]:
    """The external ports of services in the API's words; refuses what is no port."""
    return [door for service in services for door in _doors(service)]


def _doors(service: dict[str, Any]) -> Iterator[Door]:
    protocol = str(service.get("protocol") or "tcp").lower()
    if protocol not in ("tcp", "udp"):
        raise bad_option("services", f"protocol is {protocol!r}", "use tcp or udp")
    for port in service.get("ports") or []:
        first = _number(port.get("port", port.get("start_port")), "port")
        last = _number(port.get("port", port.get("end_port")), "end_port")
        internal = _number(service.get("internal_port"), "internal_port")
        handlers = frozenset(str(handler).lower() for handler in port.get("handlers") or []) - {"tcp"}
        if port.get("force_https") and "http" not in handlers:
            raise bad_option(
                "services", f"port {first} has force_https without the http handler", "add http to handlers"
            )
        if protocol == "udp" and not first == last == internal:
            hint = f"listen on {first} too: UDP packets keep their port on the way in"
            raise bad_option("services", f"UDP port {first} leads to internal_port {internal}", hint)
        yield Door(protocol, first, last, handlers, bool(port.get("force_https")), internal)
