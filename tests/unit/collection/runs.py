"""Runs a module as the worker does, with a clock that does not pass."""

from __future__ import annotations

import importlib
from typing import Any

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

MODULES = "ansible_collections.opsmap.cloud.plugins.modules"


def still_clock() -> Clock:
    """Sleeping is what makes this time pass."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 0.001)

    return Clock(now=lambda: now[0], sleep=sleep)


def run_module(
    module_name: str, check_mode: bool = False, /, clock: Clock | None = None, **options: Any
) -> dict[str, Any]:
    """The result, or the CloudError that the module raised. clock: another than one that does not pass."""
    module = importlib.import_module(f"{MODULES}.{module_name}")
    conditions = {key: value for key, value in module.SPEC.items() if key != "argument_spec"}
    checked = ModuleArgumentSpecValidator(module.SPEC["argument_spec"], **conditions).validate(options)
    assert not checked.error_messages, checked.error_messages
    result: dict[str, Any] = module.run(
        dict(checked.validated_parameters), Context(check_mode, clock=clock or still_clock())
    )
    return result
