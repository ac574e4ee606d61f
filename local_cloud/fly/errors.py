"""Errors as the Machines API words them (reference fly 1.4)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

log = logging.getLogger("local_cloud.fly")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CLASSES: dict[int, type[web.HTTPException]] = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    408: web.HTTPRequestTimeout,
    409: web.HTTPConflict,
    412: web.HTTPPreconditionFailed,
    422: web.HTTPUnprocessableEntity,
    429: web.HTTPTooManyRequests,
}


def fly_error(status: int, message: str, code: str = "unknown") -> web.HTTPException:
    """An error of the machines service, to be raised."""
    text = json.dumps({"error": message, "status": code})
    return CLASSES[status](text=text, content_type="application/json")


def refuse(message: str) -> web.HTTPException:
    """A 400 that says what is wrong with the request."""
    return fly_error(400, f"invalid_argument: {message}")


@web.middleware
async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Routes that are not there are told in plain text; what nobody foresaw is a 500 in JSON."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        if request.match_info.http_exception is None:
            raise
        return web.Response(status=404, text="404 page not found\n")
    except web.HTTPException:
        raise
    except Exception:  # the caller gets an answer with a request id, the log the traceback
        log.exception("%s %s", request.method, request.path)
        return web.json_response({"error": "internal: server error", "status": "unknown"}, status=500)
