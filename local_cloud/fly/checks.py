"""Health checks of machines, really probed over IPv4 as Fly's hosts do."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from local_cloud.fly.durations import seconds

Check = dict[str, Any]
FIRST_LOOKS = 0.25  # seconds between probes until the first one passes


def listed(config: dict[str, Any]) -> dict[str, Check]:
    """All checks of a config by the name under which their status is shown."""
    found: dict[str, Check] = {}
    for number, service in enumerate(config.get("services") or []):
        for place, check in enumerate(service.get("checks") or []):
            kind = check.get("type", "tcp")
            name = f"servicecheck-{place:02d}-{kind}-{service['internal_port']}"
            found[name if name not in found else f"{name}-{number}"] = {"port": service["internal_port"], **check}
    found.update(config.get("checks") or {})
    return found


async def probe(session: aiohttp.ClientSession, address: str, check: Check) -> tuple[str, str]:
    """One look: status and output."""
    limit = seconds(check.get("timeout"), 2.0)
    try:
        if check.get("type", "tcp") == "http":
            return await asyncio.wait_for(_http(session, address, check), limit)
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, check["port"]), limit)
        writer.close()
        return "passing", "Success"
    except TimeoutError:
        return "critical", f"no answer within {limit:g}s"
    except (OSError, aiohttp.ClientError) as problem:
        return "critical", str(problem) or type(problem).__name__


async def _http(session: aiohttp.ClientSession, address: str, check: Check) -> tuple[str, str]:
    scheme = check.get("protocol") or "http"
    url = f"{scheme}://{address}:{check['port']}{check.get('path') or '/'}"
    headers = {header["name"]: header["values"][0] for header in check.get("headers") or []}
    verify = False if check.get("tls_skip_verify") else None
    options: dict[str, Any] = {"headers": headers, "allow_redirects": False, "ssl": verify if verify is False else True}
    async with session.request(check.get("method") or "GET", url, **options) as answer:
        text = (await answer.text())[:200]
        return ("passing" if 200 <= answer.status < 300 else "critical"), f"{answer.status}: {text}"


class Watch:
    """Probes the checks of one running machine until it is stopped."""

    def __init__(self, address: str, config: dict[str, Any], session: aiohttp.ClientSession, now: Any) -> None:
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
