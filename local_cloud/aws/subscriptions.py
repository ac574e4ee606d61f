"""Subscriptions over HTTP, as SNS has them: pending until confirmed, signed messages, retries, a dead-letter queue.

moto would deliver at once and unsigned. So it is given an address of ours as the endpoint, and whoever asks sees the real
one. Source: https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
import ssl
import uuid
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from local_cloud import sns
from local_cloud.aws.moto import Moto, content, entries
from local_cloud.aws.moto import document as xml_of
from local_cloud.cloud import Cloud

log = logging.getLogger("local_cloud.aws")
WEB = ("http", "https")
PENDING = "pending confirmation"
LISTS = ("ListSubscriptions", "ListSubscriptionsByTopic")
ATTEMPTS, PAUSE = 3, 0.5  # SNS tries for weeks; here an endpoint that is down shows within seconds
CONFIRMED = (
    "<{action}Response><{action}Result><SubscriptionArn>{arn}</SubscriptionArn></{action}Result>"
    "<ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata></{action}Response>"
)
INVALID = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>{message}</Message></Error>"
    "<RequestId>{request}</RequestId></ErrorResponse>"
)


def xml(text: str, status: int = 200, **values: str) -> web.Response:
    """An answer of the Query protocol."""
    filled = text.format(request=uuid.uuid4(), **{name: escape(value) for name, value in values.items()})
    return web.Response(status=status, text=filled, content_type="text/xml")


class Local(AbstractResolver):
    """Names under .localhost are this container, where Fly's proxy listens; others are asked for as usual."""

    def __init__(self) -> None:
        self._usual = aiohttp.DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not host.endswith(".localhost"):
            return await self._usual.resolve(host, port, family)
        found = ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        await self._usual.close()


