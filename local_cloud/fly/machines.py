"""Machines: create, read, update, destroy (reference fly 2.2, 2.3)."""

from __future__ import annotations

import re
import secrets as random
from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly import leases, schema, view
from local_cloud.fly.capacity import Capacity
from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.events import note
from local_cloud.fly.ids import machine_id, milliseconds, now, ulid
from local_cloud.fly.names import FOREIGN
from local_cloud.fly.runner import Runner
from local_cloud.fly.validate import check_config

Machine = dict[str, Any]
GONE = "destroyed"
RESTING = ("created", "stopped", "suspended", "failed")
YES = ("true", "1")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
HOST_SILENT = "deadline_exceeded: the host of machine {id} does not answer; it can only be destroyed with force"


class Machines:
    """Handlers; every one looks the machine up first and honours its lease."""

    def __init__(self, cloud: Cloud, runner: Runner) -> None:
        self.cloud = cloud
        self.runner = runner
        self.capacity = Capacity(cloud)

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
        """The machine of the path; for a moment after it was made there is none, and some time after its end."""
        app = self.app(request)
        found = self.cloud.store.get("machine", request.match_info["machine"])
        switches, at = self.cloud.settings.switches, milliseconds()
        if (
            found is None
            or found["app"] != app["name"]
            or at - found["born"] < switches.fresh_404_seconds * 1000
            or (found["state"] == GONE and at - found.get("destroyed", at) > switches.destroyed_seconds * 1000)
        ):
            raise fly_error(404, f"machine not found: {request.match_info['machine']}")
        return found

    def held(self, request: web.Request, silent_host: bool = False) -> Machine:
        """The machine of the path, if the caller may change it. silent_host: also one whose host does not answer."""
        found = self.machine(request)
        if found["state"] in (GONE, "destroying"):
            raise fly_error(404, f"machine not found: {found['id']} is {found['state']}")
        if found["host_status"] != "ok" and not silent_host:
            raise fly_error(408, HOST_SILENT.format(**found))
        try:
            leases.check(found.get("lease"), request.headers.get("fly-machine-lease-nonce"))
        except leases.Held as problem:
            raise fly_error(409, str(problem)) from None
        return found

    def show(self, machine: Machine, request: web.Request | None = None) -> dict[str, Any]:
        """As the API gives it."""
        with_lease = bool(request and request.query.get("include_leases") in YES)
        noise = self.cloud.settings.switches.wire_noise
        return view.shown(machine, self.runner.checks(machine["id"]), noise=noise, with_lease=with_lease)

    async def create(self, request: web.Request) -> web.Response:
        app, body = self.app(request), await json_body(request)
        config, region = _config(body), body.get("region") or "ewr"
        check_config(config, region)
        name = body.get("name") or f"{random.token_hex(3)}-{random.token_hex(3)}"
        if not NAME.match(name):
            raise refuse(f"name {name} is not valid")
        if any(other["name"] == name for other in self.of_app(app["name"])):
            raise fly_error(
                409, f"already_exists: unique machine name violation, machine with name {name} already exists"
            )
        self.attachable(app["name"], config, region, None)
        secrets_at_least(app, body)
        self.capacity.check_create(region, bool(config.get("mounts")))
        machine = self.new(app["name"], name, region, config, body)
        self.runner.save(machine)
        self.remember(machine)
        self.attach(machine)
        rests = machine["rests"]
        start = self.runner.become(machine["id"], "stopped", "launch") if rests else self.runner.launch(machine["id"])
        self.cloud.spawn(start)
        self.cloud.store.put("app", app["name"], {**app, "status": "deployed"})
        return web.json_response(self.with_nonce(machine, machine["lease"]))

    def new(self, app: str, name: str, region: str, config: dict[str, Any], body: dict[str, Any]) -> Machine:
        """A machine that was just asked for."""
        instance = ulid()
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
            "rests": bool(body.get("skip_launch") or config.get("schedule")),
            "skip_secrets": bool(body.get("skip_secrets")),
            "lease": lease_with(body, None, None, instance),
        }
        note(machine, "launch", "created", "user", {})
        return machine

    def with_nonce(self, machine: Machine, lease: dict[str, Any] | None) -> dict[str, Any]:
        """The machine, with the nonce of the lease that this very call has taken."""
        return {**self.show(machine), **({"nonce": lease["nonce"]} if lease else {})}

    def attachable(self, app: str, config: dict[str, Any], region: str, machine: str | None) -> None:
        """Raise unless every mounted volume is there, in the region, and free."""
        for mount in config.get("mounts") or []:
            volume = self.cloud.store.get("volume", mount["volume"])
            if volume is None or volume["app"] != app or volume["state"] not in ("created", "hydrating"):
                raise refuse(f"volume {mount['volume']} does not exist")
            if volume["region"] != region:
                raise refuse(f"volume {volume['id']} is in region {volume['region']}, not {region}")
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
        machine = self.machine(request)
        version = request.query.get("version") or request.query.get("instance_id")
        if version and version != machine["instance_id"]:
            old = self.cloud.store.get("version", f"{machine['id']}/{version}")
            if old is None:
                raise fly_error(404, f"machine not found: {machine['id']} has no version {version}")
            machine = {**machine, "instance_id": version, "config": old["user_config"], "state": "replaced"}
        return web.json_response(self.show(machine, request))

    async def update(self, request: web.Request) -> web.Response:
        machine, body = self.held(request), await json_body(request)
        config = _config(body)
        check_config(config, machine["region"])
        expected = body.get("current_version")
        if expected and expected != machine["instance_id"]:
            raise fly_error(412, f"failed_precondition: current version is {machine['instance_id']}, not {expected}")
        mounted = [mount["volume"] for mount in machine["config"].get("mounts") or []]
        if [mount["volume"] for mount in config.get("mounts") or []] != mounted:
            raise refuse("can't change the volume of an existing machine")
        secrets_at_least(self.app(request), body)
        self.capacity.check_update(machine, config)
        before, instance = machine["state"], ulid()
        asleep = before in ("stopped", "suspended", "created") and bool(body.get("skip_launch"))
        lease = lease_with(body, machine.get("lease"), request.headers.get("fly-machine-lease-nonce"), instance)
        machine.update(config=config, instance_id=instance, image={}, skip_secrets=bool(body.get("skip_secrets")))
        machine.update(state="stopped" if asleep else "replacing", restarts=[], rests=asleep)
        if body.get("skip_service_registration") is not None:
            machine["cordoned"] = bool(body["skip_service_registration"])
        if lease:
            machine["lease"] = lease
        note(machine, "update", machine["state"], "user", {})
        self.runner.save(machine)
        self.remember(machine)
        if not asleep:
            self.cloud.spawn(self.runner.replace(machine["id"]))
        elif before == "suspended":
            self.cloud.spawn(self.runner.stop(machine["id"]))  # its frozen memory is of the old version
        return web.json_response(self.with_nonce(machine, lease))

    async def delete(self, request: web.Request) -> web.Response:
        force = any(request.query.get(key) in YES for key in ("force", "kill"))
        machine = self.held(request, silent_host=force)
        if machine["state"] not in RESTING and not force:
            raise fly_error(
                412, f"failed_precondition: unable to destroy machine, not currently stopped: {machine['state']}"
            )
        await self.runner.destroy(machine["id"])
        return web.json_response({"ok": True})


def _config(body: dict[str, Any]) -> dict[str, Any]:
    """The config of a request; the types of all else are right."""
    schema.check(body, schema.BODY)
    return body.get("config") or {}


def lease_with(body: dict[str, Any], lease: Any, nonce: str | None, version: str) -> dict[str, Any] | None:
    """The lease that a create or update takes along, if it asks for one."""
    ttl = body.get("lease_ttl") or 0
    if ttl < 0:
        raise refuse("lease_ttl must be 0 or more seconds")
    return leases.acquire(lease, nonce, ttl, "", version) if ttl else None


def secrets_at_least(app: dict[str, Any], body: dict[str, Any]) -> None:
    """Raise unless the app's secrets are as new as ``min_secrets_version`` wants them."""
    wanted = body.get("min_secrets_version") or 0
    if wanted > int(app["secrets_version"]):
        raise fly_error(
            412, f"failed_precondition: secrets version {wanted} is not there; it is {app['secrets_version']}"
        )


async def json_body(request: web.Request) -> dict[str, Any]:
    """The body as an object, or a 400."""
    try:
        body = await request.json()
    except ValueError:
        raise refuse("the body is no JSON") from None
    if not isinstance(body, dict):
        raise refuse("the body is no object")
    return body
