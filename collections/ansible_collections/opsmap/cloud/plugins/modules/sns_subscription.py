#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sns_subscription
short_description: Subscribe an HTTP(S) endpoint to an SNS topic, and wait until it has confirmed
version_added: 0.1.0
description:
  - SNS sends an endpoint a message first, and the service behind it confirms by visiting the C(SubscribeURL) in it. This
    module waits for that, and asks again when an earlier question was not answered.
  - Raw delivery and the dead-letter queue are converged on a subscription that is there.
  - Other subscriptions of the topic are left alone.
options:
  topic_arn:
    description: ARN of the topic.
    type: str
    required: true
  endpoint:
    description: URL that takes the messages. Its scheme is the protocol.
    type: str
    required: true
  raw_message_delivery:
    description:
      - Whether the endpoint gets the bare message instead of the signed envelope. What is not in an envelope cannot be
        checked for its sender.
    type: bool
    default: false
  dead_letter_arn:
    description: ARN of an SQS queue of the topic's account and region for what could not be delivered; empty for none.
    type: str
    default: ''
  wait:
    description: Whether to wait for the confirmation.
    type: bool
    default: true
  state:
    description: Whether the subscription should be there.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - opsmap.cloud.aws
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Deliver e-mail to the trigger service
  opsmap.cloud.sns_subscription:
    region: us-east-1
    topic_arn: arn:aws:sns:us-east-1:123456789012:supercog-mail
    endpoint: https://app.example.com/email_handler
    dead_letter_arn: arn:aws:sqs:us-east-1:123456789012:supercog-mail-dead

- name: Stop delivering
  opsmap.cloud.sns_subscription:
    region: us-east-1
    topic_arn: arn:aws:sns:us-east-1:123456789012:supercog-mail
    endpoint: https://app.example.com/email_handler
    state: absent
"""

RETURN = r"""
resource:
  description: The subscription, or null when there is none. While it is pending it has no ARN.
  returned: always
  type: dict
  sample:
    arn: arn:aws:sns:us-east-1:123456789012:supercog-mail:da711448-96c8-4a19-a4b2-d2bc815a47c5
    pending: false
    raw_message_delivery: false
    dead_letter_arn: ''
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [subscribe https://app.example.com/email_handler]
"""

import re
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._aws import OPTIONS, TOGETHER, check_topic
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan, apply, converge
from ansible_collections.opsmap.cloud.plugins.module_utils._sns import SETTINGS, Subscription

SPEC: dict[str, Any] = {
    "argument_spec": {
        "topic_arn": {"type": "str", "required": True},
        "endpoint": {"type": "str", "required": True},
        "raw_message_delivery": {"type": "bool", "default": False},
        "dead_letter_arn": {"type": "str", "default": ""},
        "wait": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_together": TOGETHER,
}
ENDPOINT = re.compile(r"https?://[^\s/?#@]+(/\S*)?")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    check_topic(params["topic_arn"])
    if not ENDPOINT.fullmatch(params["endpoint"]):
        raise bad_option(
            "endpoint", f"{params['endpoint']!r} is no HTTP URL", "give it like https://host/email_handler"
        )
    home = params["topic_arn"].split(":")[3:5]
    queue = params["dead_letter_arn"].split(":")
    if params["dead_letter_arn"] and (len(queue) != 6 or queue[2] != "sqs" or queue[3:5] != home):
        hint = f"give the ARN of a queue in region {home[0]} of account {home[1]}"
        raise bad_option("dead_letter_arn", f"{params['dead_letter_arn']!r} is no queue beside the topic", hint)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed subscription to the desired one."""
    endpoint = params["endpoint"]
    shown = {name: observed[name] for name in ("pending", *SETTINGS)} if observed else {}
    if params["state"] == "absent":
        result = Plan(before=shown)
        if observed and observed["pending"]:
            result.warnings.append(
                f"{endpoint} never confirmed; SNS forgets such a subscription by itself after 3 days"
            )
        elif observed:
            result.add("unsubscribe", f"unsubscribe {endpoint}", arn=observed["arn"])
        return result
    result = Plan(before=shown, after={"pending": False, **{name: params[name] for name in SETTINGS}})
    if not observed:
        result.add("subscribe", f"subscribe {endpoint}")
    elif observed["pending"] and params["wait"]:
        result.add("subscribe", f"ask {endpoint} again to confirm")
    elif not observed["pending"]:
        for name in SETTINGS:
            if observed[name] != params[name]:
                result.add("set", f"set {name} of {endpoint}", arn=observed["arn"], name=name)
    return result


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one subscription."""
    validate(params)
    subscription = Subscription(params, context)
    return converge(
        subscription.observe,
        lambda observed: plan(params, observed),
        lambda made: apply(made, subscription.handlers(), context),
        lambda observed: observed,
        context,
    )


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
