"""Answers that are errors, raised from anywhere in a handler."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

CLASSES: dict[int, type[web.HTTPException]] = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    409: web.HTTPConflict,
    412: web.HTTPPreconditionFailed,
    422: web.HTTPUnprocessableEntity,
}


def problem(status: int, body: dict[str, Any]) -> web.HTTPException:
    """An error with a JSON body."""
    return CLASSES[status](text=json.dumps(body), content_type="application/json")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The request's body as an object; ValueError when it is none."""
    body = await request.json() if request.body_exists else {}
    if not isinstance(body, dict):
        raise ValueError("the body is no object")
    return body
