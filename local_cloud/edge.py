"""Caddy's configuration: TLS and HTTP for Fly's proxy, and the door of the registry. It never changes while it runs."""

from __future__ import annotations

import base64
import re

from aiohttp import web

from local_cloud import wire
from local_cloud.certs import Certificates
from local_cloud.cloud import Cloud, same

TLS = {"TLSv1.2": "tls1.2", "TLSv1.3": "tls1.3"}


def caddyfile(cloud: Cloud) -> str:
    """The whole configuration: a listener for each variant of TLS, one for plain HTTP, the bridge to HTTP/2 machines."""
    ports = range(wire.TLS_PORT, wire.TLS_PORT + len(wire.VARIANTS))
    servers = "".join(_SERVER.format(port=port) for port in [wire.PLAIN_PORT, *ports])
    blocks = [_GLOBAL.format(state=cloud.settings.state, servers=servers), _RELAY.format(relay=wire.RELAY_PORT)]
    for port, (versions, protocols) in zip(ports, wire.VARIANTS, strict=True):
        low, high = TLS[versions[0]], TLS[versions[-1]]
        blocks.append(_TLS.format(port=port, low=low, high=high, alpn=" ".join(protocols), guard=wire.GUARD_PORT))
    blocks.append(_PLAIN.format(port=wire.PLAIN_PORT))
    blocks.append(_BRIDGE.format(port=wire.BRIDGE_PORT))
    blocks.append(_REGISTRY.format(inside=cloud.settings.port(4), guard=wire.GUARD_PORT, registry=wire.REGISTRY_PORT))
    return "\n".join(blocks)


_GLOBAL = """{{
	admin off
	auto_https disable_redirects
	storage file_system {state}/caddy
	skip_install_trust
	log {{
		output stderr
		level WARN
	}}
{servers}}}
"""

# Who connects, and to which address and port, is in the PROXY line of the gate.
_SERVER = """	servers 127.0.0.1:{port} {{
		protocols h1 h2
		listener_wrappers {{
			proxy_protocol {{
				allow 127.0.0.1/32
			}}
			tls
		}}
	}}
"""

# Outer directives see the answer last: marks of the relay are read inside and removed outside.
_RELAY = """(relay) {{
	header {{
		-X-Opsmap-Compress
		-X-Opsmap-Via
		-X-Opsmap-Bare
		defer
	}}
	header {{
		match header X-Opsmap-Bare *
		-Server
		defer
	}}
	header {{
		match header X-Opsmap-Via *
		Via "2 fly.io"
	}}
	header {{
		-Via
		defer
	}}
	encode {{
		gzip
		minimum_length 1
		match {{
			header X-Opsmap-Compress *
		}}
	}}
	reverse_proxy 127.0.0.1:{relay} {{
		header_up X-Opsmap-Port {{http.request.local.port}}
		header_up X-Opsmap-Address {{http.request.local.host}}
		header_up X-Opsmap-Protocol {{http.request.proto}}
		flush_interval -1
		transport http {{
			keepalive off
			compression off
		}}
	}}
}}
"""

_TLS = """https://:{port} {{
	bind 127.0.0.1
	tls {{
		protocols {low} {high}
		alpn {alpn}
		get_certificate http http://127.0.0.1:{guard}/certificate
	}}
	import relay
}}
"""

_PLAIN = """http://:{port} {{
	bind 127.0.0.1
	import relay
}}
"""

_BRIDGE = """http://:{port} {{
	bind 127.0.0.1
	reverse_proxy {{http.request.header.X-Opsmap-Upstream}} {{
		header_up -X-Opsmap-Upstream
		flush_interval -1
		transport http {{
			versions h2c
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


def guard(cloud: Cloud, certificates: Certificates) -> web.Application:
    """Answers Caddy's questions: which certificate has this name, may this client use the registry."""

    async def certificate(request: web.Request) -> web.Response:
        pem = certificates.pem(request.query.get("server_name", ""))
        return web.Response(text=pem) if pem else web.Response(status=404)

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
