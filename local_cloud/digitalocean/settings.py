"""What is read of a cluster, and what is set without a change of its servers: config, autoscale, CA, events."""

from __future__ import annotations

import base64
from typing import Any

from aiohttp import web

from local_cloud.digitalocean.clusters import Clusters
from local_cloud.digitalocean.errors import do_error
from local_cloud.digitalocean.options import problem
from local_cloud.problems import json_body


class Settings:
    """Handlers."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self.cloud = clusters.cloud

    async def config(self, request: web.Request) -> web.Response:
        """GET tells every key; PATCH takes some and answers without a body."""
        cluster = self.clusters.load(request, online=request.method == "PATCH")
        if request.method == "GET":
            return web.json_response({"config": cluster["config"]})
        given: Any = (await json_body(request)).get("config")
        wrong = problem(given) if isinstance(given, dict) else "config is required"
        if wrong:
            raise do_error(422, wrong)
        self.clusters.become(cluster["id"], config={**cluster["config"], **given})
        await self.clusters.reload(cluster["id"])
        return web.Response(status=200)

    async def autoscale(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request)
        if request.method == "GET":
            return web.json_response({"autoscale": cluster["autoscale"]})
        storage: Any = ((await json_body(request)).get("autoscale") or {}).get("storage")
        if not isinstance(storage, dict) or not isinstance(storage.get("enabled"), bool):
            raise do_error(422, "autoscale.storage.enabled is required")
        if storage["enabled"]:
            for key, low, high in (("threshold_percent", 15, 95), ("increment_gib", 10, 500)):
                if not isinstance(storage.get(key), int) or not low <= storage[key] <= high:
                    raise do_error(422, f"autoscale.storage.{key} must be from {low} to {high}")
        self.clusters.become(cluster["id"], autoscale={"storage": storage})
        return web.Response(status=204)

    async def authority(self, request: web.Request) -> web.Response:
        self.clusters.load(request)
        return web.json_response({"ca": {"certificate": base64.b64encode(self.cloud.ca.pem.encode()).decode()}})

    async def events(self, request: web.Request) -> web.Response:
        cluster = self.clusters.load(request)
        found = [item for item in self.cloud.store.list("do_event") if item["cluster"] == cluster["id"]]
        shown = [{key: value for key, value in item.items() if key != "cluster"} for item in found]
        return web.json_response({"events": shown})

    async def backups(self, request: web.Request) -> web.Response:
        """The newest first."""
        cluster = self.clusters.load(request)
        keys = ("created_at", "size_gigabytes", "incremental")
        shown = [{key: item[key] for key in keys} for item in reversed(self.clusters.backups.of(cluster["id"]))]
        scheduled = {key: cluster["config"][key] for key in ("backup_hour", "backup_minute")}
        more = {"scheduled_backup_time": {**scheduled, "backup_interval_hours": 24}}
        return web.json_response({"backups": shown, **more})

    async def back_up(self, request: web.Request) -> web.Response:
        """Control API: the platform's daily backup, now."""
        number = (await request.json())["cluster"]
        made = await self.clusters.backups.make(number)
        if made is None:
            raise ValueError(f"cluster: {number!r} is not online")
        return web.json_response({"created_at": made["created_at"]})
