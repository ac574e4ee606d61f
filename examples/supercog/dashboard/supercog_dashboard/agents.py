"""Which agents service a browser's OAuth flow belongs to: a signed cookie that Caddy has checked here.

Caddy asks before it hands a request of the engine's host on, and looks the name that it is told up in a list of its own.
"""

from __future__ import annotations

import contextlib

from fastapi import APIRouter, HTTPException, Request, Response
from supercog_shared.tokens import TokenError, sign, verify

from supercog_dashboard.settings import Dashboard

COOKIE = "agent_service"
HEADER = "X-Agent-Service"
AUDIENCE = "agent-service"
SECONDS = 900
router = APIRouter()


def choose(answer: Response, settings: Dashboard, wanted: str | None) -> None:
    """Let the answer's browser come back to this service; to the default one if none is wanted or named."""
    name = wanted or settings.agent_service
    if wanted and wanted not in settings.agent_services:
        raise HTTPException(400, "no such agents service")
    if not settings.cookie_domain:
        return
    if not name:
        answer.delete_cookie(COOKIE, domain=settings.cookie_domain, secure=True, httponly=True, samesite="lax")
        return
    token = sign(settings.dash_private_key, name, AUDIENCE, lifetime=SECONDS)
    answer.set_cookie(COOKIE, token, SECONDS, domain=settings.cookie_domain, secure=True, httponly=True, samesite="lax")


@router.get("/api/agent-service", status_code=204)
async def chosen(request: Request) -> Response:
    """The name in HEADER, if this product signed the cookie not long ago and still knows the name."""
    answer = Response(status_code=204)
    with contextlib.suppress(TokenError):  # browsers send what they like; without a name Caddy takes the default
        config = request.app.state.settings
        name = verify(config.dash_private_key.public_key(), request.cookies.get(COOKIE, ""), AUDIENCE)
        if name == config.agent_service or name in config.agent_services:
            answer.headers[HEADER] = name
    return answer
