"""Leases of machines: one holder, a nonce, an end."""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

Lease = dict[str, Any]
OWNER = "someone@example.test"
TTL = 120  # seconds, when none is said; the real default is not documented


class Held(Exception):
    """Somebody else has the lease."""

    def __init__(self, lease: Lease) -> None:
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(lease["expires_at"]))
        super().__init__(f"machine lease currently held by {lease['owner']}, expires at {until}")


def alive(lease: Lease | None) -> Lease | None:
    """The lease, unless it has run out."""
    return lease if lease and lease["expires_at"] > time.time() else None


def check(lease: Lease | None, nonce: str | None) -> None:
    """Raise Held unless the machine is free or the caller holds it."""
    held = alive(lease)
    if held and held["nonce"] != nonce:
        raise Held(held)


def acquire(lease: Lease | None, nonce: str | None, ttl: int, description: str, version: str) -> Lease:
    """A new lease of ``ttl`` seconds, or a later end of the caller's own, with the same nonce."""
    check(lease, nonce)
    held = alive(lease)
    return {
        "nonce": held["nonce"] if held else secrets.token_hex(6),
        "expires_at": math.ceil(time.time() + ttl),
        "owner": OWNER,
        "description": description,
        "version": version,
    }
