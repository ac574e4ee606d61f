"""What the scenarios' tests look at: the containers that the local cloud has made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support import Instance


class Deployed:
    """Hosts by what their container's name contains."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.port = instance.port

    def __call__(self, part: str) -> Any:
        found = [name for name in self.instance.containers() if part in name]
        assert found, f"no container {part}"
        return testinfra.get_host(f"docker://{found[0]}")

    def fly(self, path: str) -> Any:
        """A GET of the Fly API."""
        return self.instance.call(1, "GET", path, "fly")

    def machine(self, app: str) -> Any:
        """The first machine of an app."""
        return self(f"-m-{self.fly(f'/v1/apps/{app}/machines')[0]['id']}")

    def image(self, name: str) -> Any:
        """The engine's description of an image that was pushed."""
        reference = f"localhost:{self.port + 4}/{name}"
        listed = subprocess.run(
            ["docker", "images", "--quiet", reference], capture_output=True, text=True, check=True
        ).stdout
        done = subprocess.run(["docker", "inspect", listed.split()[0]], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[0]


@pytest.fixture(scope="session")
def deployed() -> Deployed:
    return Deployed(Instance("molecule"))
