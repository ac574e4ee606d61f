"""Turns what SNS delivers into a prompt: an e-mail received by SES, or plain text."""

from __future__ import annotations

import base64
import binascii
import email
import email.message
import email.policy
from typing import Any

from supercog_engine.sns import as_json


def prompt(fields: dict[str, str]) -> tuple[str, str]:
    """Who asks, and what."""
    notice = as_json(fields["Message"])
    mail = notice.get("mail")
    if not isinstance(mail, dict):
        return "email", _joined(fields.get("Subject", ""), fields["Message"])
    headers = _dict(mail, "commonHeaders")
    sender = str(mail.get("source") or "email")
    subject = str(headers.get("subject") or fields.get("Subject") or "")
    return sender, _joined(subject, _body(notice))


def _joined(subject: str, body: str) -> str:
    return "\n\n".join(part.strip() for part in (subject, body) if part.strip())


def _body(notice: dict[str, Any]) -> str:
    content = notice.get("content")
    if not isinstance(content, str):
        return ""
    raw = content.encode()
    encoding = str(_dict(_dict(notice, "receipt"), "action").get("encoding"))
    if encoding.upper() == "BASE64":  # written Base64 in the rule, and in either way in notifications
        try:
            raw = base64.b64decode(content, validate=True)
        except binascii.Error:
            return ""
    message = email.message_from_bytes(raw, _class=email.message.EmailMessage, policy=email.policy.default)
    part = message.get_body(preferencelist=("plain",))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a charset nobody knows
        return bytes(part.get_payload(decode=True)).decode(errors="replace")


def _dict(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
