"""Inbound e-mail on the whole stack: from the receipt rule to an agent run. It goes on with the instance of test_site."""

from __future__ import annotations

import json
import time
from typing import Any

import boto3
import pytest

from tests.support import Instance, changed, run

TEST = Instance("test")
WITH = ("-e", '{"opsmap_kinds_off": []}')
TOPIC = "arn:aws:sns:us-east-1:123456789012:supercog-mail-local"


def client(service: str) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{TEST.port + 9}",
        aws_access_key_id=TEST.token("aws_access_key"),
        aws_secret_access_key=TEST.token("aws_secret_key"),
    )


@pytest.fixture(scope="module")
def email() -> str:
    """Output of the converge that adds e-mail."""
    return TEST.playbook("site.yml", *WITH)


def subscriptions() -> list[dict[str, Any]]:
    return list(client("sns").list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"])


def test_the_running_service_has_confirmed(email: str) -> None:
    (found,) = subscriptions()
    assert found["SubscriptionArn"].startswith(TOPIC)
    assert found["Endpoint"] == f"http://app.supercog.localhost:{TEST.port + 7}/email_handler"
    assert TEST.token("aws_secret_key") not in email


def test_a_second_converge_changes_nothing(email: str) -> None:
    assert set(changed(TEST.playbook("site.yml", *WITH)).values()) == {0}
    output = TEST.playbook("site.yml", *WITH, "--check", "--diff")
    assert set(changed(output).values()) == {0}
    assert "--- before" not in output


def test_an_e_mail_starts_a_run(email: str) -> None:
    mail = {
        "from": "ann@example.com",
        "to": "bot@mail.supercog.localhost",
        "subject": "Weather",
        "text": "Will it rain?",
    }
    taken = TEST.call(0, "POST", "/ses/inbound", "control", mail)
    assert taken == {"rules": ["triggers"]}
    assert TEST.call(0, "POST", "/ses/inbound", "control", {**mail, "to": "bot@elsewhere.example"}) == {"rules": []}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and "ann@example.com" not in runs():
        time.sleep(0.5)
    assert "ann@example.com|Weather\n\nWill it rain?" in runs()


def runs() -> str:
    """Who asked by e-mail, and what: from the database itself."""
    (server,) = [name for name in TEST.containers() if "-pg-" in name]
    query = "SELECT owner, prompt FROM runs WHERE origin = 'email'"
    psql = "setpriv --reuid postgres --regid postgres --clear-groups psql -XqAt -p $(sed -n 4p /data/pg/postmaster.pid)"
    return run("docker", "exec", server, "sh", "-c", f'{psql} -d monster_engine -c "{query}"').stdout


def test_nobody_hears_who_has_not_confirmed(email: str) -> None:
    sns, nowhere = client("sns"), "http://nobody.localhost:9/email_handler"
    arn = sns.subscribe(TopicArn=TOPIC, Protocol="http", Endpoint=nowhere, ReturnSubscriptionArn=True)[
        "SubscriptionArn"
    ]
    try:
        assert [item["SubscriptionArn"] for item in subscriptions() if item["Endpoint"] == nowhere] == [
            "PendingConfirmation"
        ]
        assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    finally:
        sns.unsubscribe(SubscriptionArn=arn)
    assert len(subscriptions()) == 1


def test_what_cannot_be_delivered_is_kept(email: str) -> None:
    """The service is away, so every attempt fails."""
    machines = "/v1/apps/supercog-triggersvc-local/machines"
    machine = TEST.call(1, "GET", machines, "fly")[0]["id"]
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="supercog-mail-local-dead")["QueueUrl"]
    TEST.call(1, "POST", f"{machines}/{machine}/stop", "fly", {})
    TEST.call(1, "GET", f"{machines}/{machine}/wait?state=stopped&timeout=30", "fly")
    try:
        client("sns").publish(TopicArn=TOPIC, Message="unheard")
        deadline, kept = time.monotonic() + 90, []
        while not kept and time.monotonic() < deadline:
            kept = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", [])
        assert json.loads(kept[0]["Body"])["Message"] == "unheard"
    finally:
        TEST.call(1, "POST", f"{machines}/{machine}/start", "fly", {})
        TEST.call(1, "GET", f"{machines}/{machine}/wait?state=started&timeout=30", "fly")


def test_drift_is_seen_and_repaired(email: str) -> None:
    (found,) = subscriptions()
    client("sns").set_subscription_attributes(
        SubscriptionArn=found["SubscriptionArn"], AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    output = TEST.playbook("playbooks/release.yml", "--limit", "email.local", *WITH, "--check", "--diff")
    assert changed(output)["email.local"] == 1
    assert "raw_message_delivery: true" in output
    assert changed(TEST.playbook("playbooks/release.yml", "--limit", "email.local", *WITH))["email.local"] == 1
    assert changed(TEST.playbook("playbooks/release.yml", "--limit", "email.local", *WITH))["email.local"] == 0


def test_a_rule_that_somebody_removed_comes_back(email: str) -> None:
    ses = client("ses")

    def rules() -> list[str]:
        return [rule["Name"] for rule in ses.describe_receipt_rule_set(RuleSetName="supercog-mail-local")["Rules"]]

    (name,) = rules()
    ses.delete_receipt_rule(RuleSetName="supercog-mail-local", RuleName=name)
    assert rules() == []
    output = TEST.playbook("playbooks/provide.yml", "--limit", "email.local", *WITH, "--check", "--diff")
    assert changed(output)["email.local"] == 1
    TEST.playbook("playbooks/provide.yml", "--limit", "email.local", *WITH)
    assert rules() == [name]


def test_another_active_rule_set_is_not_put_out_of_use(email: str) -> None:
    ses = client("ses")
    ses.create_receipt_rule_set(RuleSetName="theirs")
    ses.set_active_receipt_rule_set(RuleSetName="theirs")
    output = TEST.playbook("playbooks/provide.yml", "--limit", "email.local", *WITH, check=False)
    assert "replace_active: theirs" in output
    assert ses.describe_active_receipt_rule_set()["Metadata"]["Name"] == "theirs"
    TEST.playbook("playbooks/provide.yml", "--limit", "email.local", *WITH, "-e", "email_trigger_replace_active=theirs")
    assert ses.describe_active_receipt_rule_set()["Metadata"]["Name"] == "supercog-mail-local"


def test_everything_that_receives_mail_goes_by_the_topics_name(email: str) -> None:
    absent = ["ansible", "email.local", "-m", "include_role", "-a", "name=email_trigger tasks_from=absent", *WITH]
    refused = run(*absent, check=False, OPSMAP_INSTANCE=TEST.purpose)
    assert "give the topic's name, supercog-mail-local" in " ".join((refused.stdout + refused.stderr).split())
    sure = ("-e", "email_trigger_confirm_destroy=supercog-mail-local")
    run(*absent, *sure, OPSMAP_INSTANCE=TEST.purpose)
    assert client("ses").describe_receipt_rule_set(RuleSetName="supercog-mail-local").get("Rules", []) == []
    assert TOPIC not in str(client("sns").list_topics())
    assert client("sqs").list_queues().get("QueueUrls", []) == []
    run(*absent, *sure, OPSMAP_INSTANCE=TEST.purpose)
