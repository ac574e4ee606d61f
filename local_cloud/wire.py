"""Bytes before the first request: PROXY protocol, TLS ClientHello, and the ports inside the container."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from local_cloud.routes import PROTOCOLS, VERSIONS, Place

RELAY_PORT, GUARD_PORT, REGISTRY_PORT, FLYCAST_PORT, PLAIN_PORT, BRIDGE_PORT = 7001, 7002, 7003, 7004, 7005, 7006
MOTO_PORT = 7007
TLS_PORT = 7010  # the first of one per variant of versions and protocols
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # what a PostgreSQL client sends before TLS

VARIANTS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (versions, protocols)
    for versions in (VERSIONS, VERSIONS[:1], VERSIONS[1:])
    for protocols in (PROTOCOLS, PROTOCOLS[:1], PROTOCOLS[1:])
]


def line(client: str, port: int, address: str, outside: int) -> bytes:
    """A PROXY protocol line (version 1)."""
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {address} {port} {outside}\r\n".encode()


def block(client: str, port: int, address: str, outside: int) -> bytes:
    """A PROXY protocol block (version 2)."""
    six = ":" in client
    family = socket.AF_INET6 if six else socket.AF_INET
    ends = socket.inet_pton(family, client) + socket.inet_pton(family, address)
    body = ends + port.to_bytes(2, "big") + outside.to_bytes(2, "big")
    return SIGNATURE + bytes([0x21, 0x21 if six else 0x11]) + len(body).to_bytes(2, "big") + body


def proxy_header(place: Place, client: str, ips: list[dict[str, Any]], port: int = 0) -> bytes:
    """What the ``proxy_proto`` handler sends first; nothing without it."""
    if "proxy_proto" not in place.handlers:
        return b""
    wanted = ipaddress.ip_address(client).version
    own = [item["ip"] for item in ips if not item["egress"] and ipaddress.ip_address(item["ip"]).version == wanted]
    address = own[0] if own else {4: "127.0.0.1", 6: "::1"}[wanted]
    outside = int(place.spec.get("port") or place.spec.get("start_port") or 0)
    version = str((place.spec.get("proxy_proto_options") or {}).get("version") or "v1")
    return (block if version == "v2" else line)(client, port, address, outside)


def whole_hello(data: bytes) -> bool:
    """Whether these bytes hold all of a ClientHello."""
    return len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big")


def server_name(data: bytes) -> str:
    """The host name in a ClientHello, or ''."""
    try:
        at = 5 + 4 + 2 + 32  # record, handshake, version, random
        at += 1 + data[at]  # session id
        at += 2 + int.from_bytes(data[at : at + 2], "big")  # ciphers
        at += 1 + data[at]  # compression
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        at += 2
        while at + 4 <= end:
            kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
            if kind == 0:
                length = int.from_bytes(data[at + 7 : at + 9], "big")
                return data[at + 9 : at + 9 + length].decode("ascii").lower()
            at += 4 + size
    except (IndexError, UnicodeDecodeError):
        return ""
    return ""


def host_header(data: bytes) -> str:
    """The Host of a request whose beginning this is, or ''."""
    for text in data.split(b"\r\n")[1:]:
        name, _, value = text.partition(b":")
        if name.strip().lower() == b"host":
            return value.strip().decode("latin-1").rsplit(":", 1)[0].lower()
    return ""


def is_request(data: bytes) -> bool:
    """Whether these bytes begin an HTTP request, as far as can be seen."""
    first, ended, _ = data.partition(b"\r\n")
    method = first.split(b" ", 1)[0]
    return method.isalpha() and method.isupper() and len(method) <= 16 and (not ended or b" HTTP/1." in first)
