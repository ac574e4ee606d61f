"""Tokens between dashboard and engine, and the settings that carry the keys."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from supercog_dashboard import settings as dashboard_settings
from supercog_engine import settings as engine_settings
from supercog_shared import tokens
from supercog_shared.settings import Environment, SettingsError

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = 1_800_000_000.0


def one_line(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def private_text(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    options = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return one_line(key.private_bytes(serialization.Encoding.PEM, *options))


def public_text() -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return one_line(KEY.public_key().public_bytes(serialization.Encoding.PEM, form))


def test_a_signed_token_names_its_subject() -> None:
    token = tokens.sign(tokens.private_key(private_text()), "me@example.com", "engine", NOW)
    assert tokens.verify(tokens.public_key(public_text()), token, "engine", NOW + 1) == "me@example.com"


@pytest.mark.parametrize(("audience", "later"), [("engine-login", 0), ("engine", 3600), ("engine", -3600)])
def test_a_token_is_for_one_audience_and_a_minute(audience: str, later: float) -> None:
    token = tokens.sign(KEY, "me@example.com", "engine", NOW)
    with pytest.raises(tokens.TokenError):
        tokens.verify(KEY.public_key(), token, audience, NOW + later)


def changed(token: str, part: int, value: str) -> str:
    parts = token.split(".")
    parts[part] = value
    return ".".join(parts)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (0, encoded({"alg": "none"})),
        (0, encoded({"alg": "HS256", "typ": "JWT"})),
        (0, encoded(["ES256"])),
        (1, encoded({"iss": "dashboard", "sub": "root", "aud": "engine", "iat": 0, "exp": 9e9})),
        (2, ""),
        (2, "A" * 86),
        (2, "ä"),
    ],
)
def test_a_changed_token_is_refused(part: int, value: str) -> None:
    token = changed(tokens.sign(KEY, "me@example.com", "engine", NOW), part, value)
    with pytest.raises(tokens.TokenError):
        tokens.verify(KEY.public_key(), token, "engine", NOW)


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "..", "€.€.€"])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(tokens.TokenError):
        tokens.verify(KEY.public_key(), token, "engine")


def test_another_key_is_refused() -> None:
    token = tokens.sign(ec.generate_private_key(ec.SECP256R1()), "me@example.com", "engine", NOW)
    with pytest.raises(tokens.TokenError):
        tokens.verify(KEY.public_key(), token, "engine", NOW)


@pytest.mark.parametrize(
    "text", ["not base64!", one_line(b"no PEM"), private_text(ec.generate_private_key(ec.SECP384R1()))]
)
def test_a_wrong_key_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        tokens.private_key(text)


def test_all_problems_of_the_environment_are_told_together_without_values() -> None:
    with pytest.raises(SettingsError) as told:
        engine_settings.agents(Environment({"CREDENTIALS_MASTER_KEY": "hunter2", "OAUTH_CLIENT_ID": "x"}))
    text = str(told.value)
    for name in ("DATABASE_URL", "REDIS_URL", "DASH_PUBLIC_KEY", "CREDENTIALS_MASTER_KEY", "OAUTH_CLIENT_SECRET"):
        assert name in text
    assert "hunter2" not in text


def test_settings_do_not_print_their_secrets() -> None:
    common = {
        "DATABASE_URL": "postgresql://u:hunter2@h/d",
        "REDIS_URL": "redis://:hunter2@h",
        "APP_URL": "https://a/",
        "ENGINE_PUBLIC_URL": "https://e",
    }
    engine = {"CREDENTIALS_DATABASE_URL": "x", "CREDENTIALS_MASTER_KEY": Fernet.generate_key().decode()}
    login = {"ENGINE_URL": "http://e", "ADMIN_EMAIL": "Me@Example.com", "ADMIN_PASSWORD": "hunter2"}
    agents = engine_settings.agents(Environment(common | engine | {"DASH_PUBLIC_KEY": public_text()}))
    front = dashboard_settings.dashboard(Environment(common | login | {"DASH_PRIVATE_KEY": private_text()}))
    assert agents.oauth is None
    assert (front.app_url, front.admin_email) == ("https://a", "me@example.com")
    assert "hunter2" not in repr(agents) + repr(front)
