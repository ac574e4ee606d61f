#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_check
short_description: Walk through HTTP requests as a user would
version_added: 0.1.0
description:
  - Makes requests one after the other, with one cookie jar, and compares the answers. Values may be saved from an answer and
    used in later steps as C(${name}). A step is tried again until it passes or O(timeout) is over.
  - Redirects are not followed, so that they can be checked.
options:
  steps:
    description: The requests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the step does, for messages.
        type: str
        required: true
      url:
        description: Where to.
        type: str
        required: true
      method:
        description: Method.
        type: str
        default: GET
      headers:
        description: Headers.
        type: dict
        default: {}
      json:
        description: Body, sent as JSON.
        type: raw
      form:
        description: Body, sent as a form.
        type: dict
      body:
        description: Body as it is.
        type: str
      status:
        description: Wanted status, or several.
        type: list
        elements: int
        default: [200]
      expect:
        description:
          - C(json) (a subset), C(headers) and C(headers_not) (a part of each), C(body_contains), C(location) (a part).
          - C(closed), when true, passes if nothing answers or the answer is 404. It is not tried again.
        type: dict
        default: {}
      save:
        description:
          - Name to C(body), C(json.path.to.value) or C(header.name).
          - Names that begin with an underscore are for later steps only and are not returned, so they may hold secrets.
        type: dict
        default: {}
  variables:
    description: Values for C(${name}), such as passwords.
    type: dict
    default: {}
  resolve:
    description: Where to connect instead of asking the name service, host to C(address:port).
    type: dict
    default: {}
  ca_path:
    description: PEM file of the authorities to trust instead of the system's.
    type: path
  timeout:
    description: Seconds that a step may be tried again.
    type: float
    default: 30.0
  required:
    description: Whether a step that does not pass is a failure. If not, RV(passed) tells.
    type: bool
    default: true
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Sign in and look who it is
  opsmap.cloud.http_check:
    variables: {password: "{{ admin_password }}"}
    steps:
      - name: sign in
        url: https://app.supercog.example/api/login
        method: POST
        json: {email: admin@supercog.example, password: "${password}"}
      - name: who am I
        url: https://app.supercog.example/api/me
        expect:
          json: {email: admin@supercog.example}
"""

RETURN = r"""
passed:
  description: Whether all steps passed.
  returned: success
  type: bool
  sample: true
saved:
  description: What was saved.
  returned: success
  type: dict
  sample: {}
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._walk import EXPECTATIONS, HAS_URLLIB3, Walk

STEP: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "json": {"type": "raw"},
    "form": {"type": "dict"},
    "body": {"type": "str"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "expect": {"type": "dict", "default": {}},
    "save": {"type": "dict", "default": {}},
}
SPEC: dict[str, Any] = {
    "argument_spec": {
        "steps": {"type": "list", "elements": "dict", "required": True, "options": STEP},
        "variables": {"type": "dict", "default": {}, "no_log": True},
        "resolve": {"type": "dict", "default": {}},
        "ca_path": {"type": "path"},
        "timeout": {"type": "float", "default": 30.0},
        "required": {"type": "bool", "default": True},
    },
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Walk through all steps."""
    if not HAS_URLLIB3:
        raise CloudError("the Python package urllib3 is missing", code="refused", hint="install urllib3")
    walk = Walk(params, context)
    for step in params["steps"]:
        unknown = set(step["expect"]) - EXPECTATIONS
        if unknown:
            raise bad_option(
                "steps", f"{step['name']} expects {', '.join(unknown)}", f"use {', '.join(sorted(EXPECTATIONS))}"
            )
    for step in params["steps"]:
        problem = walk.go(step)
        if problem and params["required"]:
            raise CloudError(
                problem, "opsmap", "http check", code="failed_state", hint="look at the logs of what answers there"
            )
        if problem:
            return {"changed": False, "passed": False, "saved": walk.saved, "problem": problem}
    return {"changed": False, "passed": True, "saved": walk.saved}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
