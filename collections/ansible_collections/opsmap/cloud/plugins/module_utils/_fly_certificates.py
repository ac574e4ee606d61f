# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of an app as people read them: DNS records to create, what is wrong, when they end. Pure: no calls."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._pem import Leaf, leaf
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Plan

Certificate = dict[str, Any]
COLUMNS = ("type", "name", "value", "for")
SOON = timedelta(days=21)  # a certificate that ends before this is warned of


def now() -> datetime:
    """The moment, as certificates count it."""
    return datetime.now(timezone.utc)  # noqa: UP017 - runs on older Pythons


def records(hostname: str, certificate: Certificate | None) -> list[dict[str, str]]:
    """The records that the certificate needs, from ``dns_requirements``; ``for`` tells what each is good for."""
    needs = (certificate or {}).get("dns_requirements") or {}
    found: list[dict[str, str]] = []

    def add(kind: str, name: Any, value: Any, purpose: str) -> None:
        if name and value:
            found.append(dict(zip(COLUMNS, (kind, str(name), str(value), purpose), strict=True)))

    for kind, key in (("A", "a"), ("AAAA", "aaaa")):
        for value in needs.get(key) or []:
            add(kind, hostname, value, "traffic")
    add("CNAME", hostname, needs.get("cname"), "traffic, instead of A and AAAA")
    challenge = needs.get("acme_challenge") or {}
    wildcard = hostname.startswith("*.")
    reason = "validation" if wildcard else "validation before traffic comes here, optional"
    add("CNAME", challenge.get("name"), challenge.get("target"), reason)
    ownership = needs.get("ownership") or {}
    add(
        "TXT",
        ownership.get("name"),
        ownership.get("app_value") or ownership.get("org_value"),
        "ownership, if asked for",
    )
    return found


def table(rows: list[dict[str, str]]) -> str:
    """The records in aligned columns, with a heading; empty without any."""
    if not rows:
        return ""
    lines = [tuple(column.upper() for column in COLUMNS), *(tuple(row[column] for column in COLUMNS) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def when(value: Any) -> datetime | None:
    """A time as the API writes it; None where it is none."""
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def custom(certificate: Certificate) -> dict[str, Any] | None:
    """The uploaded one among those that serve a host name."""
    held = certificate.get("certificates") or []
    return next((item for item in held if item.get("source") == "custom"), None)


def serves(certificate: Certificate, given: Leaf) -> bool | None:
    """Whether the uploaded certificate is the given one; None when the server tells nothing to compare.

    What can be read back is the end, to the second, and the kind of key. A renewed certificate ends later.
    """
    held = custom(certificate)
    if held is None:
        return False
    issued = held.get("issued") or []
    ends = [when(item.get("expires_at")) for item in [held, *issued]]
    kinds = [str(item.get("type")) for item in issued if item.get("type")]
    known = [end for end in ends if end]
    if not known:
        return None
    same_end = any(abs(end - given.expires) < timedelta(seconds=1) for end in known)
    return same_end and (not kinds or not given.kind or given.kind in kinds)


def limited(seen: dict[str, Certificate], now: datetime) -> str | None:
    """Why waiting makes no sense: the authority takes no more requests for a host name until some time."""
    for hostname, certificate in seen.items():
        until = when(certificate.get("rate_limited_until"))
        if until and until > now and certificate.get("status") != "active":
            return f"certificate {hostname}: the authority's limit is used up until {until:%Y-%m-%d %H:%M} UTC; run again then"
    return None


def remarks(hostname: str, certificate: Certificate | None, now: datetime) -> list[str]:
    """What an operator must know: limits of the authority, failed validations, an end that is near."""
    seen = certificate or {}
    found = []
    reason = limited({hostname: seen}, now)
    if reason:
        found.append(reason)
    for error in seen.get("validation_errors") or []:
        remedy = f" -> {error['remediation']}" if error.get("remediation") else ""
        found.append(f"certificate {hostname}: {error.get('message') or error.get('code')}{remedy}")
    held = custom(seen)
    ends = when((held or {}).get("expires_at"))
    if ends and ends - now < SOON:
        found.append(f"certificate {hostname}: the uploaded one ends on {ends:%Y-%m-%d}; give a renewed one")
    return found


def pending(hostnames: list[str], seen: dict[str, Certificate]) -> list[str]:
    """Host names whose certificate is not active, with the reason where there is one."""
    states = {hostname: (seen.get(hostname) or {}).get("status") for hostname in hostnames}
    reasons = {hostname: remarks(hostname, seen.get(hostname), now()) for hostname in hostnames}
    return [
        f"{name} is {state}{''.join(f' ({r})' for r in reasons[name])}"
        for name, state in states.items()
        if state != "active"
    ]


def shown(certificate: Certificate) -> dict[str, Any]:
    """What the diff shows of one."""
    own = custom(certificate)
    return {"source": "custom", "expires": own.get("expires_at")} if own else {"source": "fly"}


def plan_upload(result: Plan, hostname: str, held: Certificate | None, fullchain: str) -> None:
    """Add the step that makes the server serve the given certificate, unless it does."""
    given = leaf(fullchain)
    same = serves(held, given) if held else False
    if same is None:
        result.warnings.append(f"certificate {hostname}: Fly.io does not tell when the uploaded one ends, so it stays")
    if same is not False:
        return
    if held:
        result.before[hostname] = shown(held)
    result.after[hostname] = {"source": "custom", "expires": f"{given.expires:%Y-%m-%dT%H:%M:%SZ}"}
    verb = "replace" if held and custom(held) else "upload"
    result.add("upload", f"{verb} certificate {hostname}", hostname=hostname)
