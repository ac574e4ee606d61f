"""Certificates that the proxy serves: an app's own by its name, a host's custom one first, else one of our authority."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from local_cloud.cloud import Cloud
from local_cloud.fly.hostnames import served
from local_cloud.routes import Routes


class Certificates:
    """Chains with their keys, by host name."""

    def __init__(self, cloud: Cloud, routes: Routes) -> None:
        self.cloud = cloud
        self.routes = routes
        self._issued: dict[str, str] = {}

    def pem(self, host: str) -> str | None:
        """Chain and key for a host name; None if no app of ours may answer for it yet."""
        app = self.routes.app_of(host)
        if app is None:
            return None
        item = self.routes.certificate(host)
        if item is None:
            return self._own(host)
        source = served(self.cloud.store, item)
        if source == "custom":
            return str(item["pair"]["fullchain"]) + "\n" + str(item["pair"]["private_key"])
        return self._own(host) if source else None

    def _own(self, host: str) -> str:
        if host not in self._issued:
            self._issued[host] = "".join(self.cloud.ca.issue([host]))
        return self._issued[host]

    def context(self, host: str) -> ssl.SSLContext | None:
        """For TLS that is ended in this process."""
        pem = self.pem(host)
        if pem is None:
            return None
        return server_context(pem)


def server_context(*pem: str) -> ssl.SSLContext:
    """For TLS that is ended in this process: certificate chain and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # 0700; the module reads certificates from files only
        path = Path(folder) / "pair.pem"
        path.write_text("".join(pem))
        context.load_cert_chain(path)
    return context
