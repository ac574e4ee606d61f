# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values of a MachineConfig: the forms in which Fly.io takes and gives them, each brought to one form."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

UNITS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|\u00b5s|\u03bcs|ns)")
PERSIST = {"0": "never", "none": "never", "1": "never", "2": "restart", "3": "always"}
STOPS = {True: "stop", "true": "stop", "false": "off"}
HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
GPUS = {"a10": "a10", "l40s": "l40s", "a100-40gb": "a100-pcie-40gb", "a100-80gb": "a100-sxm4-80gb"}


def as_is(value: Any) -> Any:
    """The value itself."""
    return value


def text(value: Any) -> str | None:
    """A variable as text, since the API takes nothing else: ``true``, not ``True``. None stays None."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def upper(value: Any) -> str:
    """Compared without regard to case."""
    return str(value).upper()


def unordered(value: Any) -> Any:
    """A list whose order says nothing."""
    return sorted({str(item) for item in value}) if isinstance(value, (list, tuple)) else value


def values(value: Any) -> Any:
    """One value or a list of values; ``false`` (take the header away) is no value but a statement."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value]
    return value if value is None or isinstance(value, bool) else [str(value)]


def nanoseconds(value: Any) -> Any:
    """A Go duration (``1m30s``) or whole nanoseconds as integer; what is neither stays as it is."""
    if not isinstance(value, str):
        return value
    parts = PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        return int(value) if value.isdecimal() else value
    return int(
        sum(Decimal(number) * UNITS[unit.replace("\u00b5", "u").replace("\u03bc", "u")] for number, unit in parts)
    )


def seconds(value: Any) -> Any:
    """A number of seconds, or a Go duration, in nanoseconds."""
    return nanoseconds(value) if isinstance(value, str) and not value.isdecimal() else int(value) * UNITS["s"]


def readable(value: Any) -> Any:
    """A duration as a person writes it: text as it is, nanoseconds as ``1m30s``."""
    if isinstance(value, bool) or not isinstance(value, int) or not value:
        return value
    written, left = "", value
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        number, left = divmod(left, UNITS[unit])
        written += f"{number}{unit}" if number else ""
    return written


def autostop(value: Any) -> Any:
    """``off`` is nothing; the API gives ``true`` for ``stop`` and ``false`` for ``off``."""
    stops = STOPS.get(value, value) if isinstance(value, (str, bool)) else value
    return None if stops == "off" else stops


def persistence(value: Any) -> str:
    """``persist_rootfs`` as a word; it may read back as a number."""
    return PERSIST.get(str(value).lower(), str(value).lower())


def content(value: Any) -> bytes | str:
    """The bytes behind base64 in any of its spellings. What is no base64 stays text; the server will refuse it."""
    spelled = "".join(str(value).split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(spelled + "=" * (-len(spelled) % 4), validate=True)
    except (binascii.Error, ValueError):
        return str(value)


def guest_of(size: str) -> dict[str, Any] | None:
    """The guest that a preset means, such as ``shared-cpu-2x`` or ``performance-4x``; None for a name that nobody knows."""
    found = re.fullmatch(r"(shared-cpu|performance)-([1-9]\d*)x", size)
    if found:
        kind, per_cpu = ("shared", 256) if found[1] == "shared-cpu" else ("performance", 2048)
        return {"cpu_kind": kind, "cpus": int(found[2]), "memory_mb": int(found[2]) * per_cpu}
    if size in GPUS:
        return {"cpu_kind": "performance", "cpus": 8, "memory_mb": 32768, "gpu_kind": GPUS[size], "gpus": 1}
    return None


@dataclass(frozen=True)
class Image:
    """A reference to an image, with Docker Hub's short forms written out."""

    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, reference: str) -> Image:
        """``nginx`` is docker.io/library/nginx:latest."""
        rest, _at, digest = reference.partition("@")
        host, slash, path = rest.partition("/")
        if not slash or not (set(host) & set(".:") or host == "localhost"):
            host, path = "docker.io", rest
        path, _colon, tag = path.partition(":")
        if host in HUB:
            host, path = "docker.io", path if "/" in path else f"library/{path}"
        return cls(f"{host}/{path}", tag or ("" if digest else "latest"), digest)


def image(value: Any) -> Image:
    """An image reference in its parts."""
    return Image.parse(str(value))


def same_image(wanted: Any, present: Any, image_ref: dict[str, Any] | None) -> bool:
    """Whether a machine runs what is wanted. Only a digest tells that a tag has moved; a tag alone never shows drift.

    image_ref: what the server resolved the machine's image to, or None where that is not known.
    """
    if not wanted or not present or wanted == present:
        return bool(wanted) == bool(present)
    one, other = image(wanted), image(present)
    if one.name != other.name:
        return False
    if one.digest:
        return one.digest == (other.digest or (image_ref or {}).get("digest"))
    return one.tag == other.tag
