"""What tests share: where things are, running commands, the local cloud's control API."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT.parent / "shared" / "specs"
NO_SPECS = "the published descriptions (../shared/specs) are not on this machine"
needs_specs = pytest.mark.skipif(not SPECS.is_dir(), reason=NO_SPECS)  # they are no part of the project


def run(
    *command: str, check: bool = True, timeout: float = 900, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, or a folder of it; its output is shown when it fails unexpectedly."""
    env = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1", **environment}
    env["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{env['PATH']}"
    env.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done


@dataclass(frozen=True)
class Instance:
    """One local cloud of this checkout. Name and ports follow from its purpose, as in group_vars/all/local_cloud.yml."""

    purpose: str

    @property
    def name(self) -> str:
        return f"{self.purpose}-{hashlib.sha1(str(ROOT).encode()).hexdigest()[:6]}"

    @property
    def port(self) -> int:
        return 10000 + int(hashlib.sha1(self.name.encode()).hexdigest()[:6], 16) % 200 * 100

    @property
    def folder(self) -> Path:
        return ROOT / ".cache" / self.name

    def token(self, name: str) -> str:
        return str(json.loads((self.folder / "tokens.json").read_text())[name])

    def playbook(self, *arguments: str, check: bool = True) -> str:
        """Output of ansible-playbook."""
        done = run("ansible-playbook", *arguments, check=check, OPSMAP_INSTANCE=self.purpose)
        return done.stdout + done.stderr

    def call(self, offset: int, method: str, path: str, token: str, body: Any = None) -> Any:
        """Decoded JSON of one call to a service of the instance."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token(token)}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port + offset}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
        return json.loads(text) if text else None

    def get(self, host: str, path: str = "/", **headers: str) -> tuple[int, str]:
        """Status and body through the front door, over TLS that must be valid."""
        import http.client
        import socket

        trust = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        raw = socket.create_connection(("127.0.0.1", self.port + 5), timeout=30)
        connection = http.client.HTTPSConnection(host, self.port + 5, context=trust, timeout=30)
        connection.sock = trust.wrap_socket(raw, server_hostname=host)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, text

    def containers(self) -> list[str]:
        """Names of its containers, running or not."""
        listed = run(
            "docker", "ps", "--all", "--filter", f"label=dev.opsmap.instance={self.name}", "--format", "{{.Names}}"
        )
        return listed.stdout.split()


def changed(output: str) -> dict[str, int]:
    """Changes by host, from the recap."""
    recap = output.split("PLAY RECAP")[-1]
    found: dict[str, int] = {}
    for line in recap.splitlines():
        host, _, rest = line.partition(" : ")
        if "changed=" in rest:
            found[host.strip()] = int(rest.split("changed=")[1].split()[0])
            assert "failed=0" in rest, output[-4000:]
    assert found, output[-4000:]
    return found
