# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the database itself can be asked: privileges and extensions.

Connects as the cluster's administrator, or as the owner of tables: only who owns a table may share it. The server's
certificate is verified against the authority that the API tells.
"""

from __future__ import annotations

import tempfile
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
        self,
        client: DigitalOcean,
        cluster: Mapping[str, Any],
        database: str,
        hostaddr: str | None = None,
        user: str = ADMIN,
    ) -> None:
        given = cluster.get("connection") or {}
        password = given.get("password") if given.get("user") == user else None
        if not password:
            password = (client.find_user(str(cluster["id"]), user) or {}).get("password")
        if not password:
            hint = "is there such a user? use a token with the scope database:view_credentials"
            raise bad_option("api_token", f"the password of {user} is not told", hint)
        self.database = database
        self._authority = client.authority(str(cluster["id"]))
        self._login = {
            "host": given["host"], "port": given["port"], "user": user, "password": password, "dbname": database,
            "sslmode": "verify-full", "connect_timeout": CONNECT_SECONDS, "autocommit": True,
        }  # fmt: skip
        if hostaddr:
            self._login["hostaddr"] = hostaddr

    def __enter__(self) -> Postgres:
        self._driver = driver()
        try:
            with tempfile.NamedTemporaryFile("w", suffix=".crt") as authority:  # the driver takes a file only
                authority.write(self._authority)
                authority.flush()
                self._connection = self._driver.connect(**self._login, sslrootcert=authority.name)
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

    def everyone_connects(self) -> bool:
        """Whether every user of the cluster may connect to the database."""
        query = (
            "SELECT EXISTS (SELECT FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS right_of"
            " WHERE datname = current_database() AND grantee = 0 AND privilege_type = 'CONNECT')"
        )
        return bool(self._ask(query, ())[0][0])

    def may_connect(self, user: str) -> bool:
        """Whether the user may connect, by a right of its own or of everyone."""
        return bool(self._ask("SELECT has_database_privilege(%s, current_database(), 'CONNECT')", (user,))[0][0])

    def not_shared(self, owner: str, user: str, rights: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Tables and sequences of the owner in ``public`` on which the user lacks a right. rights: by kind of object."""
        query = (
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
            " AND c.relowner = %s::text::regrole AND ((c.relkind IN ('r', 'p', 'v', 'm') AND EXISTS (SELECT FROM unnest(%s::text[]) p"
            " WHERE NOT has_table_privilege(%s, c.oid, p))) OR (c.relkind = 'S' AND EXISTS (SELECT FROM unnest(%s::text[]) p"
            " WHERE NOT has_sequence_privilege(%s, c.oid, p)))) ORDER BY 1"
        )
        tables, sequences = list(rights["TABLES"]), list(rights["SEQUENCES"])
        rows = self._ask(query, (self._quoted(owner), tables, user, sequences, user))
        return [str(row[0]) for row in rows]

    def shares_to_come(self, owner: str, user: str, rights: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether the user will have the rights on what the owner makes in ``public``."""
        query = (
            "SELECT count(DISTINCT e.privilege_type) FROM pg_default_acl d, aclexplode(d.defaclacl) e"
            " WHERE d.defaclrole = %s::text::regrole AND d.defaclnamespace = 'public'::regnamespace AND d.defaclobjtype = %s"
            " AND e.grantee = %s::text::regrole AND e.privilege_type = ANY(%s)"
        )
        kinds = {"TABLES": "r", "SEQUENCES": "S"}
        return all(
            self._ask(query, (self._quoted(owner), kinds[kind], self._quoted(user), list(wanted)))[0][0] == len(wanted)
            for kind, wanted in rights.items()
        )

    def extensions(self, wanted: list[str]) -> list[str]:
        """Those of the wanted extensions that are there."""
        rows = self._ask("SELECT extname FROM pg_extension WHERE extname = ANY(%s) ORDER BY 1", (wanted,))
        return [str(row[0]) for row in rows]

    def let_create(self, user: str) -> None:
        """Grant the right to use the schema ``public`` and to create in it."""
        self._do("GRANT CREATE, USAGE ON SCHEMA public TO {}", user)

    def close_to_everyone(self) -> None:
        """Only users with a right of their own may connect."""
        self._do("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC", self.database)

    def let_connect(self, user: str) -> None:
        """Grant the right to connect."""
        self._do("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", self.database, user)

    def share(self, user: str, rights: Mapping[str, tuple[str, ...]]) -> None:
        """Grant rights on all that the one who is connected owns in ``public``, and on what it will make there."""
        self._do("GRANT USAGE ON SCHEMA public TO {}", user)
        query = (
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relowner = current_user::regrole AND relkind IN ('r', 'p', 'v', 'm', 'S')"
        )
        kinds = {"S": "SEQUENCES"}
        for name, kind in self._ask(query, ()):
            wanted = rights[kinds.get(str(kind), "TABLES")]
            if wanted:
                word = "SEQUENCE" if kind == "S" else "TABLE"
                self._do(f"GRANT {', '.join(wanted)} ON {word} public.{{}} TO {{}}", str(name), user)
        for what, wanted in rights.items():
            if wanted:
                self._do(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {', '.join(wanted)} ON {what} TO {{}}", user)

    def make_extension(self, name: str) -> None:
        """Make an extension."""
        self._do("CREATE EXTENSION IF NOT EXISTS {}", name)

    def _ask(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(query, values).fetchall()
            return rows
        except self._driver.Error as error:
            raise self._failed("look at", error, "check the names of user and database") from None

    def _quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'  # as a cast to regrole wants it

    def _do(self, statement: str, *names: str) -> None:
        sql = self._driver.sql
        try:
            self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        except self._driver.Error as error:
            raise self._failed("change", error, "check the name; the cluster may not offer the extension") from None

    def _failed(self, verb: str, error: Exception, hint: str) -> CloudError:
        text = " ".join(str(error).split()).replace(str(self._login["password"]), "********")
        return CloudError(text, service="postgres", operation=f"{verb} database {self.database}", hint=hint)
