"""The local cloud's DigitalOcean for tests: calls over HTTP, and connections to the servers behind it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import httpx
import psycopg

from tests.support import Instance

SMALL, LARGER = "db-s-1vcpu-1gb", "db-s-1vcpu-2gb"


class Ocean:
    """One instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.url = f"http://127.0.0.1:{instance.port + 3}"
        self.token = instance.token("digitalocean")
        self.authority = str(instance.folder / "ca.crt")

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, client: httpx.Client | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        with httpx.Client(timeout=120) if client is None else nullcontext(client) as caller:
            return caller.request(method, f"{self.url}/v2{path}", json=body, headers=headers)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def do(self, method: str, path: str, body: Any = None, status: int = 204) -> Any:
        answer = self.call(method, path, body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def control(self, method: str, path: str, body: Any = None) -> Any:
        return self.instance.call(0, method, path, "control", body)

    def create(self, name: str, **more: Any) -> str:
        """A new cluster, awaited; its id."""
        wanted = {"name": name, "engine": "pg", "num_nodes": 1, "size": SMALL, "region": "nyc1", "version": "15"}
        made = self.do("POST", "/databases", {**wanted, **more}, 201)["database"]
        self.online(made["id"])
        return str(made["id"])

    def online(self, number: str, **fields: Any) -> dict[str, Any]:
        """The cluster, once it is online with these fields."""
        deadline = time.monotonic() + 90
        while True:
            answer = self.call("GET", f"/databases/{number}")
            found = answer.json().get("database") or {}
            if found.get("status") == "online" and all(found.get(key) == item for key, item in fields.items()):
                return dict(found)
            assert time.monotonic() < deadline, f"{number} is {found.get('status')}: {answer.text[:500]}"
            time.sleep(0.1)

    def gone(self, number: str) -> None:
        deadline = time.monotonic() + 30
        while self.call("GET", f"/databases/{number}").status_code != 404:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def backup(self, number: str) -> str:
        """The first backup, awaited; when it was made."""
        deadline = time.monotonic() + 60
        while not (found := self.get(f"/databases/{number}/backups")["backups"]):
            assert time.monotonic() < deadline, "there is no backup"
            time.sleep(0.1)
        return str(found[0]["created_at"])

    def login(self, connection: dict[str, Any], **more: Any) -> psycopg.Connection[Any]:
        """A connection as an API object describes it, the server's certificate verified."""
        given = {
            "host": connection["host"], "hostaddr": "127.0.0.1", "port": connection["port"], "user": connection["user"],
            "password": connection["password"], "dbname": connection["database"], "sslmode": "verify-full",
            "sslrootcert": self.authority, "connect_timeout": 10, "autocommit": True, **more,
        }  # fmt: skip
        return psycopg.connect(**given)
