"""Lists of machines: of an app, and of an organisation in pages. They may lag behind (reference fly 2.2, 2.6, 5.4)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import web

from local_cloud.fly import view
from local_cloud.fly.attributes import moment
from local_cloud.fly.errors import refuse
from local_cloud.fly.machines import GONE, YES, Machine, Machines

PAGE = 1000
THIN = ("guest", "image", "metadata")


class Listing:
    """Handlers of lists."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.store = machines.cloud.store
        self.history = machines.runner.history

    def seen(self, times: int = 1) -> list[Machine]:
        """All machines as lists show them now, destroyed ones too. times: how often the lag counts."""
        lag = self.machines.cloud.settings.switches.list_lag_seconds * times
        past = (self.history.at(machine, lag) for machine in self.store.list("machine"))
        return [machine for machine in past if machine is not None]

    async def of_app(self, request: web.Request) -> web.Response:
        app = self.machines.app(request)["name"]
        found = [machine for machine in self.seen() if machine["app"] == app and wanted(machine, request)]
        if request.query.get("summary") in YES:
            return web.json_response([view.summary(machine) for machine in found])
        return web.json_response([self.machines.show(machine, request) for machine in found])

    async def of_org(self, request: web.Request) -> web.Response:
        """One page. The limit counts what is looked at, not what is shown: a page may be empty and yet not the last."""
        query, org = request.query, request.match_info["org"]
        apps = {app["name"] for app in self.store.list("app") if app["org"] == org}
        every = sorted((m for m in self.seen(2) if m["app"] in apps), key=_place)
        limit, after = page_size(query.get("limit")), cursor_of(query.get("cursor"))
        left = [machine for machine in every if _place(machine) > after]
        page = left[:limit]
        since = moment(query["updated_after"]) if query.get("updated_after") else None
        shown = [m for m in page if wanted(m, request) and (since is None or moment(m["updated_at"]) > since)]
        last = page[-1] if page else None
        return web.json_response(
            {
                "machines": [self.thin(machine, query.get("summary") in YES) for machine in shown],
                "next_cursor": cursor(last) if last and len(left) > limit else "",
                "last_machine_id": last["id"] if last else "",
                "last_updated_at": last["updated_at"] if last else "",
                "error_regions": [],
            }
        )

    def thin(self, machine: Machine, summary: bool) -> dict[str, Any]:
        """A machine as the organisation's list has it."""
        made = {**view.summary(machine), "app_name": machine["app"], "version": machine["instance_id"]}
        if not summary:
            config = self.machines.show(machine)["config"] or {}
            made["config"] = {key: config[key] for key in THIN if key in config}
        return made


def wanted(machine: Machine, request: web.Request) -> bool:
    """Whether a list that was asked for in this way shows the machine."""
    query = request.query
    states = [state for value in query.getall("state", []) for state in value.split(",") if state]
    if machine["state"] == GONE and query.get("include_deleted") not in YES and GONE not in states:
        return False
    if (states and machine["state"] not in states) or query.get("region") not in (None, "", machine["region"]):
        return False
    metadata = machine["config"].get("metadata") or {}
    asked = [(key.removeprefix("metadata."), value) for key, value in query.items() if key.startswith("metadata.")]
    return all(metadata.get(key) == value for key, value in asked)


def page_size(text: str | None) -> int:
    """The limit of a page; more than the most is the most."""
    if text in (None, ""):
        return PAGE
    if not str(text).isdigit() or int(str(text)) < 1:
        raise refuse("limit must be a number from 1 on")
    return min(PAGE, int(str(text)))


def _place(machine: Machine) -> str:
    return f"{machine['born']:015d}/{machine['id']}"


def cursor(machine: Machine) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(_place(machine).encode()).decode()


def cursor_of(text: str | None) -> str:
    """The place that a cursor stands for."""
    try:
        return base64.b64decode(text or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise refuse("cursor is not valid") from None
