"""Errors as the Machines API words them (reference fly 1.4)."""

from __future__ import annotations

import json

from aiohttp import web


def fly_error(status: int, message: str, code: str = "unknown") -> web.HTTPException:
    """An error of the machines service, to be raised."""
    classes = {
        400: web.HTTPBadRequest,
        401: web.HTTPUnauthorized,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
        408: web.HTTPRequestTimeout,
        409: web.HTTPConflict,
        412: web.HTTPPreconditionFailed,
        422: web.HTTPUnprocessableEntity,
    }
    text = json.dumps({"error": message, "status": code})
    return classes[status](text=text, content_type="application/json")
