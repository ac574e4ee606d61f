"""Caddy before everything: TLS and host routing for Fly's proxy, and the door of the registry."""

from __future__ import annotations

import base64
import re

from aiohttp import web

from local_cloud.cloud import Cloud, same
from local_cloud.proxy import Relay

RELAY_PORT, GUARD_PORT, REGISTRY_PORT = 7001, 7002, 7003


def tls_ports(cloud: Cloud) -> set[int]:
    """Outside ports on which some service ends TLS; 443 always does."""
    found = {443}
    for machine in cloud.store.list("machine"):
        for service in machine["config"].get("services") or []:
            for spec in service.get("ports") or []:
                if spec.get("port") and "tls" in (spec.get("handlers") or []):
                    found.add(spec["port"])
    return found


def caddyfile(cloud: Cloud) -> str:
    """The whole configuration; it changes only when a port begins or ends to speak TLS."""
    settings, secure = cloud.settings, tls_ports(cloud)
    blocks = [_GLOBAL.format(state=settings.state, guard=GUARD_PORT)]
    for offset, port in enumerate(settings.proxy_ports, start=5):
        scheme, tls = ("https", "\ttls {\n\t\ton_demand\n\t}\n") if port in secure else ("http", "")
        blocks.append(_SITE.format(scheme=scheme, inside=settings.port(offset), tls=tls, port=port, relay=RELAY_PORT))
    blocks.append(_REGISTRY.format(inside=settings.port(4), guard=GUARD_PORT, registry=REGISTRY_PORT))
    return "\n".join(blocks)


_GLOBAL = """{{
	admin unix//run/caddy-admin.sock
	auto_https disable_redirects
	storage file_system {state}/caddy
	skip_install_trust
	pki {{
		ca local {{
			name "opsmap local cloud"
			root {{
				format pem_file
				cert {state}/ca.crt
				key {state}/ca.key
			}}
		}}
	}}
	on_demand_tls {{
		ask http://127.0.0.1:{guard}/certificate
	}}
	local_certs
	log {{
		output stderr
		level WARN
	}}
}}
"""

_SITE = """{scheme}://:{inside} {{
{tls}	reverse_proxy 127.0.0.1:{relay} {{
		header_up X-Opsmap-Port {port}
		flush_interval -1
		transport http {{
			keepalive off
		}}
	}}
}}
"""

_REGISTRY = """http://:{inside} {{
	forward_auth 127.0.0.1:{guard} {{
		uri /registry
	}}
	reverse_proxy 127.0.0.1:{registry}
}}
"""

REGISTRY_CONFIG = """version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: {state}/registry
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
  relativeurls: true
"""


def guard(cloud: Cloud, relay: Relay) -> web.Application:
    """Answers Caddy's questions: may this name have a certificate, may this client use the registry."""

    async def certificate(request: web.Request) -> web.Response:
        known = relay.app_of(request.query.get("domain", "")) is not None
        return web.Response(status=200 if known else 404)

    async def registry(request: web.Request) -> web.Response:
        if not _knows_token(cloud, request.headers.get("Authorization", "")):
            headers = {"WWW-Authenticate": 'Basic realm="registry"', "Docker-Distribution-Api-Version": "registry/2.0"}
            return web.json_response(_denied("UNAUTHORIZED", "authentication required"), status=401, headers=headers)
        repository = re.match(r"/v2/([^/]+)/", request.headers.get("X-Forwarded-Uri", ""))
        if repository and cloud.store.get("app", repository[1]) is None:
            return web.json_response(_denied("NAME_UNKNOWN", f"app {repository[1]} does not exist"), status=404)
        return web.Response()

    app = web.Application()
    app.router.add_get("/certificate", certificate)
    app.router.add_get("/registry", registry)
    return app


def _denied(code: str, message: str) -> dict[str, object]:
    return {"errors": [{"code": code, "message": message, "detail": None}]}


def _knows_token(cloud: Cloud, header: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return False
    return scheme.lower() == "basic" and name == "x" and same(password, cloud.settings.tokens["fly"])
