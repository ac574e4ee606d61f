from __future__ import annotations

from typing import Any

PSQL = "setpriv --reuid postgres --regid postgres --clear-groups psql -XqAt -p $(sed -n 4p /data/pg/postmaster.pid)"


def ask(deployed: Any, sql: str, database: str = "postgres") -> list[str]:
    return sorted(deployed("-pg-").check_output(f'{PSQL} -d {database} -c "{sql}"').splitlines())


def test_databases_and_owners(deployed: Any) -> None:
    found = ask(deployed, "SELECT datname FROM pg_database WHERE datname LIKE 'monster%'")
    assert found == ["monster_credentials", "monster_dashboard", "monster_engine"]


def test_the_engine_may_create_tables_and_has_vector(deployed: Any) -> None:
    may = "SELECT has_schema_privilege('engine', 'public', 'CREATE')"
    assert ask(deployed, may, "monster_engine") == ["t"]
    assert ask(deployed, "SELECT has_schema_privilege('dashboard', 'public', 'CREATE')", "monster_engine") == ["f"]
    assert "vector" in ask(deployed, "SELECT extname FROM pg_extension", "monster_engine")


def test_plain_connections_are_refused(deployed: Any) -> None:
    rules = deployed("-pg-").file("/etc/opsmap/pg_hba.conf").content_string.splitlines()
    assert all(rule.startswith(("local all postgres peer", "hostssl ")) for rule in rules)
