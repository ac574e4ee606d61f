"""What clients and machines ask the proxy for: steering headers and ``fly-replay`` (reference fly 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from local_cloud.balance import Wish
from local_cloud.http1 import Head

HOPS = 5  # replays of one request


@dataclass(frozen=True)
class Replay:
    """A machine's wish that another one answers."""

    wish: Wish
    app: str = ""
    state: str = ""
    fallback: str = ""  # force_self or prefer_self: the sender answers when nobody else can


def steering(head: Head) -> Wish:
    """What the client asks for."""
    return Wish(
        instance=head.get("fly-force-instance-id"),
        prefer_instance=head.get("fly-prefer-instance-id") or head.get("fly-prefer-instance"),
        prefer_region=head.get("fly-prefer-region").split(",")[0].strip(),
    )


def replay(value: str, sender: str) -> Replay | None:
    """The header's meaning; None when it names no target that we know."""
    fields = dict(part.strip().partition("=")[::2] for part in value.split(";") if part.strip())
    elsewhere = fields.get("elsewhere") == "true"
    if not elsewhere and not {"instance", "prefer_instance", "region", "app"} & fields.keys():
        return None
    wish = Wish(
        instance=fields.get("instance", ""),
        region=fields.get("region", "").split(",")[0],
        prefer_instance=fields.get("prefer_instance", ""),
        elsewhere_than=sender if elsewhere else "",
    )
    return Replay(wish, fields.get("app", ""), fields.get("state", ""), fields.get("fallback", ""))
