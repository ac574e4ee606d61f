# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls of DigitalOcean's managed database API. A cluster has no update: each field has its own endpoint."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import HTTP_OPTIONS, from_env
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport, path
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

OPTIONS: dict[str, Any] = {
    "api_url": {
        "type": "str",
        "default": "https://api.digitalocean.com",
        "fallback": from_env("OPSMAP_DIGITALOCEAN_API_URL"),
    },
    "api_token": {
        "type": "str",
        "required": True,
        "no_log": True,
        "fallback": from_env("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN", "DO_API_TOKEN"),
    },
    **HTTP_OPTIONS,
}

HINTS: dict[int | str, str] = {
    401: "check api_token: it is missing, expired or of another team",
    403: "the token lacks a scope: database:create, read, update, delete, view_credentials; tag:* for tags",
    409: "another change of the cluster is in progress; run again",
    412: "the cluster is not ready for this yet; run again later",
}

Object = dict[str, Any]


class DigitalOcean:
    """One team. Every method is one call; ``find_*`` gives None for a 404."""

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None) -> None:
        if not params.get("api_token"):
            raise bad_option("api_token", "is empty", "give it, or set DIGITALOCEAN_TOKEN")
        self.http = Transport(
            service="digitalocean",
            base_url=params["api_url"].rstrip("/") + "/v2",
            headers={"Authorization": Secret(f"Bearer {params['api_token']}")},
            timeout=params["api_timeout"],
            retries=params["api_retries"],
            ca_path=params["ca_path"],
            hints=HINTS,
            clock=clock or Clock(),
        )

    def options(self, engine: str) -> Object:
        """Regions, versions and layouts of an engine."""
        body = self.http.get("/databases/options", operation="get database options") or {}
        return dict((body.get("options") or {}).get(engine) or {})

    def clusters(self, tag: str | None = None) -> list[Object]:
        """All clusters, or those with a tag."""
        return self._list("/databases", "databases", "list clusters", {"tag_name": tag} if tag else None)

    def find_cluster(self, cluster: str) -> Object | None:
        """One cluster, with the default user's password."""
        return self._find(_at(cluster), "database", f"get cluster {cluster}")

    def create_cluster(self, body: Object) -> Object:
        """Start making a cluster."""
        return self._post("/databases", f"create cluster {body['name']}", body, "database")

    def delete_cluster(self, cluster: str) -> None:
        """Remove a cluster, its backups and all in it, at once."""
        self.http.call("DELETE", _at(cluster), operation=f"delete cluster {cluster}", accept=(404,))

    def resize(self, cluster: str, body: Object) -> None:
        """Start a change of size, nodes or storage."""
        self._put(cluster, "resize", body)

    def migrate(self, cluster: str, body: Object) -> None:
        """Start a move to another region, or to another VPC of the region."""
        self._put(cluster, "migrate", body)

    def upgrade(self, cluster: str, version: str) -> None:
        """Start an upgrade to a newer major version."""
        self._put(cluster, "upgrade", {"version": version})

    def set_maintenance(self, cluster: str, window: Object) -> None:
        """Set the weekly window."""
        self._put(cluster, "maintenance", window)

    def config(self, cluster: str) -> Object:
        """Every key of the config, with the server's defaults."""
        return self._part(cluster, "config", "config")

    def configure(self, cluster: str, values: Object) -> None:
        """Change some keys of the config; the answer has no body."""
        where, operation = _at(cluster, "config"), f"configure cluster {cluster}"
        self.http.call("PATCH", where, operation=operation, body={"config": values}, repeatable=True)

    def autoscale(self, cluster: str) -> Object:
        """How the storage grows by itself."""
        return dict(self._part(cluster, "autoscale", "autoscale").get("storage") or {})

    def set_autoscale(self, cluster: str, storage: Object) -> None:
        """Set how the storage grows by itself."""
        self._put(cluster, "autoscale", {"autoscale": {"storage": storage}})

    def service_cnames(self, cluster: str) -> list[str]:
        """Host names of one's own in the servers' certificate."""
        return list(self._part(cluster, "do_settings", "do_settings").get("service_cnames") or [])

    def set_service_cnames(self, cluster: str, names: list[str]) -> None:
        """Set exactly these host names; the nodes are replaced one by one."""
        self._put(cluster, "do_settings", {"do_settings": {"service_cnames": names}})

    def backups(self, cluster: str) -> list[Object]:
        """The backups, newest first."""
        found = self._list(_at(cluster, "backups"), "backups", "list backups")
        return sorted(found, key=lambda backup: str(backup.get("created_at")), reverse=True)

    def authority(self, cluster: str) -> str:
        """PEM of the authority that signed the servers' certificates; the API gives it in base64."""
        encoded = self._part(cluster, "ca", "ca").get("certificate") or ""
        return base64.b64decode(encoded).decode()

    def tag(self, cluster: str, tag: str) -> None:
        """Put a tag on a cluster; the tag must exist, so make it first. Both are harmless to repeat."""
        self.http.call(
            "POST", "/tags", operation=f"create tag {tag}", body={"name": tag}, repeatable=True, accept=(409, 422)
        )
        where = path("/tags/{tag}/resources", tag=tag)
        self.http.call("POST", where, operation=f"tag cluster with {tag}", body=_tagged(cluster), repeatable=True)

    def untag(self, cluster: str, tag: str) -> None:
        """Take a tag from a cluster; the tag itself stays, others may use it."""
        where = path("/tags/{tag}/resources", tag=tag)
        self.http.call("DELETE", where, operation=f"untag {tag}", body=_tagged(cluster), accept=(404,))

    def assign_project(self, cluster: str, project: str) -> None:
        """Move a cluster to a project."""
        where = path("/projects/{id}/resources", id=project)
        body = {"resources": [f"do:dbaas:{cluster}"]}
        self.http.call("POST", where, operation=f"move cluster to project {project}", body=body, repeatable=True)

    def databases(self, cluster: str) -> list[Object]:
        """Databases of a cluster."""
        return self._list(_at(cluster, "dbs"), "dbs", "list databases")

    def create_database(self, cluster: str, name: str) -> Object:
        """Make a database."""
        return self._post(_at(cluster, "dbs"), f"create database {name}", {"name": name}, "db")

    def delete_database(self, cluster: str, name: str) -> None:
        """Remove a database with its data."""
        self.http.call("DELETE", _at(cluster, "dbs", name), operation=f"delete database {name}", accept=(404,))

    def find_user(self, cluster: str, name: str) -> Object | None:
        """A user, with its password."""
        return self._find(_at(cluster, "users", name), "user", f"get user {name}")

    def create_user(self, cluster: str, body: Object) -> Object:
        """Make a user; the server makes the password."""
        return self._post(_at(cluster, "users"), f"create user {body['name']}", body, "user")

    def update_user(self, cluster: str, name: str, settings: Object) -> None:
        """Change a user's settings."""
        where = _at(cluster, "users", name)
        self.http.call("PUT", where, operation=f"update user {name}", body={"settings": settings})

    def reset_user(self, cluster: str, name: str) -> None:
        """Give a user a new password, made by the server."""
        where = _at(cluster, "users", name) + "/reset_auth"
        self.http.call("POST", where, operation=f"reset password of user {name}", body={})

    def delete_user(self, cluster: str, name: str) -> None:
        """Remove a user."""
        self.http.call("DELETE", _at(cluster, "users", name), operation=f"delete user {name}", accept=(404,))

    def pools(self, cluster: str) -> list[Object]:
        """The connection pools."""
        return self._list(_at(cluster, "pools"), "pools", "list pools")

    def create_pool(self, cluster: str, body: Object) -> Object:
        """Make a pool."""
        return self._post(_at(cluster, "pools"), f"create pool {body['name']}", body, "pool")

    def update_pool(self, cluster: str, name: str, body: Object) -> None:
        """Change a pool; mode, size and database are always sent."""
        self.http.call("PUT", _at(cluster, "pools", name), operation=f"update pool {name}", body=body)

    def delete_pool(self, cluster: str, name: str) -> None:
        """Remove a pool."""
        self.http.call("DELETE", _at(cluster, "pools", name), operation=f"delete pool {name}", accept=(404,))

    def replicas(self, cluster: str) -> list[Object]:
        """The read replicas."""
        return self._list(_at(cluster, "replicas"), "replicas", "list replicas")

    def create_replica(self, cluster: str, body: Object) -> Object:
        """Start making a read replica."""
        return self._post(_at(cluster, "replicas"), f"create replica {body['name']}", body, "replica")

    def promote_replica(self, cluster: str, name: str) -> None:
        """Make a read replica a cluster of its own."""
        where = _at(cluster, "replicas", name) + "/promote"
        self.http.call("PUT", where, operation=f"promote replica {name}", repeatable=False)

    def delete_replica(self, cluster: str, name: str) -> None:
        """Remove a read replica."""
        self.http.call("DELETE", _at(cluster, "replicas", name), operation=f"delete replica {name}", accept=(404,))

    def rules(self, cluster: str) -> list[Object]:
        """The trusted sources; none means everyone."""
        return self._list(_at(cluster, "firewall"), "rules", "list trusted sources")

    def replace_rules(self, cluster: str, rules: list[Object]) -> None:
        """Set exactly these trusted sources."""
        self._put(cluster, "firewall", {"rules": rules})

    def _part(self, cluster: str, what: str, key: str) -> Object:
        body = self.http.get(_at(cluster, what), operation=f"get {what} of cluster {cluster}") or {}
        return dict(body.get(key) or {})

    def _list(self, where: str, key: str, operation: str, query: Mapping[str, Any] | None = None) -> list[Object]:
        body = self.http.get(where, operation=operation, query=query) or {}
        return list(body.get(key) or [])

    def _find(self, where: str, key: str, operation: str) -> Object | None:
        body = self.http.find(where, operation=operation)
        found: Object | None = (body or {}).get(key)
        return found

    def _post(self, where: str, operation: str, body: Object, key: str) -> Object:
        answer = self.http.call("POST", where, operation=operation, body=body, repeatable=False).body
        return dict((answer or {}).get(key) or {})

    def _put(self, cluster: str, what: str, body: Object) -> None:
        self.http.call("PUT", _at(cluster, what), operation=f"{what} cluster {cluster}", body=body)


def _at(cluster: str, *parts: str) -> str:
    names = {f"part{number}": part for number, part in enumerate(parts)}
    return path("/databases/{cluster}" + "".join(f"/{{{name}}}" for name in names), cluster=cluster, **names)


def _tagged(cluster: str) -> Object:
    return {"resources": [{"resource_id": cluster, "resource_type": "database"}]}
