# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of databases in both families of Redis Cloud, Essentials and Pro."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  subscription:
    description: Name of the subscription.
    type: str
  subscription_id:
    description: Id of the subscription, instead of its name.
    type: int
  name:
    description: Name of the database, unique in the subscription.
    type: str
    required: true
  database_id:
    description: Id of the database, to rename it.
    type: int
  redis_version:
    description:
      - Version of Redis, such as V(7.4). V(7) is any 7.
      - An existing database is upgraded to a later one that the service offers. It never goes back; one that the service has
        upgraded by itself is a warning.
    type: str
  modules:
    description:
      - Names of modules. Fixed when the database is made. Not compared from Redis 8 on, which has them built in.
      - In Essentials only for the protocol V(redis); V(stack) has them all.
    type: list
    elements: str
  resp_version:
    description: Version of the wire protocol.
    type: str
    choices: [resp2, resp3]
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
  data_eviction_policy:
    description: What goes when memory is full.
    type: str
    choices:
      - allkeys-lru
      - allkeys-lfu
      - allkeys-lrm
      - allkeys-random
      - volatile-lru
      - volatile-lfu
      - volatile-lrm
      - volatile-random
      - volatile-ttl
      - noeviction
  replication:
    description: Whether there is a replica.
    type: bool
  dataset_size_gb:
    description: Size of the data in GB. To make a database of Pro, give it or O(memory_limit_gb).
    type: float
  memory_limit_gb:
    description: Memory in GB, twice the size of the data with a replica.
    type: float
  support_oss_cluster_api:
    description: Whether clients may use Redis' own cluster API.
    type: bool
  use_external_endpoint_for_oss_cluster_api:
    description: Whether that API tells public addresses. It blocks the private endpoint, and needs O(support_oss_cluster_api).
    type: bool
  regex_rules:
    description:
      - Expressions that take from a key what decides on its shard, in their order, for keys that the service's own rules do not fit.
      - A database of Pro needs them to be V(custom-regex-rules) since it was made.
    type: list
    elements: str
  source_ips:
    description: Networks that may connect, as an exact set. An empty list is every address.
    type: list
    elements: str
  enable_tls:
    description: Whether TLS is spoken, on the same port; plaintext is refused then. Turning it off erases client certificates.
    type: bool
  client_tls_certificates:
    description:
      - Certificates in PEM of clients or their authorities, as an exact set. With any, clients must show one. None with an empty list.
      - The service does not give them back. A tag of the database, C(opsmap-client-tls), holds a fingerprint by which they are compared.
    type: list
    elements: str
  password:
    description: Password of the user V(default), at most 49 characters. The service makes one when not given.
    type: str
  enable_default_user:
    description: Whether the user V(default) may log in. The password is left alone while it may not.
    type: bool
  alerts:
    description: Alerts as an exact set.
    type: list
    elements: dict
    suboptions:
      name:
        description: What is watched. The plan limits which.
        type: str
        required: true
        choices:
          - dataset-size
          - datasets-size
          - throughput-higher-than
          - throughput-lower-than
          - latency
          - syncsource-error
          - syncsource-lag
          - connections-limit
      value:
        description: Threshold.
        type: int
        required: true
  replica_of:
    description:
      - Databases that this one copies all the time, as an exact set. What it held before is lost. With an empty list it goes its own way.
      - Compared by host and port. A new password of a source alone is sent with the next change of the set.
    type: list
    elements: dict
    suboptions:
      endpoint:
        description: Address of the source, as V(redis://host:port). That is all for a database of Redis Cloud.
        type: str
        required: true
      username:
        description: User to log in with at a source elsewhere.
        type: str
        default: ""
      password:
        description: Password to log in with at a source elsewhere.
        type: str
      encryption:
        description: Whether the source speaks TLS. Found out by the service for its own databases.
        type: bool
      server_cert:
        description: Certificates of the source in PEM. Found out by the service for its own databases.
        type: str
  tags:
    description: Tags as an exact set, in lower case.
    type: dict
  state:
    description: Whether the database should be there. A removed one cannot be recovered.
    type: str
    choices: [present, absent]
    default: present
  confirm_destroy:
    description: To remove a database, its name again.
    type: str
"""
