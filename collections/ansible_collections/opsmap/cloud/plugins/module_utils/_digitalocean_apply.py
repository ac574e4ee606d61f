# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writes of a cluster, one at a time, each awaited: a call during another change fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean import DigitalOcean
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_cluster import tag_set, version_of, window_of
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_config import config_changes
from ansible_collections.opsmap.cloud.plugins.module_utils._digitalocean_find import (
    SERVICE,
    pick,
    wait_online,
    when_free,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._once import make_once
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Handlers
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import wait_for

Object = dict[str, Any]


@dataclass
class ClusterWriter:
    """One cluster; its uuid is told by whoever observes."""

    client: DigitalOcean
    params: Mapping[str, Any]
    context: Context
    cluster: str = ""

    def __post_init__(self) -> None:
        self.patience = self.context.patience(self.params)
        self.what = f"cluster {self.params['name']}"

    def handlers(self) -> Handlers:
        """By the names that the plan uses."""
        return {
            "create": self.create,
            "upgrade": self.upgrade,
            "resize": self.resize,
            "migrate": self.migrate,
            "maintain": self.maintain,
            "tag": self.tag,
            "project": self.project,
            "configure": self.configure,
            "autoscale": self.autoscale,
            "service_cnames": self.service_cnames,
            "fork": self.fork,
            "delete": self.delete,
        }

    def create(self, body: Object) -> None:
        """Make it, once, and wait until it is online."""

        def look() -> Object | None:
            return pick(self.client.clusters(), body["name"], body["engine"])

        def make() -> Object:
            return self.client.create_cluster(body)

        made = make_once(look, make, self.params["api_retries"], self.context.clock)
        self.cluster = str(made["id"])
        self._online()

    def upgrade(self, version: str) -> None:
        """A newer major version; it has no state of its own."""
        when_free(f"upgrade of {self.what}", lambda: self.client.upgrade(self.cluster, version), self.patience)
        self._online(version=(version_of, version))

    def resize(self, body: Object) -> None:
        """Size and nodes always go together; storage only when it is what changes."""
        storage = body.get("storage_size_mib")
        present = (self.client.find_cluster(self.cluster) or {}).get("storage_size_mib") or 0
        if storage is not None and storage <= present:  # the larger size brought it along
            return
        when_free(f"resize of {self.what}", lambda: self.client.resize(self.cluster, body), self.patience)
        self._online(**{key: (lambda seen: seen, value) for key, value in body.items()})

    def migrate(self, body: Object) -> None:
        """To another region or VPC, with the data."""
        when_free(f"move of {self.what}", lambda: self.client.migrate(self.cluster, body), self.patience)
        self._online(**{key: (str, value) for key, value in body.items()})

    def configure(self, values: Object) -> None:
        """Some keys of the config."""
        when_free(f"config of {self.what}", lambda: self.client.configure(self.cluster, values), self.patience)
        wait_for(
            f"config of {self.what}",
            lambda: config_changes(values, self.client.config(self.cluster)),
            lambda left: not left,
            self.patience,
            state=lambda left: f"{', '.join(left)} as before",
            service=SERVICE,
        )

    def autoscale(self, storage: Object) -> None:
        """How the storage grows by itself."""
        self.client.set_autoscale(self.cluster, storage)

    def service_cnames(self, names: list[str]) -> None:
        """Names in the certificate; the nodes are replaced."""
        what = f"service_cnames of {self.what}"
        when_free(what, lambda: self.client.set_service_cnames(self.cluster, names), self.patience)
        wait_for(
            what,
            lambda: set(self.client.service_cnames(self.cluster)),
            lambda seen: seen == set(names),
            self.patience,
            service=SERVICE,
        )
        self._online()

    def fork(self, body: Object) -> None:
        """A copy from a backup, awaited; one that an interrupted run began is not made again."""

        def look() -> Object | None:
            return pick(self.client.clusters(), body["name"], body["engine"])

        made = make_once(look, lambda: self.client.create_cluster(body), self.params["api_retries"], self.context.clock)
        wait_online(self.client, str(made["id"]), f"cluster {body['name']}", self.patience)

    def maintain(self, window: Object) -> None:
        """The maintenance window; not accepted at creation."""
        self.client.set_maintenance(self.cluster, window)
        self._online(maintenance_window=(window_of, window_of(window)))

    def tag(self, adds: list[str], removes: list[str]) -> None:
        """Tags have an API of their own."""
        for tag in adds:
            self.client.tag(self.cluster, tag)
        for tag in removes:
            self.client.untag(self.cluster, tag)
        self._online(tags=(tag_set, tag_set(self.params["tags"])))

    def project(self, project: str) -> None:
        """Projects have an API of their own."""
        self.client.assign_project(self.cluster, project)
        self._online(project_id=(str, project))

    def delete(self) -> None:
        """Remove it; the name may linger."""
        self.client.delete_cluster(self.cluster)
        wait_for(
            f"end of {self.what}",
            lambda: self.client.find_cluster(self.cluster),
            lambda seen: seen is None,
            self.patience,
            state=lambda seen: str((seen or {}).get("status")),
            service=SERVICE,
        )

    def _online(self, **targets: tuple[Any, Any]) -> None:
        def arrived(seen: Object) -> bool:
            return all(compare(seen.get(key)) == value for key, (compare, value) in targets.items())

        wait_online(self.client, self.cluster, self.what, self.patience, arrived)
