from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_caddy_takes_it_and_keeps_to_the_allow_list() -> None:
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "Caddyfile"
    caddy = Path(sys.executable).parent / "caddy"
    adapted = subprocess.run([caddy, "adapt", "--config", path], capture_output=True, check=True).stdout
    servers = json.loads(adapted)["apps"]["http"]["servers"]
    listens = sorted(address for server in servers.values() for address in server["listen"])
    assert listens == [":3000", ":8002"]
    assert b"supercog-agents-local.internal" in adapted
