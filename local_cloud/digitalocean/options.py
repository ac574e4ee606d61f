"""The cluster's config: keys, ranges and defaults as published, and what of it the server can be told."""

from __future__ import annotations

from typing import Any

Rule = tuple[Any, Any, Any, Any]  # type, lowest or choices, highest, default
INT, NUMBER, BOOL, TEXT = int, float, bool, str
ON, TRACK = ("off", "on"), ("all", "top", "none")
PREFIXES = (
    "pid=%p,user=%u,db=%d,app=%a,client=%h",
    "%m [%p] %q[user=%u,db=%d,app=%a]",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h",
)
MOST = 2147483647
KEYS: dict[str, Rule] = {
    "autovacuum_analyze_scale_factor": (NUMBER, 0, 1, 0.2),
    "autovacuum_analyze_threshold": (INT, 0, MOST, 50),
    "autovacuum_freeze_max_age": (INT, 200000000, 1500000000, 200000000),
    "autovacuum_max_workers": (INT, 1, 20, 3),
    "autovacuum_naptime": (INT, 0, 86400, 60),
    "autovacuum_vacuum_cost_delay": (INT, -1, 100, 20),
    "autovacuum_vacuum_cost_limit": (INT, -1, 10000, -1),
    "autovacuum_vacuum_scale_factor": (NUMBER, 0, 1, 0.2),
    "autovacuum_vacuum_threshold": (INT, 0, MOST, 50),
    "backup_hour": (INT, 0, 23, 3),
    "backup_minute": (INT, 0, 59, 0),
    "bgwriter_delay": (INT, 10, 10000, 200),
    "bgwriter_flush_after": (INT, 0, 2048, 512),
    "bgwriter_lru_maxpages": (INT, 0, 1073741823, 100),
    "bgwriter_lru_multiplier": (NUMBER, 0, 10, 2),
    "deadlock_timeout": (INT, 500, 1800000, 1000),
    "default_toast_compression": (TEXT, ("lz4", "pglz"), None, "pglz"),
    "idle_in_transaction_session_timeout": (INT, 0, 604800000, 0),
    "jit": (BOOL, None, None, True),
    "log_autovacuum_min_duration": (INT, -1, MOST, -1),
    "log_error_verbosity": (TEXT, ("TERSE", "DEFAULT", "VERBOSE"), None, "DEFAULT"),
    "log_line_prefix": (TEXT, PREFIXES, None, PREFIXES[0]),
    "log_min_duration_statement": (INT, -1, 86400000, -1),
    "max_connections": (INT, 25, MOST, None),
    "max_failover_replication_time_lag": (INT, 10, 9223372036854775807, 60),
    "max_files_per_process": (INT, 1000, 4096, 1000),
    "max_locks_per_transaction": (INT, 64, 6400, 64),
    "max_logical_replication_workers": (INT, 4, 64, 4),
    "max_parallel_workers": (INT, 0, 96, 8),
    "max_parallel_workers_per_gather": (INT, 0, 96, 2),
    "max_pred_locks_per_transaction": (INT, 64, 640, 64),
    "max_prepared_transactions": (INT, 0, 10000, 0),
    "max_replication_slots": (INT, 8, 64, 20),
    "max_slot_wal_keep_size": (INT, -1, MOST, -1),
    "max_stack_depth": (INT, 2097152, 6291456, 2097152),
    "max_standby_archive_delay": (INT, 1, 43200000, 30000),
    "max_standby_streaming_delay": (INT, 1, 43200000, 30000),
    "max_wal_senders": (INT, 20, 64, 20),
    "max_worker_processes": (INT, 8, 96, 8),
    "pg_partman_bgw.interval": (INT, 3600, 604800, 3600),
    "pg_partman_bgw.role": (TEXT, None, None, ""),
    "pg_stat_statements.track": (TEXT, TRACK, None, "top"),
    "pgbouncer": (dict, None, None, {}),
    "shared_buffers_percentage": (NUMBER, 20, 60, 20),
    "stat_monitor_enable": (BOOL, None, None, False),
    "synchronous_replication": (TEXT, ("off", "quorum"), None, "off"),
    "temp_file_limit": (INT, -1, MOST, -1),
    "timescaledb": (dict, None, None, {}),
    "timezone": (TEXT, None, None, "UTC"),
    "track_activity_query_size": (INT, 1024, 10240, 1024),
    "track_commit_timestamp": (TEXT, ON, None, "off"),
    "track_functions": (TEXT, ("all", "pl", "none"), None, "none"),
    "track_io_timing": (TEXT, ON, None, "off"),
    "wal_sender_timeout": (INT, 0, 10800000, 60000),
    "wal_writer_delay": (INT, 10, 200, 200),
    "work_mem": (INT, 1, 1024, 4),
}
NOT_OF_THE_SERVER = frozenset(
    {"backup_hour", "backup_minute", "max_failover_replication_time_lag", "pg_partman_bgw.interval", "pgbouncer"}
    | {"pg_partman_bgw.role", "pg_stat_statements.track", "shared_buffers_percentage", "stat_monitor_enable"}
    | {"synchronous_replication", "timescaledb"}
)
UNITS = {"work_mem": "MB", "max_slot_wal_keep_size": "MB", "temp_file_limit": "kB", "max_stack_depth": "B",
         "bgwriter_flush_after": "kB", "autovacuum_naptime": "s"}  # fmt: skip
ZERO_IS_ONE = frozenset({"autovacuum_naptime"})


def defaults() -> dict[str, Any]:
    """Every key with the platform's own value."""
    return {key: rule[3] for key, rule in KEYS.items() if rule[3] is not None}


def problem(given: dict[str, Any]) -> str:
    """What is wrong with a change, or nothing."""
    for key, item in given.items():
        if key not in KEYS:
            return f"invalid config: {key} is not a known option"
        kind, low, high, _default = KEYS[key]
        fits = isinstance(item, bool) if kind is BOOL else isinstance(item, kind) and not isinstance(item, bool)
        if not fits and not (kind is NUMBER and isinstance(item, int)):
            return f"invalid config: {key} has the wrong type"
        if isinstance(low, tuple) and item not in low:
            return f"invalid config: {key} must be one of {', '.join(low)}"
        if kind in (INT, NUMBER) and not low <= item <= high:
            return f"invalid config: {key} must be between {low} and {high}"
    if ("backup_hour" in given) != ("backup_minute" in given):
        return "invalid config: backup_hour and backup_minute must be set together"
    return ""


def server_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What was changed of the config, as far as PostgreSQL itself knows it, as it wants it written."""
    found: dict[str, Any] = {}
    for key, item in config.items():
        if key in NOT_OF_THE_SERVER or item is None or item == KEYS[key][3]:
            continue
        unit = UNITS.get(key, "") if not isinstance(item, str) and item != -1 else ""
        value = {True: "on", False: "off"}.get(item) if isinstance(item, bool) else item
        found[key] = f"{max(1, item) if key in ZERO_IS_ONE else value}{unit}" if unit or key in ZERO_IS_ONE else value
    return found
