"""Fly.io as far as apps, secrets, addresses and certificates go, in memory (reference fly 2.1, 2.9, 2.11, 2.12)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from tests.unit.collection.fake_http import Answer, Fake, Route

FOREIGN = "taken"
ORGS = ("acme",)


@dataclass
class FakeFly(Fake):
    """``apps`` by name; ``scopes`` is what the token may do; ``refusals`` answer a method and path before anything else."""

    apps: dict[str, Any] = field(default_factory=dict)
    scopes: list[dict[str, Any]] = field(default_factory=lambda: [{"org_slug": "acme", "apps": []}])
    refusals: dict[tuple[str, str], Answer] = field(default_factory=dict)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    machines: list[dict[str, Any]] = field(default_factory=list)
    ips: list[dict[str, Any]] = field(default_factory=list)
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0
    second: int = 0

    def authorized(self, headers: Any) -> bool:
        return bool(headers.get("Authorization"))

    def answer(self, method: str, path: str, body: Any) -> Answer:
        refusal = self.refusals.get((method, path))
        return refusal if refusal else super().answer(method, path, body)

    def routes(self) -> list[Route]:
        app = "/v1/apps/web"
        return [
            ("GET", "/v1/tokens/current", lambda: (200, {"tokens": self.scopes})),
            ("GET", "/v1/apps/([a-z-]+)", self.get_app),
            ("POST", "/v1/apps", self.create_app),
            ("DELETE", "/v1/apps/([a-z-]+)", lambda name: (202 if self.apps.pop(name, None) else 404, None)),
            ("GET", f"{app}/machines", lambda: (200, self.machines)),
            ("GET", f"{app}/secrets", lambda: (200, {"secrets": list(self.secrets.values())})),
            ("POST", f"{app}/secrets", self.set_secrets),
            ("GET", f"{app}/ip_assignments", lambda: (200, {"ips": self.ips})),
            ("POST", f"{app}/ip_assignments", self.assign),
            ("GET", f"{app}/certificates/([^/]+)", self.get_certificate),
            ("POST", f"{app}/certificates/(acme|custom)", self.add_certificate),
            (
                "DELETE",
                f"{app}/certificates/([^/]+)",
                lambda host: (204 if self.certificates.pop(host, None) else 404, None),
            ),
        ]

    def now(self) -> str:
        """A clock that is ten seconds later at each look."""
        self.second += 10
        return f"2026-11-24T10:{self.second // 60:02}:{self.second % 60:02}Z"

    def get_app(self, name: str) -> Answer:
        if name == FOREIGN:
            return 403, {"error": "unauthorized", "status": "unknown"}
        return (200, self.apps[name]) if name in self.apps else (404, {"error": "app not found"})

    def create_app(self, body: dict[str, Any]) -> Answer:
        if body["org_slug"] not in ORGS:
            return 404, {"error": f"Organization {body['org_slug']} not found"}
        if body["name"] in self.apps:
            return 422, {"error": "Validation failed: Name has already been taken", "status": "name_taken"}
        self.apps[body["name"]] = {
            "name": body["name"],
            "organization": {"slug": body["org_slug"]},
            "network": "default",
        }
        return 201, {"id": "1", "created_at": 0}

    def set_secrets(self, body: dict[str, Any]) -> Answer:
        moment = self.now()
        for name, value in body["values"].items():
            if value is None:
                self.secrets.pop(name, None)
                continue
            digest = hashlib.sha256(b"salt" + value.encode()).hexdigest()[:16]
            if (self.secrets.get(name) or {}).get("digest") != digest:
                self.secrets[name] = {"name": name, "digest": digest, "created_at": moment, "updated_at": moment}
        self.version += 1
        return 200, {"secrets": [self.secrets[n] for n in body["values"] if n in self.secrets], "version": self.version}

    def assign(self, body: dict[str, Any]) -> Answer:
        number = len(self.ips) + 1
        ip = f"137.66.0.{number}" if body["type"].endswith("v4") else f"2a09::{number}"
        network = {"name": body["network"], "org_slug": body.get("org_slug")} if body.get("network") else None
        made = {
            "ip": ip,
            "region": body.get("region", "global"),
            "shared": body["type"] == "shared_v4",
            "network": network,
        }
        self.ips.append(made)
        return 200, made

    def get_certificate(self, host: str) -> Answer:
        return (
            (200, self.certificates[host]) if host in self.certificates else (404, {"error": "certificate not found"})
        )

    def add_certificate(self, kind: str, body: dict[str, Any]) -> Answer:
        host = body["hostname"]
        self.certificates[host.replace("*", "%2A")] = {
            "hostname": host,
            "acme_requested": kind == "acme",
            "status": "pending_validation",
            "certificates": [{"source": "custom", "expires_at": "2120-01-01T12:00:00Z"}] if kind == "custom" else [],
            "dns_requirements": {
                "a": ["137.66.0.1"],
                "aaaa": ["2a09::1"],
                "cname": "x.web.fly.dev",
                "acme_challenge": {"name": f"_acme-challenge.{host}", "target": f"{host}.x.flydns.net"},
                "ownership": {"name": f"_fly-ownership.{host}", "app_value": "app-x", "org_value": "org-x"},
            },
        }
        return 201, self.certificates[host.replace("*", "%2A")]
