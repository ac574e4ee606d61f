"""Messages of AWS SNS: who may have sent them. No network here; the caller fetches what is allowed."""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AWS_HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService(-[0-9A-Za-z]+)?\.pem")
MAX_AGE = timedelta(hours=24)
NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
_SUBSCRIPTION_FIELDS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: _SUBSCRIPTION_FIELDS,
    "UnsubscribeConfirmation": _SUBSCRIPTION_FIELDS,
}
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}


class Forged(Exception):
    """The message is not from the topic it names, or not fit to be believed."""


@dataclass(frozen=True)
class Origin:
    """Where certificates and confirmations may be fetched: AWS, or the prefix of a stand-in."""

    prefix: str = ""

    def certificate(self, url: str) -> str:
        parts = self._parts(url)
        if parts.query or not (self.prefix or CERTIFICATE_PATH.fullmatch(parts.path)):
            raise Forged("SigningCertURL is not a certificate of SNS")
        return url

    def confirmation(self, url: str) -> str:
        self._parts(url)
        return url

    def _parts(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise Forged("a URL is malformed") from error
        if parts.fragment or "@" in parts.netloc or re.search(r"[\x00-\x20\\]", url):
            raise Forged("a URL is malformed")
        if self.prefix:
            allowed = urlsplit(self.prefix)
            same = (parts.scheme, parts.netloc) == (allowed.scheme, allowed.netloc)
            plain = "%" not in parts.path and posixpath.normpath(parts.path) == parts.path.rstrip("/")
            if same and (plain or parts.path in ("", "/")) and parts.path.startswith(allowed.path):
                return parts
        elif parts.scheme == "https" and port is None and AWS_HOST.fullmatch(parts.netloc):
            return parts
        raise Forged("a URL is not one of SNS")


def parse(body: bytes) -> dict[str, str]:
    """The fields of a message, complete for its type."""
    try:
        message = json.loads(body)
    except ValueError as error:
        raise Forged("not JSON") from error
    if not isinstance(message, dict):
        raise Forged("not a message of SNS")
    fields: dict[str, str] = {name: value for name, value in message.items() if isinstance(value, str)}
    if fields.get("Type") not in _SIGNED:
        raise Forged("not a message of SNS")
    needed = {*_SIGNED[fields["Type"]], "Signature", "SignatureVersion", "SigningCertURL"} - {"Subject"}
    if missing := sorted(needed - fields.keys()):
        raise Forged(f"lacks {', '.join(missing)}")
    return fields


def canonical(fields: dict[str, str]) -> bytes:
    """The bytes that SNS signs: names and values of the type's fields, a line each."""
    return "".join(f"{name}\n{fields[name]}\n" for name in _SIGNED[fields["Type"]] if name in fields).encode()


def verify(fields: dict[str, str], certificate: bytes, now: datetime | None = None) -> None:
    now = now or datetime.now(UTC)
    algorithm = _HASHES.get(fields["SignatureVersion"])
    if algorithm is None:
        raise Forged("SignatureVersion is unknown")
    try:
        loaded = x509.load_pem_x509_certificate(certificate)
        signature = base64.b64decode(fields["Signature"], validate=True)
        sent = datetime.fromisoformat(fields["Timestamp"])
    except (ValueError, binascii.Error) as error:
        raise Forged("the certificate, signature or time is malformed") from error
    key = loaded.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not loaded.not_valid_before_utc <= now <= loaded.not_valid_after_utc:
        raise Forged("the certificate is not valid")
    try:
        key.verify(signature, canonical(fields), padding.PKCS1v15(), algorithm())
    except InvalidSignature as error:
        raise Forged("the signature is wrong") from error
    if sent.tzinfo is None or abs(now - sent) > MAX_AGE:
        raise Forged("the message is too old")


def only_topic(fields: dict[str, str], topic_arn: str) -> None:
    if topic_arn and fields["TopicArn"] != topic_arn:
        raise Forged("the topic is not ours")


def as_json(text: str) -> dict[str, Any]:
    """What a service such as SES put into a message; an empty dict for plain text."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
