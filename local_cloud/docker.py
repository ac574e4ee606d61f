"""The Docker Engine API over its socket: only what the local cloud needs."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

VERSION = "v1.41"


class DockerError(Exception):
    """What the engine refused, in its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Docker: {message} ({status})")
        self.status = status
        self.message = message


class Docker:
    """One engine. Names and ids are interchangeable."""

    def __init__(self, socket: str = "/var/run/docker.sock") -> None:
        self.socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Give the connections back."""
        if self._session:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(self.socket, limit=0), timeout=timeout
            )
        return self._session

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> Any:
        """One call; decoded JSON, or text where it is none. None for a status in ``accept``."""
        url = f"http://docker/{VERSION}{path}"
        async with self._open().request(method, url, params=query, json=body, data=data, headers=headers) as answer:
            text = (await answer.read()).decode(errors="replace")
            if answer.status in accept:
                return None
            if answer.status >= 400:
                raise DockerError(answer.status, _message(text))
            try:
                return json.loads(text) if text else None
            except ValueError:
                return text

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Make a container, not started; its id."""
        made = await self.call("POST", "/containers/create", query={"name": name}, body=config)
        return str(made["Id"])

    async def start(self, container: str) -> None:
        """Start it; started already is fine."""
        await self.call("POST", f"/containers/{container}/start", accept=(304,))

    async def stop(self, container: str, seconds: int, signal: str | None = None) -> None:
        """Ask it to stop, then kill it; gone or stopped already is fine."""
        if signal and signal != "SIGTERM":
            await self.kill(container, signal)
            await self._exited(container, seconds)
            await self.kill(container)
            await self.wait(container)
            return
        await self.call("POST", f"/containers/{container}/stop", query={"t": str(seconds)}, accept=(304, 404))

    async def _exited(self, container: str, seconds: int) -> None:
        import asyncio

        try:
            await asyncio.wait_for(self.wait(container), seconds)
        except TimeoutError:
            return

    async def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal; not running is fine."""
        await self.call("POST", f"/containers/{container}/kill", query={"signal": signal}, accept=(404, 409))

    async def wait(self, container: str) -> int:
        """Its exit code, as soon as it is not running."""
        ended = await self.call("POST", f"/containers/{container}/wait", accept=(404,))
        return int(ended["StatusCode"]) if ended else -1

    async def remove(self, container: str, volumes: bool = True) -> None:
        """Remove it with force; not there is fine."""
        query = {"force": "true", "v": str(volumes).lower()}
        await self.call("DELETE", f"/containers/{container}", query=query, accept=(404, 409))

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """What the engine knows about it, or None."""
        found = await self.call("GET", f"/containers/{container}/json", accept=(404,))
        return dict(found) if found else None

    async def containers(self, labels: dict[str, str]) -> list[dict[str, Any]]:
        """All containers with these labels, running or not."""
        filters = json.dumps({"label": [f"{key}={value}" for key, value in labels.items()]})
        return list(await self.call("GET", "/containers/json", query={"all": "true", "filters": filters}))

    async def execute(self, container: str, command: list[str]) -> tuple[int, str]:
        """Run a command in it; exit code and output (both streams)."""
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": command}
        made = await self.call("POST", f"/containers/{container}/exec", body=body)
        url = f"http://docker/{VERSION}/exec/{made['Id']}/start"
        async with self._open().post(url, json={"Detach": False, "Tty": False}) as answer:
            output = _demultiplexed(await answer.read())
        ended = await self.call("GET", f"/exec/{made['Id']}/json")
        return int(ended["ExitCode"] or 0), output

    async def put_files(self, container: str, files: dict[str, tuple[bytes, int]]) -> None:
        """Write files (path -> content, mode) into it, running or not."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, (content, mode) in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())  # PgBouncer looks at it
                archive.addfile(entry, io.BytesIO(content))
        headers = {"Content-Type": "application/x-tar"}
        await self.call(
            "PUT", f"/containers/{container}/archive", query={"path": "/"}, data=buffer.getvalue(), headers=headers
        )

    async def archive(self, container: str, path: str) -> bytes | None:
        """A file or folder of a container as a tar archive, or None if it is not there."""
        url = f"http://docker/{VERSION}/containers/{container}/archive"
        async with self._open().get(url, params={"path": path}) as answer:
            content = await answer.read()
            if answer.status >= 400 and answer.status != 404:
                raise DockerError(answer.status, _message(content.decode(errors="replace")))
            return content if answer.status == 200 else None

    async def pull(self, reference: str, username: str, password: str) -> None:
        """Pull an image by ``repo:tag`` or ``repo@digest``; a DockerError says why not."""
        auth = base64.urlsafe_b64encode(json.dumps({"username": username, "password": password}).encode()).decode()
        url = f"http://docker/{VERSION}/images/create"
        headers = {"X-Registry-Auth": auth}
        async with self._open().post(url, params={"fromImage": reference}, headers=headers) as answer:
            text = (await answer.read()).decode(errors="replace")
            if answer.status >= 400:
                raise DockerError(answer.status, _message(text))
        for line in text.splitlines():
            if '"error"' in line:
                raise DockerError(404, str(json.loads(line)["error"]))

    async def image(self, reference: str) -> dict[str, Any] | None:
        """What the engine knows about an image, or None."""
        found = await self.call("GET", f"/images/{reference}/json", accept=(404,))
        return dict(found) if found else None

    async def connect(self, network: str, container: str, aliases: list[str]) -> None:
        """Put a container on a network under these names."""
        body = {"Container": container, "EndpointConfig": {"Aliases": aliases}}
        await self.call("POST", f"/networks/{network}/connect", body=body)

    async def make_volume(self, name: str, labels: dict[str, str]) -> None:
        """Make a volume; there already is fine."""
        await self.call("POST", "/volumes/create", body={"Name": name, "Labels": labels})

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; not there is fine, in use is a DockerError."""
        await self.call("DELETE", f"/volumes/{name}", accept=(404,))

    async def events(self, labels: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Ends of containers with these labels, as they happen."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()], "event": ["die"]}
        url = f"http://docker/{VERSION}/events"
        async with self._open().get(url, params={"filters": json.dumps(filters)}) as answer:
            async for line in answer.content:
                yield json.loads(line)


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:300]


def _demultiplexed(raw: bytes) -> str:
    """Docker frames both streams: one byte stream number, three zeros, four bytes length."""
    output, at = b"", 0
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], "big")
        output += raw[at + 8 : at + 8 + size]
        at += 8 + size
    return output.decode(errors="replace")
