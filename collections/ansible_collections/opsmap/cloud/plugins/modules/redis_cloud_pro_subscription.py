#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cloud_pro_subscription
short_description: Make, change or remove a Redis Cloud Pro subscription
version_added: 0.1.0
description:
  - A Pro subscription is a deployment of its own in one region. It is made together with its first database.
  - What it will cost is asked of the service by a dry run before it is made, and told. With O(max_price_per_hour) a dearer one is not made.
  - Further databases, and changes of the first, are made with M(opsmap.cloud.redis_cloud_pro_database).
options:
  name:
    description: Name of the subscription. Redis Cloud does not keep names unique; see O(subscription_id).
    type: str
    required: true
  subscription_id:
    description: Id of the subscription, for when several have the name, or to rename it.
    type: int
  provider:
    description: The cloud below. Fixed when the subscription is made.
    type: str
    choices: [AWS, GCP]
  region:
    description: Region of the provider, such as V(us-east-1). Fixed when the subscription is made.
    type: str
  multiple_availability_zones:
    description: Whether it is spread over zones. Fixed when the subscription is made.
    type: bool
  deployment_cidr:
    description: Private network of the deployment, such as V(10.0.0.0/24). Fixed when the subscription is made.
    type: str
  memory_storage:
    description: Where data is kept. Fixed when the subscription is made.
    type: str
    choices: [ram, ram-and-flash]
  public_endpoint_access:
    description: Whether databases may have public endpoints.
    type: bool
  first_database:
    description: The database that the subscription is made with. Not compared afterwards.
    type: dict
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      protocol:
        description: What it speaks.
        type: str
        choices: [redis, memcached]
        default: redis
      dataset_size_gb:
        description: Size of the data in GB.
        type: float
        required: true
      throughput:
        description: Operations a second.
        type: int
        default: 1000
      replication:
        description: Whether there is a replica, which doubles the memory.
        type: bool
        default: true
      data_persistence:
        description: How data is kept on disk.
        type: str
        choices:
          - none
          - aof-every-1-second
          - aof-every-write
          - snapshot-every-1-hour
          - snapshot-every-6-hours
          - snapshot-every-12-hours
        default: none
  max_price_per_hour:
    description: Highest price for an hour of the subscription.
    type: float
  payment_method:
    description: How it is paid. V(credit-card) when not given.
    type: str
    choices: [credit-card, marketplace]
  payment_method_id:
    description: Id of the payment method. Not needed when the account has exactly one.
    type: int
  state:
    description: Whether the subscription should be there. One with databases is not removed.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a subscription, its name again.
    type: str
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Make a deployment with one database of 5 GB
  opsmap.cloud.redis_cloud_pro_subscription:
    name: supercog-pro
    provider: AWS
    region: us-east-1
    deployment_cidr: 10.0.0.0/24
    first_database: {name: sessions, dataset_size_gb: 5, throughput: 10000}
    max_price_per_hour: 1.5
    wait_timeout: 3600
"""

RETURN = r"""
resource:
  description: The subscription as the API gives it, or null when there is none.
  returned: always
  type: dict
  sample: {id: 2206742, name: supercog-pro, status: active, memoryStorage: ram, numberOfDatabases: 1}
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["create Pro subscription supercog-pro in AWS us-east-1 with database sessions"]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_database_options import PERSISTENCE
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud_pro import check, plan_pro, run_pro

SPEC: dict[str, Any] = {
    "argument_spec": {
        "name": {"type": "str", "required": True},
        "subscription_id": {"type": "int"},
        "provider": {"type": "str", "choices": ["AWS", "GCP"]},
        "region": {"type": "str"},
        "multiple_availability_zones": {"type": "bool"},
        "deployment_cidr": {"type": "str"},
        "memory_storage": {"type": "str", "choices": ["ram", "ram-and-flash"]},
        "public_endpoint_access": {"type": "bool"},
        "first_database": {
            "type": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "protocol": {"type": "str", "choices": ["redis", "memcached"], "default": "redis"},
                "dataset_size_gb": {"type": "float", "required": True},
                "throughput": {"type": "int", "default": 1000},
                "replication": {"type": "bool", "default": True},
                "data_persistence": {"type": "str", "choices": PERSISTENCE, "default": "none"},
            },
        },
        "max_price_per_hour": {"type": "float"},
        "payment_method": {"type": "str", "choices": ["credit-card", "marketplace"]},
        "payment_method_id": {"type": "int"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "confirm_destroy": {"type": "str"},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "required_if": [("state", "present", ("provider", "region"))],
}


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked."""
    check(params)


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from the observed subscription to the desired one."""
    return plan_pro(params, observed)


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge one subscription."""
    validate(params)
    return run_pro(params, context)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
