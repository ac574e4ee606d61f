#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_pro_database
short_description: Make, change or remove a database in a Redis Cloud Pro subscription
version_added: 0.1.0
description:
  - Every write is a task of the service. It is followed to its end, then the database is awaited until it is active.
  - Only options that are given are compared. The service's own defaults are left alone.
  - The password is never part of the result. Use the lookup P(opsmap.cloud.redis_url#lookup) where it is needed.
options:
  protocol:
    description: What the database speaks. Fixed when it is made; the plan's default when not given.
    type: str
    choices: [redis, memcached]
  throughput:
    description: What the database is sized for.
    type: dict
    suboptions:
      by:
        description: What is counted.
        type: str
        choices: [operations-per-second, number-of-shards]
        default: operations-per-second
      value:
        description: How many.
        type: int
        required: true
  port:
    description: Port to listen on, from 10000 to 19999. Fixed when the database is made; the service chooses one when not given.
    type: int
  sharding_type:
    description:
      - How keys are assigned to shards. Used when the database is made.
      - It never changes, and the service tells it in other words, so it is not compared.
    type: str
    choices: [default-regex-rules, custom-regex-rules, redis-oss-hashing]
  ram_percentage:
    description: How much of the data is held in memory, in a subscription that keeps the rest on flash.
    type: int
    choices: [10, 20, 30, 40, 50]
  sasl_username:
    description: User of a database that speaks memcached. The service makes one when not given, and never tells it here.
    type: str
  sasl_password:
    description: Password of that user. The service makes one when not given, and never gives it back. See O(update_password).
    type: str
  update_password:
    description:
      - When to set O(sasl_username) and O(sasl_password). V(always) is a change every time.
      - O(password) is compared instead, since the service gives that one back.
    type: str
    choices: [on_create, always]
    default: on_create
  query_performance_factor:
    description: How much more processing power searches get, such as V(2x).
    type: str
  auto_minor_version_upgrade:
    description: Whether the service upgrades minor versions of its own accord.
    type: bool
  remote_backup:
    description: Backups to a place of one's own.
    type: dict
    suboptions:
      active:
        description: Whether there are any.
        type: bool
        default: true
      interval:
        description: How often.
        type: str
        choices: [every-24-hours, every-12-hours, every-6-hours, every-4-hours, every-2-hours, every-1-hours]
      time_utc:
        description: Hour at which they start, such as V(14:00). With V(every-12-hours) the service tells the morning's.
        type: str
      storage_type:
        description: Kind of the place.
        type: str
        choices: [ftp, aws-s3, azure-blob-storage, google-blob-storage]
      storage_path:
        description: The place.
        type: str
  final_backup:
    description: Whether a database with remote backups is backed up before it is removed. If that fails, it stays.
    type: bool
    default: true
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud_database
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a database of 5 GB for 10000 operations a second
  opsmap.cloud.redis_cloud_pro_database:
    subscription: supercog-pro
    name: sessions
    dataset_size_gb: 5
    throughput: {value: 10000}
    replication: true
    enable_tls: true
    remote_backup:
      interval: every-12-hours
      time_utc: "02:00"
      storage_type: aws-s3
      storage_path: s3://supercog-backups/redis
"""

RETURN = r"""
resource:
  description: The database as the API gives it, without passwords, or null when there is none.
  returned: always
  type: dict
  sample: {databaseId: 51055029, name: sessions, status: active, publicEndpoint: "redis-17571.example.com:17571"}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create database sessions]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils import _redis_cloud_database as database
from ansible_collections.opsmap.cloud.plugins.module_utils import _redis_cloud_database_options as options
from ansible_collections.opsmap.cloud.plugins.module_utils import _redis_cloud_limits as limits
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_database_plan import plan_database, run_database

SPEC: dict[str, Any] = {
    "argument_spec": {
        "protocol": {"type": "str", "choices": ["redis", "memcached"]},
        "throughput": {"type": "dict", "options": options.THROUGHPUT},
        "port": {"type": "int"},
        "sharding_type": {"type": "str", "choices": ["default-regex-rules", "custom-regex-rules", "redis-oss-hashing"]},
        "ram_percentage": {"type": "int", "choices": [10, 20, 30, 40, 50]},
        "sasl_username": {"type": "str"},
        "sasl_password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
        "query_performance_factor": {"type": "str"},
        "auto_minor_version_upgrade": {"type": "bool"},
        "remote_backup": {"type": "dict", "options": options.REMOTE_BACKUP},
        **options.COMMON,
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    **options.RELATIONS,
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    limits.check_options(params)
    limits.check_pro_options(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed database to the desired one."""
    return plan_database(database.PRO, params, observed)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one database."""
    validate(params)
    return run_database(database.PRO, params, context, "redis_cloud_pro_subscription")


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
