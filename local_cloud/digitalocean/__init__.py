"""The DigitalOcean API as far as managed PostgreSQL goes (reference digitalocean)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import server
from local_cloud.digitalocean.access import Access
from local_cloud.digitalocean.changes import Changes
from local_cloud.digitalocean.clusters import Clusters
from local_cloud.digitalocean.contents import Contents
from local_cloud.digitalocean.pools import Pools
from local_cloud.digitalocean.replicas import Replicas
from local_cloud.digitalocean.rules import Rules
from local_cloud.digitalocean.settings import Settings
from local_cloud.digitalocean.team import Team

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]


class DigitalOcean:
    """All parts of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.access = Access(cloud)
        self.clusters = Clusters(cloud)
        self.changes = Changes(self.clusters)
        self.replicas = Replicas(self.clusters)
        self.settings = Settings(self.clusters)
        self.rules = Rules(self.clusters)

    def build(self) -> web.Application:
        """The application."""
        app = self.cloud.app("digitalocean", self.access.check)
        app.on_response_prepare.append(self.access.headers)
        for verb, path, handler in [*self._cluster_routes(), *self._content_routes(), *self._team_routes()]:
            app.router.add_route(verb, path, handler)
        return app

    def _cluster_routes(self) -> list[Route]:
        clusters, changes, settings = self.clusters, self.changes, self.settings
        one = "/v2/databases/{cluster}"
        return [
            ("GET", "/v2/databases/options", clusters.options),
            ("GET", "/v2/databases", clusters.index),
            ("POST", "/v2/databases", clusters.create),
            ("GET", one, clusters.get),
            ("DELETE", one, clusters.delete),
            ("PUT", f"{one}/resize", changes.resize),
            ("PUT", f"{one}/migrate", changes.migrate),
            ("PUT", f"{one}/upgrade", changes.upgrade),
            ("PUT", f"{one}/maintenance", changes.maintenance),
            ("PUT", f"{one}/install_update", changes.install_update),
            *((verb, f"{one}/do_settings", changes.service_names) for verb in ("GET", "PUT")),
            *((verb, f"{one}/config", settings.config) for verb in ("GET", "PATCH")),
            *((verb, f"{one}/autoscale", settings.autoscale) for verb in ("GET", "PUT")),
            ("GET", f"{one}/ca", settings.authority),
            ("GET", f"{one}/events", settings.events),
            ("GET", f"{one}/backups", settings.backups),
            *((verb, f"{one}/firewall", self.rules.firewall) for verb in ("GET", "PUT")),
        ]

    def _content_routes(self) -> list[Route]:
        contents, pools, replicas = Contents(self.clusters), Pools(self.clusters), self.replicas
        one = "/v2/databases/{cluster}"
        return [
            *((verb, f"{one}/dbs", contents.databases) for verb in ("GET", "POST")),
            *((verb, f"{one}/dbs/{{name}}", contents.database) for verb in ("GET", "DELETE")),
            *((verb, f"{one}/users", contents.users) for verb in ("GET", "POST")),
            *((verb, f"{one}/users/{{name}}", contents.user) for verb in ("GET", "PUT", "DELETE")),
            ("POST", f"{one}/users/{{name}}/reset_auth", contents.reset_auth),
            *((verb, f"{one}/pools", pools.all) for verb in ("GET", "POST")),
            *((verb, f"{one}/pools/{{name}}", pools.one) for verb in ("GET", "PUT", "DELETE")),
            *((verb, f"{one}/replicas", replicas.all) for verb in ("GET", "POST")),
            *((verb, f"{one}/replicas/{{name}}", replicas.one) for verb in ("GET", "DELETE")),
            ("PUT", f"{one}/replicas/{{name}}/promote", replicas.promote),
        ]

    def _team_routes(self) -> list[Route]:
        team = Team(self.clusters)
        return [
            ("GET", "/v2/account", team.account),
            ("GET", "/v2/regions", team.regions),
            *((verb, "/v2/tags", team.tags) for verb in ("GET", "POST")),
            *((verb, "/v2/tags/{tag}", team.tag) for verb in ("GET", "DELETE")),
            *((verb, "/v2/tags/{tag}/resources", team.tag_resources) for verb in ("POST", "DELETE")),
            ("GET", "/v2/projects", team.projects),
            ("GET", "/v2/projects/{project}", team.project),
            *((verb, "/v2/projects/{project}/resources", team.project_resources) for verb in ("GET", "POST")),
            ("GET", "/v2/vpcs", team.networks),
            ("GET", "/v2/vpcs/{vpc}", team.network),
        ]

    def control_routes(self) -> list[Route]:
        """What tests and people steer it with."""
        return [
            ("POST", "/digitalocean/backup", self.settings.back_up),
            ("POST", "/digitalocean/token", self.access.make),
        ]

    async def restore(self) -> None:
        """After a start: go on where it was."""
        for cluster in self.cloud.store.list("do_cluster"):
            if cluster.get("gone"):
                await self.clusters.remove(cluster)
            elif cluster["status"] in ("creating", "forking"):
                await self.cloud.docker.remove(server.server(self.cloud, cluster).name)
                await self.cloud.docker.remove_volume(server.server(self.cloud, cluster).name)
                self.cloud.spawn(self.clusters.provision(cluster["id"]))
            elif cluster.get("pending"):
                self.cloud.spawn(self.changes.carry_out(cluster["id"]))
            elif not await server.server(self.cloud, cluster).running():
                most = self.clusters.connections(cluster)
                self.cloud.spawn(server.start(self.cloud, cluster, cluster["rules"], most))
            if cluster["status"] not in ("creating", "forking") and not self.clusters.backups.of(cluster["id"]):
                self.cloud.spawn(self.clusters.first_backup(cluster["id"]))
        for replica in self.cloud.store.list("do_replica"):
            if replica["status"] != "online" or not await server.server(self.cloud, replica).running():
                self.cloud.spawn(self.replicas.provision(replica["id"]))
        self.cloud.spawn(self.rules.keep())

    async def reset(self, cloud: Cloud) -> None:
        """Remove all clusters."""
        for cluster in cloud.store.list("do_cluster"):
            await self.clusters.remove(cluster)


def build(cloud: Cloud) -> web.Application:
    """The application alone, as tests look at it."""
    return DigitalOcean(cloud).build()
