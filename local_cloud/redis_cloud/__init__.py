"""The Redis Cloud REST API under /v1: Essentials, Pro, access control (reference redis-cloud)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud, same
from local_cloud.fly.ids import now
from local_cloud.redis_cloud.access import Kind, Roles, Rules, Users
from local_cloud.redis_cloud.catalogue import REGIONS
from local_cloud.redis_cloud.databases import Databases
from local_cloud.redis_cloud.extras import Backups, Tags
from local_cloud.redis_cloud.fields import PERSISTENCE, VERSION, VERSIONS
from local_cloud.redis_cloud.pro import ProDatabases, ProSubscriptions
from local_cloud.redis_cloud.subscriptions import ACCOUNT, PAYMENT, Subscriptions
from local_cloud.redis_cloud.tasks import Tasks

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]


@dataclass
class Parts:
    """The handlers of one service."""

    tasks: Tasks
    subscriptions: Subscriptions
    databases: Databases
    pro: ProDatabases
    access: dict[str, Kind]  # by path


def parts(cloud: Cloud) -> Parts:
    """Everything wired."""
    tasks = Tasks(cloud)
    subscriptions = Subscriptions(cloud, tasks)
    databases = Databases(cloud, tasks, subscriptions)
    subscriptions.used, subscriptions.moved = databases.used_megabytes, databases.moved
    pro_subscriptions = ProSubscriptions(cloud, tasks)
    pro = ProDatabases(cloud, tasks, pro_subscriptions)

    async def apply_users(numbers: set[int]) -> None:
        await databases.apply_users(numbers)
        await pro.apply_users(numbers)

    kinds: dict[str, type[Kind]] = {"redisRules": Rules, "roles": Roles, "users": Users}
    access = {name: kind(cloud, tasks, apply_users) for name, kind in kinds.items()}
    return Parts(tasks, subscriptions, databases, pro, access)


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

    made = parts(cloud)
    app = cloud.app("redis_cloud", authorized)
    for verb, path, handler in [*account_routes(made), *essentials_routes(cloud, made), *pro_routes(cloud, made)]:
        app.router.add_route(verb, path, handler)
    return app


def account_routes(made: Parts) -> list[Route]:
    """What belongs to the account."""
    table: list[Route] = [
        ("GET", "/v1/", root),
        ("GET", "/v1/payment-methods", payment_methods),
        ("GET", "/v1/regions", regions),
        ("GET", "/v1/data-persistence", persistence),
        ("GET", "/v1/tasks", made.tasks.all),
        ("GET", "/v1/tasks/{task}", made.tasks.one),
    ]
    for name, kind in made.access.items():
        path = f"/v1/acl/{name}"
        table += [("GET", path, kind.index), ("POST", path, kind.create)]
        table += [("PUT", path + "/{id}", kind.update), ("DELETE", path + "/{id}", kind.delete)]
    return [*table, ("GET", "/v1/acl/users/{id}", made.access["users"].get)]


def essentials_routes(cloud: Cloud, made: Parts) -> list[Route]:
    """Essentials: plans, subscriptions, databases."""
    subscriptions = made.subscriptions
    return [
        ("GET", "/v1/fixed/redis-versions", versions),
        ("GET", "/v1/fixed/plans", subscriptions.list_plans),
        ("GET", "/v1/fixed/plans/subscriptions/{subscription}", subscriptions.plans_of),
        ("GET", "/v1/fixed/plans/{plan}", subscriptions.one_plan),
        *family_routes(cloud, "/v1/fixed/subscriptions", made.tasks, made.databases),
    ]


def pro_routes(cloud: Cloud, made: Parts) -> list[Route]:
    """Pro: subscriptions, databases, prices."""
    return [
        ("GET", "/v1/subscriptions/redis-versions", versions),
        ("GET", "/v1/subscriptions/{subscription}/pricing", made.pro.subscriptions.pricing),
        *family_routes(cloud, "/v1/subscriptions", made.tasks, made.pro),
    ]


def family_routes(cloud: Cloud, base: str, tasks: Tasks, databases: Databases) -> list[Route]:
    """What both families have."""
    subscriptions, tags, backups = databases.subscriptions, Tags(databases), Backups(cloud, tasks, databases)
    one = base + "/{subscription}"
    database = one + "/databases/{database}"
    return [
        ("GET", base, subscriptions.index),
        ("POST", base, subscriptions.create),
        ("GET", one, subscriptions.get),
        ("PUT", one, subscriptions.update),
        ("DELETE", one, subscriptions.delete),
        ("GET", f"{one}/databases", databases.index),
        ("POST", f"{one}/databases", databases.create),
        ("GET", database, databases.get),
        ("PUT", database, databases.update),
        ("DELETE", database, databases.delete),
        ("POST", f"{database}/upgrade", databases.upgrade),
        ("GET", f"{database}/available-target-versions", databases.targets),
        ("GET", f"{database}/backup", backups.status),
        ("POST", f"{database}/backup", backups.create),
        *((verb, f"{database}/tags", tags.all) for verb in ("GET", "POST", "PUT")),
        *((verb, database + "/tags/{tag}", tags.one) for verb in ("PUT", "DELETE")),
    ]


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
    found = [{"version": v, "eolDate": None, "isPreview": False, "isDefault": v == VERSION} for v in VERSIONS]
    return web.json_response({"redisVersions": found})


async def persistence(request: web.Request) -> web.Response:
    found: list[dict[str, Any]] = [{"name": name, "description": name.replace("-", " ")} for name in PERSISTENCE]
    return web.json_response({"dataPersistence": found, "links": []})


async def restore(cloud: Cloud) -> None:
    """After a start: go on where it was."""
    made = parts(cloud)
    made.tasks.restore()
    for databases in (made.databases, made.pro):
        await databases.subscriptions.restore()
        await databases.restore()
    for kind in made.access.values():
        kind.restore()


async def reset(cloud: Cloud) -> None:
    """Remove all subscriptions and databases."""
    made = parts(cloud)
    for databases in (made.databases, made.pro):
        await databases.reset()
