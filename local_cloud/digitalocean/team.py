"""What a team has beside clusters: account, regions, tags, projects, VPCs. Their lists come in pages (reference digitalocean 1)."""

from __future__ import annotations

import re
import uuid
from typing import Any

from aiohttp import web

from local_cloud.digitalocean.catalogue import REGIONS
from local_cloud.digitalocean.clusters import PROJECT, Cluster, Clusters, network_of
from local_cloud.digitalocean.errors import do_error, missing
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.store import Store

Document = dict[str, Any]
DEFAULT_PAGE, LARGEST_PAGE = 20, 200
OWNER = str(uuid.uuid5(uuid.NAMESPACE_DNS, "owner"))


def paged(request: web.Request, key: str, items: list[Document]) -> web.Response:
    """One page of a list, with the links to the others."""
    try:
        number, size = int(request.query.get("page", 1)), int(request.query.get("per_page", DEFAULT_PAGE))
    except ValueError:
        raise do_error(422, "page and per_page must be numbers") from None
    if number < 1 or not 1 <= size <= LARGEST_PAGE:
        raise do_error(422, f"page starts at 1, per_page is from 1 to {LARGEST_PAGE}")
    last = max(1, -(-len(items) // size))
    wanted = {"first": 1, "prev": number - 1} if number > 1 else {}
    wanted |= {"next": number + 1, "last": last} if number < last else {}
    base = f"{request.scheme}://{request.host}{request.path}"
    links = {"pages": {name: f"{base}?page={page}&per_page={size}" for name, page in wanted.items()}} if wanted else {}
    page = items[(number - 1) * size : number * size]
    return web.json_response({key: page, "links": links, "meta": {"total": len(items)}})


class Team:
    """Handlers."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters

    @property
    def store(self) -> Store:
        return self.clusters.cloud.store

    async def account(self, request: web.Request) -> web.Response:
        shown = {"email": "local@opsmap.invalid", "status": "active", "droplet_limit": 25, "floating_ip_limit": 5}
        more = {"uuid": OWNER, "email_verified": True, "status_message": ""}
        return web.json_response({"account": {**shown, **more}})

    async def regions(self, request: web.Request) -> web.Response:
        made = [{"name": slug, "slug": slug, "features": [], "available": True, "sizes": []} for slug in REGIONS]
        return paged(request, "regions", made)

    def _tagged(self, tag: str) -> list[Cluster]:
        found = [one for kind in ("do_cluster", "do_replica") for one in self.store.list(kind)]
        return [one for one in found if tag.lower() in map(str.lower, one["tags"])]

    def _tag(self, name: str) -> Document:
        last = [f"https://api.digitalocean.com/v2/databases/{one['id']}" for one in self._tagged(name)][-1:]
        count: Document = {"count": len(self._tagged(name)), **({"last_tagged_uri": last[0]} if last else {})}
        return {"name": name, "resources": {**count, "databases": count}}

    def _tags(self) -> list[str]:
        """Tags made by themselves and with clusters; the first casing stays."""
        with_clusters = [
            tag for kind in ("do_cluster", "do_replica") for one in self.store.list(kind) for tag in one["tags"]
        ]
        names: dict[str, str] = {}
        for name in [*(item["name"] for item in self.store.list("do_tag")), *with_clusters]:
            names.setdefault(name.lower(), name)
        return list(names.values())

    async def tags(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return paged(request, "tags", [self._tag(name) for name in self._tags()])
        name = str((await json_body(request)).get("name") or "")
        if not re.fullmatch(r"[A-Za-z0-9_:-]{1,255}", name):
            raise do_error(422, "invalid tag name")
        kept = next((one for one in self._tags() if one.lower() == name.lower()), name)
        self.store.put("do_tag", kept.lower(), {"name": kept})
        return web.json_response({"tag": self._tag(kept)}, status=201)

    async def tag(self, request: web.Request) -> web.Response:
        """GET and DELETE /v2/tags/{tag}."""
        name = self._known(request)
        if request.method == "GET":
            return web.json_response({"tag": self._tag(name)})
        self.store.delete("do_tag", name.lower())
        for one in self._tagged(name):
            self._set(one, [tag for tag in one["tags"] if tag.lower() != name.lower()])
        return web.Response(status=204)

    def _known(self, request: web.Request) -> str:
        wanted = request.match_info["tag"]
        found = next((one for one in self._tags() if one.lower() == wanted.lower()), None)
        if found is None:
            raise missing()
        return found

    def _set(self, one: Cluster, tags: list[str]) -> None:
        self.store.put("do_replica" if "cluster" in one else "do_cluster", one["id"], {**one, "tags": tags})

    async def tag_resources(self, request: web.Request) -> web.Response:
        """POST or DELETE /v2/tags/{tag}/resources."""
        tag = self._known(request)
        resources = (await json_body(request)).get("resources") or []
        found = [(self._resource(item.get("resource_id", "")), item.get("resource_type")) for item in resources]
        if any(one is None or kind != "database" for one, kind in found):
            raise missing()
        self.store.put("do_tag", tag.lower(), {"name": tag})
        for one, _kind in found:
            if one:
                kept = [other for other in one["tags"] if other.lower() != tag.lower()]
                self._set(one, [*kept, tag] if request.method == "POST" else kept)
        return web.Response(status=204)

    def _resource(self, number: str) -> Cluster | None:
        return self.store.get("do_cluster", number) or self.store.get("do_replica", number)

    def _projects(self) -> list[Document]:
        """The default one, and those that clusters were given: any uuid is a project here."""
        ids = dict.fromkeys([PROJECT, *(one["project_id"] for one in self.store.list("do_cluster"))])
        fixed = {"owner_uuid": OWNER, "owner_id": 7001, "purpose": "Web Application", "environment": "Development"}
        fixed |= {"description": "", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
        return [
            {**fixed, "id": one, "name": "local" if one == PROJECT else one, "is_default": one == PROJECT}
            for one in ids
        ]

    async def projects(self, request: web.Request) -> web.Response:
        return paged(request, "projects", self._projects())

    async def project(self, request: web.Request) -> web.Response:
        wanted = request.match_info["project"].replace("default", PROJECT)
        found = [one for one in self._projects() if one["id"] == wanted]
        if not found:
            raise missing()
        return web.json_response({"project": found[0]})

    async def project_resources(self, request: web.Request) -> web.Response:
        """GET and POST /v2/projects/{project}/resources."""
        project = request.match_info["project"].replace("default", PROJECT)
        try:
            uuid.UUID(project)
        except ValueError:
            raise missing() from None
        if request.method == "GET":
            found = [one for one in self.store.list("do_cluster") if one["project_id"] == project]
            return paged(request, "resources", [assigned(one["id"], "ok") for one in found])
        answers = []
        for urn in (await json_body(request)).get("resources") or []:
            cluster = self.store.get("do_cluster", str(urn).removeprefix("do:dbaas:"))
            if cluster is None:
                raise missing()
            status = "already_assigned" if cluster["project_id"] == project else "assigned"
            self.clusters.become(cluster["id"], project_id=project)
            answers.append(assigned(cluster["id"], status))
        return web.json_response({"resources": answers})

    async def networks(self, request: web.Request) -> web.Response:
        """The default VPC of every region."""
        return paged(request, "vpcs", [network(region) for region in REGIONS])

    async def network(self, request: web.Request) -> web.Response:
        found = [one for one in map(network, REGIONS) if one["id"] == request.match_info["vpc"]]
        if not found:
            raise missing()
        return web.json_response({"vpc": found[0]})


def assigned(number: str, status: str) -> Document:
    """A resource of a project."""
    link = f"https://api.digitalocean.com/v2/databases/{number}"
    return {"urn": f"do:dbaas:{number}", "assigned_at": now(), "links": {"self": link}, "status": status}


def network(region: str) -> Document:
    """A region's default VPC."""
    number = network_of(region)
    shown = {"id": number, "urn": f"do:vpc:{number}", "name": f"default-{region}", "region": region, "default": True}
    return {**shown, "description": "", "ip_range": "10.10.0.0/20", "created_at": "2026-01-01T00:00:00Z"}
