"""What stands behind the API after a converge: asked with boto3, as anyone else would."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

ACCOUNT, TOPIC = "123456789012", "supercog-mail-local"
TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:{TOPIC}"


@pytest.fixture
def aws(deployed: Any) -> Any:
    """Clients with the key of the instance."""

    def client(service: str, access: str = "", secret: str = "") -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{deployed.port + 9}",
            aws_access_key_id=access or deployed.instance.token("aws_access_key"),
            aws_secret_access_key=secret or deployed.instance.token("aws_secret_key"),
        )

    return client


def test_only_the_own_receipt_rule_may_publish(aws: Any) -> None:
    policy = json.loads(aws("sns").get_topic_attributes(TopicArn=TOPIC_ARN)["Attributes"]["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "ses.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": f"arn:aws:ses:us-east-1:{ACCOUNT}:receipt-rule-set/{TOPIC}:receipt-rule/triggers",
    }


def test_the_rule_is_followed(aws: Any) -> None:
    active = aws("ses").describe_active_receipt_rule_set()
    assert active["Metadata"]["Name"] == TOPIC
    (rule,) = active["Rules"]
    assert rule["Recipients"] == ["mail.supercog.localhost"]
    assert rule["Actions"] == [{"SNSAction": {"TopicArn": TOPIC_ARN, "Encoding": "Base64"}}]


def test_buckets_are_closed_and_encrypted(aws: Any) -> None:
    names = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]]
    assert names == [f"supercog-files-local-{ACCOUNT}", f"supercog-images-local-{ACCOUNT}"]
    for name in names:
        assert set(aws("s3").get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = aws("s3").get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_the_user_may_use_the_buckets_and_nothing_else(aws: Any) -> None:
    document = aws("iam").get_user_policy(UserName="supercog-local", PolicyName="buckets")["PolicyDocument"]
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    assert actions == {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}
    resources = {text for statement in document["Statement"] for text in statement["Resource"]}
    assert all(text.startswith("arn:aws:s3:::supercog-") and "*" not in text.removesuffix("/*") for text in resources)


def test_a_wrong_secret_is_refused(aws: Any) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        aws("sts", secret="wrong").get_caller_identity()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        aws("sts", access="AKIA" + "2" * 16).get_caller_identity()


def test_the_secret_is_in_no_argument(aws: Any, deployed: Any) -> None:
    server = deployed("-cloud")
    secret = deployed.instance.token("aws_secret_key")
    assert secret not in server.check_output("cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n'")
