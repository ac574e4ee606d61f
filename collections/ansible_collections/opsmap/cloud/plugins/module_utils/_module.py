# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordinary way to run a module: as its own process, through AnsibleModule."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import maskable

Run = Callable[[dict[str, Any], Context], dict[str, Any]]


def run_module(spec: dict[str, Any], run: Run) -> None:
    """Validate, run, exit. ``spec`` holds the keyword arguments of AnsibleModule."""
    module = AnsibleModule(supports_check_mode=True, **spec)
    module.no_log_values = maskable(module.no_log_values)
    try:
        result = run(dict(module.params), Context(check_mode=module.check_mode, report=module.debug, alert=alert))
    except CloudError as error:
        module.fail_json(**error.failure())
    module.exit_json(**result)


def alert(text: str) -> None:
    """On the error output; nobody may be there to read it any more."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def from_env(*names: str) -> tuple[Any, list[str]]:
    """The fallback of an option: the first of these environment variables that is set."""
    return (env_fallback, list(names))


WAIT_OPTIONS: dict[str, Any] = {
    "wait_timeout": {"type": "float", "default": 600.0, "fallback": from_env("OPSMAP_WAIT_TIMEOUT")},
    "poll_interval": {"type": "float", "default": 1.0, "fallback": from_env("OPSMAP_POLL_INTERVAL")},
}

HTTP_OPTIONS: dict[str, Any] = {
    "api_timeout": {"type": "float", "default": 75.0, "fallback": from_env("OPSMAP_API_TIMEOUT")},
    "api_retries": {"type": "int", "default": 5, "fallback": from_env("OPSMAP_API_RETRIES")},
    "ca_path": {"type": "path", "fallback": from_env("OPSMAP_CA_PATH")},
}
