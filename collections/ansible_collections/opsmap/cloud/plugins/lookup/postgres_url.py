# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_url
short_description: URL of a database in a DigitalOcean PostgreSQL cluster, with the user's password
version_added: 0.1.0
author:
  - opsmap contributors (@opsmap)
description:
  - Asks DigitalOcean where the cluster is and what the user's password is, and builds the URL from that.
  - User, password and database are percent-encoded.
  - The URL is a secret. Set C(no_log) on tasks that would print it.
  - In check mode a cluster, database or user that is not there yet gives a URL to a host under C(.invalid).
options:
  _terms:
    description: Names of clusters. Instead of one term, O(cluster).
    type: list
    elements: str
  cluster:
    description: Name of the cluster.
    type: str
  database:
    description: Name of the database.
    type: str
    default: defaultdb
  user:
    description: User to log in as.
    type: str
    default: doadmin
  private:
    description: Whether to give the host that is reached from the same VPC only.
    type: bool
    default: false
  pool:
    description: Name of a connection pool to go through, instead of O(database).
    type: str
  replica:
    description: Name of a read replica to connect to.
    type: str
  standby:
    description: Whether to connect to the standby, which takes no writes. A cluster has one from two nodes on.
    type: bool
    default: false
  sslmode:
    description: The parameter C(sslmode) of the URL; none when empty. V(verify-full) needs O(sslrootcert).
    type: str
    default: require
  sslrootcert:
    description:
      - Where the program that uses the URL finds the authority's certificate, which the lookup P(opsmap.cloud.postgres_ca#lookup)
        gives.
    type: str
  scheme:
    description: Scheme of the URL, such as V(postgresql+psycopg) for SQLAlchemy.
    type: str
    default: postgresql
extends_documentation_fragment:
  - opsmap.cloud.digitalocean.plugin
"""

EXAMPLES = r"""
- name: Use the URL where it is needed
  ansible.builtin.uri:
    url: https://example.com/configure
    method: POST
    body_format: json
    body:
      database: "{{ lookup('opsmap.cloud.postgres_url', 'supercog', database='dashboard', user='dashboard') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description: One URL for each cluster.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import OPTIONS, DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import ENGINE, pick
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.plugin_utils.lookup_variables import rendered

NOT_YET = "not_yet"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        known = rendered(self._templar, variables, ("opsmap_digitalocean_", "opsmap_api_", "opsmap_ca_"))
        self.set_options(var_options=known, direct=kwargs)
        own = ("database", "user", "private", "pool", "replica", "standby", "sslmode", "sslrootcert", "scheme")
        given = {name: self.get_option(name) for name in (*OPTIONS, *own)}
        try:
            client = DigitalOcean(given)
            names = terms or [self.get_option("cluster")]
            return [self._url(client, name, given, bool((variables or {}).get("ansible_check_mode"))) for name in names]
        except CloudError as error:
            raise AnsibleError(f"postgres_url: {error}") from None

    @staticmethod
    def _url(client: DigitalOcean, cluster: str | None, given: Mapping[str, Any], check_mode: bool) -> str:
        if not cluster:
            raise bad_option("cluster", "is missing", "give the name of the cluster")
        if sum(bool(given[name]) for name in ("pool", "replica", "standby")) > 1:
            raise bad_option("pool", "is given with replica or standby", "pools lead to the primary only; give one")
        if str(given["sslmode"]).startswith("verify") and not given["sslrootcert"]:
            hint = "give the path of the authority's certificate, which the lookup postgres_ca gives"
            raise bad_option("sslrootcert", f"is missing for sslmode {given['sslmode']}", hint)
        try:
            return url(client, cluster, given)
        except CloudError as error:
            if error.code == NOT_YET and check_mode:
                return (
                    f"{given['scheme']}://{quote(given['user'], safe='')}:@{cluster}.invalid:25060/{given['database']}"
                )
            raise


def url(client: DigitalOcean, cluster: str, given: Mapping[str, Any]) -> str:
    """The URL of one database for one user."""
    found = pick(client.clusters(), cluster, ENGINE)
    if found is None:
        raise _missing(f"there is no cluster {cluster!r}", "make it with do_database_cluster")
    number, database, user = str(found["id"]), given["database"], given["user"]
    connection = _place(client, cluster, found, given)
    if given["pool"]:
        database = given["pool"]
    elif database not in (found.get("db_names") or []) and database not in _names(client.databases(number)):
        raise _missing(f"cluster {cluster} has no database {database!r}", "make it with do_database")
    password = connection.get("password") if connection.get("user") == user else None
    if not password:
        holder = client.find_user(number, user)
        if holder is None:
            raise _missing(f"cluster {cluster} has no user {user!r}", "make it with do_database_user")
        password = holder.get("password")
    if not password:
        problem = f"the password of user {user} is not told"
        raise bad_option("api_token", problem, "use a token with the scope database:view_credentials")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    parameters = {"sslmode": given["sslmode"], "sslrootcert": given["sslrootcert"]}
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in parameters.items() if value)
    where = f"{connection['host']}:{connection['port']}/{quote(database, safe='')}"
    return f"{given['scheme']}://{login}@{where}{'?' if query else ''}{query}"


def _place(client: DigitalOcean, cluster: str, found: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The connection object of the primary, the standby, a pool or a replica."""
    number, holder, what = str(found["id"]), found, f"cluster {cluster}"
    for kind, items in (("pool", client.pools), ("replica", client.replicas)):
        if given[kind]:
            what = f"{kind} {given[kind]}"
            same = [item for item in items(number) if item.get("name") == given[kind]]
            if not same:
                raise _missing(f"cluster {cluster} has no {what}", f"make it with do_database_{kind}")
            holder = same[0]
    key = "private_connection" if given["private"] else "connection"
    if given["standby"]:
        key = f"standby_{key}"
    connection = holder.get(key) or {}
    if not connection.get("host"):
        problem = f"{what} is {holder.get('status') or found.get('status')!r} and has no {key} yet"
        raise _missing(problem, "wait until it is online; private ones need a VPC, standby ones two nodes")
    return dict(connection)


def _names(items: list[dict[str, Any]]) -> list[Any]:
    return [item.get("name") for item in items]


def _missing(message: str, hint: str) -> CloudError:
    return CloudError(message, service="digitalocean", operation="build the URL", code=NOT_YET, hint=hint)
