"""What hangs on a machine: lease, metadata, versions, events (reference fly 2.2, 2.5)."""

from __future__ import annotations

import datetime
from typing import Any

from aiohttp import web

from local_cloud.fly import leases, schema
from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.ids import now
from local_cloud.fly.machines import Machine, Machines, json_body

EVENTS, EVENTS_MOST = 20, 50


class Attributes:
    """Handlers on one machine."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.runner = machines.runner
        self.store = machines.cloud.store

    async def versions(self, request: web.Request) -> web.Response:
        machine = self.machines.machine(request)
        found = [item for item in self.store.list("version") if item["machine"] == machine["id"]]
        return web.json_response([{k: i[k] for k in ("version", "user_config")} for i in reversed(found)])

    async def events(self, request: web.Request) -> web.Response:
        machine, text = self.machines.machine(request), request.query.get("limit", str(EVENTS))
        if not text.isdigit() or int(text) < 1:
            raise refuse("limit must be a number from 1 on")
        return web.json_response(machine["events"][: min(int(text), EVENTS_MOST)])

    # Leases. An expired one is as if it had never been.

    async def lease(self, request: web.Request) -> web.Response:
        machine = self.machines.machine(request)
        if leases.alive(machine.get("lease")) is None:
            raise fly_error(404, "lease not found")
        held = machine["lease"]
        if request.headers.get("fly-machine-lease-nonce") != held["nonce"]:
            held = {key: value for key, value in held.items() if key != "nonce"}
        return web.json_response({"status": "success", "data": held})

    async def release(self, request: web.Request) -> web.Response:
        machine = self.machines.machine(request)
        if leases.alive(machine.get("lease")) is None:
            raise fly_error(404, "lease not found")
        machine = self.machines.held(request)
        self.runner.save({**machine, "lease": None})
        return web.json_response({"status": "success", "data": {"ok": True}})

    async def acquire(self, request: web.Request) -> web.Response:
        machine = self.machines.held(request)
        body = await json_body(request) if request.body_exists else {}
        schema.check(body, {"ttl": int, "description": str})
        ttl, query = body.get("ttl"), request.query.get("ttl")
        if ttl is None and query is not None:
            if not query.isdigit():
                raise refuse("ttl must be a number of seconds")
            ttl = int(query)
        ttl = leases.TTL if ttl is None else ttl
        if ttl < 1:
            raise refuse("ttl must be at least 1 second")
        nonce = request.headers.get("fly-machine-lease-nonce")
        made = leases.acquire(machine.get("lease"), nonce, ttl, body.get("description") or "", machine["instance_id"])
        self.runner.save({**machine, "lease": made})
        return web.json_response({"status": "success", "data": made}, status=201)

    # Metadata. Whether a lease of someone else hinders a write is not documented; here it does not.

    async def metadata(self, request: web.Request) -> web.Response:
        machine = self.machines.machine(request)
        kept: dict[str, str] = dict(machine["config"].get("metadata") or {})
        if request.method == "GET":
            return web.json_response(kept)
        body = await json_body(request)
        schema.check(body, {"metadata": schema.STRINGS, "machine_version": str, "updated_at": str})
        if body.get("metadata") is None:
            raise refuse("metadata is required")
        expected = body.get("machine_version")
        if expected and expected != machine["instance_id"]:
            raise fly_error(412, f"failed_precondition: machine version is {machine['instance_id']}, not {expected}")
        return self.keep(machine, {**kept, **body["metadata"]}, body.get("updated_at"))

    async def metadata_key(self, request: web.Request) -> web.Response:
        machine, key = self.machines.machine(request), request.match_info["key"]
        kept: dict[str, str] = dict(machine["config"].get("metadata") or {})
        if request.method == "POST":
            body = await json_body(request)
            schema.check(body, {"value": str, "updated_at": str})
            if body.get("value") is None:
                raise refuse("value is required")
            return self.keep(machine, {**kept, key: body["value"]}, body.get("updated_at"))
        if key not in kept:
            raise fly_error(404, f"metadata key not found: {key}")
        if request.method == "DELETE":
            return self.keep(machine, {**kept, key: None}, None)
        return web.json_response({"value": kept[key]})

    def keep(self, machine: Machine, metadata: dict[str, str | None], updated_at: str | None) -> web.Response:
        """Write metadata without a new version; empty values go. updated_at: when the caller's knowledge is from."""
        if machine["state"] in ("destroying", "destroyed"):
            raise fly_error(404, f"machine not found: {machine['id']} is {machine['state']}")
        if machine["host_status"] != "ok":
            raise fly_error(408, f"deadline_exceeded: the host of machine {machine['id']} does not answer")
        written: Any = machine.get("metadata_at")
        if updated_at and written and moment(updated_at) < moment(written):
            raise fly_error(412, f"failed_precondition: metadata was written at {written}, after {updated_at}")
        left = {key: value for key, value in metadata.items() if value}
        config = {**machine["config"], "metadata": left}
        self.runner.save({**machine, "config": config, "metadata_at": updated_at or now()})
        return web.Response(status=204)


def moment(text: str) -> datetime.datetime:
    """An RFC 3339 time, or a 400."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"{text!r} is no RFC 3339 time") from None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
