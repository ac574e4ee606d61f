"""Machines: create, read, update, destroy (reference fly 2.2, 2.3)."""

from __future__ import annotations

import secrets as random
import time
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly import leases, view
from local_cloud.fly.errors import fly_error
from local_cloud.fly.ids import machine_id, milliseconds, now, ulid
from local_cloud.fly.names import FOREIGN
from local_cloud.fly.runner import Runner, note
from local_cloud.fly.validate import check_config

Machine = dict[str, Any]
GONE = "destroyed"


class Machines:
    """Handlers; every one looks the machine up first and honours its lease."""

    def __init__(self, cloud: Cloud, runner: Runner) -> None:
        self.cloud = cloud
        self.runner = runner

    def app(self, request: web.Request) -> dict[str, Any]:
        """The app of the path."""
        found = self.cloud.store.get("app", request.match_info["app"])
        if request.match_info["app"] in FOREIGN:
            raise fly_error(403, f"you are not authorized to access app {request.match_info['app']}")
        if found is None:
            raise fly_error(404, f"app not found: {request.match_info['app']}")
        return found

    def of_app(self, app: str, deleted: bool = False) -> list[Machine]:
        """Machines of an app."""
        found = (machine for machine in self.cloud.store.list("machine") if machine["app"] == app)
        return [machine for machine in found if deleted or machine["state"] != GONE]

    def machine(self, request: web.Request) -> Machine:
        """The machine of the path; for a moment after it was made there is none."""
        app = self.app(request)
        found = self.cloud.store.get("machine", request.match_info["machine"])
        if found is None or found["app"] != app["name"]:
            raise fly_error(404, f"machine not found: {request.match_info['machine']}")
        if milliseconds() - found["born"] < self.cloud.settings.switches.fresh_404_seconds * 1000:
            raise fly_error(404, f"machine not found: {request.match_info['machine']}")
        return found

    def held(self, request: web.Request) -> Machine:
        """The machine of the path, if the caller may change it."""
        found = self.machine(request)
        if found["state"] in (GONE, "destroying"):
            raise fly_error(404, "machine not found: it is destroyed")
        try:
            leases.check(found.get("lease"), request.headers.get("fly-machine-lease-nonce"))
        except leases.Held as problem:
            raise fly_error(409, str(problem)) from None
        return found

    def show(self, machine: Machine, request: web.Request | None = None) -> dict[str, Any]:
        """As the API gives it."""
        with_lease = bool(request and request.query.get("include_leases") in ("true", "1"))
        noise = self.cloud.settings.switches.wire_noise
        return view.shown(machine, self.runner.checks(machine["id"]), noise=noise, with_lease=with_lease)

    async def list(self, request: web.Request) -> web.Response:
        app = self.app(request)
        query = request.query
        found = self.of_app(app["name"], query.get("include_deleted") in ("true", "1"))
        states = [state for value in query.getall("state", []) for state in value.split(",")]
        found = [m for m in found if not states or m["state"] in states]
        found = [m for m in found if query.get("region") in (None, "", m["region"])]
        for key in query:
            if key.startswith("metadata."):
                wanted = query[key]
                found = [m for m in found if (m["config"].get("metadata") or {}).get(key[9:]) == wanted]
        if query.get("summary") in ("true", "1"):
            return web.json_response([view.summary(m) for m in found])
        return web.json_response([self.show(m, request) for m in found])

    async def create(self, request: web.Request) -> web.Response:
        app, body = self.app(request), await json_body(request)
        config, region = body.get("config") or {}, body.get("region") or "ewr"
        check_config(config, region)
        others = self.of_app(app["name"])
        name = body.get("name") or f"{random.token_hex(3)}-{random.token_hex(3)}"
        if any(other["name"] == name for other in others):
            raise fly_error(
                409, f"already_exists: unique machine name violation, machine with name {name} already exists"
            )
        self.attachable(app["name"], config, region, None)
        machine = self.new(app["name"], name, region, config, body)
        self.cloud.store.put("machine", machine["id"], machine)
        self.remember(machine)
        self.attach(machine)
        answer = self.show(machine)
        if machine["lease"]:
            answer["nonce"] = machine["lease"]["nonce"]
        rests = body.get("skip_launch") or config.get("schedule")
        self.cloud.spawn(self.runner.become(machine["id"], "stopped") if rests else self.runner.launch(machine["id"]))
        self.cloud.store.put("app", app["name"], {**app, "status": "deployed"})
        return web.json_response(answer)

    def new(self, app: str, name: str, region: str, config: dict[str, Any], body: dict[str, Any]) -> Machine:
        """A machine that was just asked for."""
        instance = ulid()
        ttl = int(body.get("lease_ttl") or 0)
        machine: Machine = {
            "id": machine_id(),
            "app": app,
            "name": name,
            "state": "created",
            "region": region,
            "instance_id": instance,
            "config": config,
            "created_at": now(),
            "updated_at": now(),
            "born": milliseconds(),
            "events": [],
            "cordoned": bool(body.get("skip_service_registration")),
            "host_status": "ok",
            "lease": leases.acquire(None, None, ttl, "", instance) if ttl else None,
        }
        note(machine, "launch", "created", "user", {})
        return machine

    def attachable(self, app: str, config: dict[str, Any], region: str, machine: str | None) -> None:
        """Raise unless every mounted volume is there, in the region, and free."""
        for mount in config.get("mounts") or []:
            volume = self.cloud.store.get("volume", mount["volume"])
            if volume is None or volume["app"] != app or volume["state"] not in ("created", "hydrating"):
                raise fly_error(400, f"invalid_argument: volume {mount['volume']} does not exist")
            if volume["region"] != region:
                raise fly_error(
                    400, f"invalid_argument: volume {volume['id']} is in region {volume['region']}, not {region}"
                )
            if volume["attached_machine_id"] not in (None, machine):
                raise fly_error(412, f"volume {volume['id']} is attached to machine {volume['attached_machine_id']}")
            if volume.get("full") and machine is None:
                message = "insufficient resources to create new machine with existing volume"
                raise fly_error(412, f"{message} {volume['id']}", "insufficient_capacity")

    def attach(self, machine: Machine) -> None:
        """Bind its volumes to it."""
        for mount in machine["config"].get("mounts") or []:
            volume = self.cloud.store.get("volume", mount["volume"])
            if volume:
                self.cloud.store.put("volume", volume["id"], {**volume, "attached_machine_id": machine["id"]})

    def remember(self, machine: Machine) -> None:
        """Keep the version's config for the history."""
        key = f"{machine['id']}/{machine['instance_id']}"
        kept = {"machine": machine["id"], "version": machine["instance_id"], "user_config": machine["config"]}
        self.cloud.store.put("version", key, kept)

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self.show(self.machine(request), request))

    async def update(self, request: web.Request) -> web.Response:
        machine, body = self.held(request), await json_body(request)
        config = body.get("config") or {}
        check_config(config, machine["region"])
        expected = body.get("current_version")
        if expected and expected != machine["instance_id"]:
            raise fly_error(412, f"failed_precondition: current version is {machine['instance_id']}, not {expected}")
        mounted = [mount["volume"] for mount in machine["config"].get("mounts") or []]
        if [mount["volume"] for mount in config.get("mounts") or []] != mounted:
            raise fly_error(400, "invalid_argument: can't change the volume of an existing machine")
        asleep = machine["state"] in ("stopped", "suspended", "created") and body.get("skip_launch")
        machine.update(config=config, instance_id=ulid())
        if body.get("skip_service_registration") is not None:
            machine["cordoned"] = bool(body["skip_service_registration"])
        if machine["state"] not in ("stopped", "suspended", "created"):
            machine["state"] = "replacing"
        note(machine, "update", machine["state"], "user", {})
        self.runner.save(machine)
        self.remember(machine)
        if not asleep:
            self.cloud.spawn(self.runner.restart(machine["id"], "update"))
        return web.json_response(self.show(machine))

    async def delete(self, request: web.Request) -> web.Response:
        machine = self.machine(request)
        if machine["state"] == GONE:
            raise fly_error(404, "machine not found: it is destroyed")
        machine = self.held(request)
        force = any(request.query.get(key) in ("true", "1") for key in ("force", "kill"))
        if machine["state"] in ("started", "starting", "replacing") and not force:
            raise fly_error(
                412, f"failed_precondition: unable to destroy machine, not currently stopped: {machine['state']}"
            )
        await self.runner.destroy(machine["id"])
        return web.json_response({"ok": True})

    async def versions(self, request: web.Request) -> web.Response:
        machine = self.machine(request)
        found = [item for item in self.cloud.store.list("version") if item["machine"] == machine["id"]]
        return web.json_response([{k: i[k] for k in ("version", "user_config")} for i in reversed(found)])

    async def events(self, request: web.Request) -> web.Response:
        limit = min(int(request.query.get("limit", "20")), 50)
        return web.json_response(self.machine(request)["events"][:limit])

    async def lease(self, request: web.Request) -> web.Response:
        machine = self.machine(request)
        nonce = request.headers.get("fly-machine-lease-nonce")
        held = leases.alive(machine.get("lease"))
        if request.method == "GET":
            if not held:
                raise fly_error(404, "lease not found")
            return web.json_response({"status": "success", "data": {k: v for k, v in held.items() if k != "nonce"}})
        if request.method == "DELETE":
            if not held:
                raise fly_error(404, "lease not found")
            machine = self.held(request)
            self.runner.save({**machine, "lease": None})
            return web.json_response({"status": "success", "data": {"ok": True}})
        body = await json_body(request) if request.body_exists else {}
        ttl = int(body.get("ttl") or request.query.get("ttl") or 120)
        try:
            made = leases.acquire(held, nonce, ttl, body.get("description") or "", machine["instance_id"])
        except leases.Held as problem:
            raise fly_error(409, str(problem)) from None
        self.runner.save({**machine, "lease": made})
        return web.json_response({"status": "success", "data": made}, status=201)

    async def metadata(self, request: web.Request) -> web.Response:
        machine = self.machine(request)
        kept: dict[str, str] = dict(machine["config"].get("metadata") or {})
        if request.method == "GET":
            return web.json_response(kept)
        body = await json_body(request)
        expected = body.get("machine_version")
        if expected and expected != machine["instance_id"]:
            raise fly_error(412, "failed_precondition: machine version mismatch")
        kept.update(body.get("metadata") or {})
        return self.keep(machine, {key: value for key, value in kept.items() if value})

    async def metadata_key(self, request: web.Request) -> web.Response:
        machine, key = self.machine(request), request.match_info["key"]
        kept: dict[str, str] = dict(machine["config"].get("metadata") or {})
        if request.method == "POST":
            return self.keep(machine, {**kept, key: (await json_body(request))["value"]})
        if key not in kept:
            raise fly_error(404, "metadata key not found")
        if request.method == "DELETE":
            return self.keep(machine, {name: value for name, value in kept.items() if name != key})
        return web.json_response({"value": kept[key]})

    def keep(self, machine: Machine, metadata: dict[str, str]) -> web.Response:
        """Write metadata without a new version."""
        self.runner.save({**machine, "config": {**machine["config"], "metadata": metadata}})
        return web.Response(status=204)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as an object, or a 400."""
    try:
        body = await request.json()
    except ValueError:
        raise fly_error(400, "invalid_argument: the body is no JSON") from None
    if not isinstance(body, dict):
        raise fly_error(400, "invalid_argument: the body is no object")
    return body


def deadline(seconds: float) -> float:
    """A moment on the monotonic clock."""
    return time.monotonic() + seconds
