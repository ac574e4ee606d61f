"""Who calls: the access key in the Authorization header, and its signature (Signature Version 4).

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re

from aiohttp import web

from local_cloud.cloud import Cloud

HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
)


def refusal(code: str, message: str, status: int = 403) -> web.Response:
    """An error as the Query services write it."""
    return web.Response(status=status, text=ERROR.format(code=code, message=message), content_type="text/xml")


class Keys:
    """Access keys: the one that the instance was told, and those that IAM has made."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def keep(self, key: str, secret: str) -> None:
        """A key that IAM has just made."""
        self.cloud.store.put("aws_key", key, {"id": key, "secret": secret})

    def refusal(self, request: web.Request, body: bytes) -> web.Response | None:
        """What is wrong with the request's signature, or None."""
        found = HEADER.fullmatch(request.headers.get("Authorization", ""))
        if not found:
            return refusal("MissingAuthenticationToken", "Request is missing Authentication Token")
        secret = self._secret(found["key"])
        if secret is None:
            return refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        if not hmac.compare_digest(signature(request, body, found, secret), found["signature"]):
            return refusal("SignatureDoesNotMatch", "The signature we calculated does not match the one you provided.")
        return None

    def _secret(self, key: str) -> str | None:
        tokens = self.cloud.settings.tokens
        if key == tokens["aws_access_key"]:
            return tokens["aws_secret_key"]
        document = self.cloud.store.get("aws_key", key)
        return document["secret"] if document else None


def signature(request: web.Request, body: bytes, found: re.Match[str], secret: str) -> str:
    """The signature that this request should have. The path counts as it was sent: our services have no odd ones."""
    path, _, query = request.raw_path.partition("?")
    pairs = sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)
    lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in found["headers"].split(";")]
    digest = request.headers.get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
    canonical = "\n".join([request.method, path, "&".join(pairs), *lines, "", found["headers"], digest])
    scope = [found["day"], found["region"], found["service"], "aws4_request"]
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers.get("X-Amz-Date", ""), "/".join(scope), hashed])
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()
