"""What the control API changes in Fly's world: room in regions, hosts that do not answer, tokens of a narrower scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.fly.access import KINDS, LIFETIME, Access
from local_cloud.fly.keeper import STATUSES, Keeper
from local_cloud.fly.machines import Machines

Route = tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]


class Steering:
    """Handlers of the control API; a ValueError becomes a 400 there."""

    def __init__(self, machines: Machines, keeper: Keeper, access: Access) -> None:
        self.machines = machines
        self.keeper = keeper
        self.access = access

    def routes(self) -> list[Route]:
        """To be added to the control API."""
        return [
            ("GET", "/fly/capacity", self.capacity),
            ("POST", "/fly/capacity", self.capacity),
            ("POST", "/fly/host", self.host),
            ("POST", "/fly/token", self.token),
        ]

    async def capacity(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            body = await request.json()
            self.machines.capacity.set(str(body["region"]), body["machines"], body.get("status", 409))
        return web.json_response({"capacity": self.machines.capacity.listed()})

    async def host(self, request: web.Request) -> web.Response:
        body = await request.json()
        machine, status = self.machines.runner.load(str(body["machine"])), body["status"]
        if machine is None or machine["state"] == "destroyed":
            raise ValueError(f"there is no machine {body['machine']}")
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}")
        await self.keeper.host(machine, status)
        return web.json_response({"machine": machine["id"], "host_status": status})

    async def token(self, request: web.Request) -> web.Response:
        body = await request.json()
        kind, apps, lifetime = body["kind"], body.get("apps") or [], body.get("seconds", LIFETIME)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if kind == "deploy" and not apps:
            raise ValueError("a deploy token needs apps")
        return web.json_response({"token": self.access.grant(kind, apps, float(lifetime))})
