"""What goes on beside a database's own fields: tags and backups."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.ids import now
from local_cloud.problems import json_body
from local_cloud.redis_cloud import server
from local_cloud.redis_cloud.databases import Databases
from local_cloud.redis_cloud.subscriptions import ACCOUNT
from local_cloud.redis_cloud.tasks import TaskError, Tasks, not_found


class Tags:
    """Handlers. Tags are set at once, without a task."""

    def __init__(self, databases: Databases) -> None:
        self.databases = databases

    async def all(self, request: web.Request) -> web.Response:
        """GET, PUT of all, POST of one."""
        database = self.databases.load(request)
        if request.method != "GET":
            body = await json_body(request)
            one = [body] if request.method == "POST" else body.get("tags") or []
            kept = database["tags"] if request.method == "POST" else {}
            database["tags"] = {**kept, **{tag["key"]: tag["value"] for tag in one}}
            self.databases.save(database)
        if not database["tags"]:
            return web.json_response({"accountId": ACCOUNT, "links": []})
        tags = [{"key": key, "value": value} for key, value in reversed(database["tags"].items())]
        return web.json_response({"accountId": ACCOUNT, "tags": tags, "links": []})

    async def one(self, request: web.Request) -> web.Response:
        """PUT and DELETE of one."""
        database, key = self.databases.load(request), request.match_info["tag"]
        if key not in database["tags"]:
            raise not_found(request, f"Tag {key} not found")
        if request.method == "PUT":
            database["tags"][key] = (await json_body(request))["value"]
        else:
            del database["tags"][key]
        self.databases.save(database)
        return web.json_response({"key": key, "value": database["tags"].get(key, ""), "links": []})


class Backups:
    """Handlers. A backup is made on the server's volume; nothing leaves this machine."""

    def __init__(self, cloud: Cloud, tasks: Tasks, databases: Databases) -> None:
        self.cloud = cloud
        self.tasks = tasks
        self.databases = databases

    async def create(self, request: web.Request) -> web.Response:
        number, body = self.databases.load(request)["databaseId"], await json_body(request)

        async def work() -> dict[str, Any]:
            database = self.databases.active(number)
            path = body.get("adhocBackupPath") or database["backup"].get("destination")
            if not path:
                raise TaskError("DATABASE_BACKUP_NOT_CONFIGURED", "No backup path is set")
            await asyncio.sleep(self.cloud.provisioning_delay / 4)
            if database["protocol"] != "memcached":
                await server.ask(self.cloud, database, "SAVE")
            done = {**database["backup"], "status": "success", "lastBackupTime": now()}
            self.databases.save({**self.databases.active(number), "backup": done})
            return {"resourceId": number}

        return self.tasks.accept("databaseBackupRequest", work, status=200)

    async def status(self, request: web.Request) -> web.Response:
        """The answer is in a task."""
        database = self.databases.load(request)
        resource = {key: database["backup"].get(key) for key in ("status", "lastBackupTime")}

        async def work() -> dict[str, Any]:
            return {"resourceId": database["databaseId"], "resource": resource}

        return self.tasks.accept("databaseBackupStatusRequest", work, status=200)
