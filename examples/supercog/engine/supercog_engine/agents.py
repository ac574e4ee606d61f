"""The agents service: runs over the private network, OAuth through the front door."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from supercog_shared import cache, database, health
from supercog_shared.tokens import TokenError, verify

from supercog_engine import connections, login, migrate, runs, settings


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.settings = settings.agents()
    state.redis = cache.connect(state.settings.redis_url)
    state.engine = database.pool(state.settings.database_url)
    state.credentials = database.pool(state.settings.credentials_database_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(state.redis.aclose)
        for pool in (state.engine, state.credentials):
            stack.push_async_callback(pool.close)
            await database.start(pool)
        await migrate.engine(state.engine)
        await migrate.credentials(state.credentials)
        state.http = await stack.enter_async_context(httpx.AsyncClient(timeout=10))
        state.worker = asyncio.create_task(runs.worker(state.engine, state.redis, state.settings.storage))
        yield
        await state.worker  # it sees that the process stops, and finishes the run it has


app = FastAPI(title="Supercog agents", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(login.router)


def caller(request: Request) -> str:
    """The dashboard's user. The engine's host name is public, so being reached proves nothing."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise TokenError("no bearer token")
        return verify(request.app.state.settings.dash_public_key, token, "engine")
    except TokenError as error:
        raise HTTPException(401, str(error), {"WWW-Authenticate": "Bearer"}) from error


Caller = Annotated[str, Depends(caller)]


class NewRun(BaseModel):
    prompt: str = Field(min_length=1, max_length=runs.PROMPT_LIMIT)


@app.get("/health")
async def healthy(request: Request) -> JSONResponse:
    state = request.app.state
    return await health.report(
        {
            "database": database.answers(state.engine),
            "redis": state.redis.ping(),
            "worker": runs.alive(state.worker),
        }
    )


@app.post("/agents/runs", status_code=201)
async def create_run(request: Request, user: Caller, new: NewRun) -> dict[str, Any]:
    state = request.app.state
    return await runs.create(state.engine, state.redis, uuid4(), "dashboard", user, new.prompt)


@app.get("/agents/runs")
async def list_runs(request: Request, user: Caller) -> dict[str, Any]:
    return {"runs": await runs.recent(request.app.state.engine)}


@app.get("/agents/runs/{identifier}")
async def get_run(request: Request, user: Caller, identifier: UUID) -> dict[str, Any]:
    run = await runs.get(request.app.state.engine, identifier)
    if run is None:
        raise HTTPException(404, "no such run")
    return run


@app.get("/agents/runs/{identifier}/file")
async def get_file(request: Request, user: Caller, identifier: UUID) -> dict[str, Any]:
    """What the run wrote on this machine's volume."""
    found = await runs.stored(request.app.state.settings.storage, identifier)
    if found is None:
        raise HTTPException(404, "no such file on this machine")
    return found


@app.get("/agents/connections")
async def list_connections(request: Request, user: Caller) -> dict[str, Any]:
    return {"connections": await connections.of(request.app.state.credentials, user)}
