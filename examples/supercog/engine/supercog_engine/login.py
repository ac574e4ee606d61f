"""OAuth in the user's browser, on the engine's public host name: authorization code with state and PKCE."""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse
from supercog_shared import cache
from supercog_shared.tokens import TokenError, verify

from supercog_engine import connections
from supercog_engine.settings import Agents, OAuth

PROVIDER = "salesforce"
STATE_COOKIE = "__Host-oauth_state"
router = APIRouter()


def _configured(settings: Agents) -> OAuth:
    if settings.oauth is None:
        raise HTTPException(501, "no identity provider is configured (OAUTH_CLIENT_ID)")
    return settings.oauth


def _redirect_uri(settings: Agents) -> str:
    return f"{settings.public_url}/login/{PROVIDER}/authorized"


def _go(url: str) -> RedirectResponse:
    return RedirectResponse(url, 302, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


@router.get("/run_oauth")
async def run_oauth(request: Request, provider: str = PROVIDER, token: str = "") -> RedirectResponse:
    """One entry for all providers; there is one."""
    if provider != PROVIDER:
        raise HTTPException(404, "no such provider")
    _configured(request.app.state.settings)
    return _go(f"/login/start_{PROVIDER}?{urlencode({'token': token})}")


@router.get(f"/login/start_{PROVIDER}")
async def start(request: Request, token: str = "") -> RedirectResponse:
    state = request.app.state
    oauth = _configured(state.settings)
    try:
        user = verify(state.settings.dash_public_key, token, "engine-login")
    except TokenError as error:
        raise HTTPException(401, str(error)) from error
    verifier = connections.new_verifier()
    kept = {"user": user, "verifier": verifier}
    secret = await cache.keep(state.redis, "oauth", kept, connections.STATE_SECONDS)
    answer = _go(connections.authorize_url(oauth, _redirect_uri(state.settings), secret, verifier))
    # The cookie ties the flow to this browser: nobody else's callback can be slipped in.
    answer.set_cookie(STATE_COOKIE, secret, connections.STATE_SECONDS, secure=True, httponly=True, samesite="lax")
    return answer


@router.get(f"/login/{PROVIDER}/authorized")
async def authorized(request: Request, state: str = "", code: str = "", error: str = "") -> RedirectResponse:
    app = request.app.state
    oauth = _configured(app.settings)
    if not state or not hmac.compare_digest(state.encode(), request.cookies.get(STATE_COOKIE, "").encode()):
        raise HTTPException(400, "this sign-in was not started in this browser")
    kept = await cache.take(app.redis, "oauth", state)
    if kept is None:
        raise HTTPException(400, "this sign-in is over; start again")
    outcome = "connected"
    try:
        if error or not code:
            raise connections.ConnectionFailed("refused")
        token = await connections.exchange(app.http, oauth, _redirect_uri(app.settings), code, kept["verifier"])
        await connections.save(app.credentials, app.settings.master_key, kept["user"], PROVIDER, token)
    except connections.ConnectionFailed as failure:
        print(f"login: {PROVIDER}: {failure}", flush=True)
        outcome = "failed"
    answer = _go(f"/login/finish_{PROVIDER}?{urlencode({'outcome': outcome})}")
    answer.delete_cookie(STATE_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


@router.get(f"/login/finish_{PROVIDER}")
async def finish(request: Request, outcome: str = "connected") -> RedirectResponse:
    app_url = request.app.state.settings.app_url
    suffix = "" if outcome == "connected" else "?failed=1"
    return _go(f"{app_url}/sconnections{suffix}")
