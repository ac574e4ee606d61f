# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the database itself can be asked: privileges and extensions. Connects as the cluster's administrator."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

ADMIN = "doadmin"
CONNECT_SECONDS = 15


def driver() -> Any:
    """The package psycopg. Loading it takes longer than most tasks, so only a task that connects does."""
    try:
        import psycopg
        import psycopg.sql
    except ImportError:
        hint = "install psycopg >= 3"
        raise CloudError("psycopg is not installed for this Python", code="refused", hint=hint) from None
    return psycopg


class Postgres:
    """One database of a cluster, for the length of a ``with`` block."""

    def __init__(
        self, client: DigitalOcean, cluster: Mapping[str, Any], database: str, hostaddr: str | None = None
    ) -> None:
        given = cluster.get("connection") or {}
        password = given.get("password") if given.get("user") == ADMIN else None
        if not password:
            password = (client.find_user(str(cluster["id"]), ADMIN) or {}).get("password")
        if not password:
            hint = "use a token with the scope database:view_credentials"
            raise bad_option("api_token", f"the password of {ADMIN} is not told", hint)
        self.database = database
        self._login = {
            "host": given["host"], "port": given["port"], "user": ADMIN, "password": password, "dbname": database,
            "sslmode": "require", "connect_timeout": CONNECT_SECONDS, "autocommit": True,
        }  # fmt: skip
        if hostaddr:
            self._login["hostaddr"] = hostaddr

    def __enter__(self) -> Postgres:
        self._driver = driver()
        try:
            self._connection = self._driver.connect(**self._login)
        except self._driver.Error as error:
            hint = "is this machine one of the trusted sources? can it resolve the name? (hostaddr)"
            raise self._failed("connect", error, hint) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def may_create(self, user: str) -> bool:
        """Whether the user may create tables in the schema ``public``."""
        return bool(self._ask("SELECT has_schema_privilege(%s, 'public', 'CREATE')", (user,))[0][0])

    def extensions(self, wanted: list[str]) -> list[str]:
        """Those of the wanted extensions that are there."""
        rows = self._ask("SELECT extname FROM pg_extension WHERE extname = ANY(%s) ORDER BY 1", (wanted,))
        return [str(row[0]) for row in rows]

    def let_create(self, user: str) -> None:
        """Grant the right to use the schema ``public`` and to create in it."""
        self._do("GRANT CREATE, USAGE ON SCHEMA public TO {}", user)

    def make_extension(self, name: str) -> None:
        """Make an extension."""
        self._do("CREATE EXTENSION IF NOT EXISTS {}", name)

    def _ask(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(query, values).fetchall()
            return rows
        except self._driver.Error as error:
            raise self._failed("look at", error, "check the names of user and database") from None

    def _do(self, statement: str, name: str) -> None:
        sql = self._driver.sql
        try:
            self._connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
        except self._driver.Error as error:
            raise self._failed("change", error, "check the name; the cluster may not offer the extension") from None

    def _failed(self, verb: str, error: Exception, hint: str) -> CloudError:
        text = " ".join(str(error).split()).replace(str(self._login["password"]), "********")
        return CloudError(text, service="postgres", operation=f"{verb} database {self.database}", hint=hint)
