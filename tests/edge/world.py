"""A network for one process, in which every address is this machine and every name is in a table.

Nothing leaves it, so a front door may be shown any address and any name, and what it turns to is seen: each new
connection as a packet, each question as the name server gets it. Linux only; the process must be root, or run as
`unshare --map-root-user --net COMMAND`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMANDS = (
    "ip link set lo up",
    "ip route add local 0.0.0.0/0 dev lo",
    "ip -6 route add local ::/0 dev lo",
)
AAAA, ANY_PACKET, FROM_HERE = 28, 3, 4
TCP, UDP = 6, 17
Place = tuple[str, int]


@dataclass
class World:
    """What names mean, and what has been seen. Both may change at any time."""

    names: dict[str, list[str]] = field(default_factory=dict)
    strangers: list[str] | None = None  # what every other name means; they do not exist if None
    asked: list[str] = field(default_factory=list)
    connections: list[Place] = field(default_factory=list)

    def forget(self) -> None:
        self.asked.clear()
        self.connections.clear()

    def settle(self) -> None:
        """Until everything that was sent before has been seen: a datagram of our own comes last."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            port = sender.getsockname()[1]
            sender.sendto(b"", sender.getsockname())
            until(lambda: ("127.0.0.1", port) in self.connections)
        self.connections.remove(("127.0.0.1", port))

    def place(self, name: str, *addresses: str) -> None:
        """Give a name these IPv6 addresses, and this machine those that it has not yet."""
        for address in addresses:
            subprocess.run(["ip", "address", "replace", f"{address}/128", "dev", "lo", "nodad"], check=True)
        self.names[name] = list(addresses)

    def answer(self, packet: bytes) -> bytes:
        """AAAA records of the table; any other type has none."""
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1 : at + 1 + packet[at]].decode(errors="replace"))
            at += packet[at] + 1
        name, kind = ".".join(labels).lower(), int.from_bytes(packet[at + 1 : at + 3])
        self.asked.append(name)
        found = self.names.get(name, self.strangers)
        addresses = [ipaddress.IPv6Address(text).packed for text in found or ()] if kind == AAAA else []
        flags = 0x8180 if found is not None else 0x8183
        head = packet[:2] + struct.pack("!5H", flags, 1, len(addresses), 0, 0)
        records = (struct.pack("!HHHIH", 0xC00C, AAAA, 1, 1, 16) + address for address in addresses)
        return head + packet[12 : at + 5] + b"".join(records)


def nameservers() -> list[str]:
    """Those that programs on this machine ask; the resolver's own default if it has none."""
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver ")] or ["127.0.0.1"]


def arriving(line: socket.socket, ended: threading.Event) -> Iterator[tuple[bytes, Any]]:
    """Packets and where they come from, until it has ended. A socket that is closed while a thread reads is no end: its number
    may be another socket's by then, whose packets the thread would take.
    """
    line.settimeout(0.1)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            yield line.recvfrom(65535)


def serve_names(world: World, server: socket.socket, ended: threading.Event) -> None:
    for packet, client in arriving(server, ended):
        server.sendto(world.answer(packet), client)


def target(packet: bytes) -> Place | None:
    """Where a packet wants to open a connection, or sends a datagram."""
    if packet[0] >> 4 == 4:
        kind, start = packet[9], (packet[0] & 15) * 4
        address: str = str(ipaddress.IPv4Address(packet[16:20]))
    else:
        kind, start = packet[6], 40
        address = str(ipaddress.IPv6Address(packet[24:40]))
    port = int.from_bytes(packet[start + 2 : start + 4])
    if kind == TCP:
        flags = packet[start + 13]
        return (address, port) if flags & 0x02 and not flags & 0x10 else None
    source = int.from_bytes(packet[start : start + 2])
    return (address, port) if kind == UDP and 53 not in (source, port) else None


def watch(world: World, sniffer: socket.socket, ended: threading.Event) -> None:
    for packet, (_, _, direction, *_) in arriving(sniffer, ended):
        place = target(packet) if direction == FROM_HERE else None
        if place:
            world.connections.append(place)


@contextlib.contextmanager
def entered() -> Iterator[World]:
    """This thread, and what it starts, are in a new world; back in the old one afterwards."""
    if shutil.which("ip") is None:
        raise SystemExit("there is no command ip; install the package iproute2")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        os.unshare(os.CLONE_NEWNET)
    except PermissionError:
        raise SystemExit(
            "a network of its own is needed: run as root, or as unshare --map-root-user --net ..."
        ) from None
    world, ended = World(), threading.Event()
    readers: list[tuple[socket.socket, threading.Thread]] = []

    def read(line: socket.socket, what: Callable[[World, socket.socket, threading.Event], None]) -> None:
        thread = threading.Thread(target=what, args=(world, line, ended), daemon=True)
        thread.start()
        readers.append((line, thread))

    try:
        for command in COMMANDS:
            subprocess.run(command.split(), check=True)
        for address in nameservers():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            server = socket.socket(family, socket.SOCK_DGRAM)
            server.bind((address, 53))
            read(server, serve_names)
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ANY_PACKET))
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        read(sniffer, watch)
        yield world
    finally:
        ended.set()
        for line, thread in readers:
            thread.join()
            line.close()
        os.setns(before, os.CLONE_NEWNET)
        os.close(before)


def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for what is called to be true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
