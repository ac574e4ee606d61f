"""What the dashboard reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from supercog_shared.settings import Environment
from supercog_shared.tokens import private_key


@dataclass(frozen=True)
class Dashboard:
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    dash_private_key: EllipticCurvePrivateKey = field(repr=False)
    admin_email: str
    admin_password: str = field(repr=False)
    app_url: str
    engine_url: str
    engine_public_url: str
    agent_service: str
    agent_services: frozenset[str]
    cookie_domain: str


def dashboard(env: Environment | None = None) -> Dashboard:
    env = env or Environment()
    key = env.parsed("DASH_PRIVATE_KEY", private_key, "a P-256 private key: PEM in base64 on one line")
    settings = {
        "database_url": env.text("DATABASE_URL"),
        "redis_url": env.text("REDIS_URL"),
        "admin_email": env.text("ADMIN_EMAIL").strip().lower(),
        "admin_password": env.text("ADMIN_PASSWORD"),
        "app_url": env.text("APP_URL").rstrip("/"),
        "engine_url": env.text("ENGINE_URL").rstrip("/"),
        "engine_public_url": env.text("ENGINE_PUBLIC_URL").rstrip("/"),
        "agent_service": env.text("AGENT_SERVICE", ""),
        "cookie_domain": env.text("COOKIE_DOMAIN", ""),
    }
    services = frozenset(env.text("AGENT_SERVICES", "").split(","))
    env.check()
    assert key is not None  # check() has seen to it
    return Dashboard(dash_private_key=key, agent_services=services, **settings)
