# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How unchanged secrets are recognised although Fly.io never gives a value back. No calls.

An entry says "this name holds this value while the server lists this digest": keyed hashes of name and value, and the digest.
Machines keep the entries that they were released with in their metadata. What no machine keeps yet is vouched for by a
mark, which every write leaves: one more secret, whose *name* (names can be read) is a keyed hash of all names and values.
Hashes are written in consonants, so that masking a secret such as ``true`` or ``3000`` in Ansible's output cannot hit them.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option

MARK = "OPSMAP_RECORD_"
CONSONANTS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
SAME_WRITE = 2.0  # seconds that the times of one write may lie apart


def text(option: str, name: str, value: Any) -> str:
    """The value as it is sent: booleans as ``true`` and ``false``."""
    if value is None or isinstance(value, (dict, list, bytes)) or "\0" in str(value):
        hint = "give a string; leave the name out to not set it; what is no text goes into files"
        raise bad_option(option, f"the value of {name} is no text", hint)
    return str(value).lower() if isinstance(value, bool) else str(value)


def encoded(file: dict[str, Any]) -> str:
    """The value of a file's secret, in base64 as ``files[].secret_name`` of a machine wants it."""
    if file["content"] is not None:
        return base64.b64encode(file["content"].encode()).decode()
    if file["base64"] is not None:
        try:
            return base64.b64encode(base64.b64decode("".join(file["base64"].split()), validate=True)).decode()
        except binascii.Error:
            hint = "encode the content, or give it as content"
            raise bad_option("files", f"base64 of {file['name']} is no base64", hint) from None
    try:
        return base64.b64encode(Path(file["src"]).read_bytes()).decode()
    except OSError as error:
        reason = f"{file['src']} of {file['name']} cannot be read: {error.strerror}"
        raise bad_option("files", reason, "give the path of a file that is there") from None


@dataclass(frozen=True, order=True)
class Entry:
    """One secret as it was written; all three are opaque."""

    name: str
    value: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}.{self.value}.{self.digest}"


def entries(records: Iterable[str]) -> set[Entry]:
    """Entries of the machines' records; what is none of ours is passed over."""
    parts = (text.split(".") for record in records for text in record.split(","))
    return {Entry(*part) for part in parts if len(part) == 3}


def moment(listed: Mapping[str, Any]) -> float:
    """When a listed secret last changed, in seconds; 0 where the server does not tell."""
    text = str(listed.get("updated_at") or listed.get("created_at") or "")
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


class Ledger:
    """The wanted values of one app, and what is known about those that are there.

    values: wanted, name to value; listed: what the server lists, by name; records: the machines' records.
    """

    def __init__(
        self, key: str, app: str, values: dict[str, str], listed: list[dict[str, Any]], records: list[str]
    ) -> None:
        self.key, self.app, self.values = key, app, values
        self.known = entries(records)
        self.marks = {item["name"]: item for item in listed if item["name"].startswith(MARK)}
        self.listed = {item["name"]: item for item in listed if item["name"] not in self.marks}

    def hashed(self, length: int, *parts: str) -> str:
        """Keyed hash in consonants; metadata is visible to the whole organization, so never a bare one."""
        text = "\0".join((self.app, *parts))
        return hmac.new(self.key.encode(), text.encode(), hashlib.sha256).hexdigest()[:length].translate(CONSONANTS)

    def entry(self, name: str, digest: str) -> Entry:
        """What is true of a wanted secret when the server lists this digest."""
        value = self.hashed(12, name, self.values[name])
        return Entry(self.hashed(8, name), value, digest[:12].lower().translate(CONSONANTS))

    def digest(self, name: str) -> str:
        """Digest as listed, empty when it is not there."""
        return str((self.listed.get(name) or {}).get("digest") or "")

    @property
    def mark(self) -> str:
        """Name of the mark that vouches for exactly these names and values."""
        parts = [part for name in sorted(self.values) for part in (name, self.values[name])]
        return MARK + self.hashed(20, "mark", *parts).upper()

    def written_with_mark(self, name: str) -> bool | None:
        """Whether the mark vouches for a secret: None when there is no such mark, False when it was touched later."""
        if self.mark not in self.marks:
            return None
        if name not in self.listed:
            return False
        return moment(self.listed[name]) <= moment(self.marks[self.mark]) + SAME_WRITE

    def unchanged(self, name: str) -> bool:
        """Whether the wanted value is there."""
        if name not in self.listed:
            return False
        return self.entry(name, self.digest(name)) in self.known or bool(self.written_with_mark(name))

    def foreign(self, name: str) -> bool:
        """Whether a value that we wrote was changed or removed by someone else."""
        wanted = self.entry(name, "")
        ours = any((entry.name, entry.value) == (wanted.name, wanted.value) for entry in self.known)
        return not self.unchanged(name) and (ours or self.written_with_mark(name) is False)

    def unlisted(self) -> list[str]:
        """Names that are there and not wanted."""
        return sorted(set(self.listed) - set(self.values))

    def record(self, digests: Mapping[str, str]) -> str:
        """What the machines keep: the wanted secrets, and those of earlier runs that are still there."""
        kept = [self.entry(name, digests.get(name, "")) for name in self.values]
        for name in set(digests) - set(self.values):
            hidden = self.hashed(8, name)
            kept += sorted(entry for entry in self.known if entry.name == hidden)[:1]
        return ",".join(sorted(map(str, kept)))
