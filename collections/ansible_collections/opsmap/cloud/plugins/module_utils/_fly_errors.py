# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Fly.io's answers mean and what to do. Codes are few there, so the words of the message decide."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError


@dataclass(frozen=True)
class Rule:
    """``when`` is searched in "status code message", without regard to case; ``hint`` is the remedy."""

    when: str
    hint: str


SECRET_RULES = (
    Rule(
        r"^413|too (large|long|big)|exceed|maximum|size limit",
        "a value is larger than Fly.io takes; put large content into the image or on a volume",
    ),
    Rule(r"^4(00|22) .*(name|key|label)", "use names of letters, digits and underscores, no digit first"),
)
CERTIFICATE_RULES = (
    Rule(r"^422 .*(another app|in use|is used|taken)", "remove the host name from the app that has it, then run again"),
    Rule(
        r"^422 .*(mismatch|not match|private.key|invalid key)",
        "private_key must belong to the first certificate of fullchain",
    ),
    Rule(r"^422 .*expired", "fullchain has expired; give a certificate that is valid"),
    Rule(r"^422 .*(san|hostname|host name|subject)", "the first certificate of fullchain must name the host name"),
    Rule(r"^429|rate.?limit", "the authority's limit for this name is used up; a later run goes on"),
)


@contextmanager
def explained(rules: tuple[Rule, ...]) -> Iterator[None]:
    """An error of Fly.io within gets the remedy of the first rule that fits."""
    try:
        yield
    except CloudError as error:
        text = f"{error.status or ''} {error.code} {error.message}"
        error.hint = next((rule.hint for rule in rules if re.search(rule.when, text, re.IGNORECASE)), error.hint)
        raise


def _apps(scope: dict[str, Any]) -> list[str]:
    """Apps that a token is limited to; sources disagree whether they are names or objects."""
    found = [app.get("name") if isinstance(app, dict) else app for app in scope.get("apps") or []]
    return [str(app) for app in found if app and app != "*"]


def organizations(scopes: list[dict[str, Any]]) -> list[str]:
    """Slugs of the organizations that a token knows."""
    return sorted({str(scope["org_slug"]) for scope in scopes if scope.get("org_slug")})


def not_ours(error: CloudError, app: str, scopes: list[dict[str, Any]]) -> CloudError:
    """A 403 on reading an app: the token is for other apps, or the name belongs to someone else."""
    own = sorted({name for scope in scopes for name in _apps(scope)})
    if own and all(_apps(scope) for scope in scopes):
        error.message = f"the token is for {', '.join(own)} alone"
        error.hint = "use a token of the organization: fly tokens create org"
        return error
    whose = f" (the token is of {', '.join(organizations(scopes))})" if organizations(scopes) else ""
    error.message = f"the name {app} is taken by another organization{whose}: {error.message}"
    error.hint = "app names are global on Fly.io; choose another name, or use a token of the organization that has it"
    return error


def not_made(error: CloudError, org: str, scopes: list[dict[str, Any]]) -> CloudError:
    """Why an app could not be made: scope of the token, or an organization that is not there."""
    known = organizations(scopes)
    if error.status in (401, 403):
        limited = any(_apps(scope) for scope in scopes)
        error.message = f"the token may not make apps in {org}: {error.message}"
        kind = "it is a deploy token; " if limited else ""
        error.hint = f"{kind}use a token of the organization: fly tokens create org"
    elif error.code == "name_taken" or re.search(r"\btaken\b", error.message, re.IGNORECASE):
        error.hint = "app names are global on Fly.io; choose another name"
    elif re.search(r"\borg", error.message, re.IGNORECASE):
        error.message = f"org: there is no {org!r}, or the token does not see it: {error.message}"
        error.hint = f"the token is of {', '.join(known)}" if known else "fly orgs list shows the slugs"
    return error
