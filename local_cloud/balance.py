"""Which machine gets a request: limits, queue, autostart, autostop (reference fly 3.4)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.fly import Fly
from local_cloud.fly.leases import alive
from local_cloud.routes import Place, Routes

QUEUE_SECONDS = 8.0  # how long a request waits for a machine that is full, unreachable or not yet checked
START_SECONDS = 30.0  # how long it waits for a machine that starts
LOOK_SECONDS = 0.02
AVOID_SECONDS = 0.25  # a machine that refused a request is not asked again for so long, by this request
ASLEEP = ("stopped", "suspended")
COMING = ("starting", "replacing", "restarting", "updating")
Machine = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """Which machine a client or another machine asks for."""

    instance: str = ""
    region: str = ""
    prefer_instance: str = ""
    prefer_region: str = ""
    elsewhere_than: str = ""

    def allows(self, machine: Machine) -> bool:
        """Whether it may be this one."""
        return (
            self.instance in ("", machine["id"])
            and self.region in ("", machine["region"])
            and self.elsewhere_than != machine["id"]
        )

    def rank(self, machine: Machine) -> int:
        """Lower is nearer to what is preferred."""
        return (self.prefer_instance not in ("", machine["id"])) * 2 + (
            self.prefer_region not in ("", machine["region"])
        )


@dataclass
class Search:
    """One request's search for a machine, over all attempts."""

    app: str
    port: int
    wish: Wish = Wish()
    avoided: dict[str, float] = field(default_factory=dict)
    resets: int = 0
    began: float = 0.0

    def avoid(self, place: Place) -> None:
        """Do not ask it again for a moment."""
        self.avoided[place.id] = _now() + AVOID_SECONDS


