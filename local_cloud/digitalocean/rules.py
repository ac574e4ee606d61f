"""Trusted sources (reference digitalocean 5)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import uuid
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.digitalocean.errors import do_error
from local_cloud.fly.ids import now
from local_cloud.problems import json_body

TYPES = ("droplet", "k8s", "ip_addr", "tag", "app")
MOST = 100
LOOK_SECONDS = 0.5
log = logging.getLogger("local_cloud.digitalocean")


def made_rules(cluster: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules as they are kept: every write gives them new uuids."""
    if len(given) > MOST:
        raise do_error(422, f"at most {MOST} rules are allowed")
    return [_rule(cluster, rule) for rule in given]


def _rule(cluster: str, rule: dict[str, Any]) -> dict[str, Any]:
    kind, value = rule.get("type"), rule.get("value")
    if kind not in TYPES or not isinstance(value, str) or not value:
        raise do_error(422, "invalid rule: type and value are required")
    if kind == "ip_addr":
        try:
            ipaddress.IPv4Network(value, strict=False)
        except ValueError:
            raise do_error(422, f"invalid ip_addr {value}: only IPv4 is supported") from None
    elif kind in ("k8s", "app"):
        try:
            uuid.UUID(value)
        except ValueError:
            raise do_error(422, f"invalid {kind} {value}: it is no uuid") from None
    elif kind == "droplet" and not value.isdecimal():
        raise do_error(422, f"invalid droplet {value}: it is no id")
    extra = {"description": rule["description"]} if rule.get("description") else {}
    made = {"uuid": str(uuid.uuid4()), "cluster_uuid": cluster, "created_at": now()}
    return {**made, "type": kind, "value": value, **extra}


class Rules:
    """Handlers. clusters: the class of the module of that name, which needs this one."""

    def __init__(self, clusters: Any) -> None:
        self.clusters = clusters
        self.cloud: Cloud = clusters.cloud

    async def firewall(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request, online=request.method == "PUT")
        if request.method == "GET":
            return web.json_response({"rules": cluster["rules"]})
        rules = made_rules(cluster["id"], (await json_body(request)).get("rules") or [])
        self.clusters.become(cluster["id"], rules=rules)
        await self.clusters.reload(cluster["id"])
        return web.Response(status=204)

    async def keep(self) -> None:
        """Follow the machines of apps whose egress addresses are trusted."""
        stamp: tuple[int, ...] = ()
        while True:
            seen = self.cloud.store.stamp("ip", "machine")
            if seen != stamp:
                await self._align()
                stamp = seen
            await asyncio.sleep(LOOK_SECONDS)

    async def _align(self) -> None:
        egress = {item["ip"] for item in self.cloud.store.list("ip") if item["egress"]}
        for cluster in self.cloud.store.list("do_cluster"):
            if egress & {rule["value"].removesuffix("/32") for rule in cluster["rules"]}:
                try:
                    await self.clusters.reload(cluster["id"])
                except Exception:  # a server that restarts meanwhile reads the rules anyway, the next look repairs it
                    log.exception("trusted sources of %s", cluster["name"])
