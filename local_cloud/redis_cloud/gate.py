"""The way into a database: only from its source networks, and to the plain or the TLS port of its server.

The first process of a database's container. It runs there with the system's Python: standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import signal
import sys
from pathlib import Path
from typing import Any

RULES = Path("/etc/opsmap/gate.json")  # {"listen": port, "to": port, "sources": [networks]}; read anew for every client
CHUNK = 65536


def allowed(peer: str, sources: list[str], gateway: str) -> bool:
    """Whether an address may come in. What comes through the engine's gateway is this machine, 127.0.0.1."""
    address = ipaddress.ip_address("127.0.0.1" if peer == gateway else peer)
    return any(address in ipaddress.ip_network(source, strict=False) for source in sources)


def default_gateway(routes: str) -> str:
    """The gateway in the text of /proc/net/route, where addresses are little-endian hexadecimal."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000":
            return str(ipaddress.IPv4Address(bytes.fromhex(fields[2])[::-1]))
    return ""


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until either side ends."""
    with contextlib.suppress(OSError):  # a client or the server went away: that is an end like any other
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gateway: str) -> None:
    """One client."""
    rules: dict[str, Any] = json.loads(RULES.read_text())
    if not allowed(writer.get_extra_info("peername")[0], rules["sources"], gateway):
        writer.close()
        return
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", rules["to"])
    except OSError:  # the server is not up yet
        writer.close()
        return
    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def main(command: list[str]) -> int:
    """Run the server and let clients in until it ends; its exit code."""
    gateway = default_gateway(Path("/proc/net/route").read_text())
    child = await asyncio.create_subprocess_exec(*command)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, child.terminate)
    port = json.loads(RULES.read_text())["listen"]
    await asyncio.start_server(lambda reader, writer: admit(reader, writer, gateway), "0.0.0.0", port)
    return await child.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
