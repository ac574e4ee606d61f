"""What a finished image is like inside: for the scenarios that look into one."""

from __future__ import annotations

import re
import time
from typing import Any

COMPILERS = ("gcc", "cc", "g++", "c++", "clang", "make", "ld", "as", "rustc", "go", "pip", "dpkg-buildpackage")
REVISION = re.compile(r"[0-9a-f]{40}")


def check_finished(image: dict[str, Any], host: Any) -> None:
    """What holds for every image of the product: no tools to build with, labels, a health check, files of root."""
    assert [name for name in COMPILERS if host.exists(name)] == []
    assert not host.file("/opt/venv/bin/pip").exists
    development = "libc6-dev gcc gcc-12 g++ binutils make python3-dev python3-pip linux-libc-dev"
    listed = host.run(f"dpkg-query -W -f '${{db:Status-Status}} ${{Package}}\\n' {development}").stdout
    assert [line for line in listed.splitlines() if line.startswith("installed")] == []
    labels = image["Config"]["Labels"]
    assert re.fullmatch(r"[0-9a-f]{16}", labels["dev.opsmap.inputs"])
    assert labels["dev.opsmap.dirty"] in ("true", "false")
    assert REVISION.fullmatch(labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert "supercog_shared.probe" in " ".join(image["Config"]["Healthcheck"]["Test"])
    own = host.run("find /code /opt/venv /usr/local ! -user root ! -path /code/storage -print -quit").stdout
    assert own == "", "the service must not be able to write its own code"
    text = str(image["Config"]) + str(image.get("ContainerConfig"))
    assert "BEGIN CERTIFICATE" not in text
    assert "password" not in text.lower()


def listens(host: Any, port: int) -> dict[str, bool]:
    """Whether an answer comes over IPv4 and IPv6, asked in the container; waits for the service to start."""
    ask = f"import socket, sys; socket.create_connection((sys.argv[1], {port}), 2).close()"
    for _ in range(100):
        if host.run(f'python -c "{ask}" 127.0.0.1').rc == 0:
            break
        time.sleep(0.1)
    return {address: host.run(f'python -c "{ask}" {address}').rc == 0 for address in ("127.0.0.1", "::1")}
