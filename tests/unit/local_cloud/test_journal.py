"""What the journal of the local cloud keeps, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.journal import REDACTED, decoded, redacted

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "data", "kept"),
    [
        ("/v1/apps", {"app_name": "web"}, {"app_name": "web"}),
        ("/v1/apps/web/secrets", {"values": {"A": "x", "B": None}}, {"values": {"A": REDACTED, "B": None}}),
        ("/v1/apps/web/machines", {"config": {"env": {"A": "x"}}}, {"config": {"env": {"A": REDACTED}}}),
        ("/v1/apps/web/machines/1/exec", {"exit_code": 0, "stdout": "A=x"}, {"exit_code": 0, "stdout": REDACTED}),
        ("/v2/databases/1/firewall", {"rules": [{"value": "1.2.3.4"}]}, {"rules": [{"value": "1.2.3.4"}]}),
        ("/v1/subscriptions", {"password": "x", "name": "events"}, {"password": REDACTED, "name": "events"}),
    ],
)
def test_secrets_are_not_kept(path: str, data: Any, kept: Any) -> None:
    assert redacted(data, path) == kept


def test_a_form_is_read_before_it_is_kept() -> None:
    body = decoded(b"grant_type=authorization_code&client_id=web&client_secret=planted&code=planted", FORM)
    assert redacted(body, "/token") == {
        "grant_type": "authorization_code",
        "client_id": "web",
        "client_secret": REDACTED,
        "code": REDACTED,
    }


def test_what_is_neither_json_nor_a_form_is_kept_as_text() -> None:
    assert decoded(b"plain") == "plain"
    assert decoded(b"") is None
