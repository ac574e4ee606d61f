"""AWS modules against clients in memory, which say what boto3 would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils import _aws, _ses, _sns
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from tests.unit.collection.runs import run_module

TOPIC = "arn:aws:sns:us-east-1:123456789012:mail"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"
URL = "https://app.example.com/email_handler"


def refusal(code: str, message: str = "no") -> ClientError:
    facts = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "r1"},
    }
    return ClientError(facts, "Call")


class Sns:
    """A topic whose endpoint confirms after so many looks; never, if that is None."""

    def __init__(self, looks: int | None = 2) -> None:
        self.looks = looks
        self.subscribed: dict[str, str] | None = None
        self.calls: list[str] = []

    def get_paginator(self, name: str) -> Any:
        return self

    def paginate(self, TopicArn: str) -> list[dict[str, Any]]:
        if self.subscribed is None:
            return [{"Subscriptions": []}]
        if self.looks is not None:
            self.looks -= 1
        confirmed = self.looks is not None and self.looks < 0
        arn = f"{TopicArn}:s1" if confirmed else "PendingConfirmation"
        return [{"Subscriptions": [{"SubscriptionArn": arn, "Endpoint": URL}]}]

    def get_subscription_attributes(self, SubscriptionArn: str) -> dict[str, Any]:
        return {"Attributes": dict(self.subscribed or {})}

    def subscribe(self, TopicArn: str, Protocol: str, Endpoint: str, Attributes: dict[str, str]) -> None:
        self.calls.append("subscribe")
        assert Protocol == "https"
        self.subscribed = Attributes

    def set_subscription_attributes(self, SubscriptionArn: str, AttributeName: str, AttributeValue: str) -> None:
        self.calls.append(AttributeName)
        assert self.subscribed is not None
        self.subscribed[AttributeName] = AttributeValue

    def unsubscribe(self, SubscriptionArn: str) -> None:
        self.subscribed = None


@pytest.fixture
def subscription(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def call(fake: Any, check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(_sns, "client", lambda params, service: fake)
        given = {"region": "us-east-1", "topic_arn": TOPIC, "endpoint": URL, **options}
        return run_module("sns_subscription", check_mode, **given)

    return call


def test_a_subscription_is_made_confirmed_and_then_left(subscription: Callable[..., dict[str, Any]]) -> None:
    fake = Sns()
    checked = subscription(fake, True)
    assert fake.calls == []
    made = subscription(fake)
    assert made["plan"] == checked["plan"]
    assert made["resource"] == {
        "arn": f"{TOPIC}:s1",
        "pending": False,
        "raw_message_delivery": False,
        "dead_letter_arn": "",
    }
    assert not subscription(fake)["changed"]
    changed = subscription(fake, raw_message_delivery=True, dead_letter_arn=QUEUE)
    assert changed["resource"]["raw_message_delivery"]
    assert changed["resource"]["dead_letter_arn"] == QUEUE
    assert fake.calls == ["subscribe", "RawMessageDelivery", "RedrivePolicy"]
    assert subscription(fake, state="absent")["resource"] is None


def test_one_that_nobody_confirms_says_what_to_do_and_a_rerun_asks_again(
    subscription: Callable[..., dict[str, Any]],
) -> None:
    fake = Sns(looks=None)
    with pytest.raises(CloudError) as caught:
        subscription(fake, wait_timeout=30)
    assert caught.value.code == "timeout"
    assert "visit SubscribeURL" in str(caught.value)
    fake.looks = 3
    assert subscription(fake)["plan"] == [f"ask {URL} again to confirm"]


def test_check_mode_before_the_topic_is_made(subscription: Callable[..., dict[str, Any]]) -> None:
    class NoTopic(Sns):
        def paginate(self, TopicArn: str) -> list[dict[str, Any]]:
            raise refusal("NotFound", "Topic does not exist")

    assert subscription(NoTopic(), True)["plan"] == [f"subscribe {URL}"]
    with pytest.raises(CloudError, match="Topic does not exist"):
        subscription(NoTopic())


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (refusal("SignatureDoesNotMatch"), "secret_key: it does not belong to access_key"),
        (refusal("AccessDenied", "not allowed to do sns:Subscribe"), "sns:Subscribe (HTTP 403, request r1)"),
        (NoCredentialsError(), "set AWS_ACCESS_KEY_ID"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "check endpoint_url"),
    ],
)
def test_what_boto3_raises_is_told_with_a_remedy(problem: Exception, says: str) -> None:
    with pytest.raises(CloudError) as caught, _aws.told("subscribe it"):
        raise problem
    assert says in str(caught.value)
    assert str(caught.value).startswith("subscribe it: ")


class Ses:
    """Rule sets by name."""

    def __init__(self, active: str = "") -> None:
        self.sets: dict[str, dict[str, dict[str, Any]]] = {active: {}} if active else {}
        self.active = active

    def describe_active_receipt_rule_set(self) -> dict[str, Any]:
        return {"Metadata": {"Name": self.active}} if self.active else {}

    def describe_receipt_rule_set(self, RuleSetName: str) -> dict[str, Any]:
        if RuleSetName not in self.sets:
            raise refusal("RuleSetDoesNotExist")
        return {"Rules": list(self.sets[RuleSetName].values())}

    def create_receipt_rule_set(self, RuleSetName: str) -> None:
        self.sets[RuleSetName] = {}

    def set_active_receipt_rule_set(self, RuleSetName: str) -> None:
        self.active = RuleSetName

    def create_receipt_rule(self, RuleSetName: str, Rule: dict[str, Any]) -> None:
        assert Rule["Name"] not in self.sets[RuleSetName]
        self.sets[RuleSetName][Rule["Name"]] = Rule

    def update_receipt_rule(self, RuleSetName: str, Rule: dict[str, Any]) -> None:
        assert Rule["Name"] in self.sets[RuleSetName]
        self.sets[RuleSetName][Rule["Name"]] = Rule

    def delete_receipt_rule(self, RuleSetName: str, RuleName: str) -> None:
        del self.sets[RuleSetName][RuleName]


def test_a_rule_is_made_changed_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Ses(active="theirs")
    monkeypatch.setattr(_ses, "client", lambda params, service: fake)

    def rule(check_mode: bool = False, /, **options: Any) -> dict[str, Any]:
        given = {"region": "us-east-1", "rule_set": "ours", "name": "mail", "topic_arn": TOPIC, **options}
        return run_module("ses_receipt_rule", check_mode, **given)

    with pytest.raises(CloudError, match="rule set theirs is active"):
        rule()
    assert fake.sets == {"theirs": {}}
    checked = rule(True, replace_active="theirs")
    made = rule(replace_active="theirs")
    assert (
        made["plan"]
        == checked["plan"]
        == ["create rule set ours", "create rule mail", "make rule set ours the active one"]
    )
    assert made["resource"]["active"]
    assert not rule()["changed"]
    changed = rule(recipients=["b.example", "a.example"], tls_policy="Require")
    assert changed["diff"]["after"]["recipients"] == ["a.example", "b.example"]
    assert not rule(recipients=["a.example", "b.example"], tls_policy="Require")["changed"]
    assert rule(state="absent")["resource"] is None
    assert not rule(state="absent")["changed"]
