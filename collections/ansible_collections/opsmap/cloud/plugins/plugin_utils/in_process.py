# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of this collection in the Ansible worker when the connection is local.

A module's own process costs 0.3-0.4 s a task and host; in the worker the same code costs 0.03 s.
With another connection, or ``async``, the module runs the ordinary way.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import ModuleType
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import AnsibleValidationError, UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import maskable

CONDITIONS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
display = Display()


def terminal() -> int:
    """A descriptor of the terminal's error output: a worker's own leads nowhere. -1 when there is none."""
    try:
        return os.dup(2)
    except OSError:
        return -1


TERMINAL = terminal()  # this file is loaded before the workers are forked


class InProcess(ActionBase):
    """Base of the action plugins; each names its module."""

    module: ModuleType
    _host = ""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        self._supports_async = True  # by leaving the worker, see below
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._connection.transport != "local" or self._task.async_val:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val)))
            return result
        self._host = (task_vars or {}).get("inventory_hostname", "")
        spec = self.module.SPEC
        self._export_environment()
        validator = ModuleArgumentSpecValidator(
            spec["argument_spec"], **{key: spec[key] for key in CONDITIONS if key in spec}
        )
        checked = validator.validate(plain(self._task.args))
        hidden = maskable(checked._no_log_values)
        if checked.error_messages:
            texts = [_worded(error) for error in checked.errors]
            raise AnsibleActionFail("; ".join(remove_values(texts, hidden)))
        result.update(remove_values(self._call(checked.validated_parameters), hidden))
        return result

    def _call(self, params: dict[str, Any]) -> dict[str, Any]:
        context = Context(check_mode=self._task.check_mode, report=self._report, alert=self._alert)
        try:
            outcome: dict[str, Any] = self.module.run(params, context)
            return outcome
        except CloudError as error:
            if error.code == "interrupted":
                self._end(error)
            return error.failure()
        except Exception as error:  # noqa: BLE001 - a traceback could carry a secret, so only the place is told
            frame = error.__traceback__
            while frame and frame.tb_next:
                frame = frame.tb_next
            where = f"{os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else "?"
            text = f"internal error {type(error).__name__} at {where}: {error}"
            return CloudError(
                text, code="internal", hint="this is a defect of opsmap.cloud, please report it"
            ).failure()

    def _export_environment(self) -> None:
        """The task's ``environment:`` reaches a module process by itself; the worker must be told."""
        for layer in self._task.environment or []:
            values = self._templar.template(layer)
            os.environ.update({str(key): str(value) for key, value in (values or {}).items()})

    def _end(self, error: CloudError) -> None:
        """An interrupted run listens to no worker any more: tell, then end as Ansible's own handler does at once."""
        self._alert(str(error))
        os.kill(os.getpid(), signal.SIGTERM)

    def _alert(self, text: str) -> None:
        with suppress(OSError):  # the terminal may be gone; what is being put back must not end with it
            os.write(TERMINAL, f"  [{self._host}] {text}\n".encode())

    def _report(self, text: str) -> None:
        display.display(f"  [{self._host}] {text}", color="dark gray")


def _worded(error: AnsibleValidationError) -> str:
    return f"unknown option {error.msg}" if isinstance(error, UnsupportedError) else str(error.msg)


def plain(value: Any) -> Any:
    """Arguments arrive as tagged subclasses of str, dict and list; modules get the plain types."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value
