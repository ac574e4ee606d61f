"""The DigitalOcean API as far as managed PostgreSQL goes (reference digitalocean)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud, bearer, same
from local_cloud.digitalocean.clusters import Clusters
from local_cloud.digitalocean.contents import Contents
from local_cloud.digitalocean.errors import body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(cloud: Cloud) -> web.Application:
    """The application."""

    def authorized(request: web.Request) -> web.Response | None:
        if same(bearer(request, "Bearer"), cloud.settings.tokens["digitalocean"]):
            return None
        return web.json_response(body(401, "Unable to authenticate you"), status=401)

    clusters = Clusters(cloud)
    contents = Contents(cloud, clusters)
    app = cloud.app("digitalocean", authorized)
    one = "/v2/databases/{cluster}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/v2/account", account),
        ("GET", "/v2/databases/options", clusters.options),
        ("GET", "/v2/databases", clusters.index),
        ("POST", "/v2/databases", clusters.create),
        ("GET", one, clusters.get),
        ("DELETE", one, clusters.delete),
        ("PUT", f"{one}/resize", clusters.resize),
        ("PUT", f"{one}/migrate", clusters.migrate),
        ("PUT", f"{one}/upgrade", clusters.upgrade),
        ("PUT", f"{one}/maintenance", clusters.maintenance),
        *((verb, f"{one}/config", clusters.config) for verb in ("GET", "PATCH")),
        ("GET", f"{one}/ca", clusters.authority),
        ("GET", f"{one}/backups", clusters.backups),
        *((verb, f"{one}/dbs", contents.databases) for verb in ("GET", "POST")),
        *((verb, f"{one}/dbs/{{name}}", contents.database) for verb in ("GET", "DELETE")),
        *((verb, f"{one}/users", contents.users) for verb in ("GET", "POST")),
        *((verb, f"{one}/users/{{name}}", contents.user) for verb in ("GET", "PUT", "DELETE")),
        ("POST", f"{one}/users/{{name}}/reset_auth", contents.reset_auth),
        *((verb, f"{one}/firewall", contents.firewall) for verb in ("GET", "PUT")),
        ("POST", "/v2/tags", clusters.make_tag),
        *((verb, "/v2/tags/{tag}/resources", clusters.tag) for verb in ("POST", "DELETE")),
    ]
    for verb, path, handler in table:
        app.router.add_route(verb, path, handler)
    return app


async def account(request: web.Request) -> web.Response:
    return web.json_response({"account": {"email": "local@opsmap.invalid", "status": "active", "droplet_limit": 25}})


async def restore(cloud: Cloud) -> None:
    """After a start: go on where it was."""
    await Clusters(cloud).restore()


async def reset(cloud: Cloud) -> None:
    """Remove all clusters."""
    await Clusters(cloud).reset()
