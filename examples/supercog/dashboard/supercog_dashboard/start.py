"""First process of the container: Caddy and FastAPI live and die together.

Asked to end, Caddy ends first: it takes no new requests, and those that it has are still answered by FastAPI, which ends
after it. When one ends by itself, the other is told to end too, and the exit status says that it was not asked for, so that
the platform starts the container again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType

CADDYFILE = Path(os.environ.get("CADDYFILE") or "/etc/caddy/Caddyfile")
GRACE_SECONDS = 12
COMMANDS = (
    ("caddy", "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"),
    # Only Caddy talks to FastAPI.
    (
        sys.executable,
        "-m",
        "supercog_shared.serve",
        "supercog_dashboard.app:app",
        "--host",
        "127.0.0.1",
        "--port",
        os.environ.get("API_PORT") or "8000",
    ),
)


class Family:
    """Processes that live and die together. Asked to end, they end one after the other, in the order of the commands."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self.stopping = False
        self.deadline = float("inf")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        self.children = {child.pid: child for child in map(subprocess.Popen, commands)}

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _tell(self, number: int) -> None:
        for child in self.children.values():
            child.send_signal(number)

    def _reap(self) -> int | None:
        """The status of a child that has ended. Orphans end here too, because this is process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if not pid:
                return None
            if child := self.children.pop(pid, None):
                child.returncode = os.waitstatus_to_exitcode(status)
                print(f"start: {child.args[0]} ended with {child.returncode}", flush=True)
                return child.returncode

    def wait(self) -> int:
        """The exit status, when all have ended: 0 if that was asked for."""
        result, failed = 0, False
        told: set[int] = set()
        while self.children:
            status = self._reap()
            if status is not None and not self.stopping:
                result, failed, self.stopping = (status if status > 0 else 1), True, True
            if self.stopping:
                self.deadline = min(self.deadline, time.monotonic() + GRACE_SECONDS)
                self._end(told, self.children if failed else list(self.children)[:1])
            if time.monotonic() > self.deadline:
                self._tell(signal.SIGKILL)
            time.sleep(0.05)
        return result

    def _end(self, told: set[int], pids: Iterable[int]) -> None:
        """Ask these to end, each once."""
        for pid in set(pids) - told:
            told.add(pid)
            self.children[pid].send_signal(signal.SIGTERM)


def check_port(text: str, port: str) -> None:
    """The platform sends visitors to the image's PORT: a Caddyfile made for another one would never be reached."""
    if f":{port} " not in text:
        raise SystemExit(f"start: {CADDYFILE} has no site on port {port}, which PORT says")


def main() -> None:
    try:
        check_port(CADDYFILE.read_text(), os.environ.get("PORT", "3000"))
    except OSError as error:
        raise SystemExit(f"start: {CADDYFILE}: {error.strerror}") from None
    raise SystemExit(Family(COMMANDS).wait())


if __name__ == "__main__":
    main()
