"""Errors in DigitalOcean's shape."""

from __future__ import annotations

import uuid

from aiohttp import web

from local_cloud.problems import problem

IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
}


def do_error(status: int, message: str) -> web.HTTPException:
    """An error, to be raised."""
    return problem(status, body(status, message))


def body(status: int, message: str) -> dict[str, str]:
    """Body of an error."""
    return {"id": IDS.get(status, "unprocessable_entity"), "message": message, "request_id": str(uuid.uuid4())}
