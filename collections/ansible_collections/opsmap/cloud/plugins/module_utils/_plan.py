# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""observe -> plan -> apply, once for every module.

``changed``, the diff, check mode and the calls that are made all come from one Plan, so check mode cannot lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock, Patience


@dataclass(frozen=True)
class Step:
    """One call to be made, as data. ``do`` names the handler, ``title`` is what the operator reads."""

    do: str
    title: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """The way from what is to what should be. ``before`` and ``after`` are what the diff shows: no secrets in them."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, do: str, title: str, **args: Any) -> None:
        """Append a step."""
        self.steps.append(Step(do, title, args))

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    def diff(self) -> dict[str, Any]:
        """The diff that ``--diff`` prints."""
        return {"before": self.before, "after": self.after} if self.changed else {"before": {}, "after": {}}


@dataclass(frozen=True)
class Context:
    """How a module was called: what Ansible decides, not the playbook.

    report: progress, for whoever watches. alert: reaches the terminal even when Ansible has stopped listening.
    """

    check_mode: bool = False
    report: Callable[[str], None] = lambda text: None
    alert: Callable[[str], None] = lambda text: None
    clock: Clock = Clock()

    def patience(self, params: Mapping[str, Any]) -> Patience:
        """The waiter's settings from the options ``wait_timeout`` and ``poll_interval``."""
        return Patience(params["wait_timeout"], params["poll_interval"], self.clock, self.report)


Handlers = Mapping[str, Callable[..., Any]]


def apply(plan: Plan, handlers: Handlers, context: Context) -> None:
    """Make the calls, in order. Each handler must be safe to repeat: a rerun starts from what it left."""
    for step in plan.steps:
        context.report(step.title)
        handlers[step.do](**step.args)


def converge(
    observe: Callable[[], Any],
    plan: Callable[[Any], Plan],
    apply_plan: Callable[[Plan], None],
    present: Callable[[Any], dict[str, Any] | None],
    context: Context,
) -> dict[str, Any]:
    """Run one module: the result has always the same shape (``resource`` is a dict or None).

    ``resource`` is what is there afterwards; in check mode, what is there now.
    """
    observed = observe()
    the_plan = plan(observed)
    if the_plan.changed and not context.check_mode:
        apply_plan(the_plan)
        observed = observe()
    result: dict[str, Any] = {
        "changed": the_plan.changed,
        "diff": the_plan.diff(),
        "plan": [step.title for step in the_plan.steps],
        "resource": present(observed),
    }
    if the_plan.warnings:
        result["warnings"] = the_plan.warnings
    return result
