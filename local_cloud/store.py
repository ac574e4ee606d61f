"""State that survives a restart: documents by kind and id in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Store:
    """Documents are plain JSON. Reads give copies: change one, then put it back."""

    def __init__(self, path: Path | str) -> None:
        self._writes: Counter[str] = Counter()
        self._db = sqlite3.connect(str(path), isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id))")
        self._db.execute("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER)")

    def put(self, kind: str, id: str | int, document: Document) -> Document:
        """Write a document, new or not."""
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, str(id), json.dumps(document)),
        )
        self._writes[kind] += 1
        return document

    def stamp(self, *kinds: str) -> tuple[int, ...]:
        """Differs from an earlier one when a document of these kinds was written since."""
        return tuple(self._writes[kind] for kind in kinds)

    def get(self, kind: str, id: str | int) -> Document | None:
        """One document, or None."""
        row = self._db.execute("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, str(id))).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def list(self, kind: str) -> list[Document]:
        """All documents of a kind, in the order in which they were made."""
        rows = self._db.execute("SELECT body FROM documents WHERE kind = ? ORDER BY rowid", (kind,))
        return [json.loads(row[0]) for row in rows]

    def delete(self, kind: str, id: str | int) -> None:
        """Remove a document; none there is fine."""
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, str(id)))
        self._writes[kind] += 1

    def next(self, name: str, start: int = 1) -> int:
        """The next number of a counter that never goes back."""
        row = self._db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        value = start if row is None else int(row[0]) + 1
        self._db.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        return value

    def clear(self) -> None:
        """Forget all documents. Counters go on, so that ids are not used twice."""
        self._db.execute("DELETE FROM documents")
        self._writes.update(list(self._writes))
