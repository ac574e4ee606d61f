"""Names: of apps, networks, organizations, secrets and volumes (reference fly 2.1, 2.8, 2.9)."""

from __future__ import annotations

import re

ORGS = ("personal", "supercog", "acme")
FOREIGN = ("taken", "elsewhere")  # apps of organizations that our tokens do not reach: one namespace for all
APP = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NETWORK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VOLUME = re.compile(r"[a-z0-9_]{1,30}")


def is_app(name: object) -> bool:
    """Whether an app may be called so."""
    return isinstance(name, str) and bool(APP.fullmatch(name))


def is_network(name: object) -> bool:
    """Whether a private network may be called so."""
    return isinstance(name, str) and bool(NETWORK.fullmatch(name))


def is_secret(name: object) -> bool:
    """Whether a secret may be called so."""
    return isinstance(name, str) and bool(SECRET.fullmatch(name))


def is_volume(name: object) -> bool:
    """Whether a volume may be called so; dashes are refused."""
    return isinstance(name, str) and bool(VOLUME.fullmatch(name))
