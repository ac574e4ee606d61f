"""What the two services read from their environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from supercog_shared.settings import Environment
from supercog_shared.tokens import public_key


@dataclass(frozen=True)
class OAuth:
    """The identity provider; without a client id there is none."""

    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class Agents:
    database_url: str = field(repr=False)
    credentials_database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    master_key: Fernet = field(repr=False)
    dash_public_key: EllipticCurvePublicKey
    storage: Path
    app_url: str
    public_url: str
    oauth: OAuth | None


@dataclass(frozen=True)
class Trigger:
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    topic_arn: str
    cert_url_prefix: str


def agents(env: Environment | None = None) -> Agents:
    env = env or Environment()
    master_key = env.parsed("CREDENTIALS_MASTER_KEY", Fernet, "a Fernet key")
    dash_public_key = env.parsed("DASH_PUBLIC_KEY", public_key, "a P-256 public key: PEM in base64 on one line")
    settings = {
        "database_url": env.text("DATABASE_URL"),
        "credentials_database_url": env.text("CREDENTIALS_DATABASE_URL"),
        "redis_url": env.text("REDIS_URL"),
        "storage": Path(env.text("STORAGE_PATH", "/code/storage")),
        "app_url": env.text("APP_URL").rstrip("/"),
        "public_url": env.text("ENGINE_PUBLIC_URL").rstrip("/"),
        "oauth": _oauth(env),
    }
    env.check()
    assert master_key is not None  # check() has seen to both
    assert dash_public_key is not None
    return Agents(master_key=master_key, dash_public_key=dash_public_key, **settings)


def _oauth(env: Environment) -> OAuth | None:
    client_id = env.text("OAUTH_CLIENT_ID", "")
    if not client_id:
        return None
    return OAuth(
        authorize_url=env.text("OAUTH_AUTHORIZE_URL"),
        token_url=env.text("OAUTH_TOKEN_URL"),
        client_id=client_id,
        client_secret=env.text("OAUTH_CLIENT_SECRET"),
    )


def trigger(env: Environment | None = None) -> Trigger:
    env = env or Environment()
    settings = Trigger(
        database_url=env.text("DATABASE_URL"),
        redis_url=env.text("REDIS_URL"),
        topic_arn=env.text("SNS_TOPIC_ARN", ""),
        cert_url_prefix=env.text("SNS_CERT_URL_PREFIX", ""),
    )
    env.check()
    return settings