class Subscriptions:
    """Documents of kind ``sns_subscription``; moto has the subscription itself."""

    def __init__(self, cloud: Cloud, moto: Moto) -> None:
        self.cloud, self.moto = cloud, moto
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request, form: dict[str, str], body: bytes, region: str) -> web.StreamResponse:
        """A request of SNS."""
        action = form.get("Action", "")
        if action == "ConfirmSubscription":
            return self._confirm(form)
        if action == "Subscribe" and form.get("Protocol") in WEB:
            return await self._subscribe(request, form, region)
        answer = await self.moto.send(request.method, request.raw_path, request.headers, body)
        return self._as_seen(answer, action, form)

    def _address(self, key: str = "") -> str:
        return f"http://127.0.0.1:{self.cloud.settings.port(9)}/sns/deliver/{key}"

    def _confirmed(self, document: dict[str, Any]) -> bool:
        return self.cloud.store.get("sns_confirmation", document["token"]) is not None

    async def _subscribe(self, request: web.Request, form: dict[str, str], region: str) -> web.StreamResponse:
        endpoint, protocol, topic = form.get("Endpoint", ""), form["Protocol"], form.get("TopicArn", "")
        if not endpoint.startswith(f"{protocol}://"):
            return xml(
                INVALID, 400, message=f"Invalid parameter: Endpoint must match the specified protocol {protocol}"
            )
        key = hashlib.sha256(f"{topic}\n{protocol}\n{endpoint}".encode()).hexdigest()[:24]
        body = urlencode({**form, "Endpoint": self._address(key)}).encode()
        answer = await self.moto.send("POST", request.raw_path, request.headers, body)
        if answer.status != 200:
            return answer
        arn = xml_of(answer).findtext(".//SubscriptionArn", "")
        document = self.cloud.store.get("sns_subscription", key)
        if document is None or document["arn"] != arn:
            document = {
                "key": key,
                "arn": arn,
                "topic": topic,
                "endpoint": endpoint,
                "region": region,
                "token": uuid.uuid4().hex,
            }
            self.cloud.store.put("sns_subscription", key, document)
        if not self._confirmed(document):
            self.cloud.spawn(self._ask(document))
            arn = arn if form.get("ReturnSubscriptionArn") == "true" else PENDING
        return xml(CONFIRMED, action="Subscribe", arn=arn)

    async def _ask(self, document: dict[str, Any]) -> None:
        """The message that an endpoint answers by visiting SubscribeURL."""
        query = urlencode({"Token": document["token"], "TopicArn": document["topic"]})
        url = f"{sns.base_url(self.cloud)}/sns/confirm?{query}"
        text = f"You have chosen to subscribe to the topic {document['topic']}."
        body = {
            "type": "SubscriptionConfirmation",
            "topic_arn": document["topic"],
            "message": text,
            "subscribe_url": url,
        }
        await self._post(document, json.dumps(sns.sign(self.cloud, body)), "SubscriptionConfirmation", raw=False)

    def _confirm(self, form: dict[str, str]) -> web.Response:
        for document in self.cloud.store.list("sns_subscription"):
            if document["token"] == form.get("Token") and document["topic"] == form.get("TopicArn"):
                self.cloud.store.put("sns_confirmation", document["token"], {"token": document["token"]})
                return xml(CONFIRMED, action="ConfirmSubscription", arn=document["arn"])
        return xml(INVALID, 400, message="Invalid parameter: Token")

    def _as_seen(self, answer: web.Response, action: str, form: dict[str, str]) -> web.Response:
        """moto's answer with the real endpoints, and with what is pending called so."""
        text = content(answer).decode()
        for document in self.cloud.store.list("sns_subscription"):
            text = text.replace(self._address(document["key"]), escape(document["endpoint"]))
            if self._confirmed(document):
                continue
            if action in LISTS:
                text = text.replace(f">{document['arn']}<", ">PendingConfirmation<")
            elif action == "GetSubscriptionAttributes" and form.get("SubscriptionArn") == document["arn"]:
                text = text.replace(
                    "<key>PendingConfirmation</key><value>false<", "<key>PendingConfirmation</key><value>true<"
                )
        answer.body = text.encode()
        return answer

    async def deliver(self, request: web.Request) -> web.Response:
        """What moto sends out; only moto may, from inside."""
        document = self.cloud.store.get("sns_subscription", request.match_info["key"])
        if request.remote not in ("127.0.0.1", "::1") or document is None:
            raise web.HTTPNotFound
        if self._confirmed(document):
            self.cloud.spawn(self._deliver(document, json.loads(await request.read())))
        return web.Response()

    async def _deliver(self, document: dict[str, Any], notice: dict[str, Any]) -> None:
        arn, region = document["arn"], document["region"]
        seen = await self.moto.query("sns", region, Action="GetSubscriptionAttributes", SubscriptionArn=arn)
        attributes = entries(seen, ".//Attributes")
        raw = attributes.get("RawMessageDelivery") == "true"
        body = {"topic_arn": document["topic"], "message": notice["Message"], "subject": notice.get("Subject")}
        text = notice["Message"] if raw else json.dumps(sns.sign(self.cloud, body))
        if await self._post(document, text, "Notification", raw=raw):
            return
        policy = json.loads(attributes.get("RedrivePolicy") or "{}")
        if queue := policy.get("deadLetterTargetArn", ""):
            account, name = queue.split(":")[-2:]
            url = f"http://sqs.{region}.amazonaws.com/{account}/{name}"
            await self.moto.query(
                "sqs", region, f"/{account}/{name}", Action="SendMessage", QueueUrl=url, MessageBody=text
            )

    async def _post(self, document: dict[str, Any], text: str, kind: str, *, raw: bool) -> bool:
        """Whether the endpoint took it."""
        if self._session is None:
            trust = ssl.create_default_context(cadata=self.cloud.ca.pem)
            connector = aiohttp.TCPConnector(resolver=Local(), ssl=trust)
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(15))
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": kind,
            "x-amz-sns-topic-arn": document["topic"],
            **({"x-amz-sns-rawdelivery": "true"} if raw else {}),
        }
        for attempt in range(ATTEMPTS):
            await asyncio.sleep(PAUSE * attempt)
            try:
                async with self._session.post(document["endpoint"], data=text.encode(), headers=headers) as answer:
                    if answer.status < 300:
                        return True
                    log.warning("%s answered %s to a %s of SNS", document["endpoint"], answer.status, kind)
            except (aiohttp.ClientError, TimeoutError) as problem:
                log.warning("%s takes no %s of SNS: %s", document["endpoint"], kind, problem)
        return False

    async def close(self) -> None:
        if self._session:
            await self._session.close()
