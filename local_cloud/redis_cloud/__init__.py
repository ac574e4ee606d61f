"""The Redis Cloud REST API under /v1: Essentials (reference redis-cloud)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.cloud import Cloud, same
from local_cloud.fly.ids import now
from local_cloud.redis_cloud.catalogue import REGIONS
from local_cloud.redis_cloud.databases import VERSION, Databases
from local_cloud.redis_cloud.subscriptions import ACCOUNT, PAYMENT, Subscriptions
from local_cloud.redis_cloud.tasks import Tasks

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def parts(cloud: Cloud) -> tuple[Tasks, Subscriptions, Databases]:
    """The handlers of one service."""
    tasks = Tasks(cloud)
    subscriptions = Subscriptions(cloud, tasks)
    return tasks, subscriptions, Databases(cloud, tasks, subscriptions)


def build(cloud: Cloud) -> web.Application:
    """The application."""

    def authorized(request: web.Request) -> web.Response | None:
        tokens, headers = cloud.settings.tokens, request.headers
        right = same(headers.get("x-api-key"), tokens["redis_cloud_api_key"])
        if right and same(headers.get("x-api-secret-key"), tokens["redis_cloud_secret_key"]):
            return None
        body = {
            "timestamp": now(),
            "status": 401,
            "error": "Unauthorized",
            "message": "Bad credentials",
            "path": request.path,
        }
        return web.json_response(body, status=401)

    tasks, subscriptions, databases = parts(cloud)
    app = cloud.app("redis_cloud", authorized)
    one = "/v1/fixed/subscriptions/{subscription}"
    database = one + "/databases/{database}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/v1/", root),
        ("GET", "/v1/payment-methods", payment_methods),
        ("GET", "/v1/regions", regions),
        ("GET", "/v1/tasks", tasks.all),
        ("GET", "/v1/tasks/{task}", tasks.one),
        ("GET", "/v1/fixed/redis-versions", versions),
        ("GET", "/v1/fixed/plans", subscriptions.list_plans),
        ("GET", "/v1/fixed/plans/subscriptions/{subscription}", subscriptions.plans_of),
        ("GET", "/v1/fixed/plans/{plan}", subscriptions.one_plan),
        ("GET", "/v1/fixed/subscriptions", subscriptions.index),
        ("POST", "/v1/fixed/subscriptions", subscriptions.create),
        ("GET", one, subscriptions.get),
        ("PUT", one, subscriptions.update),
        ("DELETE", one, subscriptions.delete),
        ("GET", f"{one}/databases", databases.index),
        ("POST", f"{one}/databases", databases.create),
        ("GET", database, databases.get),
        ("PUT", database, databases.update),
        ("DELETE", database, databases.delete),
        *((verb, f"{database}/tags", databases.tags) for verb in ("GET", "POST", "PUT")),
    ]
    for verb, path, handler in table:
        app.router.add_route(verb, path, handler)
    return app


async def root(request: web.Request) -> web.Response:
    account = {
        "id": ACCOUNT,
        "name": "Local Cloud",
        "createdTimestamp": now(),
        "updatedTimestamp": now(),
        "key": {"owner": {}},
    }
    return web.json_response({"account": account, "links": []})


async def payment_methods(request: web.Request) -> web.Response:
    return web.json_response({"accountId": ACCOUNT, "paymentMethods": [PAYMENT], "links": []})


async def regions(request: web.Request) -> web.Response:
    wanted = request.query.get("provider")
    rows = [(provider, name) for provider, names in REGIONS.items() for name in names if wanted in (None, "", provider)]
    return web.json_response({"regions": [{"id": i, "name": n, "provider": p} for i, (p, n) in enumerate(rows, 1)]})


async def versions(request: web.Request) -> web.Response:
    found = [
        {"version": v, "eolDate": None, "isPreview": False, "isDefault": v == VERSION} for v in ("6.2", "7.2", VERSION)
    ]
    return web.json_response({"redisVersions": found})


async def restore(cloud: Cloud) -> None:
    """After a start: go on where it was."""
    await parts(cloud)[2].restore()


async def reset(cloud: Cloud) -> None:
    """Remove all subscriptions and databases."""
    await parts(cloud)[2].reset()
