# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_url
short_description: URL of a Redis Cloud database, with its password
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Asks Redis Cloud where the database is and what its password is, and builds the URL from that.
  - With TLS the scheme is C(rediss), else C(redis). User and password are percent-encoded.
  - The URL is a secret. Set C(no_log) on tasks that would print it.
  - In check mode a database that is not there yet gives a URL to a host under C(.invalid).
options:
  _terms:
    description: Databases as V(subscription/database). Instead of one term, O(subscription) and O(database).
    type: list
    elements: str
  subscription:
    description: Name of the subscription.
    type: str
  database:
    description: Name of the database.
    type: str
  user:
    description: User to log in as.
    type: str
    default: default
  password:
    description: Password of the user. Needed for users other than V(default), whose passwords cannot be read.
    type: str
  pro:
    description: Whether the subscription is one of Pro.
    type: bool
    default: false
  private:
    description: Whether to give the endpoint that is reached from a peered network only.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.redis_cloud.plugin
"""

EXAMPLES = r"""
- name: Use the URL where it is needed
  ansible.builtin.uri:
    url: https://example.com/configure
    method: POST
    body_format: json
    body:
      redis: "{{ lookup('opsmap.cloud.redis_url', subscription='supercog', database='sessions') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: One URL for each database.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._redis_cloud import OPTIONS, RedisCloud
from ansible_collections.opsmap.cloud.plugins.plugin_utils.lookup_variables import rendered

NOT_YET = "not_yet"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        known = rendered(self._templar, variables, ("opsmap_redis_cloud_", "opsmap_api_", "opsmap_ca_"))
        self.set_options(var_options=known, direct=kwargs)
        given = {name: self.get_option(name) for name in (*OPTIONS, "user", "password", "private", "pro")}
        pairs = [tuple(term.split("/", 1)) for term in terms]
        if not terms:
            pairs = [(self.get_option("subscription"), self.get_option("database"))]
        try:
            return [self._url(given, pair, bool((variables or {}).get("ansible_check_mode"))) for pair in pairs]
        except CloudError as error:
            raise AnsibleError(f"redis_url: {error}") from None

    @staticmethod
    def _url(given: Mapping[str, Any], pair: tuple[str, ...], check_mode: bool) -> str:
        if len(pair) != 2 or not all(pair):
            raise bad_option(
                "subscription", "subscription or database is missing", "give both, or subscription/database"
            )
        try:
            return url(RedisCloud(given, pro=bool(given["pro"])), pair[0], pair[1], given)
        except CloudError as error:
            if error.code == NOT_YET and check_mode:
                return f"redis://{given['user']}@{pair[1]}.invalid:6379"
            raise


def url(client: RedisCloud, subscription: str, name: str, given: Mapping[str, Any]) -> str:
    """The URL of one database."""
    live = [found for found in client.subscriptions() if found.get("name") == subscription]
    live = [found for found in live if found.get("status") != "deleting"]
    if len(live) != 1:
        raise _missing(f"{len(live) or 'no'} subscriptions are called {subscription!r}", "make it, or name it uniquely")
    identifier = live[0]["id"]
    database = next((found for found in client.databases(identifier) if found.get("name") == name), None)
    if database is None:
        raise _missing(f"subscription {subscription} has no database {name!r}", "make it with redis_cloud_database")
    key = "privateEndpoint" if given["private"] else "publicEndpoint"
    if not database.get(key) or not (database.get("security") or {}).get("password"):
        database = client.find_database(identifier, database["databaseId"]) or database  # lists may be brief
    security = database.get("security") or {}
    endpoint = database.get(key)
    if not endpoint:
        raise _missing(f"database {name} is {database.get('status')!r} and has no {key}", "wait until it is active")
    scheme = "rediss" if security.get("enableTls") else "redis"
    return f"{scheme}://{quote(given['user'], safe='')}:{quote(_password(name, security, given), safe='')}@{endpoint}"


def _password(name: str, security: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    if given["password"]:
        return str(given["password"])
    if given["user"] != "default":
        raise bad_option("password", f"the password of user {given['user']!r} cannot be read", "give it")
    if not security.get("defaultUserEnabled", security.get("enableDefaultUser", True)):
        raise bad_option("user", f"the user 'default' of database {name} is disabled", "give another user and password")
    if not security.get("password"):
        raise _missing(f"the password of database {name} is not told", "wait until it is active; check the key's role")
    return str(security["password"])


def _missing(message: str, hint: str) -> CloudError:
    return CloudError(message, service="redis_cloud", operation="build the URL", code=NOT_YET, hint=hint)
