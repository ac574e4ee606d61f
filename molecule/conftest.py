"""What the scenarios' tests look at: the containers that the local cloud has made."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
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

    def tags(self, name: str) -> list[str]:
        """The tags of a repository in the registry."""
        login = base64.b64encode(f"x:{self.instance.token('fly')}".encode()).decode()
        where = f"http://localhost:{self.port + 4}/v2/{name}/tags/list"
        request = urllib.request.Request(where, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: list[str] = json.loads(answer.read())["tags"]
        return found

    @contextmanager
    def started(self, image: str, app: str, *command: str) -> Iterator[Any]:
        """A container of an image, with the text of a module ``tiny`` that it may import; `down` removes it too."""
        label = f"dev.opsmap.instance={self.instance.name}"
        options = [
            "--detach",
            "--read-only",
            "--tmpfs",
            "/tmp",
            "--label",
            label,
            "--env",
            "PYTHONPATH=/code:/opt/tiny",
        ]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            (Path(folder) / "tiny.py").write_text(app)
            options += ["--volume", f"{folder}:/opt/tiny:ro", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0"]
            made = subprocess.run(
                ["docker", "run", *options, image, *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            try:
                yield testinfra.get_host(f"docker://{made}")
            finally:
                subprocess.run(["docker", "rm", "--force", made], capture_output=True, check=True)


@pytest.fixture(scope="session")
def deployed() -> Deployed:
    return Deployed(Instance("molecule"))
