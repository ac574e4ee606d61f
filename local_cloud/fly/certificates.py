"""Certificates of an app's host names: handlers (reference fly 2.11)."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from local_cloud.fly import hostnames
from local_cloud.fly.addresses import Addresses
from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import milliseconds, now
from local_cloud.fly.machines import Machines, json_body

Document = dict[str, Any]
AUTHORITY = "Let's Encrypt"


class Certificates:
    """An object per host name; it routes the name to the app, whatever its status."""

    def __init__(self, machines: Machines, addresses: Addresses) -> None:
        self.machines = machines
        self.cloud = machines.cloud
        self.store = machines.cloud.store
        self.addresses = addresses

    def certificate(self, request: web.Request) -> Document:
        """The certificate of the path."""
        app = self.machines.app(request)["name"]
        found = self.store.get("certificate", request.match_info["hostname"].lower())
        if found is None or found["app"] != app:
            raise fly_error(404, "certificate not found")
        return found

    def validation(self, item: Document) -> dict[str, bool]:
        """What was found in DNS."""
        found = hostnames.dns(self.store, item["hostname"])
        seen = milliseconds() >= item.get("checked_at", 0)
        direct = seen and found["configured"] and not item["hostname"].startswith("*.")
        return {
            "dns_configured": seen and found["acme_challenge"],
            "alpn_configured": direct,
            "http_configured": direct,
            "ownership_txt_configured": seen and found["ownership"],
        }

    def summary(self, item: Document) -> Document:
        """As a list gives it."""
        found = self.validation(item)
        state = hostnames.status(self.store, item)
        return {
            "hostname": item["hostname"],
            "status": state,
            "configured": state == "active",
            "acme_requested": item["acme"],
            "acme_dns_configured": found["dns_configured"],
            "acme_alpn_configured": found["alpn_configured"],
            "acme_http_configured": found["http_configured"],
            "ownership_txt_configured": found["ownership_txt_configured"],
            "has_custom_certificate": bool(item.get("pair")),
            "has_fly_certificate": item["acme"] and state == "active",
            "dns_provider": "",
            "created_at": item["created_at"],
            "updated_at": item["updated_at"],
        }

    def detail(self, item: Document) -> Document:
        """As the API gives one."""
        app, host = item["app"], item["hostname"]
        state = hostnames.status(self.store, item)
        ips = [address["ip"] for address in self.addresses.of_app(app) if not address["egress"]]
        return {
            "hostname": host,
            "configured": state == "active",
            "acme_requested": item["acme"],
            "status": state,
            "dns_provider": "",
            "rate_limited_until": hostnames.rate_limited_until(item),
            "certificates": self._issued(item, state),
            "validation": self.validation(item),
            "dns_requirements": {
                "a": [ip for ip in ips if "." in ip],
                "aaaa": [ip for ip in ips if ":" in ip and not ip.startswith("fdaa:")],
                "cname": f"{app}.fly.{self.cloud.settings.suffix}",
                "acme_challenge": {
                    "name": f"_acme-challenge.{host.removeprefix('*.')}",
                    "target": f"{host.removeprefix('*.')}.{app}.flydns.net",
                },
                "ownership": {
                    "name": f"_fly-ownership.{host.removeprefix('*.')}",
                    "app_value": f"app-{app}",
                    "org_value": "org-1",
                },
            },
            "validation_errors": item.get("errors", []) if state != "active" else [],
        }

    def _issued(self, item: Document, state: str) -> list[Document]:
        found: list[Document] = []
        if item.get("pair"):
            leaf = hostnames.leaf(item["pair"]["fullchain"])
            ends = leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z")
            kind = "ecdsa" if isinstance(leaf.public_key(), ec.EllipticCurvePublicKey) else "rsa"
            issuer = leaf.issuer.rfc4514_string()
            issued = [{"type": kind, "expires_at": ends, "certificate_authority": issuer}]
            fields = {"created_at": item["updated_at"], "expires_at": ends, "issuer": issuer, "issued": issued}
            found.append({"source": "custom", "status": state, **fields})
        if item["acme"]:
            valid = state == "active"
            issued = [{"type": kind, "certificate_authority": AUTHORITY} for kind in ("rsa", "ecdsa") if valid]
            fields = {"created_at": item["created_at"], "issuer": AUTHORITY if valid else "", "issued": issued}
            found.append({"source": "fly", "status": state, **fields})
        return found

    async def list(self, request: web.Request) -> web.Response:
        app, query = self.machines.app(request)["name"], request.query
        try:
            limit, start = int(query.get("limit") or 25), int(query.get("cursor") or 0)
        except ValueError:
            raise fly_error(400, "invalid_argument: limit and cursor must be as they were given") from None
        if not 1 <= limit <= 500:
            raise fly_error(400, "invalid_argument: limit must be between 1 and 500")
        found = [item for item in self.store.list("certificate") if item["app"] == app]
        found = [item for item in found if query.get("filter", "").lower() in item["hostname"]]
        page = [self.summary(item) for item in found[start : start + limit]]
        cursor = str(start + limit) if start + limit < len(found) else ""
        return web.json_response({"certificates": page, "next_cursor": cursor, "total_count": len(found)})

    async def add(self, request: web.Request) -> web.Response:
        """By ACME or with an own certificate; a name that is there already keeps what it has."""
        app, body = self.machines.app(request)["name"], await json_body(request)
        host, custom = str(body.get("hostname") or "").lower(), request.path.endswith("/custom")
        if not hostnames.HOSTNAME.fullmatch(host) or len(host) > 253:
            raise fly_error(422, f"hostname {host!r} is not valid")
        taken = self.store.get("certificate", host)
        if taken and taken["app"] != app:
            raise fly_error(422, f"hostname {host} is used by another app")
        new = {"app": app, "hostname": host, "acme": False, "created_at": now(), "checked_at": self._soon()}
        item = {**(taken or new), "updated_at": now()}
        if custom:
            chain, key = str(body.get("fullchain") or ""), str(body.get("private_key") or "")
            wrong = hostnames.problem(host, chain, key)
            if wrong:
                raise fly_error(422, f"the certificate for {host} is refused: {wrong}")
            item["pair"] = {"fullchain": chain, "private_key": key}
        else:
            item["acme"] = True
        self.store.put("certificate", host, item)
        return web.json_response(self.detail(item), status=201)

    def _soon(self) -> int:
        return milliseconds() + int(self.cloud.settings.switches.certificate_seconds * 1000)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.detail(self.certificate(request)))

    async def check(self, request: web.Request) -> web.Response:
        """Look into DNS now; too many failures and the authority wants a pause."""
        item = self.certificate(request)
        host = item["hostname"]
        if not hostnames.proven(self.store, host) and item["acme"]:
            wants = "_acme-challenge" if host.startswith("*.") else "AAAA"
            error = {
                "code": "dns_not_configured",
                "message": f"no {wants} record of {host} leads to the app",
                "remediation": f"add the {wants} record of dns_requirements, then check again",
                "timestamp": now(),
            }
            failures = [*item.get("failures", []), milliseconds()][-20:]
            item = self.store.put("certificate", host, {**item, "failures": failures, "errors": [error]})
        made = self.detail(item)
        wants, found = made["dns_requirements"], hostnames.dns(self.store, host)
        a, aaaa = (wants["a"], wants["aaaa"]) if found["configured"] else ([], [])
        records = {
            "a": a,
            "aaaa": aaaa,
            "cname": [],
            "resolved_addresses": [*a, *aaaa],
            "soa": "",
            "acme_challenge_cname": wants["acme_challenge"]["target"] if found["acme_challenge"] else "",
            "ownership_txt": wants["ownership"]["app_value"] if found["ownership"] else "",
        }
        return web.json_response({**made, "dns_records": records})

    async def delete(self, request: web.Request) -> web.Response:
        self.store.delete("certificate", self.certificate(request)["hostname"])
        return web.Response(status=204)

    async def delete_acme(self, request: web.Request) -> web.Response:
        return self._without(self.certificate(request), "acme")

    async def delete_custom(self, request: web.Request) -> web.Response:
        return self._without(self.certificate(request), "pair")

    def _without(self, item: Document, part: str) -> web.Response:
        """Drop one of the two kinds; the object stays while there is another."""
        if not item.get(part):
            raise fly_error(404, "certificate not found: there is none of this kind")
        item = {**item, part: False if part == "acme" else None, "updated_at": now()}
        if not item["acme"] and not item.get("pair"):
            self.store.delete("certificate", item["hostname"])
            warning = f"nothing answers for {item['hostname']} over TLS now"
            return web.json_response({"hostname": item["hostname"], "certificates": [], "warning": warning})
        self.store.put("certificate", item["hostname"], item)
        return web.json_response(self.detail(item))
