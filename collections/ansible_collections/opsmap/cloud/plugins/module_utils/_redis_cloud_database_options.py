# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for databases, as Ansible checks them; doc_fragments/redis_cloud_database.py describes them."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

PERSISTENCE = ["none", "aof-every-1-second", "aof-every-write"]
PERSISTENCE += ["snapshot-every-1-hour", "snapshot-every-6-hours", "snapshot-every-12-hours"]
EVICTION = [f"{scope}-{policy}" for scope in ("allkeys", "volatile") for policy in ("lru", "lfu", "lrm", "random")]
EVICTION += ["volatile-ttl", "noeviction"]
ALERTS = ["dataset-size", "datasets-size", "throughput-higher-than", "throughput-lower-than", "latency"]
ALERTS += ["syncsource-error", "syncsource-lag", "connections-limit"]
THROUGHPUT: Object = {
    "by": {
        "type": "str",
        "choices": ["operations-per-second", "number-of-shards"],
        "default": "operations-per-second",
    },
    "value": {"type": "int", "required": True},
}
REMOTE_BACKUP: Object = {
    "active": {"type": "bool", "default": True},
    "interval": {"type": "str", "choices": [f"every-{hours}-hours" for hours in (24, 12, 6, 4, 2, 1)]},
    "time_utc": {"type": "str"},
    "storage_type": {"type": "str", "choices": ["ftp", "aws-s3", "azure-blob-storage", "google-blob-storage"]},
    "storage_path": {"type": "str"},
}
REPLICA_SOURCE: Object = {
    "endpoint": {"type": "str", "required": True},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "no_log": True},
    "encryption": {"type": "bool"},
    "server_cert": {"type": "str"},
}
COMMON: Object = {  # in both families
    "subscription": {"type": "str"},
    "subscription_id": {"type": "int"},
    "name": {"type": "str", "required": True},
    "database_id": {"type": "int"},
    "redis_version": {"type": "str"},
    "modules": {"type": "list", "elements": "str"},
    "resp_version": {"type": "str", "choices": ["resp2", "resp3"]},
    "data_persistence": {"type": "str", "choices": PERSISTENCE},
    "data_eviction_policy": {"type": "str", "choices": EVICTION},
    "replication": {"type": "bool"},
    "dataset_size_gb": {"type": "float"},
    "memory_limit_gb": {"type": "float"},
    "support_oss_cluster_api": {"type": "bool"},
    "use_external_endpoint_for_oss_cluster_api": {"type": "bool"},
    "regex_rules": {"type": "list", "elements": "str"},
    "source_ips": {"type": "list", "elements": "str"},
    "enable_tls": {"type": "bool"},
    "client_tls_certificates": {"type": "list", "elements": "str"},
    "password": {"type": "str", "no_log": True},
    "enable_default_user": {"type": "bool"},
    "alerts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True, "choices": ALERTS},
            "value": {"type": "int", "required": True},
        },
    },
    "replica_of": {"type": "list", "elements": "dict", "options": REPLICA_SOURCE},
    "tags": {"type": "dict"},
    "final_backup": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "confirm_destroy": {"type": "str"},
}
RELATIONS: Object = {  # between options, in both families
    "required_one_of": [("subscription", "subscription_id")],
    "mutually_exclusive": [("dataset_size_gb", "memory_limit_gb")],
}
