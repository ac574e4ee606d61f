"""Messages of SNS: who is believed, and what may be fetched."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from supercog_engine import mail, sns

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "m-1",
    "TopicArn": "arn:aws:sns:us-east-1:1:mail",
    "Subject": "Hello",
    "Message": "Do it.",
    "Timestamp": "2026-11-24T11:59:00.000Z",
    "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
}
SUBSCRIPTION = {name: value for name, value in NOTIFICATION.items() if name != "Subject"} | {
    "Type": "SubscriptionConfirmation",
    "Token": "t",
    "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
}


def certificate(until: datetime = NOW + timedelta(days=1)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=9)).not_valid_after(until).public_key(KEY.public_key())
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PEM = certificate()


def signed(fields: dict[str, str], version: str = "2") -> dict[str, str]:
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = KEY.sign(sns.canonical(fields), padding.PKCS1v15(), algorithm)
    return fields | {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("fields", [NOTIFICATION, SUBSCRIPTION, NOTIFICATION | {"Subject": ""}])
def test_a_signed_message_is_believed(fields: dict[str, str], version: str) -> None:
    message = sns.parse(json.dumps(signed(fields, version)).encode())
    sns.verify(message, PEM, NOW)


def test_the_signed_text_is_what_aws_documents() -> None:
    text = sns.canonical(NOTIFICATION).decode()
    assert text == (
        "Message\nDo it.\nMessageId\nm-1\nSubject\nHello\nTimestamp\n2026-11-24T11:59:00.000Z\n"
        "TopicArn\narn:aws:sns:us-east-1:1:mail\nType\nNotification\n"
    )
    without = {name: value for name, value in NOTIFICATION.items() if name != "Subject"}
    assert "Subject" not in sns.canonical(without).decode()


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "TopicArn", "Timestamp", "Signature"])
def test_a_changed_field_is_forged(field: str) -> None:
    message = signed(NOTIFICATION)
    message[field] = "2026-11-24T11:58:00.000Z" if field == "Timestamp" else "QUJD"
    with pytest.raises(sns.Forged):
        sns.verify(message, PEM, NOW)


@pytest.mark.parametrize(
    ("pem", "now"),
    [(b"", NOW), (certificate(NOW - timedelta(days=1)), NOW), (PEM, NOW + timedelta(hours=23, days=1))],
)
def test_certificates_and_messages_grow_old(pem: bytes, now: datetime) -> None:
    with pytest.raises(sns.Forged):
        sns.verify(signed(NOTIFICATION), pem, now)


@pytest.mark.parametrize("change", [{"SignatureVersion": "3"}, {"Signature": "%"}, {"Timestamp": "yesterday"}])
def test_what_is_not_understood_is_forged(change: dict[str, str]) -> None:
    with pytest.raises(sns.Forged):
        sns.verify(signed(NOTIFICATION) | change, PEM, NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"Type": "Notification"}', b'{"Type": ["Notification"]}'])
def test_anything_else_is_no_message(body: bytes) -> None:
    with pytest.raises(sns.Forged):
        sns.parse(body)


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0a.pem",
    ],
)
def test_certificates_of_aws_may_be_fetched(url: str) -> None:
    assert sns.Origin().certificate(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-0a.pem",
        "https://evil.example\\@sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com/?Action=Anything#.pem",
        "https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-0a.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com\n/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com:x/a.pem",
        "file:///etc/passwd",
        "",
    ],
)
def test_nothing_else_may_be_fetched(url: str) -> None:
    with pytest.raises(sns.Forged):
        sns.Origin().certificate(url)


def test_a_stand_in_has_its_prefix_only() -> None:
    stand_in = sns.Origin("http://stand-in.internal:9008/sns/")
    assert stand_in.certificate("http://stand-in.internal:9008/sns/cert.pem")
    assert stand_in.confirmation("http://stand-in.internal:9008/sns/confirm?token=1")
    for url in (
        NOTIFICATION["SigningCertURL"],
        "http://stand-in.internal:9008/other",
        "http://stand-in.internal:9008/sns/../other",
        "http://stand-in.internal:9008/sns/%2e%2e/other",
        "http://stand-in.internal:90081/sns/cert.pem",
    ):
        with pytest.raises(sns.Forged):
            stand_in.certificate(url)


def test_a_prefix_may_be_a_whole_host() -> None:
    stand_in = sns.Origin("http://stand-in.internal:9008/")
    assert stand_in.confirmation("http://stand-in.internal:9008/?Action=ConfirmSubscription")


def test_one_topic_may_be_wanted() -> None:
    sns.only_topic(NOTIFICATION, "")
    sns.only_topic(NOTIFICATION, NOTIFICATION["TopicArn"])
    with pytest.raises(sns.Forged):
        sns.only_topic(NOTIFICATION, "arn:aws:sns:us-east-1:1:other")


RAW = "From: a@example.com\r\nSubject: Hi\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPay the bill.\r\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (RAW, "UTF8"),
        (base64.b64encode(RAW.encode()).decode(), "BASE64"),
        (base64.b64encode(RAW.encode()).decode(), "Base64"),
    ],
)
def test_an_email_becomes_a_prompt(content: str, encoding: str) -> None:
    notice = {
        "mail": {"source": "a@example.com", "commonHeaders": {"subject": "Hi"}},
        "receipt": {"action": {"encoding": encoding}},
        "content": content,
    }
    assert mail.prompt({"Message": json.dumps(notice)}) == ("a@example.com", "Hi\n\nPay the bill.")


@pytest.mark.parametrize(
    ("message", "prompt"),
    [
        ("Do it.", ("email", "Hello\n\nDo it.")),
        ('{"mail": {}}', ("email", "Hello")),
        ('{"mail": {}, "content": "%", "receipt": {"action": {"encoding": "BASE64"}}}', ("email", "Hello")),
        ('{"mail": {}, "content": "Content-Type: text/plain; charset=nonsense\\n\\nx"}', ("email", "Hello\n\nx")),
        ('{"mail": {}, "content": "Content-Type: text/html\\n\\n<p>x"}', ("email", "Hello")),
        ('{"mail": {}, "receipt": "x", "content": "\\nx"}', ("email", "Hello\n\nx")),
    ],
)
def test_odd_messages_become_prompts_too(message: str, prompt: tuple[str, str]) -> None:
    assert mail.prompt({"Message": message, "Subject": "Hello"}) == prompt
