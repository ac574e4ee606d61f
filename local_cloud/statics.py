"""``statics[]``: files of a machine's image that the proxy serves itself (reference fly 2.7)."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import posixpath
import tarfile
import urllib.parse
from dataclasses import dataclass
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.docker import DockerError
from local_cloud.fly.container import image_reference

CACHED = 512  # files that are kept in memory
LARGEST = 16 * 2**20


@dataclass(frozen=True)
class Static:
    """One file."""

    content: bytes
    kind: str


class Statics:
    """Reads files out of images, once for each image (or version of a machine, as a tag may move) and path."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._files: dict[tuple[str, str], bytes | None] = {}
        self._lock = asyncio.Lock()

    async def find(self, machine: dict[str, Any], method: str, target: str) -> Static | None:
        """The file for a path, or None: then the application answers."""
        statics = machine["config"].get("statics") or []
        if not statics or method not in ("GET", "HEAD"):
            return None
        path = posixpath.normpath(urllib.parse.unquote(target.partition("?")[0]))
        for item in statics:
            prefix = "/" + str(item["url_prefix"]).strip("/")
            if item.get("tigris_bucket") or not (path + "/").startswith(prefix.rstrip("/") + "/"):
                continue
            inside = posixpath.join(item["guest_path"], path[len(prefix.rstrip("/")) :].lstrip("/"))
            for name in (inside, posixpath.join(inside, str(item.get("index_document") or "")).rstrip("/")):
                content = await self._file(machine, name)
                if content is not None:
                    return Static(content, mimetypes.guess_type(name)[0] or "application/octet-stream")
        return None

    async def _file(self, machine: dict[str, Any], path: str) -> bytes | None:
        image = machine["config"]["image"]
        key = (image if "@" in image else machine["instance_id"], path)
        async with self._lock:
            if key not in self._files:
                try:
                    content = await self._read(image, path)
                except DockerError:
                    return None  # the image is not there yet: the machine has not started once
                if len(self._files) >= CACHED:
                    self._files.pop(next(iter(self._files)))
                self._files[key] = content
            return self._files[key]

    async def _read(self, image: str, path: str) -> bytes | None:
        """From a container of the image that never runs."""
        docker, settings = self.cloud.docker, self.cloud.settings
        reference = image_reference(image, f"localhost:{settings.port(4)}")
        name = f"{settings.prefix}-statics"
        await docker.remove(name)
        await docker.create(name, {"Image": reference, "Cmd": ["none"], "Labels": settings.labels})
        try:
            raw = await docker.archive(name, path)
        finally:
            await docker.remove(name)
        if raw is None:
            return None
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            entry = archive.next()
            held = archive.extractfile(entry) if entry and entry.isfile() and entry.size <= LARGEST else None
            return held.read() if held else None
