"""The Fly Machines API (reference: machines API under /v1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly import control_routes, errors, limits
from local_cloud.fly.access import Access
from local_cloud.fly.actions import Actions
from local_cloud.fly.apps import Apps
from local_cloud.fly.attributes import Attributes
from local_cloud.fly.ids import ulid
from local_cloud.fly.inside import Inside
from local_cloud.fly.keeper import Keeper
from local_cloud.fly.listing import Listing
from local_cloud.fly.machines import Machines
from local_cloud.fly.platform import listed
from local_cloud.fly.runner import Runner
from local_cloud.fly.snapshots import Snapshots
from local_cloud.fly.steering import Route, Steering
from local_cloud.fly.vault import Vault
from local_cloud.fly.waiting import Waiting

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fly:
    """The service: its handlers, and the runner behind them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.runner = Runner(cloud)
        self.machines = Machines(cloud, self.runner)
        self.apps = Apps(self.machines)
        self.snapshots = Snapshots(self.apps.volumes)
        self.access = Access(cloud)
        self.keeper = Keeper(cloud, self.runner)

    def build(self) -> web.Application:
        """The application."""
        app = self.cloud.app("fly", self.access.check)
        app.middlewares.extend([errors.worded, limits.middleware(self.cloud)])
        app.on_response_prepare.append(_request_id)
        self._routes(app.router)
        self._machine_routes(app.router)
        return app

    def control_routes(self) -> list[Route]:
        """What the control API steers here."""
        return [*Steering(self.machines, self.keeper, self.access).routes(), *control_routes.routes(self.cloud)]

    def _routes(self, router: web.UrlDispatcher) -> None:
        apps, vault, volumes = self.apps, Vault(self.machines), self.apps.volumes
        ips, certificates, snapshots = apps.addresses, apps.certificates, self.snapshots
        one = "/v1/apps/{app}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/platform/regions", self.regions),
            ("POST", "/v1/platform/placements", self.machines.capacity.place),
            ("GET", "/v1/tokens/current", self.access.current),
            ("GET", "/v1/orgs/{org}/machines", Listing(self.machines).of_org),
            ("GET", "/v1/orgs/{org}/volumes", volumes.of_org),
            ("GET", "/v1/apps", apps.index),
            ("POST", "/v1/apps", apps.create),
            ("GET", one, apps.get),
            ("DELETE", one, apps.delete),
            ("POST", f"{one}/deploy_token", self.access.deploy_token),
            ("GET", f"{one}/ip_assignments", ips.list),
            ("POST", f"{one}/ip_assignments", ips.assign),
            ("DELETE", f"{one}/ip_assignments/{{ip}}", ips.release),
            ("GET", f"{one}/certificates", certificates.list),
            ("POST", f"{one}/certificates/acme", certificates.add),
            ("POST", f"{one}/certificates/custom", certificates.add),
            ("GET", f"{one}/certificates/{{hostname}}", certificates.get),
            ("POST", f"{one}/certificates/{{hostname}}/check", certificates.check),
            ("DELETE", f"{one}/certificates/{{hostname}}", certificates.delete),
            ("DELETE", f"{one}/certificates/{{hostname}}/acme", certificates.delete_acme),
            ("DELETE", f"{one}/certificates/{{hostname}}/custom", certificates.delete_custom),
            ("GET", f"{one}/secrets", vault.list),
            ("POST", f"{one}/secrets", vault.bulk),
            *((verb, f"{one}/secrets/{{name}}", vault.one) for verb in ("GET", "POST", "DELETE")),
            ("GET", f"{one}/volumes", volumes.list),
            ("POST", f"{one}/volumes", volumes.create),
            ("GET", f"{one}/volumes/{{volume}}", volumes.get),
            ("PUT", f"{one}/volumes/{{volume}}", volumes.update),
            ("DELETE", f"{one}/volumes/{{volume}}", volumes.delete),
            ("PUT", f"{one}/volumes/{{volume}}/extend", volumes.extend),
            ("GET", f"{one}/volumes/{{volume}}/snapshots", snapshots.list),
            ("POST", f"{one}/volumes/{{volume}}/snapshots", snapshots.create),
        ]
        for verb, path, handler in table:
            router.add_route(verb, path, handler)

    def _machine_routes(self, router: web.UrlDispatcher) -> None:
        machines, actions, attributes = self.machines, Actions(self.machines), Attributes(self.machines)
        inside = Inside(self.machines)
        many = "/v1/apps/{app}/machines"
        one = many + "/{machine}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", many, Listing(machines).of_app),
            ("POST", many, machines.create),
            ("GET", one, machines.get),
            ("POST", one, machines.update),
            ("DELETE", one, machines.delete),
            ("GET", f"{one}/versions", attributes.versions),
            ("GET", f"{one}/events", attributes.events),
            ("GET", f"{one}/lease", attributes.lease),
            ("POST", f"{one}/lease", attributes.acquire),
            ("DELETE", f"{one}/lease", attributes.release),
            *((verb, f"{one}/metadata", attributes.metadata) for verb in ("GET", "PUT", "PATCH")),
            *((verb, f"{one}/metadata/{{key}}", attributes.metadata_key) for verb in ("GET", "POST", "DELETE")),
            ("GET", f"{one}/wait", Waiting(machines).wait),
            *(("POST", f"{one}/{name}", getattr(actions, name)) for name in ("start", "stop", "suspend", "restart")),
            ("POST", f"{one}/signal", actions.signal),
            *(("POST", f"{one}/{name}", actions.cordon) for name in ("cordon", "uncordon")),
            ("POST", f"{one}/exec", inside.execute),
            ("GET", f"{one}/ps", inside.processes),
            *((verb, f"{one}/memory", inside.memory) for verb in ("GET", "PUT")),
            ("POST", f"{one}/memory/reclaim", inside.reclaim),
        ]
        for verb, path, handler in table:
            router.add_route(verb, path, handler)

    async def regions(self, request: web.Request) -> web.Response:
        return web.json_response({"Regions": listed(), "Nearest": "ewr"})

    async def reset(self, cloud: Cloud) -> None:
        """Remove all apps with their machines and volumes."""
        for machine in cloud.store.list("machine"):
            await self.runner.destroy(machine["id"])
        for kind in ("volume", "snapshot"):
            for item in cloud.store.list(kind):
                await cloud.docker.remove_volume(self.runner.volume(item["id"]))


async def _request_id(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["fly-request-id"] = f"{ulid()}-ewr"
