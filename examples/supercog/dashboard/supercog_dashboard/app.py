"""The API behind the front end; Caddy in the same container hands it /api/*."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field
from supercog_shared import cache, database, health
from supercog_shared.settings import instance_id
from supercog_shared.tokens import sign

from supercog_dashboard import agents, engine, migrate, settings, users
from supercog_dashboard.users import User


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.settings = settings.dashboard()
    state.redis = cache.connect(state.settings.redis_url)
    state.database = database.pool(state.settings.database_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(state.redis.aclose)
        stack.push_async_callback(state.database.close)
        await database.start(state.database)
        await migrate.dashboard(state.database)
        state.http = await stack.enter_async_context(httpx.AsyncClient(timeout=15))
        yield


app = FastAPI(title="Supercog dashboard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(agents.router)


class Login(BaseModel):
    email: str = Field(min_length=3, max_length=254)
    password: str = Field(min_length=1, max_length=1024)


class NewRun(BaseModel):
    prompt: Annotated[str, Field(min_length=1, max_length=20_000)]


@app.middleware("http")
async def guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Name the instance; refuse what another site makes a browser send. To SameSite, sub-domains are the same site."""
    origin = request.headers.get("Origin")
    if origin and request.method not in ("GET", "HEAD") and origin != request.app.state.settings.app_url:
        answer: Response = JSONResponse({"detail": "the request comes from another site"}, status_code=403)
    else:
        answer = await proceed(request)
    answer.headers["X-Instance"] = instance_id()
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


@app.get("/api/health")
async def healthy(request: Request) -> JSONResponse:
    state = request.app.state
    return await health.report({"database": database.answers(state.database), "redis": state.redis.ping()})


@app.post("/api/login")
async def login(request: Request, given: Login, response: Response) -> dict[str, str]:
    state, client, email = request.app.state, users.client_of(request), given.email.strip().lower()
    if not await users.may_try(state.redis, email, client):
        raise HTTPException(429, "too many attempts", {"Retry-After": str(users.WINDOW_SECONDS)})
    succeeded = users.is_admin(state.settings, email, given.password)
    await users.record(state.database, email, succeeded, client)
    if not succeeded:
        raise HTTPException(401, "wrong e-mail or password")
    await users.trusted(state.redis, email, client)
    secret = await cache.keep(state.redis, "session", {"email": email}, cache.SESSION_SECONDS)
    response.set_cookie(users.COOKIE, secret, cache.SESSION_SECONDS, secure=True, httponly=True, samesite="lax")
    return {"email": email, "instance": instance_id()}


@app.post("/api/logout", status_code=204)
async def logout(request: Request, response: Response) -> None:
    if secret := request.cookies.get(users.COOKIE):
        await cache.forget(request.app.state.redis, "session", secret)
    response.delete_cookie(users.COOKIE, secure=True, httponly=True, samesite="lax")


@app.get("/api/me")
async def me(user: User) -> dict[str, str]:
    return {"email": user, "instance": instance_id()}


@app.post("/api/runs", status_code=201)
async def create_run(request: Request, user: User, new: NewRun) -> Any:
    state = request.app.state
    return await engine.call(state.http, state.settings, user, "POST", "/agents/runs", new.model_dump())


@app.get("/api/runs")
async def list_runs(request: Request, user: User) -> Any:
    return await engine.call(request.app.state.http, request.app.state.settings, user, "GET", "/agents/runs")


@app.get("/api/runs/{identifier}")
async def get_run(request: Request, user: User, identifier: UUID) -> Any:
    state = request.app.state
    return await engine.call(state.http, state.settings, user, "GET", f"/agents/runs/{identifier}")


@app.get("/api/runs/{identifier}/file")
async def get_file(request: Request, user: User, identifier: UUID) -> Any:
    state = request.app.state
    return await engine.call(state.http, state.settings, user, "GET", f"/agents/runs/{identifier}/file")


@app.get("/api/connections")
async def list_connections(request: Request, user: User) -> Any:
    state = request.app.state
    return await engine.call(state.http, state.settings, user, "GET", "/agents/connections")


@app.get("/api/connections/{provider}/start")
async def connect(request: Request, user: User, provider: str, service: str | None = None) -> RedirectResponse:
    """To the engine's public host; a cookie says which agents service the callback belongs to."""
    config = request.app.state.settings
    if not re.fullmatch(r"[a-z]{1,32}", provider):
        raise HTTPException(404, "no such provider")
    query = urlencode({"provider": provider, "token": sign(config.dash_private_key, user, "engine-login")})
    answer = RedirectResponse(f"{config.engine_public_url}/run_oauth?{query}", 302, {"Referrer-Policy": "no-referrer"})
    agents.choose(answer, config, service)
    return answer


@app.get("/api/events")
async def events(request: Request, user: User) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield ": here\n\n"
        async for event in cache.events(request.app.state.redis):
            yield f"data: {json.dumps(event)}\n\n" if event else ": still here\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
