#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_check
short_description: Check the variables of several roles at once, before any of them runs
version_added: 0.1.0
description:
  - Checks a host's variables against the entry point C(validate) in C(meta/argument_specs.yml) of each role, and against
    the rules that the role's C(vars/main.yml) lists under C(__ROLE_rules). Changes nothing.
  - All problems of the host are reported together.
  - A rule has C(variable), the name to blame; C(that), true when all is well; C(remedy), what to do about it.
options:
  roles:
    description: Names of the roles.
    type: list
    elements: str
    required: true
  required_variables:
    description: Names of variables that must be given, such as credentials.
    type: list
    elements: str
    default: []
  required_hint:
    description: Where to put a required variable that is missing.
    type: str
    default: give it as a variable
  resolve:
    description:
      - Names of variables whose values stay the same during the run. Each is rendered once, on top of the ones before it,
        and later tasks of the host find the value instead of a chain of templates.
      - Needs ansible-core 2.21; before that, every use renders them anew, as without this option.
    type: list
    elements: str
    default: []
  rules:
    description: Rules of the project's own, for what no role can ask before it runs.
    type: list
    elements: dict
    default: []
    suboptions:
      variable:
        description: Name of the variable to blame.
        type: str
        required: true
      that:
        description: True when all is well.
        type: bool
        required: true
      remedy:
        description: What to do about it.
        type: str
        required: true
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Check what the roles will be given
  opsmap.cloud.role_check:
    roles: [fly_app, fly_volume]
    required_variables: [opsmap_fly_api_token]
    rules:
      - variable: opsmap_machines
        that: "{{ opsmap_machines | int > 0 }}"
        remedy: at least one machine
"""

RETURN = r"""
problems:
  description: What was found, empty on success.
  returned: always
  type: list
  elements: str
  sample: []
"""
