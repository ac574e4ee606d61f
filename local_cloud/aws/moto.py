"""Calls to moto's server, for requests that are passed on and for our own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from local_cloud import wire
from local_cloud.cloud import Cloud

HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "date", "server"}
START_SECONDS = 120  # moto needs a few to start, and more when it has much to be told again
VERSIONS = {"sns": "2010-03-31", "ses": "2010-12-01", "sqs": "2012-11-05"}


class Moto:
    """The server behind everything; it believes whom it is told, so it listens inside only."""

    def __init__(self, cloud: Cloud) -> None:
        state = cloud.settings.state
        self.recording, self.ready = state / "moto.recording", state / "moto.ready"
        self._session: aiohttp.ClientSession | None = None

    def arguments(self) -> list[str]:
        return [str(wire.MOTO_PORT), str(self.recording), str(self.ready)]

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> web.Response:
        """Pass a request on, byte by byte."""
        await self._started()
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        kept = CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP)
        url = URL(f"http://127.0.0.1:{wire.MOTO_PORT}{path}", encoded=True)
        async with self._session.request(method, url, headers=kept, data=body, allow_redirects=False) as answer:
            got = await answer.read()
            back = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in HOP)
            return web.Response(status=answer.status, body=got, headers=back)

    async def query(self, service: str, region: str, path: str = "/", **fields: str) -> ElementTree.Element:
        """A call of our own in the Query protocol. ValueError with AWS's words when it fails; no namespaces in the answer."""
        scope = f"Credential=local/20260101/{region}/{service}/aws4_request"
        headers = {
            "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Host": f"{service}.{region}.amazonaws.com",
        }
        body = urlencode({"Version": VERSIONS[service], **fields}).encode()
        answer = await self.send("POST", path, headers, body)
        tree = document(answer)
        if answer.status != 200:
            raise ValueError(tree.findtext(".//Message") or f"moto answered {answer.status}")
        return tree

    async def reset(self) -> None:
        """Forget everything, the recording too."""
        for path in ("reset", "recorder/reset-recording"):
            await self.send("POST", f"/moto-api/{path}", {}, b"")

    async def _started(self) -> None:
        for _ in range(START_SECONDS * 10):
            if self.ready.exists():
                return
            await asyncio.sleep(0.1)
        raise web.HTTPServiceUnavailable(text="moto does not start; see the log of the container")

    async def close(self) -> None:
        if self._session:
            await self._session.close()


def content(answer: web.Response) -> bytes:
    """The body of an answer of ``Moto.send``."""
    return answer.body if isinstance(answer.body, bytes) else b""


def document(answer: web.Response) -> ElementTree.Element:
    """XML without its default namespace, so that elements can be found by their names."""
    head, mark, rest = content(answer).partition(b' xmlns="')
    return ElementTree.fromstring(head + rest.partition(b'"')[2] if mark else head)


def entries(tree: ElementTree.Element, path: str) -> dict[str, Any]:
    """A map as the Query protocol writes it."""
    return {item.findtext("key", ""): item.findtext("value", "") for item in tree.findall(f"{path}/entry")}
