"""What tests tell the emulated Fly about the world outside: DNS, and hosts without room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.platform import REGIONS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RECORDS = ("configured", "acme_challenge", "ownership")


def routes(cloud: Cloud) -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each, for the control API; a ValueError becomes its 400."""

    async def dns(request: web.Request) -> web.Response:
        """``hostname``, and which of its records are there: configured (address), acme_challenge, ownership."""
        body = await request.json()
        unknown = set(body) - {"hostname", *RECORDS}
        if unknown or not body.get("hostname"):
            raise ValueError(f"give hostname and any of {', '.join(RECORDS)}; unknown: {', '.join(sorted(unknown))}")
        if any(not isinstance(body.get(key, False), bool) for key in RECORDS):
            raise ValueError(f"{', '.join(RECORDS)} must be true or false")
        host = str(body["hostname"]).lower()
        told = {**(cloud.store.get("dns", host) or {}), **body, "hostname": host}
        return web.json_response(cloud.store.put("dns", host, told))

    async def full(request: web.Request) -> web.Response:
        """``region``, ``full``: volumes made there without a ``compute`` hint get no machine from then on."""
        body = await request.json()
        if body.get("region") not in REGIONS or not isinstance(body.get("full"), bool):
            raise ValueError("give region (one of Fly's) and full (true or false)")
        return web.json_response(cloud.store.put("full", body["region"], body))

    return [("POST", "/fly/dns", dns), ("POST", "/fly/full", full)]
