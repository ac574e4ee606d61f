"""What machines need of the engine beyond starting and stopping: pause, networks, commands inside, memory."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from local_cloud.docker import VERSION, Docker, DockerError

KILL = 'for p in /proc/[0-9]*; do grep -q "$1" "$p/environ" 2>/dev/null && kill -9 "${p#/proc/}"; done'


async def pause(docker: Docker, container: str) -> None:
    """Freeze its processes."""
    await docker.call("POST", f"/containers/{container}/pause")


async def unpause(docker: Docker, container: str) -> None:
    """Let them go on."""
    await docker.call("POST", f"/containers/{container}/unpause")


async def join(docker: Docker, network: str, container: str, aliases: list[str], address: str) -> None:
    """Put it on a network under these names, at an IPv6 address of its own."""
    endpoint: dict[str, Any] = {"Aliases": aliases}
    if address:
        endpoint["IPAMConfig"] = {"IPv6Address": address}
    body = {"Container": container, "EndpointConfig": endpoint}
    await docker.call("POST", f"/networks/{network}/connect", body=body, accept=(403,))  # 403: it is there already


async def leave(docker: Docker, network: str, container: str) -> None:
    """Take it off a network; not there is fine, which the engine says with any of three statuses."""
    body = {"Container": container, "Force": True}
    await docker.call("POST", f"/networks/{network}/disconnect", body=body, accept=(403, 404, 500))


async def subnet(docker: Docker, network: str) -> str:
    """The IPv6 subnet of a network, or ''."""
    found = await docker.call("GET", f"/networks/{network}") or {}
    subnets = [item["Subnet"] for item in found.get("IPAM", {}).get("Config") or []]
    return next((item for item in subnets if ":" in item), "")


async def processors(docker: Docker) -> int:
    """How many the engine has."""
    return int((await docker.call("GET", "/info"))["NCPU"])


async def memory(docker: Docker, container: str) -> tuple[int, int]:
    """Used and allowed bytes."""
    query = {"stream": "false", "one-shot": "true"}
    stats = (await docker.call("GET", f"/containers/{container}/stats", query=query)).get("memory_stats") or {}
    return int(stats.get("usage", 0)), int(stats.get("limit", 0))


async def limit_memory(docker: Docker, container: str, limit: int) -> None:
    """Change what it may use, while it runs."""
    await docker.call("POST", f"/containers/{container}/update", body={"Memory": limit, "MemorySwap": limit})


async def execute(
    docker: Docker, container: str, command: list[str], stdin: bytes = b"", **more: Any
) -> tuple[int, bytes, bytes]:
    """Run a command in it: exit code, output, errors. The connection is taken over, so that input can end.

    more: what else the engine is told about the run, such as ``User``.
    """
    body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Cmd": command, **more}
    made = (await docker.call("POST", f"/containers/{container}/exec", body=body))["Id"]
    reader, writer = await asyncio.open_unix_connection(docker.socket, limit=2**20)
    try:
        writer.write(_start(made))
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(stdin)  # not before: the engine loses what comes with the head
        writer.write_eof()
        raw = await reader.read()
    finally:
        writer.close()
    if b" 101 " not in head.partition(b"\r\n")[0]:
        raise DockerError(int(head.split(b" ", 2)[1]), raw.decode(errors="replace").strip()[:300])
    ended = await docker.call("GET", f"/exec/{made}/json")
    return int(ended["ExitCode"] or 0), *streams(raw)


async def execute_within(
    docker: Docker, container: str, command: list[str], stdin: bytes, limit: float
) -> tuple[int, bytes, bytes]:
    """Like execute; after ``limit`` seconds it is killed with all that it has started, and TimeoutError is raised.

    The engine cannot end a run. Its processes are found by a variable that children inherit; an image without a shell keeps them.
    """
    mark = f"FLY_EXEC_ID={uuid.uuid4().hex}"
    try:
        return await asyncio.wait_for(execute(docker, container, command, stdin, Env=[mark]), limit)
    except TimeoutError:
        await execute(docker, container, ["/bin/sh", "-c", KILL, "sh", mark], User="0")
        raise


def _start(made: str) -> bytes:
    body = json.dumps({"Detach": False, "Tty": False}).encode()
    lines = [
        f"POST /{VERSION}/exec/{made}/start HTTP/1.1",
        "Host: docker",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: Upgrade",
        "Upgrade: tcp",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def streams(raw: bytes) -> tuple[bytes, bytes]:
    """Output and errors, which come in frames: stream number, three zeros, four bytes of length."""
    found: dict[int, bytes] = {1: b"", 2: b""}
    at = 0
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], "big")
        found[raw[at]] = found.get(raw[at], b"") + raw[at + 8 : at + 8 + size]
        at += 8 + size
    return found[1], found[2]