class Balancer:
    """Counts what is under way and chooses by it."""

    def __init__(self, cloud: Cloud, fly: Fly) -> None:
        self.cloud = cloud
        self.fly = fly
        self.routes = Routes(cloud)
        self.load: dict[str, int] = {}
        self.used: dict[str, float] = {}
        self.waiting: dict[str, int] = {}
        self.waking: set[str] = set()

    async def acquire(self, search: Search) -> Place | None:
        """A machine, waiting for one if that helps; None if not. ``release`` it afterwards."""
        search.began = search.began or _now()
        self.waiting[search.app] = self.waiting.get(search.app, 0) + 1
        try:
            while True:
                place = self.choose(search)
                if place:
                    return place
                if _now() > search.began + self.patience(search):
                    return None
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self.waiting[search.app] -= 1

    def choose(self, search: Search) -> Place | None:
        """The least busy machine that may be asked and has room."""
        now = _now()
        able = [
            place
            for place in self.wanted(search)
            if self.takes(place) and search.avoided.get(place.id, 0.0) <= now and self.busy(place) < place.limit("hard")
        ]
        if not able:
            return None
        best = min(able, key=self._order(search.wish))
        if self.busy(best) >= best.limit("soft"):
            self.wake(search)
        self.load[best.id] = self.busy(best) + 1
        self.used[best.id] = now
        return best

    def _order(self, wish: Wish) -> Any:
        def order(place: Place) -> tuple[Any, ...]:
            busy = self.busy(place)
            return wish.rank(place.machine), busy >= place.limit("soft"), busy, self.used.get(place.id, 0.0)

        return order

    def release(self, place: Place) -> None:
        """The request or connection is over."""
        self.load[place.id] = max(0, self.busy(place) - 1)
        self.used[place.id] = _now()

    def busy(self, place: Place) -> int:
        """Requests or connections under way."""
        return self.load.get(place.id, 0)

    def wanted(self, search: Search) -> Iterator[Place]:
        """Places on the port that the client's wish allows."""
        return (place for place in self.routes.places(search.app, search.port) if search.wish.allows(place.machine))

    def takes(self, place: Place) -> bool:
        """Whether new requests may go there."""
        return self._stands(place) and self._healthy(place) is True

    def _stands(self, place: Place) -> bool:
        machine = place.machine
        up = machine["state"] == "started" and machine["host_status"] == "ok" and bool(machine.get("ip4"))
        return up and not machine["cordoned"]

    def _healthy(self, place: Place) -> bool | None:
        """None: not all of its checks have a result yet. One that passes early says nothing of the others."""
        inside, checks = place.service["internal_port"], place.service.get("checks") or []
        expected = sum((check.get("port") or inside) == inside for check in checks)
        name = re.compile(rf"servicecheck-\d+-\w+-{inside}(-\d+)?$")
        statuses = [item["status"] for item in self.fly.runner.checks(place.id) if name.match(item["name"])]
        if expected and "critical" in statuses:
            return False
        return True if len(statuses) >= expected else None

    def patience(self, search: Search) -> float:
        """Seconds that it is worth to wait, from the request's beginning."""
        if self.wake(search):
            return START_SECONDS
        for place in self.wanted(search):
            if not place.machine["cordoned"] and place.machine["state"] in COMING:
                return START_SECONDS
            if self._stands(place) and self._healthy(place) is None:
                return START_SECONDS
        return QUEUE_SECONDS if any(self.takes(place) for place in self.wanted(search)) else 0.0

    def wake(self, search: Search) -> bool:
        """Start a sleeping machine if its service asks for it; whether one is on its way."""
        places = [p for p in self.wanted(search) if not p.machine["cordoned"] and p.machine["host_status"] == "ok"]
        if any(place.machine["state"] == "starting" or place.id in self.waking for place in places):
            return True
        asleep = [p for p in places if p.machine["state"] in ASLEEP and p.service.get("autostart")]
        if not asleep:
            return False
        chosen = min(asleep, key=lambda place: search.wish.rank(place.machine))
        self.waking.add(chosen.id)
        self.cloud.spawn(self._launch(chosen.id))
        return True

    async def _launch(self, machine: str) -> None:
        try:
            await self.fly.runner.launch(machine)
        finally:
            self.waking.discard(machine)

    # Autostop

    async def keep(self) -> None:
        """Put idle machines to sleep, one per region and pass."""
        last = _now()
        while True:
            await asyncio.sleep(0.2)
            period = self.cloud.settings.switches.autostop_seconds
            if _now() - last >= period:
                last = _now()
                for app in self.routes.apps():
                    for place in self.excess(app, period):
                        await self._sleep(place)

    def excess(self, app: str, period: float) -> list[Place]:
        """Machines that are too many now: at most one of each region."""
        regions: dict[str, dict[str, Place]] = {}
        for machine in self.routes.machines(app):
            for service in machine["config"].get("services") or []:
                place = Place(machine, service, {})
                if place.sleeps and self._stands(place):
                    regions.setdefault(machine["region"], {}).setdefault(machine["id"], place)
        found = (self._idlest(region, list(places.values()), period) for region, places in regions.items())
        return [place for place in found if place and not self.waiting.get(app)]

    def _idlest(self, region: str, places: list[Place], period: float) -> Place | None:
        over = sum(self.busy(place) >= place.limit("soft") for place in places)
        least = max((_minimum(place, region) for place in places), default=0)
        idle = [place for place in places if not alive(place.machine.get("lease")) and self._quiet(place, period)]
        too_many = len(places) - (over + 1) > 0 if len(places) > 1 else True
        return min(idle, key=self.busy) if idle and too_many and len(places) > least else None

    def _quiet(self, place: Place, period: float) -> bool:
        since = self.used.setdefault(place.id, _now())  # what was never asked counts from when it was seen first
        return self.busy(place) == 0 and _now() - since >= period

    async def _sleep(self, place: Place) -> None:
        runner, suspend = self.fly.runner, place.sleeps == "suspended"
        moving, event = ("suspending", "suspend") if suspend else ("stopping", "stop")
        await runner.become(place.id, moving, event, "proxy")
        self.used.pop(place.id, None)
        self.cloud.spawn(runner.stop(place.id, place.sleeps))


def _minimum(place: Place, region: str) -> int:
    """min_machines_running counts in the primary region only."""
    primary = (place.machine["config"].get("env") or {}).get("PRIMARY_REGION")
    return int(place.service.get("min_machines_running") or 0) if primary in (None, region) else 0


def _now() -> float:
    return asyncio.get_running_loop().time()
