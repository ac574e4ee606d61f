"""Short-lived ES256 tokens: the dashboard signs with its private key, the engine verifies with the public one."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ISSUER = "dashboard"
LIFETIME = 60
CLOCK_SKEW = 30
_ECDSA = ec.ECDSA(hashes.SHA256())


class TokenError(Exception):
    """The token proves nothing."""


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of a PEM file that was written as base64 on one line."""
    key = serialization.load_pem_private_key(_pem(text), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    key = serialization.load_pem_public_key(_pem(text))
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def sign(
    key: ec.EllipticCurvePrivateKey, subject: str, audience: str, now: float | None = None, lifetime: int = LIFETIME
) -> str:
    """A token that is valid for so many seconds."""
    issued = int(time.time() if now is None else now)
    claims = {"iss": ISSUER, "sub": subject, "aud": audience, "iat": issued, "exp": issued + lifetime}
    signed = f"{_encode(_json({'alg': 'ES256', 'typ': 'JWT'}))}.{_encode(_json(claims))}"
    r, s = decode_dss_signature(key.sign(signed.encode(), _ECDSA))
    return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify(key: ec.EllipticCurvePublicKey, token: str, audience: str, now: float | None = None) -> str:
    """The subject of a valid token. The algorithm is ours to choose, never the token's."""
    try:
        header, payload, signature = token.split(".")
        raw = _decode(signature)
        if len(raw) != 64 or json.loads(_decode(header)).get("alg") != "ES256":
            raise TokenError("not an ES256 token")
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(pair, f"{header}.{payload}".encode(), _ECDSA)
        claims = json.loads(_decode(payload))
    except (ValueError, AttributeError, InvalidSignature) as error:
        raise TokenError("the token is malformed or its signature is wrong") from error
    return _subject(claims, audience, time.time() if now is None else now)


def _subject(claims: Any, audience: str, now: float) -> str:
    if not isinstance(claims, dict) or claims.get("iss") != ISSUER or claims.get("aud") != audience:
        raise TokenError("the token is for somebody else")
    issued, expires, subject = claims.get("iat"), claims.get("exp"), claims.get("sub")
    if not isinstance(issued, int) or not isinstance(expires, int) or not isinstance(subject, str) or not subject:
        raise TokenError("the token lacks a claim")
    if not issued - CLOCK_SKEW <= now < expires + CLOCK_SKEW:
        raise TokenError("the token is expired or not yet valid")
    return subject


def _pem(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
