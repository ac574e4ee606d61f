"""Clusters, users, pools and replicas as the API gives them (reference digitalocean 3, 6)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

Document = dict[str, Any]
EMPTY = {
    "protocol": "postgresql",
    "uri": "",
    "database": "",
    "host": "",
    "port": 0,
    "user": "",
    "password": "",
    "ssl": True,
}
ADMIN, DEFAULT_DB = "doadmin", "defaultdb"


def connection(
    node: Document, login: Document, prefix: str = "", port: int = 0, database: str = DEFAULT_DB
) -> Document:
    """Where to connect to and how; empty while the server is being made."""
    if node["status"] in ("creating", "forking"):
        return dict(EMPTY)
    host, at, user = prefix + node["host"], port or node["port"], login["name"]
    shown = {"protocol": "postgresql", "database": database, "host": host, "port": at, "user": user, "ssl": True}
    secret = login.get("password")
    if secret is None:
        return {**shown, "uri": f"postgresql://{user}@{host}:{at}/{quote(database, safe='')}?sslmode=require"}
    uri = f"postgresql://{user}:{quote(secret, safe='')}@{host}:{at}/{quote(database, safe='')}?sslmode=require"
    return {**shown, "uri": uri, "password": secret}


def told(user: Document, credentials: bool) -> Document:
    """A user with its password, or without where the token may not see it."""
    return user if credentials else {key: value for key, value in user.items() if key != "password"}


def cluster_shown(cluster: Document, credentials: bool) -> Document:
    """A cluster."""
    login = told(cluster["users"][ADMIN], credentials)
    shown = {
        "id": cluster["id"],
        "name": cluster["name"],
        "engine": "pg",
        "version": cluster["version"],
        "semantic_version": f"{cluster['version']}.4",
        "num_nodes": cluster["num_nodes"],
        "size": cluster["size"],
        "region": cluster["region"],
        "status": cluster["status"],
        "created_at": cluster["created_at"],
        "private_network_uuid": cluster["private_network_uuid"],
        "project_id": cluster["project_id"],
        "tags": cluster["tags"] or None,
        "db_names": cluster["dbs"],
        "users": [user_shown(user, credentials) for user in cluster["users"].values()],
        "connection": connection(cluster, login),
        "private_connection": connection(cluster, login, "private-"),
        "maintenance_window": {**cluster["maintenance"], "pending": False, "description": None},
        "storage_size_mib": cluster["storage_size_mib"],
    }
    if cluster.get("standby_port"):
        shown["standby_connection"] = connection(cluster, login, "replica-", cluster["standby_port"])
        shown["standby_private_connection"] = connection(cluster, login, "private-replica-", cluster["standby_port"])
    return shown


def replica_shown(replica: Document, primary: Document, credentials: bool) -> Document:
    """A read replica; it has the users of its primary."""
    login = told(primary["users"][ADMIN], credentials)
    keys = ("id", "name", "region", "size", "status", "created_at", "private_network_uuid", "storage_size_mib")
    shown = {key: replica[key] for key in keys}
    both = {"connection": connection(replica, login), "private_connection": connection(replica, login, "private-")}
    return {**shown, "tags": replica["tags"] or None, **both}


def replica_as_cluster(replica: Document, primary: Document, credentials: bool) -> Document:
    """A read replica as ``/v2/databases/{its id}`` gives it."""
    inherited = {key: primary[key] for key in ("version", "project_id", "dbs", "users", "maintenance")}
    return cluster_shown({**inherited, **replica, "num_nodes": 1}, credentials)


def pool_shown(pool: Document, cluster: Document, credentials: bool) -> Document:
    """A connection pool; its database name is its own."""
    user = pool.get("user") or ADMIN
    login = told(cluster["users"].get(user, {"name": user}), credentials)
    keys = ("name", "mode", "size", "db", "user")
    shown = {key: pool[key] for key in keys if pool.get(key) is not None}
    for key, prefix in (("connection", ""), ("private_connection", "private-")):
        shown[key] = connection(cluster, login, prefix, cluster["pool_port"], pool["name"])
    return shown


def user_shown(user: Document, credentials: bool = True) -> Document:
    """A user; settings are told on create only."""
    return told({key: user[key] for key in ("name", "role", "password")}, credentials)
