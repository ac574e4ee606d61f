# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's config: which keys there are, what they take, and what of it differs. GET tells all keys, PATCH takes some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option

# Whole numbers: lowest and highest.
RANGES: dict[str, tuple[int, int]] = {
    "autovacuum_analyze_threshold": (0, 2147483647),
    "autovacuum_freeze_max_age": (200000000, 1500000000),
    "autovacuum_max_workers": (1, 20),
    "autovacuum_naptime": (0, 86400),
    "autovacuum_vacuum_cost_delay": (-1, 100),
    "autovacuum_vacuum_cost_limit": (-1, 10000),
    "autovacuum_vacuum_threshold": (0, 2147483647),
    "backup_hour": (0, 23),
    "backup_minute": (0, 59),
    "bgwriter_delay": (10, 10000),
    "bgwriter_flush_after": (0, 2048),
    "bgwriter_lru_maxpages": (0, 1073741823),
    "deadlock_timeout": (500, 1800000),
    "idle_in_transaction_session_timeout": (0, 604800000),
    "log_autovacuum_min_duration": (-1, 2147483647),
    "log_min_duration_statement": (-1, 86400000),
    "max_connections": (25, 10000),
    "max_failover_replication_time_lag": (10, 9223372036854775807),
    "max_files_per_process": (1000, 4096),
    "max_locks_per_transaction": (64, 6400),
    "max_logical_replication_workers": (4, 64),
    "max_parallel_workers": (0, 96),
    "max_parallel_workers_per_gather": (0, 96),
    "max_pred_locks_per_transaction": (64, 640),
    "max_prepared_transactions": (0, 10000),
    "max_replication_slots": (8, 64),
    "max_slot_wal_keep_size": (-1, 2147483647),
    "max_stack_depth": (2097152, 6291456),
    "max_standby_archive_delay": (1, 43200000),
    "max_standby_streaming_delay": (1, 43200000),
    "max_wal_senders": (20, 64),
    "max_worker_processes": (8, 96),
    "pg_partman_bgw.interval": (3600, 604800),
    "temp_file_limit": (-1, 2147483647),
    "track_activity_query_size": (1024, 10240),
    "wal_sender_timeout": (0, 10800000),
    "wal_writer_delay": (10, 200),
    "work_mem": (1, 1024),
}
NUMBERS: dict[str, tuple[float, float]] = {
    "autovacuum_analyze_scale_factor": (0, 1),
    "autovacuum_vacuum_scale_factor": (0, 1),
    "bgwriter_lru_multiplier": (0, 10),
    "shared_buffers_percentage": (20.0, 60.0),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "default_toast_compression": ("lz4", "pglz"),
    "log_error_verbosity": ("TERSE", "DEFAULT", "VERBOSE"),
    "log_line_prefix": (
        "pid=%p,user=%u,db=%d,app=%a,client=%h",
        "%m [%p] %q[user=%u,db=%d,app=%a]",
        "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
    ),
    "pg_stat_statements.track": ("all", "top", "none"),
    "synchronous_replication": ("off", "quorum"),
    "track_commit_timestamp": ("off", "on"),
    "track_functions": ("all", "pl", "none"),
    "track_io_timing": ("off", "on"),
}
SWITCHES = frozenset({"jit", "stat_monitor_enable"})
TEXTS = frozenset({"pg_partman_bgw.role", "timezone"})
GROUPS = frozenset({"pgbouncer", "timescaledb"})
KEYS = frozenset({*RANGES, *NUMBERS, *CHOICES, *SWITCHES, *TEXTS, *GROUPS})
TOGETHER = ("backup_hour", "backup_minute")  # the API takes both or none


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a key or a value that no cluster takes."""
    for key, value in config.items():
        if key not in KEYS:
            raise bad_option("config", f"{key!r} is no key", f"one of: {', '.join(sorted(KEYS))}")
        problem = _problem(key, value)
        if problem:
            raise bad_option("config", f"{key} is {value!r}", problem)
    given = [key for key in TOGETHER if key in config]
    if len(given) == 1:
        raise bad_option("config", f"{given[0]} is given alone", f"give {' and '.join(TOGETHER)} together")


def _meant(key: str, value: Any) -> Any:
    """YAML reads ``on`` and ``off`` as booleans."""
    return ("on" if value else "off") if key in CHOICES and isinstance(value, bool) else value


def _problem(key: str, value: Any) -> str:
    if key in CHOICES:
        return "" if _meant(key, value) in CHOICES[key] else f"give one of: {', '.join(CHOICES[key])}"
    if key in SWITCHES:
        return "" if isinstance(value, bool) else "give true or false"
    if key in TEXTS:
        return "" if isinstance(value, str) and value else "give a text"
    if key in GROUPS:
        return "" if isinstance(value, dict) else "give a dictionary"
    low, high = RANGES.get(key) or NUMBERS[key]
    whole = key in RANGES
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and low <= value <= high
    return "" if fits else f"give a {'whole ' if whole else ''}number from {low} to {high}"


def config_changes(config: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys that differ: name -> (is, should be). Numbers are compared by value, groups by the members that are given."""
    found: dict[str, tuple[Any, Any]] = {}
    for key, given in config.items():
        seen, value = present.get(key), _meant(key, given)
        if isinstance(value, dict):
            members = seen if isinstance(seen, dict) else {}
            value = {**members, **value}
        if value != seen:
            found[key] = (seen, value)
    if any(key in found for key in TOGETHER):
        found.update({key: (present.get(key), config[key]) for key in TOGETHER})
    return found
