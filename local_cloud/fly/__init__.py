"""The Fly Machines API (reference: machines API under /v1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud, bearer, same
from local_cloud.fly.actions import Actions
from local_cloud.fly.apps import Apps
from local_cloud.fly.ids import ulid
from local_cloud.fly.machines import Machines
from local_cloud.fly.platform import listed
from local_cloud.fly.runner import Runner
from local_cloud.fly.snapshots import Snapshots
from local_cloud.fly.vault import Vault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fly:
    """The service: its handlers, and the runner behind them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.runner = Runner(cloud)
        self.machines = Machines(cloud, self.runner)
        self.apps = Apps(self.machines)

    def build(self) -> web.Application:
        """The application."""

        def authorized(request: web.Request) -> web.Response | None:
            if request.path == "/v1/platform/regions":
                return None
            if same(bearer(request, "Bearer", "FlyV1"), self.cloud.settings.tokens["fly"]):
                return None
            return web.json_response({"message": "Unauthorized"}, status=401)

        app = self.cloud.app("fly", authorized)
        app.on_response_prepare.append(_request_id)
        self._routes(app.router)
        self._machine_routes(app.router)
        return app

    def _routes(self, router: web.UrlDispatcher) -> None:
        apps, vault, volumes = self.apps, Vault(self.machines), self.apps.volumes
        ips, certificates, snapshots = apps.addresses, apps.certificates, Snapshots(volumes)
        one = "/v1/apps/{app}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/platform/regions", self.regions),
            ("GET", "/v1/tokens/current", self.tokens),
            ("GET", "/v1/orgs/{org}/machines", self.org_machines),
            ("GET", "/v1/orgs/{org}/volumes", volumes.of_org),
            ("GET", "/v1/apps", apps.index),
            ("POST", "/v1/apps", apps.create),
            ("GET", one, apps.get),
            ("DELETE", one, apps.delete),
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
        machines, actions = self.machines, Actions(self.machines)
        many = "/v1/apps/{app}/machines"
        one = many + "/{machine}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", many, machines.list),
            ("POST", many, machines.create),
            ("GET", one, machines.get),
            ("POST", one, machines.update),
            ("DELETE", one, machines.delete),
            ("GET", f"{one}/versions", machines.versions),
            ("GET", f"{one}/events", machines.events),
            *((verb, f"{one}/lease", machines.lease) for verb in ("GET", "POST", "DELETE")),
            *((verb, f"{one}/metadata", machines.metadata) for verb in ("GET", "PUT", "PATCH")),
            *((verb, f"{one}/metadata/{{key}}", machines.metadata_key) for verb in ("GET", "POST", "DELETE")),
            ("GET", f"{one}/wait", actions.wait),
            ("POST", f"{one}/start", actions.start),
            ("POST", f"{one}/stop", actions.stop),
            ("POST", f"{one}/suspend", actions.suspend),
            ("POST", f"{one}/restart", actions.restart),
            ("POST", f"{one}/signal", actions.signal),
            ("POST", f"{one}/exec", actions.execute),
            ("POST", f"{one}/cordon", actions.cordon),
            ("POST", f"{one}/uncordon", actions.cordon),
        ]
        for verb, path, handler in table:
            router.add_route(verb, path, handler)

    async def regions(self, request: web.Request) -> web.Response:
        return web.json_response({"Regions": listed(), "Nearest": "ewr"})

    async def tokens(self, request: web.Request) -> web.Response:
        token = {"token_id": "1", "org_slug": "personal", "organization": "personal", "apps": [], "user": ""}
        return web.json_response({"tokens": [token]})

    async def org_machines(self, request: web.Request) -> web.Response:
        apps = {a["name"] for a in self.cloud.store.list("app") if a["org"] == request.match_info["org"]}
        found = [m for m in self.cloud.store.list("machine") if m["app"] in apps and m["state"] != "destroyed"]
        items = [{**self.machines.show(m), "app_name": m["app"]} for m in found]
        return web.json_response({"machines": items, "next_cursor": "", "error_regions": []})

    async def reset(self, cloud: Cloud) -> None:
        """Remove all apps with their machines and volumes."""
        for machine in cloud.store.list("machine"):
            await self.runner.destroy(machine["id"])
        for kind in ("volume", "snapshot"):
            for item in cloud.store.list(kind):
                await cloud.docker.remove_volume(self.runner.volume(item["id"]))


async def _request_id(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["fly-request-id"] = f"{ulid()}-ewr"
