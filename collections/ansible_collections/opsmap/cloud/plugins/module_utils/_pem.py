# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the few facts that we need from a certificate in PEM, without a package: end, names, kind of key.

X.509 is a tree in DER; what is read here is RFC 5280, section 4.1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

FIRST = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
ALT_NAMES = bytes([0x55, 0x1D, 0x11])  # 2.5.29.17
RSA = bytes([0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01])  # 1.2.840.113549.1.1.1
EC = bytes([0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01])  # 1.2.840.10045.2.1
VERSION, EXTENSIONS, DNS_NAME, UTC_TIME = 0xA0, 0xA3, 0x82, 0x17  # tags
CENTURY = 50  # two-digit years from here on are of the 20th century


@dataclass(frozen=True)
class Leaf:
    """The first certificate of a chain. ``kind`` is rsa, ecdsa or empty."""

    expires: datetime
    names: tuple[str, ...]
    kind: str

    def covers(self, hostname: str) -> bool:
        """Whether it is for a host name; a wildcard stands for one label."""
        wildcard = "*." + hostname.partition(".")[2]
        return hostname.lower() in self.names or (not hostname.startswith("*") and wildcard.lower() in self.names)


Item = tuple[int, bytes]


def items(data: bytes) -> Iterator[Item]:
    """Tag and content of the items that follow each other in DER."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield tag, data[at : at + size]
        at += size


def _time(item: Item) -> datetime:
    tag, content = item
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if int(text[:2]) >= CENTURY else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)  # noqa: UP017 - runs on older Pythons


def _names(extensions: bytes) -> Iterator[str]:
    for _sequence, content in items(extensions):
        for _tag, extension in items(content):
            parts = list(items(extension))
            if parts[0][1] == ALT_NAMES:
                for _octets, general in items(parts[-1][1]):
                    yield from (name.decode("ascii").lower() for tag, name in items(general) if tag == DNS_NAME)


def leaf(fullchain: str) -> Leaf:
    """The first certificate; ValueError tells why it cannot be read."""
    found = FIRST.search(fullchain)
    if not found:
        raise ValueError("there is no BEGIN CERTIFICATE in it")
    try:
        certificate = base64.b64decode("".join(found.group(1).split()), validate=True)
        signed = next(items(next(items(certificate))[1]))[1]
        fields = [item for item in items(signed) if item[0] != VERSION]
        # serial, signature, issuer, validity, subject, key, then optional ones
        key = next(items(next(items(fields[5][1]))[1]))[1]
        extensions = next((content for tag, content in fields[6:] if tag == EXTENSIONS), b"")
        kind = {RSA: "rsa", EC: "ecdsa"}.get(key, "")
        return Leaf(_time(list(items(fields[3][1]))[1]), tuple(_names(extensions)), kind)
    except (binascii.Error, IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("it is no X.509 certificate") from error
