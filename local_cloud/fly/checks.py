"""Health checks of machines, really probed over IPv4 as Fly's hosts do."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

import aiohttp

from local_cloud.fly.durations import seconds
from local_cloud.fly.ids import now

Check = dict[str, Any]
REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
}
FIRST_LOOKS = 0.25  # seconds between probes until the first one passes


def listed(config: dict[str, Any]) -> dict[str, Check]:
    """All checks of a config by the name under which their status is shown."""
    found: dict[str, Check] = {}
    for number, service in enumerate(config.get("services") or []):
        for place, check in enumerate(service.get("checks") or []):
            kind, port = check.get("type") or "tcp", check.get("port") or service["internal_port"]
            name = f"servicecheck-{place:02d}-{kind}-{port}"
            found[name if name not in found else f"{name}-{number}"] = {**check, "port": port}
    found.update(config.get("checks") or {})
    return found


async def probe(session: aiohttp.ClientSession, address: str, check: Check) -> tuple[str, str]:
    """One look: status and output, worded as Go programs word them."""
    limit = seconds(check.get("timeout"), 2.0)
    place = f"{address}:{check['port']}"
    try:
        if check.get("type") == "http":
            return await asyncio.wait_for(_http(session, place, check), limit)
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, check["port"]), limit)
        writer.close()
        return "passing", "Success"
    except TimeoutError:
        return "critical", f"dial tcp {place}: i/o timeout: no answer within {limit:g}s"
    except (OSError, aiohttp.ClientError) as problem:
        return "critical", worded(place, problem)


def worded(place: str, problem: Exception) -> str:
    """Why a probe got no answer."""
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {problem.certificate_error}"
    if isinstance(problem, aiohttp.ClientSSLError):
        return f"tls: handshake failure: {problem}"
    number = getattr(problem, "errno", None)
    if number in REASONS:
        return f"dial tcp {place}: connect: {REASONS[number]}"
    if isinstance(problem, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(problem) or type(problem).__name__


async def _http(session: aiohttp.ClientSession, place: str, check: Check) -> tuple[str, str]:
    scheme = check.get("protocol") or "http"
    url = f"{scheme}://{place}{check.get('path') or '/'}"
    options: dict[str, Any] = {
        "headers": [(item["name"], value) for item in check.get("headers") or [] for value in item.get("values") or []],
        "allow_redirects": False,
        "ssl": not check.get("tls_skip_verify"),
    }
    if scheme == "https" and check.get("tls_server_name"):
        options["server_hostname"] = check["tls_server_name"]
    async with session.request((check.get("method") or "GET").upper(), url, **options) as answer:
        text = (await answer.content.read(200)).decode(errors="replace")
        return ("passing" if 200 <= answer.status < 300 else "critical"), f"{answer.status} {answer.reason}: {text}"


class Watch:
    """Probes the checks of one running machine until it is stopped."""

    def __init__(
        self, address: str, config: dict[str, Any], session: aiohttp.ClientSession, now: Callable[[], str]
    ) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self._now = now
        self._tasks = [
            asyncio.ensure_future(self._watch(name, check, address, session)) for name, check in listed(config).items()
        ]

    def stop(self) -> None:
        """End the probing."""
        for task in self._tasks:
            task.cancel()

    async def _watch(self, name: str, check: Check, address: str, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + seconds(check.get("grace_period"), 1.0)
        interval = seconds(check.get("interval"), 10.0)
        # Within the grace period only good news counts; after a failure the next look comes soon, to notice recovery.
        while True:
            status, output = await probe(session, address, check)
            if status == "passing" or loop.time() >= patience:
                self._set(name, status, output)
            known = self.statuses.get(name)
            await asyncio.sleep(interval if known and known["status"] == "passing" else min(FIRST_LOOKS, interval))

    def _set(self, name: str, status: str, output: str) -> None:
        known = self.statuses.get(name)
        changed = known is None or known["status"] != status
        at = self._now() if changed or known is None else known["updated_at"]
        self.statuses[name] = {"name": name, "status": status, "output": output, "updated_at": at}


class Watches:
    """The watches of all running machines, with one client between them."""

    def __init__(self) -> None:
        self._all: dict[str, Watch] = {}
        self._session: aiohttp.ClientSession | None = None

    def begin(self, machine: dict[str, Any]) -> None:
        """Probe a machine's checks from now on."""
        self.end(machine["id"])
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        self._all[machine["id"]] = Watch(machine["ip4"], machine["config"], self._session, now)

    def end(self, machine_id: str) -> None:
        """Stop probing; none there is fine."""
        watch = self._all.pop(machine_id, None)
        if watch:
            watch.stop()

    def statuses(self, machine_id: str) -> list[Check]:
        """Statuses as they are now."""
        watch = self._all.get(machine_id)
        return list(watch.statuses.values()) if watch else []

    async def close(self) -> None:
        """Give the connections back."""
        if self._session:
            await self._session.close()
