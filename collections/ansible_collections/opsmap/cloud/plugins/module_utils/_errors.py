# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the collection, and the one shape in which a failure is reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class CloudError(Exception):
    """Anything that keeps a resource from its desired state.

    service: ``fly``, ``redis_cloud``, ``digitalocean``, ``registry``, ``docker`` or ``opsmap`` (refused before any call).
    operation: what was attempted, such as ``create machine``.
    status: HTTP status, or None when no answer came.
    code: the API's own code where it has one; ours are ``bad_option``, ``refused``, ``timeout``, ``unreachable``, ``failed_state``.
    request_id: what the vendor's support asks for.
    hint: the remedy, one sentence.
    """

    message: str
    service: str = "opsmap"
    operation: str = ""
    status: int | None = None
    code: str = ""
    request_id: str = ""
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.operation}: {self.message}" if self.operation else self.message
        facts = [f"HTTP {self.status}" if self.status else "", self.request_id and f"request {self.request_id}"]
        tail = f" ({', '.join(fact for fact in facts if fact)})" if any(facts) else ""
        return f"{head}{tail}" + (f" -> {self.hint}" if self.hint else "")

    def failure(self) -> dict[str, Any]:
        """What a module returns when it fails: ``msg`` for people, ``error`` for programs."""
        return {"failed": True, "msg": str(self), "error": asdict(self)}


def bad_option(option: str, problem: str, hint: str) -> CloudError:
    """An option that cannot be honoured: names the option, says what is wrong and what to do."""
    return CloudError(message=f"{option}: {problem}", code="bad_option", hint=hint)


def refused(operation: str, reason: str, hint: str) -> CloudError:
    """A change that the cloud or this collection does not do, found while planning."""
    return CloudError(message=reason, operation=operation, code="refused", hint=hint)
