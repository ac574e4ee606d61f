#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ses_receipt_rule
short_description: Publish e-mail that Amazon SES receives to an SNS topic
version_added: 0.1.0
description:
  - Keeps one rule of a receipt rule set with one action, which publishes the whole message to a topic.
  - The rule set is made when it is missing, and made the active one. Of a region's rule sets SES follows only the active
    one, so another that is active is not put out of use unless O(replace_active) names it.
  - SES publishes messages of up to 150 KB this way; it bounces larger ones.
options:
  rule_set:
    description: Name of the rule set.
    type: str
    required: true
  activate:
    description: Whether the rule set must be the active one. V(false) leaves that as it is.
    type: bool
    default: true
  replace_active:
    description: Name of the rule set that is active now, to put this one in its place.
    type: str
    default: ''
  name:
    description: Name of the rule.
    type: str
    required: true
  recipients:
    description: Addresses and domains that it is for. Empty means every domain that SES receives for.
    type: list
    elements: str
    default: []
  topic_arn:
    description: ARN of the topic.
    type: str
    required: true
  encoding:
    description: How the message is written into the notification. V(UTF-8) spoils what is in another character set.
    type: str
    choices: [UTF-8, Base64]
    default: Base64
  enabled:
    description: Whether the rule is followed.
    type: bool
    default: true
  tls_policy:
    description: Whether mail must come over TLS.
    type: str
    choices: [Optional, Require]
    default: Optional
  scan_enabled:
    description: Whether SES looks for spam and viruses. The verdicts are in the notification.
    type: bool
    default: true
  state:
    description: Whether the rule should be there.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - opsmap.cloud.aws
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Publish what comes for one domain
  opsmap.cloud.ses_receipt_rule:
    region: us-east-1
    rule_set: supercog
    name: triggers
    recipients: [mail.example.com]
    topic_arn: arn:aws:sns:us-east-1:123456789012:supercog-mail
"""

RETURN = r"""
resource:
  description: The rule with the rule set's name and whether that is the active one, or null when there is no rule.
  returned: always
  type: dict
  sample:
    rule_set: supercog
    active: true
    recipients: [mail.example.com]
    actions: [{topic_arn: "arn:aws:sns:us-east-1:123456789012:supercog-mail", encoding: Base64}]
    enabled: true
    tls_policy: Optional
    scan_enabled: true
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create rule set supercog, create rule triggers, make rule set supercog the active one]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._aws import OPTIONS, TOGETHER, check_topic
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option, refused
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._ses import Rules, wanted

SPEC: dict[str, Any] = {
    "argument_spec": {
        "rule_set": {"type": "str", "required": True},
        "activate": {"type": "bool", "default": True},
        "replace_active": {"type": "str", "default": ""},
        "name": {"type": "str", "required": True},
        "recipients": {"type": "list", "elements": "str", "default": []},
        "topic_arn": {"type": "str", "required": True},
        "encoding": {"type": "str", "choices": ["UTF-8", "Base64"], "default": "Base64"},
        "enabled": {"type": "bool", "default": True},
        "tls_policy": {"type": "str", "choices": ["Optional", "Require"], "default": "Optional"},
        "scan_enabled": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_together": TOGETHER,
}
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
RECIPIENT = re.compile(r"([^@\s]+@|\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+", re.IGNORECASE)


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    check_topic(params["topic_arn"])
    for option in ("rule_set", "name"):
        if not NAME.fullmatch(params[option]):
            hint = "use letters, digits, dashes and underscores, 64 at most, a letter or digit at both ends"
            raise bad_option(option, f"{params[option]!r} is no name", hint)
    for text in params["recipients"]:
        if not RECIPIENT.fullmatch(text):
            hint = "give an address, a domain, or a domain with a dot before it for what is below it"
            raise bad_option("recipients", f"{text!r} is neither address nor domain", hint)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps to the desired rule. observed: ``rule`` or None, ``there`` for the set, ``active`` with the active set's name."""
    now = observed or {"rule": None, "there": False, "active": ""}
    name, rule_set, active = params["name"], params["rule_set"], now["active"]
    if params["state"] == "absent":
        result = Plan(before=now["rule"] or {})
        if now["rule"]:
            result.add("delete", f"delete rule {name}")
        return result
    result = Plan(before={**(now["rule"] or {}), "active_rule_set": active}, after=wanted(params))
    result.after["active_rule_set"] = rule_set if params["activate"] else active
    if not now["there"]:
        result.add("create_set", f"create rule set {rule_set}")
    if not now["rule"]:
        result.add("create", f"create rule {name}")
    elif now["rule"] != wanted(params):
        result.add("update", f"update rule {name}")
    if params["activate"] and active != rule_set:
        if active and active != params["replace_active"]:
            hint = f"put the rule into that set (rule_set: {active}), or give replace_active: {active}"
            raise refused(f"activate {rule_set}", f"rule set {active} is active, and would be followed no more", hint)
        result.add("activate", f"make rule set {rule_set} the active one")
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one rule."""
    validate(params)
    rules = Rules(params)
    return converge(
        rules.observe,
        lambda observed: plan(params, observed),
        lambda made: apply(made, rules.handlers(), context),
        rules.present,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
