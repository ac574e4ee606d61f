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
    429: "too_many_requests",
    500: "server_error",
}


def do_error(status: int, message: str) -> web.HTTPException:
    """An error, to be raised."""
    return problem(status, body(status, message))


def missing() -> web.HTTPException:
    """What is not there, to be raised."""
    return do_error(404, "The resource you were accessing could not be found.")


def body(status: int, message: str) -> dict[str, str]:
    """Body of an error."""
    return {"id": IDS.get(status, "unprocessable_entity"), "message": message, "request_id": str(uuid.uuid4())}
