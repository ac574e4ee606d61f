"""Identifiers and times in the forms that Fly uses."""

from __future__ import annotations

import datetime
import os
import secrets
import time

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_last = 0


def ulid() -> str:
    """26 characters that sort by time, also within a millisecond: instance ids, event ids, request ids."""
    global _last
    number = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    _last = number = max(number, _last + 1)
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5))


def machine_id() -> str:
    """14 hex characters."""
    return secrets.token_hex(7)


def volume_id() -> str:
    """``vol_`` and 16 characters."""
    return "vol_" + secrets.token_hex(8)


def now() -> str:
    """RFC 3339 in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds() -> int:
    """Unix time in milliseconds."""
    return int(time.time() * 1000)
