"""Child processes: Caddy, the registry and moto. One that dies is started again, with the reason in the log."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger("local_cloud.supervisor")
PAUSE = 1.0  # seconds before a dead child is started again


class Child:
    """One program, kept running until ``stop``."""

    def __init__(self, name: str, *command: str) -> None:
        self.name = name
        self.command = command
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it and keep it running."""
        self._task = asyncio.ensure_future(self._keep())

    async def _keep(self) -> None:
        while True:
            self._process = await asyncio.create_subprocess_exec(*self.command)
            code = await self._process.wait()
            log.error("%s ended with %s; it is started again", self.name, code)
            await asyncio.sleep(PAUSE)

    async def stop(self) -> None:
        """End it for good."""
        if self._task:
            self._task.cancel()
        if self._process and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 10)
            except TimeoutError:
                self._process.kill()
