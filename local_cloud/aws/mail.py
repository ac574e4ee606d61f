"""An e-mail that arrives: the active receipt rules publish it, as SES does for a domain that it receives for.

Sources: https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html and
https://docs.aws.amazon.com/ses/latest/dg/receiving-email-receipt-rules-console-walkthrough.html (how recipients match).
"""

from __future__ import annotations

import base64
import email.message
import email.utils
import json
import uuid
from typing import Any
from xml.etree import ElementTree

from local_cloud.aws.moto import Moto
from local_cloud.fly.ids import now

REQUIRED = ("from", "to", "subject", "text")


async def receive(moto: Moto, body: dict[str, Any]) -> dict[str, Any]:
    """Deliver one. body: from, to, subject, text, and region (default us-east-1). The rules that took it are returned."""
    missing = [name for name in REQUIRED if not isinstance(body.get(name), str)]
    if missing:
        raise ValueError(f"an e-mail needs {', '.join(REQUIRED)}; missing: {', '.join(missing)}")
    region = body.get("region", "us-east-1")
    active = await moto.query("ses", region, Action="DescribeActiveReceiptRuleSet")
    taken = []
    for rule in active.findall(".//Rules/member"):
        if rule.findtext("Enabled") == "true" and matches(recipients(rule), body["to"]):
            taken.append(rule.findtext("Name", ""))
            for action in rule.findall("Actions/member/SNSAction"):
                await publish(moto, region, action, body)
    return {"rules": taken}


def recipients(rule: ElementTree.Element) -> list[str]:
    return [item.text or "" for item in rule.findall("Recipients/member")]


def matches(wanted: list[str], address: str) -> bool:
    """No recipients: every address. An address, a domain, or a domain with a dot before it for what is below it."""
    domain = address.lower().rpartition("@")[2]
    return not wanted or any(
        item.lower() in (address.lower(), domain) or (item.startswith(".") and domain.endswith(item.lower()))
        for item in wanted
    )


async def publish(moto: Moto, region: str, action: ElementTree.Element, body: dict[str, Any]) -> None:
    """The notification of one rule's action."""
    encoding, topic = action.findtext("Encoding") or "UTF-8", action.findtext("TopicArn", "")
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = body["from"], body["to"], body["subject"]
    message["Date"] = email.utils.formatdate()
    message.set_content(body["text"])
    raw = message.as_bytes()
    identifier = uuid.uuid4().hex
    headers = {"from": [body["from"]], "to": [body["to"]], "subject": body["subject"]}
    notice = {
        "notificationType": "Received",
        "mail": {
            "timestamp": now(),
            "source": body["from"],
            "messageId": identifier,
            "destination": [body["to"]],
            "commonHeaders": headers,
        },
        "receipt": {"recipients": [body["to"]], "action": {"type": "SNS", "topicArn": topic, "encoding": encoding}},
        "content": base64.b64encode(raw).decode() if encoding.upper() == "BASE64" else raw.decode(),
    }
    subject = "Amazon SES Email Receipt Notification"
    await moto.query("sns", region, Action="Publish", TopicArn=topic, Subject=subject, Message=json.dumps(notice))
