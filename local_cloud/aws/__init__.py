"""The AWS services of inbound e-mail: moto's server, with what it lacks in front of it.

moto (https://docs.getmoto.org) keeps SNS, SES, SQS, S3 and IAM. In front of it keys and signatures are checked, a
subscription over HTTP waits for its confirmation, messages are signed as Amazon SNS signs them, and an e-mail that
arrives goes through the receipt rules.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from local_cloud.aws import mail
from local_cloud.aws.front import Front
from local_cloud.aws.moto import Moto
from local_cloud.aws.signature import Keys
from local_cloud.aws.subscriptions import Subscriptions
from local_cloud.cloud import Cloud
from local_cloud.supervisor import Child

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Aws:
    """One account of AWS: 123456789012, moto's."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.moto = Moto(cloud)
        self.keys = Keys(cloud)
        self.subscriptions = Subscriptions(cloud, self.moto)

    def child(self) -> Child:
        """moto's process."""
        return Child("moto", sys.executable, "-m", "local_cloud.aws.server", *self.moto.arguments())

    def build(self) -> web.Application:
        """The application for every service; which one is meant is in the signature."""
        app = self.cloud.app("aws", lambda request: None)  # the front looks at signatures
        front = Front(self.moto, self.keys, self.subscriptions)
        app.router.add_post("/sns/deliver/{key}", self.subscriptions.deliver)
        app.router.add_route("*", "/{path:.*}", front.handle)
        return app

    def control_routes(self) -> list[tuple[str, str, Handler]]:
        """What the control API offers beside AWS's own: an e-mail that arrives."""

        async def inbound(request: web.Request) -> web.Response:
            return web.json_response(await mail.receive(self.moto, await request.json()))

        return [("POST", "/ses/inbound", inbound)]

    async def close(self) -> None:
        """Let go of connections."""
        await self.moto.close()
        await self.subscriptions.close()

    async def reset(self, cloud: Cloud) -> None:
        """Everything as on the first day."""
        await self.moto.reset()
