#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_database
short_description: Make, change or remove a database in a Redis Cloud Essentials subscription
version_added: 0.1.0
description:
  - Every write is a task of the service. It is followed to its end, then the database is awaited until it is active.
  - The sizes, O(support_oss_cluster_api), O(use_external_endpoint_for_oss_cluster_api), O(enable_database_clustering),
    O(number_of_shards) and O(regex_rules) are for pay-as-you-go subscriptions; the service refuses them in others.
  - Only options that are given are compared. The service's own defaults are left alone.
  - The password is never part of the result. Use the lookup P(opsmap.cloud.redis_url#lookup) where it is needed.
options:
  protocol:
    description: What the database speaks. Fixed when it is made; the plan's default when not given.
    type: str
    choices: [stack, redis, memcached]
  periodic_backup_path:
    description: Where a backup goes every 24 hours. An empty string ends backups.
    type: str
  enable_database_clustering:
    description: Whether the data is spread over several servers.
    type: bool
  number_of_shards:
    description: How many parts the data is spread over. Needs O(enable_database_clustering).
    type: int
  final_backup:
    description: Whether a database with a backup path is backed up before it is removed. If that fails, it stays.
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
- name: Make a database that speaks TLS and keeps its data
  opsmap.cloud.redis_cloud_database:
    subscription: supercog
    name: sessions
    data_persistence: aof-every-1-second
    data_eviction_policy: noeviction
    enable_tls: true
    tags:
      owner: supercog

- name: Remove it
  opsmap.cloud.redis_cloud_database:
    subscription: supercog
    name: sessions
    state: absent
    confirm_destroy: sessions
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
        "protocol": {"type": "str", "choices": ["stack", "redis", "memcached"]},
        "periodic_backup_path": {"type": "str"},
        "enable_database_clustering": {"type": "bool"},
        "number_of_shards": {"type": "int"},
        **options.COMMON,
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    **options.RELATIONS,
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    limits.check_options(params)
    limits.check_essentials_options(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed database to the desired one."""
    return plan_database(database.ESSENTIALS, params, observed)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one database."""
    validate(params)
    return run_database(database.ESSENTIALS, params, context, "redis_cloud_subscription")


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
