"""The control API: health, certificate, journal, settings, faults, reset."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud, bearer, same
from local_cloud.faults import Fault

OPEN = ("/health", "/ca.crt")
Reset = Callable[[Cloud], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Handler]  # method, path, handler


def build(  # noqa: C901 - a list of small handlers
    cloud: Cloud,
    resets: list[Reset],
    sign: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
    routes: Iterable[Route] = (),
) -> web.Application:
    """The application. It is not in the journal. routes: what single services add to it."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN and not same(bearer(request, "Bearer"), cloud.settings.tokens["control"]):
            return web.json_response({"error": "the control token is missing or wrong"}, status=401)
        try:
            return await handler(request)
        except (ValueError, TypeError, KeyError) as problem:
            return web.json_response({"error": str(problem)}, status=400)

    async def health(request: web.Request) -> web.Response:
        settings = cloud.settings
        return web.json_response({"status": "ok", "instance": settings.instance, "version": settings.version})

    async def certificate(request: web.Request) -> web.Response:
        return web.Response(text=cloud.ca.pem, content_type="application/x-pem-file")

    async def journal(request: web.Request) -> web.Response:
        since = int(request.query.get("since", "0"))
        entries = cloud.journal.since(since, request.query.get("service"))
        return web.json_response({"entries": entries, "next": cloud.journal.next})

    async def clear_journal(request: web.Request) -> web.Response:
        cloud.journal.clear()
        return web.json_response({"next": cloud.journal.next})

    async def settings(request: web.Request) -> web.Response:
        if request.method == "PUT":
            cloud.settings.switches.update(await request.json())
        return web.json_response(dataclasses.asdict(cloud.settings.switches))

    async def faults(request: web.Request) -> web.Response:
        if request.method == "POST":
            cloud.faults.active.append(Fault(**await request.json()))
        if request.method == "DELETE":
            cloud.faults.active.clear()
        return web.json_response({"faults": [dataclasses.asdict(fault) for fault in cloud.faults.active]})

    async def reset(request: web.Request) -> web.Response:
        for each in resets:
            await each(cloud)
        cloud.faults.active.clear()
        return web.json_response({"status": "ok"})

    async def sns_sign(request: web.Request) -> web.Response:
        return web.json_response(sign(cloud, await request.json()))

    app = web.Application(middlewares=[check])
    app.router.add_get("/health", health)
    app.router.add_get("/ca.crt", certificate)
    app.router.add_get("/journal", journal)
    app.router.add_delete("/journal", clear_journal)
    app.router.add_get("/settings", settings)
    app.router.add_put("/settings", settings)
    app.router.add_get("/faults", faults)
    app.router.add_post("/faults", faults)
    app.router.add_delete("/faults", faults)
    app.router.add_post("/reset", reset)
    app.router.add_post("/sns/sign", sns_sign)
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    return app
