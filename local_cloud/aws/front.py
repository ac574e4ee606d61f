"""Every request of AWS's services: its signature, what moto lacks, then moto."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from local_cloud.aws.moto import Moto, document
from local_cloud.aws.signature import HEADER, Keys
from local_cloud.aws.subscriptions import Subscriptions

FORM = "application/x-www-form-urlencoded"


class Front:
    """One handler; the service is in the signature's scope, the operation in the form."""

    def __init__(self, moto: Moto, keys: Keys, subscriptions: Subscriptions) -> None:
        self.moto, self.keys, self.subscriptions = moto, keys, subscriptions

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        wrong = self.keys.refusal(request, body)
        if wrong is not None:
            return wrong
        found = HEADER.fullmatch(request.headers["Authorization"])
        service, region = (found["service"], found["region"]) if found else ("", "")
        form = dict(parse_qsl(body.decode(errors="replace"))) if request.content_type == FORM else {}
        if service == "sns":
            return await self.subscriptions.handle(request, form, body, region)
        answer = await self.moto.send(request.method, request.raw_path, request.headers, body)
        if service == "iam" and form.get("Action") == "CreateAccessKey" and answer.status == 200:
            made = document(answer)
            self.keys.keep(made.findtext(".//AccessKeyId", ""), made.findtext(".//SecretAccessKey", ""))
        return answer
