"""Host names of certificates: what DNS says of them, and what follows (reference fly 2.11). Pure but for the store."""

from __future__ import annotations

import datetime
import re
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local_cloud.fly.ids import milliseconds
from local_cloud.store import Store

Document = dict[str, Any]
HOSTNAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*")
FAILURES = 5  # checks of a name that may fail in an hour, as the certificate authority counts
HOUR = 3600 * 1000


def dns(store: Store, host: str) -> dict[str, bool]:
    """What DNS holds for a name: names of this machine are configured, others as the control API was told."""
    here = host.endswith(".localhost")
    told = store.get("dns", host) or {}
    return {key: bool(told.get(key, here)) for key in ("configured", "acme_challenge", "ownership")}


def proven(store: Store, host: str) -> bool:
    """Whether the name is known to be the owner's; a wildcard needs the challenge's record."""
    found = dns(store, host)
    return found["acme_challenge"] or (found["configured"] and not host.startswith("*."))


def rate_limited_until(item: Document) -> str | None:
    """Until when the authority issues nothing for the name, after too many failures."""
    recent = [at for at in item.get("failures", []) if milliseconds() - at < HOUR]
    if len(recent) < FAILURES:
        return None
    end = datetime.datetime.fromtimestamp((recent[-FAILURES] + HOUR) / 1000, datetime.UTC)
    return end.isoformat(timespec="seconds").replace("+00:00", "Z")


def status(store: Store, item: Document) -> str:
    """``pending_ownership``, ``pending_validation`` or ``active``."""
    host = item["hostname"]
    if milliseconds() < item.get("checked_at", 0):
        return "pending_validation"
    owned = proven(store, host) or dns(store, host)["ownership"]
    if item.get("pair"):
        return "active" if owned else "pending_ownership"
    return "active" if proven(store, host) and not rate_limited_until(item) else "pending_validation"


def served(store: Store, item: Document) -> str:
    """Which certificate clients get: ``custom`` first, ``fly`` as the fallback, '' for none."""
    if status(store, item) != "active":
        return ""
    return "custom" if item.get("pair") else "fly"


def leaf(chain: str) -> x509.Certificate:
    """The first certificate of a chain; a ValueError if it is none."""
    return x509.load_pem_x509_certificates(chain.encode())[0]


def problem(host: str, chain: str, key: str) -> str | None:
    """Why a custom certificate cannot be served for a name; None when it can."""
    try:
        certificate = leaf(chain)
    except ValueError:
        return "fullchain is no PEM certificate"
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return "private_key is no PEM key without a password"
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        return "private_key does not match the certificate"
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc <= now:
        return f"the certificate expired at {certificate.not_valid_after_utc.isoformat()}"
    if certificate.not_valid_before_utc > now:
        return f"the certificate is not valid before {certificate.not_valid_before_utc.isoformat()}"
    return None if host in _names(certificate, host) else f"the certificate's names do not cover {host}"


def _names(certificate: x509.Certificate, host: str) -> set[str]:
    """Names of the certificate; a wildcard stands for the host if it covers it."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    names = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    return names | {host} if "*." + host.partition(".")[2] in names else names
