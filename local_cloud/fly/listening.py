"""The processes of a machine and what they listen on, read from /proc inside it: pure, except that SCRIPT runs there."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

SORTABLE = ("pid", "command", "cpu", "rss", "rtime", "stime")
TICKS, PAGE = 100, 4096
LISTEN = "0A"
# One line per process: pid | working directory | statistics | inodes of its sockets | command line. Then the sockets.
SCRIPT = r"""
for p in /proc/[0-9]*; do
  id=${p#/proc/}
  [ "$id" = "$$" ] && continue
  line=$(tr '\000\n' '  ' < $p/cmdline 2>/dev/null) || continue
  [ -n "$line" ] || continue
  printf '%s|%s|%s|' "$id" "$(readlink $p/cwd 2>/dev/null)" "$(cat $p/stat 2>/dev/null | tr '|' ' ')"
  for f in $p/fd/*; do case "$(readlink $f 2>/dev/null)" in socket:*) readlink $f | tr -dc '0-9'; printf ' ';; esac; done
  printf '|%s\n' "$line"
done
for kind in tcp tcp6 udp udp6; do sed "s/^/$kind /" /proc/net/$kind 2>/dev/null; done
cut -d ' ' -f 1 /proc/uptime | sed 's/^/uptime /'
"""


def parsed(text: str) -> list[dict[str, Any]]:
    """What SCRIPT prints, as the API lists it. cpu: seconds used; rss: bytes; rtime: seconds alive; stime: start."""
    sockets, uptime, rows = {}, 0.0, []
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind in ("tcp", "tcp6", "udp", "udp6"):
            sockets.update(_socket(kind, rest.split()))
        elif kind == "uptime":
            uptime = float(rest)
        elif line.count("|") >= 4:
            rows.append(line.split("|", 4))
    found = []
    for pid, folder, statistics, inodes, command in rows:
        values = statistics.rpartition(")")[2].split()
        if len(values) < 22:
            continue  # it ended while it was looked at
        started = int(values[19]) / TICKS
        found.append(
            {
                "pid": int(pid),
                "command": command.strip(),
                "directory": folder,
                "cpu": round((int(values[11]) + int(values[12])) / TICKS),
                "rss": int(values[21]) * PAGE,
                "rtime": round(max(0.0, uptime - started)),
                "stime": round(started),
                "listen_sockets": [sockets[inode] for inode in inodes.split() if inode in sockets],
            }
        )
    return found


def _socket(kind: str, fields: list[str]) -> dict[str, dict[str, str]]:
    """Inode -> protocol and address of a line of /proc/net, if it listens."""
    if len(fields) < 10 or ":" not in fields[1] or (kind.startswith("tcp") and fields[3] != LISTEN):
        return {}
    address, _, port = fields[1].partition(":")
    return {fields[9]: {"proto": kind.removesuffix("6"), "address": f"{_address(address)}:{int(port, 16)}"}}


def _address(text: str) -> str:
    """An address as /proc/net writes it: words of four bytes, each in the machine's own order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    found = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return f"[{found}]" if found.version == 6 else str(found)
