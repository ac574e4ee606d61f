"""Calls the agents service over the private network, in the name of the user."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import HTTPException
from supercog_shared.tokens import sign

from supercog_dashboard.settings import Dashboard


async def call(
    http: httpx.AsyncClient, settings: Dashboard, user: str, method: str, path: str, body: Any = None
) -> Any:
    token = sign(settings.dash_private_key, user, "engine")
    try:
        answer = await http.request(
            method, f"{settings.engine_url}{path}", json=body, headers={"Authorization": f"Bearer {token}"}
        )
    except httpx.HTTPError as error:
        print(f"engine: {method} {path}: {type(error).__name__}", flush=True)
        raise HTTPException(502, "the agents service does not answer") from error
    if answer.status_code == 404:
        raise HTTPException(404, "not found")
    if answer.is_error:
        print(f"engine: {method} {path}: {answer.status_code}", flush=True)
        raise HTTPException(502, "the agents service failed")
    return answer.json()
