"""A stand-in identity provider (authorization code with PKCE), and what SNS serves to everyone."""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from local_cloud import sns
from local_cloud.cloud import Cloud

PAGE = """<!doctype html><html lang="en"><title>Local identity provider</title>
<body><h1>Allow {client}?</h1><p><a id="approve" href="{target}">Approve</a></p></body></html>"""


class Provider:
    """Handlers. Codes work once; tokens live as long as the process."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        missing = [name for name in ("client_id", "redirect_uri", "state") if not query.get(name)]
        if missing or query.get("response_type") != "code":
            return web.json_response({"error": "invalid_request", "missing": missing}, status=400)
        code = secrets.token_urlsafe(24)
        kept = ("client_id", "redirect_uri", "code_challenge")
        self.codes[code] = {name: query.get(name, "") for name in kept}
        joint = "&" if "?" in query["redirect_uri"] else "?"
        target = query["redirect_uri"] + joint + urlencode({"code": code, "state": query["state"]})
        if query.get("prompt") == "none":
            raise web.HTTPFound(target)
        page = PAGE.format(client=html.escape(query["client_id"]), target=html.escape(target))
        return web.Response(text=page, content_type="text/html")

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        known = self.codes.pop(str(form.get("code", "")), None)
        if known is None or form.get("grant_type") != "authorization_code":
            return web.json_response({"error": "invalid_grant"}, status=400)
        if form.get("redirect_uri") != known["redirect_uri"] or not pkce(
            known["code_challenge"], str(form.get("code_verifier", ""))
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        if not self._client(request, form, known["client_id"]):
            return web.json_response({"error": "invalid_client"}, status=401)
        made = secrets.token_urlsafe(32)
        self.tokens.add(made)
        answer = {
            "access_token": made,
            "refresh_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        return web.json_response({**answer, "instance_url": sns.base_url(self.cloud)})

    @staticmethod
    def _client(request: web.Request, form: Any, client_id: str) -> bool:
        """A client gives its id and any secret, in the form or by Basic authentication."""
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            user, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            return user == client_id and bool(secret)
        return form.get("client_id") == client_id and bool(form.get("client_secret"))

    async def userinfo(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"error": "invalid_token"}, status=401)
        return web.json_response({"sub": "local-user", "email": "user@local-cloud.internal"})


def pkce(challenge: str, verifier: str) -> bool:
    """Whether a verifier belongs to an S256 challenge; none was asked for if it is empty."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return not challenge or secrets.compare_digest(digest, challenge)


def build(cloud: Cloud) -> web.Application:
    """The application; it needs no token, as its models do not."""
    provider = Provider(cloud)

    async def certificate(request: web.Request) -> web.Response:
        return web.Response(text=sns.signer(cloud)[1], content_type="application/x-pem-file")

    async def confirm(request: web.Request) -> web.Response:
        token = request.query.get("Token", "")
        cloud.store.put("sns_confirmation", token, {"token": token})
        return web.Response(text="<ConfirmSubscriptionResponse/>", content_type="text/xml")

    app = cloud.app("identity", lambda request: None)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    app.router.add_get("/userinfo", provider.userinfo)
    app.router.add_get("/sns/cert.pem", certificate)
    app.router.add_get("/sns/confirm", confirm)
    return app
