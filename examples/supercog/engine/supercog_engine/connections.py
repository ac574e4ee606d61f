"""OAuth connections of users to other services; tokens rest encrypted in a database of their own."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.fernet import Fernet
from supercog_shared.database import Pool

from supercog_engine.settings import OAuth

STATE_SECONDS = 600


class ConnectionFailed(Exception):
    """The identity provider did not give a token."""


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def authorize_url(oauth: OAuth, redirect_uri: str, state: str, verifier: str) -> str:
    query = {
        "response_type": "code",
        "client_id": oauth.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{oauth.authorize_url}{'&' if '?' in oauth.authorize_url else '?'}{urlencode(query)}"


async def exchange(
    http: httpx.AsyncClient, oauth: OAuth, redirect_uri: str, code: str, verifier: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "code_verifier": verifier,
    }
    try:
        answer = await http.post(oauth.token_url, data=form, headers={"Accept": "application/json"})
        token = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ConnectionFailed(type(error).__name__) from error
    if answer.status_code != 200 or not isinstance(token, dict) or not token.get("access_token"):
        raise ConnectionFailed(f"status {answer.status_code}")
    return token


async def save(pool: Pool, key: Fernet, owner: str, provider: str, token: dict[str, Any]) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO credentials (owner, provider, secret) VALUES (%s, %s, %s)"
            " ON CONFLICT (owner, provider) DO UPDATE SET secret = EXCLUDED.secret, updated_at = now()",
            (owner, provider, key.encrypt(json.dumps(token).encode())),
        )


async def of(pool: Pool, owner: str) -> list[dict[str, Any]]:
    """Which connections there are, without what is secret about them."""
    async with pool.connection() as connection:
        found = await connection.execute(
            "SELECT provider, updated_at FROM credentials WHERE owner = %s ORDER BY provider", (owner,)
        )
        return await found.fetchall()
