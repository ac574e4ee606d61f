"""What answers where: apps by name and address, services by port (reference fly 3.3). Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.fly.durations import seconds

Document = dict[str, Any]
KINDS_READ = ("machine", "ip", "certificate", "app")
VERSIONS: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
PROTOCOLS: tuple[str, ...] = ("h2", "http/1.1")


@dataclass(frozen=True)
class Place:
    """One machine's service that answers on one outside port."""

    machine: Document
    service: Document
    spec: Document

    @property
    def id(self) -> str:
        return str(self.machine["id"])

    @property
    def handlers(self) -> set[str]:
        """Without ``tcp``, which means none."""
        return set(self.spec.get("handlers") or []) - {"tcp"}

    @property
    def options(self) -> Document:
        """The port's http_options."""
        return self.spec.get("http_options") or {}

    @property
    def idle_timeout(self) -> float:
        """Seconds without a byte after which the connection ends; 0 is never."""
        limit = self.options.get("idle_timeout")
        return float(limit) if isinstance(limit, (int, float)) else seconds(limit, 0.0)

    def limit(self, which: str) -> float:
        """``soft`` or ``hard``: how many at once (reference fly 2.7)."""
        value = (self.service.get("concurrency") or {}).get(f"{which}_limit")
        return float(value) if value else (20.0 if which == "soft" else float("inf"))

    @property
    def sleeps(self) -> str:
        """What autostop makes of it: ``stopped``, ``suspended`` or ''."""
        kinds = {"stop": "stopped", "suspend": "suspended"}
        value = self.service.get("autostop")
        return "stopped" if value is True else kinds.get(str(value), "")


def kind_of(item: Document) -> str:
    """The kind of an address, as clients must guess it too."""
    if item["egress"]:
        return "egress"
    if item["shared"]:
        return "shared_v4"
    if item["network"]:
        return "private_v6"
    return "v4" if "." in item["ip"] else "v6"


def covers(spec: Document, port: int) -> bool:
    """Whether a port entry of a service means this outside port."""
    low = spec.get("port") or spec.get("start_port")
    return bool(low and low <= port <= (spec.get("port") or spec.get("end_port") or low))


class Routes:
    """Reads the store anew only after something in it was written."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._stamp: tuple[int, ...] = ()
        self._machines: dict[str, list[Document]] = {}
        self._ips: dict[str, list[Document]] = {}
        self._certificates: dict[str, Document] = {}
        self._apps: set[str] = set()

    def _fresh(self) -> None:
        store = self.cloud.store
        stamp = store.stamp(*KINDS_READ)
        if stamp == self._stamp and self._apps:
            return
        self._machines, self._ips = {}, {}
        for machine in store.list("machine"):
            if machine["state"] not in ("destroyed", "destroying"):
                self._machines.setdefault(machine["app"], []).append(machine)
        for item in store.list("ip"):
            self._ips.setdefault(item["app"], []).append(item)
        self._certificates = {item["hostname"]: item for item in store.list("certificate")}
        self._apps = {item["name"] for item in store.list("app")}
        self._stamp = stamp

    def apps(self) -> list[str]:
        """Names of all apps that have machines."""
        self._fresh()
        return list(self._machines)

    def machines(self, app: str) -> list[Document]:
        """Machines of an app that are not gone."""
        self._fresh()
        return self._machines.get(app, [])

    def ips(self, app: str) -> list[Document]:
        """Addresses of an app."""
        self._fresh()
        return self._ips.get(app, [])

    def certificate(self, host: str) -> Document | None:
        """The certificate object for a host name: its own, or a wildcard's."""
        self._fresh()
        return self._certificates.get(host) or self._certificates.get("*." + host.partition(".")[2])

    def app_of(self, host: str) -> str | None:
        """The app that a host name leads to. Own domains need a certificate object, also for plain HTTP."""
        self._fresh()
        for suffix in (f".fly.{self.cloud.settings.suffix}", ".fly.dev", ".flycast"):
            if host.endswith(suffix):
                name = host.removesuffix(suffix)
                return name if name in self._apps else None
        found = self.certificate(host)
        return str(found["app"]) if found else None

    def app_at(self, address: str) -> str | None:
        """The app that has this private address (Flycast)."""
        self._fresh()
        found = (app for app, ips in self._ips.items() for item in ips if item["ip"] == address)
        return next(found, None) if address.startswith("fdaa:") else None

    def places(self, app: str, port: int) -> Iterator[Place]:
        """What of an app answers on an outside port; machines may have different services."""
        for machine in self.machines(app):
            for service in machine["config"].get("services") or []:
                if service.get("protocol") == "udp":
                    continue
                for spec in service.get("ports") or []:
                    if covers(spec, port):
                        yield Place(machine, service, spec)

    def entry(self, app: str, port: int, address: str = "") -> Place | None:
        """A place on this port, if an address of the app serves it."""
        place = next(self.places(app, port), None)
        return place if place and (self.app_at(address) == app or self.reachable(app, port, place)) else None

    def reachable(self, app: str, port: int, place: Place) -> bool:
        """Whether the app has a public address that serves this port (reference fly 3.3)."""
        kinds = {kind_of(item) for item in self.ips(app)}
        by_name = (port in (80, 443) and "http" in place.handlers) or bool(place.handlers & {"tls", "pg_tls"})
        return ("shared_v4" in kinds and by_name) or bool(kinds & {"v4", "v6"})

    def raw(self, port: int, handler: str = "") -> str | None:
        """The app that gets connections which name no host: the first with an address of its own and such a service."""
        for app in self.apps():
            place = self.entry(app, port)
            if place is None or "http" in place.handlers:
                continue
            if handler in place.handlers if handler else not place.handlers & {"tls", "pg_tls"}:
                return app
        return None


def tls_variant(options: Document | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Versions and protocols that a port's tls_options leave; what we cannot do is left out."""
    options = options or {}
    versions = tuple(v for v in VERSIONS if v in (options.get("versions") or VERSIONS)) or VERSIONS
    protocols = tuple(p for p in PROTOCOLS if p in (options.get("alpn") or PROTOCOLS)) or PROTOCOLS
    return versions, protocols
