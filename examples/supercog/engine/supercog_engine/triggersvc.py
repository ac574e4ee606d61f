"""The trigger service: AWS SNS posts inbound e-mail here, and an agent run starts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from redis.asyncio import Redis
from supercog_shared import cache, database, health

from supercog_engine import mail, migrate, runs, settings, sns

BODY_LIMIT = 1024 * 1024
CERTIFICATE_LIMIT = 64 * 1024
CLAIM_SECONDS = 60
DONE_SECONDS = int(sns.MAX_AGE.total_seconds()) + 3600


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.settings = settings.trigger()
    state.origin = sns.Origin(state.settings.cert_url_prefix)
    state.certificates = {}
    state.redis = cache.connect(state.settings.redis_url)
    state.engine = database.pool(state.settings.database_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(state.redis.aclose)
        stack.push_async_callback(state.engine.close)
        await database.start(state.engine)
        await migrate.engine(state.engine)
        # A redirect could leave the allow-list.
        state.http = await stack.enter_async_context(httpx.AsyncClient(timeout=5, follow_redirects=False))
        yield


app = FastAPI(title="Supercog triggers", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


@app.exception_handler(sns.Forged)
async def forged(request: Request, error: Exception) -> JSONResponse:
    print(f"email: refused: {error}", flush=True)
    return JSONResponse({"detail": str(error)}, status_code=403)


@app.get("/health")
async def healthy(request: Request) -> JSONResponse:
    state = request.app.state
    return await health.report({"database": database.answers(state.engine), "redis": state.redis.ping()})


@app.post("/email_handler")
async def email_handler(request: Request) -> dict[str, Any]:
    state = request.app.state
    fields = sns.parse(await _body(request))
    sns.only_topic(fields, state.settings.topic_arn)
    sns.verify(fields, await _certificate(state, state.origin.certificate(fields["SigningCertURL"])))
    if fields["Type"] == sns.SUBSCRIPTION:
        await _fetch(state.http, state.origin.confirmation(fields["SubscribeURL"]))
        return {"status": "confirmed"}
    if fields["Type"] != sns.NOTIFICATION:
        return {"status": "ignored"}
    return await _start(state, fields)


async def _start(state: Any, fields: dict[str, str]) -> dict[str, Any]:
    """SNS delivers at least once. A claim that nobody finished runs out, so the next delivery gets through."""
    identifier = uuid5(NAMESPACE_URL, f"{fields['TopicArn']}/{fields['MessageId']}")
    if not await _claim(state.redis, f"sns:{identifier}"):
        return {"status": "duplicate", "run": identifier}
    try:
        sender, prompt = mail.prompt(fields)
        await runs.create(state.engine, state.redis, identifier, "email", sender, prompt or "(empty)")
    except BaseException:  # whatever it was, the claim must not outlive it
        await state.redis.delete(f"sns:{identifier}")
        raise
    await state.redis.set(f"sns:{identifier}", "done", ex=DONE_SECONDS)
    return {"status": "started", "run": identifier}


async def _claim(redis: Redis, key: str) -> bool:
    if await redis.set(key, "claimed", nx=True, ex=CLAIM_SECONDS):
        return True
    if await redis.get(key) == "done":
        return False
    raise HTTPException(503, "another machine works on this message", {"Retry-After": str(CLAIM_SECONDS)})


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, "the message is too large")
    return body


async def _certificate(state: Any, url: str) -> bytes:
    if url not in state.certificates:
        found = await _fetch(state.http, url)
        state.certificates = {url: found}  # SNS uses one at a time
    return state.certificates[url]


async def _fetch(http: httpx.AsyncClient, url: str) -> bytes:
    try:
        async with http.stream("GET", url) as answer:
            found = b""
            async for chunk in answer.aiter_bytes():
                found += chunk
                if len(found) > CERTIFICATE_LIMIT:
                    raise HTTPException(502, "SNS answers too much")
    except httpx.HTTPError as error:
        print(f"email: {type(error).__name__} from {httpx.URL(url).host}", flush=True)
        raise HTTPException(502, "SNS does not answer") from error
    if answer.status_code != 200:
        raise HTTPException(502, f"SNS answers {answer.status_code}")
    return found
