"""DigitalOcean's managed PostgreSQL in memory: odd codes, slow states and late fields, as the reference says."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from tests.unit.collection.fake_http import Answer, Fake, Route

OPTIONS = {
    "regions": ["nyc1", "nyc3"],
    "versions": ["15", "16"],
    "layouts": [
        {"num_nodes": 1, "sizes": ["db-s-1vcpu-1gb", "db-s-2vcpu-4gb"]},
        {"num_nodes": 2, "sizes": ["db-s-2vcpu-4gb"]},
    ],
}

CA = "-----BEGIN CERTIFICATE-----\nZm9yIHRlc3Rz\n-----END CERTIFICATE-----\n"
BUSY: Answer = (409, {"id": "conflict", "message": "another operation is in progress"})


@dataclass
class FakeDigitalOcean(Fake):
    """looks: how many reads a change takes. missing: how often a new user answers 404."""

    looks: int = 3
    missing: int = 2
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    number: int = 0
    without_backup: bool = False
    list_all: bool = False  # whether read replicas are listed as clusters too
    busy: int = 0  # how many writes inside a cluster are refused because another is under way

    def authorized(self, headers: Any) -> bool:
        return bool((headers.get("Authorization") or headers.get("authorization")) == "Bearer token")

    def routes(self) -> list[Route]:
        one = r"/v2/databases/(u\d+)"
        return [
            ("GET", "/v2/databases/options", lambda: (200, {"options": {"pg": OPTIONS}})),
            (
                "GET",
                "/v2/databases",
                lambda: (
                    200,
                    {
                        "databases": [
                            self.shown(item) for item in self.clusters.values() if self.list_all or "of" not in item
                        ]
                    },
                ),
            ),
            ("POST", "/v2/databases", self.post_cluster),
            ("GET", one, self.get_cluster),
            ("DELETE", one, self.delete_cluster),
            ("PUT", one + "/resize", lambda uuid, body: self.change(uuid, body, "resizing", 202)),
            ("PUT", one + "/migrate", lambda uuid, body: self.change(uuid, body, "migrating", 202)),
            ("PUT", one + "/upgrade", lambda uuid, body: self.change(uuid, body, "online", 204)),
            ("PUT", one + "/maintenance", self.put_maintenance),
            ("POST", "/v2/tags", lambda body: (201, {"tag": body})),
            ("POST", r"/v2/tags/([\w:-]+)/resources", self.post_tag),
            ("DELETE", r"/v2/tags/([\w:-]+)/resources", self.delete_tag),
            ("POST", r"/v2/projects/([\w-]+)/resources", self.post_project),
            (
                "GET",
                one + "/dbs",
                lambda uuid: (200, {"dbs": [{"name": name} for name in self.clusters[uuid]["db_names"]]}),
            ),
            ("POST", one + "/dbs", self.post_database),
            ("DELETE", one + "/dbs/([^/]+)", self.delete_database),
            ("GET", one + "/users/([^/]+)", self.get_user),
            ("POST", one + "/users", self.post_user),
            ("PUT", one + "/users/([^/]+)", self.put_user),
            ("POST", one + "/users/([^/]+)/reset_auth", self.reset_user),
            ("DELETE", one + "/users/([^/]+)", self.delete_user),
            *self.more_routes(one),
            ("GET", one + "/firewall", lambda uuid: (200, {"rules": self.clusters[uuid]["firewall"] or None})),
            ("PUT", one + "/firewall", self.put_firewall),
        ]

    def more_routes(self, one: str) -> list[Route]:
        return [
            ("GET", one + "/config", lambda uuid: (200, {"config": self.clusters[uuid]["config"]})),
            ("PATCH", one + "/config", self.patch_config),
            (
                "GET",
                one + "/autoscale",
                lambda uuid: (200, {"autoscale": {"storage": self.clusters[uuid]["autoscale"]}}),
            ),
            ("PUT", one + "/autoscale", self.put_autoscale),
            ("GET", one + "/do_settings", self.get_settings),
            ("PUT", one + "/do_settings", self.put_settings),
            ("GET", one + "/backups", lambda uuid: (200, {"backups": self.clusters[uuid]["backups"]})),
            ("GET", one + "/ca", lambda uuid: (200, {"ca": {"certificate": base64.b64encode(CA.encode()).decode()}})),
            ("GET", one + "/pools", lambda uuid: (200, {"pools": self.clusters[uuid]["pools"] or None})),
            ("POST", one + "/pools", self.post_pool),
            ("PUT", one + "/pools/([^/]+)", self.put_pool),
            ("DELETE", one + "/pools/([^/]+)", self.delete_pool),
            ("GET", one + "/replicas", self.get_replicas),
            ("POST", one + "/replicas", self.post_replica),
            ("PUT", one + "/replicas/([^/]+)/promote", self.promote),
            ("DELETE", one + "/replicas/([^/]+)", self.delete_replica),
        ]

    def shown(self, cluster: dict[str, Any]) -> dict[str, Any]:
        hidden = (
            "firewall",
            "accounts",
            "coming",
            "left",
            "config",
            "autoscale",
            "do_settings",
            "backups",
            "pools",
            "rules",
            "of",
        )
        shown = {key: value for key, value in cluster.items() if key not in hidden}
        if cluster["status"] != "creating":
            user = {"user": "doadmin", "password": cluster["accounts"]["doadmin"]["password"]}
            where = {"host": f"{cluster['name']}.example.com", "port": 25060, "database": "defaultdb"}
            uri = f"postgres://doadmin:{user['password']}@{where['host']}:25060/defaultdb?sslmode=require"
            shown["connection"] = {**user, **where, "uri": uri, "ssl": True}
        return shown

    def post_cluster(self, body: dict[str, Any]) -> Answer:
        self.number += 1
        uuid = f"u{self.number}"
        self.clusters[uuid] = {
            "version": "16",
            "tags": None,
            "storage_size_mib": 10240,
            "project_id": "default",
            "private_network_uuid": "default-vpc",
            **body,
            "id": uuid,
            "status": "creating",
            "db_names": ["defaultdb"],
            "maintenance_window": {"day": "tuesday", "hour": "03:00:00", "pending": False},
            "firewall": [],
            "created_at": f"2026-02-01T00:00:{self.number:02}Z",
            "config": {"work_mem": 4, "backup_hour": 3, "backup_minute": 0, "jit": True, "timezone": "UTC"},
            "autoscale": (body.get("autoscale") or {}).get("storage") or {"enabled": False},
            "do_settings": body.get("do_settings") or {},
            "backups": [] if self.without_backup else [{"created_at": "2026-01-02T03:00:00Z", "size_gigabytes": 0.1}],
            "pools": [],
            "accounts": {"doadmin": {"name": "doadmin", "role": "primary", "password": "p@ss/word"}},
            "coming": {"status": "online"},
            "left": self.looks,
        }
        return 201, {"database": self.shown(self.clusters[uuid])}

    def get_cluster(self, uuid: str) -> Answer:
        cluster = self.clusters.get(uuid)
        if cluster is None:
            return 404, {"id": "not_found", "message": "cluster not found", "request_id": "r-1"}
        cluster["left"] -= 1
        if cluster["left"] <= 0:
            cluster.update(cluster["coming"])
            cluster["coming"] = {}
        shown = self.shown(cluster)
        if cluster["status"] == "gone":
            del self.clusters[uuid]
        return 200, {"database": shown}

    def delete_cluster(self, uuid: str) -> Answer:
        self.clusters[uuid].update(coming={"status": "gone"}, left=self.looks)
        return 204, None

    def change(self, uuid: str, body: dict[str, Any], status: str, code: int) -> Answer:
        cluster = self.clusters[uuid]
        if cluster["coming"]:
            return BUSY
        cluster.update(status=status, coming={**body, "status": "online"}, left=self.looks)
        return code, None

    def put_maintenance(self, uuid: str, body: dict[str, Any]) -> Answer:
        self.clusters[uuid]["maintenance_window"] = {**body, "hour": f"{body['hour']}:00", "pending": False}
        return 204, None

    def post_tag(self, tag: str, body: dict[str, Any]) -> Answer:
        cluster = self.clusters[body["resources"][0]["resource_id"]]
        cluster["tags"] = [*(cluster["tags"] or []), tag]
        return 204, None

    def delete_tag(self, tag: str) -> Answer:
        for cluster in self.clusters.values():
            cluster["tags"] = [item for item in cluster["tags"] or [] if item != tag] or None
        return 204, None

    def post_project(self, project: str, body: dict[str, Any]) -> Answer:
        self.clusters[body["resources"][0].removeprefix("do:dbaas:")]["project_id"] = project
        return 200, {"resources": []}

    def taken(self) -> bool:
        self.busy -= 1
        return self.busy >= 0

    def patch_config(self, uuid: str, body: dict[str, Any]) -> Answer:
        if ("backup_hour" in body["config"]) != ("backup_minute" in body["config"]):
            return 422, {"id": "unprocessable_entity", "message": "backup_hour and backup_minute must be set together"}
        self.clusters[uuid]["config"].update(body["config"])
        return 200, None

    def put_autoscale(self, uuid: str, body: dict[str, Any]) -> Answer:
        self.clusters[uuid]["autoscale"] = body["autoscale"]["storage"]
        return 204, None

    def get_settings(self, uuid: str) -> Answer:
        return 200, {"do_settings": self.clusters[uuid]["do_settings"]}

    def put_settings(self, uuid: str, body: dict[str, Any]) -> Answer:
        self.clusters[uuid].update(do_settings=body["do_settings"])
        return self.change(uuid, {}, "online", 204)

    def post_pool(self, uuid: str, body: dict[str, Any]) -> Answer:
        if self.taken():
            return BUSY
        if any(pool["name"] == body["name"] for pool in self.clusters[uuid]["pools"]):
            return 422, {"id": "unprocessable_entity", "message": "pool name is not available"}
        connection = {"uri": f"postgres://app:p@example.com:25061/{body['name']}", "password": "p"}
        self.clusters[uuid]["pools"].append(
            {**body, "connection": {**connection, "host": "sup.example.com", "port": 25061}}
        )
        return 201, {"pool": body}

    def put_pool(self, uuid: str, name: str, body: dict[str, Any]) -> Answer:
        if not {"mode", "size", "db"} <= set(body):
            return 422, {"id": "unprocessable_entity", "message": "mode, size and db are required"}
        next(pool for pool in self.clusters[uuid]["pools"] if pool["name"] == name).update(body)
        return 204, None

    def delete_pool(self, uuid: str, name: str) -> Answer:
        self.clusters[uuid]["pools"] = [pool for pool in self.clusters[uuid]["pools"] if pool["name"] != name]
        return 204, None

    def get_replicas(self, uuid: str) -> Answer:
        found = [self.get_cluster(key) for key, one in list(self.clusters.items()) if one.get("of") == uuid]
        return 200, {"replicas": [answer["database"] for _status, answer in found if answer]}

    def post_replica(self, uuid: str, body: dict[str, Any]) -> Answer:
        if not self.clusters[uuid]["backups"]:
            self.clusters[uuid]["backups"] = [{"created_at": "2026-01-02T03:00:00Z", "size_gigabytes": 0.1}]
            return 412, {"id": "precondition_failed", "message": "the first backup is not finished"}
        _status, made = self.post_cluster({"engine": "pg", "num_nodes": 1, "region": "nyc3", **body})
        number = f"u{self.number}"
        self.clusters[number].update(of=uuid, status="forking")
        return 201, {"replica": made["database"] if made else {}}

    def promote(self, uuid: str, name: str, body: Any = None) -> Answer:
        for one in self.clusters.values():
            if one.get("of") == uuid and one["name"] == name:
                del one["of"]
        return 204, None

    def delete_replica(self, uuid: str, name: str) -> Answer:
        self.clusters = {key: one for key, one in self.clusters.items() if (one.get("of"), one["name"]) != (uuid, name)}
        return 204, None

    def post_database(self, uuid: str, body: dict[str, Any]) -> Answer:
        if self.taken():
            return BUSY
        if body["name"] in self.clusters[uuid]["db_names"]:
            return 422, {"id": "unprocessable_entity", "message": "database name is not available"}
        self.clusters[uuid]["db_names"].append(body["name"])
        return 201, {"db": body}

    def delete_database(self, uuid: str, name: str) -> Answer:
        self.clusters[uuid]["db_names"].remove(name)
        return 204, None

    def get_user(self, uuid: str, name: str) -> Answer:
        user = self.clusters[uuid]["accounts"].get(name)
        if user is None or user.get("missing", 0) > 0:
            if user:
                user["missing"] -= 1
            return 404, {"id": "not_found", "message": "user not found"}
        return 200, {"user": {key: value for key, value in user.items() if key != "missing"}}

    def post_user(self, uuid: str, body: dict[str, Any]) -> Answer:
        if self.taken():
            return BUSY
        if body["name"] in self.clusters[uuid]["accounts"]:
            return 422, {"id": "unprocessable_entity", "message": "user name is not available"}
        user = {**body, "role": "normal", "password": "first:secret"}
        self.clusters[uuid]["accounts"][body["name"]] = {**user, "missing": self.missing}
        return 201, {"user": user}

    def put_user(self, uuid: str, name: str, body: dict[str, Any]) -> Answer:
        self.clusters[uuid]["accounts"][name]["settings"] = body["settings"]
        return 201, {"user": {}}

    def reset_user(self, uuid: str, name: str, body: dict[str, Any]) -> Answer:
        self.clusters[uuid]["accounts"][name]["password"] = "second:secret"
        return 200, {"user": {}}

    def delete_user(self, uuid: str, name: str) -> Answer:
        del self.clusters[uuid]["accounts"][name]
        return 204, None

    def put_firewall(self, uuid: str, body: dict[str, Any]) -> Answer:
        self.number += 1
        self.clusters[uuid]["firewall"] = [{**rule, "uuid": f"rule-{self.number}"} for rule in body["rules"]]
        return 204, None
