# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subscription of an SNS topic: the calls, in the words of the module sns_subscription."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._aws import client, told
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

SETTINGS = {"raw_message_delivery": "RawMessageDelivery", "dead_letter_arn": "RedrivePolicy"}


def attributes(params: dict[str, Any]) -> dict[str, str]:
    """The options as SNS takes them."""
    policy = {"deadLetterTargetArn": params["dead_letter_arn"]} if params["dead_letter_arn"] else {}
    return {"RawMessageDelivery": str(params["raw_message_delivery"]).lower(), "RedrivePolicy": json.dumps(policy)}


def confirmed(seen: dict[str, Any] | None) -> bool:
    """Whether messages reach the endpoint."""
    return seen is not None and not seen["pending"]


class Subscription:
    """The subscription of one endpoint."""

    def __init__(self, params: dict[str, Any], context: Context) -> None:
        self.params, self.context = params, context
        self.topic, self.endpoint = params["topic_arn"], params["endpoint"]
        self.sns = client(params, "sns")

    def find(self) -> dict[str, Any] | None:
        """What SNS says of it, or None. While it is pending, SNS tells nothing more."""
        with told(f"list subscriptions of {self.topic}"):
            pages = self.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic)
            listed = [item for page in pages for item in page["Subscriptions"] if item["Endpoint"] == self.endpoint]
        if not listed:
            return None
        arn = listed[0]["SubscriptionArn"]
        if not arn.startswith("arn:"):
            return {"arn": "", "pending": True, "raw_message_delivery": False, "dead_letter_arn": ""}
        with told(f"read subscription {arn}"):
            seen = self.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        raw = seen.get("RawMessageDelivery") == "true"
        dead = json.loads(seen.get("RedrivePolicy") or "{}").get("deadLetterTargetArn", "")
        return {"arn": arn, "pending": False, "raw_message_delivery": raw, "dead_letter_arn": dead}

    def observe(self) -> dict[str, Any] | None:
        """The same; in check mode the topic may be one that would have been made before."""
        try:
            return self.find()
        except CloudError as error:
            if error.code == "NotFound" and self.context.check_mode:
                return None
            raise

    def handlers(self) -> dict[str, Callable[..., None]]:
        """The steps of a plan."""
        return {"subscribe": self._subscribe, "set": self._set, "unsubscribe": self._unsubscribe}

    def _subscribe(self) -> None:
        given = {name: value for name, value in attributes(self.params).items() if value not in ("false", "{}")}
        protocol = self.endpoint.partition(":")[0]
        with told(f"subscribe {self.endpoint}"):
            self.sns.subscribe(TopicArn=self.topic, Protocol=protocol, Endpoint=self.endpoint, Attributes=given)
        if not self.params["wait"]:
            return
        what, patience = f"confirmation by {self.endpoint}", self.context.patience(self.params)
        try:
            wait_for(what, self.find, confirmed, patience, state=lambda seen: "pending", service="aws")
        except CloudError as error:
            error.hint = "the service must visit SubscribeURL of the message it got; see its log, then run again"
            raise

    def _set(self, arn: str, name: str) -> None:
        key = SETTINGS[name]
        with told(f"set {name} of {self.endpoint}"):
            value = attributes(self.params)[key]
            self.sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=key, AttributeValue=value)

    def _unsubscribe(self, arn: str) -> None:
        with told(f"unsubscribe {self.endpoint}"):
            self.sns.unsubscribe(SubscriptionArn=arn)
