"""Backups: whole copies of the data directory beside it in the cluster's volume (reference digitalocean 10)."""

from __future__ import annotations

import re
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.digitalocean import server
from local_cloud.fly.ids import now

Cluster = dict[str, Any]


class Backups:
    """There is no endpoint that makes one: the platform does daily, here a while after the cluster is online and on request."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def of(self, number: str) -> list[dict[str, Any]]:
        """The backups of a cluster, oldest first."""
        return [item for item in self.cloud.store.list("do_backup") if item["cluster"] == number]

    async def make(self, number: str) -> dict[str, Any] | None:
        """Copy the data as it is now."""
        cluster = self.cloud.store.get("do_cluster", number)
        if cluster is None or cluster["status"] != "online" or cluster.get("pending"):
            return None
        at = now()
        made: dict[str, Any] = {"id": f"{number}-{at}", "cluster": number, "created_at": at, "incremental": False}
        kept = {key: cluster[key] for key in ("users", "dbs", "config", "replicator")}
        folder = f"/data/backups/{plain(made['id'])}"
        script = (
            f"rm -rf {folder}; "
            "install -d -o postgres -g postgres -m 700 /data/backups && setpriv --reuid postgres --regid postgres --clear-groups "
            f"{server.BIN}/pg_basebackup -h /run/postgresql -p {cluster['port']} -D {folder} -X stream -c fast && du -sm {folder}"
        )
        code, output = await self.cloud.docker.execute(server.server(self.cloud, cluster).name, ["sh", "-c", script])
        if self.cloud.store.get("do_cluster", number) is None:  # destroyed meanwhile
            return None
        if code != 0:
            raise RuntimeError(f"backup of {cluster['name']}: {output.strip()[:300]}")
        megabytes = int(output.split()[-2])
        done = {**made, **kept, "size_gigabytes": round(megabytes / 1024, 4)}
        return self.cloud.store.put("do_backup", made["id"], done)

    async def copy(self, source: dict[str, str], cluster: Cluster) -> None:
        """Put a backup into the volume of a cluster that is not yet running."""
        docker, target = self.cloud.docker, server.server(self.cloud, cluster)
        origin = server.server(self.cloud, {"id": source["cluster"], "port": 0, "host": ""}).name
        await docker.make_volume(target.name, self.cloud.settings.labels)
        name = f"{target.name}-copy"
        mounts = [("from", origin, True), ("to", target.name, False)]
        command = f"rm -rf /to/pg && cp --archive /from/backups/{plain(source['backup'])} /to/pg"
        body = {
            "Image": self.cloud.settings.image,
            "Cmd": ["sh", "-c", command],
            "Labels": self.cloud.settings.labels,
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [
                    {"Type": "volume", "Source": volume, "Target": f"/{place}", "ReadOnly": fixed}
                    for place, volume, fixed in mounts
                ],
            },
        }
        await docker.remove(name)
        await docker.create(name, body)
        try:
            await docker.start(name)
            code = await docker.wait(name)
        finally:
            await docker.remove(name, volumes=False)
        if code != 0:
            raise RuntimeError(f"the copy of a backup to {cluster['name']} ended with {code}")


def plain(text: str) -> str:
    """A folder's name."""
    return re.sub(r"[^0-9A-Za-z-]", "", text)
