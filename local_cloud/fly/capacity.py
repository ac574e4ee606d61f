"""Room on hosts: limits that the control API sets, the errors of full regions, and placements (reference fly 1.4, 2.6)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from local_cloud.cloud import Cloud
from local_cloud.fly.errors import fly_error, refuse
from local_cloud.fly.platform import REGIONS, guest_of

FORMS = (409, 412, 422)
NO_ROOM = "insufficient resources to create new machine"
NO_MEMORY = "aborted: could not reserve resource for machine: insufficient memory available to fulfill request"


class Capacity:
    """How many machines each region holds; without a limit as many as are asked for."""

    def __init__(self, cloud: Cloud) -> None:
        self.store = cloud.store

    def set(self, region: str, machines: int | None, form: int) -> None:
        """At most so many machines, of all apps together; None takes the limit away. form: status of a failed create."""
        if region not in REGIONS:
            raise ValueError(f"region {region} not found")
        if form not in FORMS:
            raise ValueError(f"status must be one of {', '.join(map(str, FORMS))}")
        if machines is None:
            self.store.delete("capacity", region)
            return
        if isinstance(machines, bool) or not isinstance(machines, int) or machines < 0:
            raise ValueError("machines must be a number, 0 or more, or null")
        self.store.put("capacity", region, {"region": region, "machines": machines, "form": form})

    def listed(self) -> list[dict[str, Any]]:
        """The limits that are set."""
        return self.store.list("capacity")

    def left(self, region: str) -> int | None:
        """How many more machines fit; negative when there are too many already, None without a limit."""
        limit = self.store.get("capacity", region)
        if limit is None:
            return None
        there = [m for m in self.store.list("machine") if m["region"] == region and m["state"] != "destroyed"]
        return int(limit["machines"]) - len(there)

    def check_create(self, region: str, mounted: bool) -> None:
        """Raise if the region is full."""
        left = self.left(region)
        if left is None or left > 0:
            return
        if mounted:
            raise fly_error(412, f"{NO_ROOM} with existing volume", "volume_placement_capacity")
        form = int((self.store.get("capacity", region) or {}).get("form", 409))
        raise fly_error(form, f"{NO_ROOM} in region {region}", "insufficient_capacity")

    def check_update(self, machine: dict[str, Any], config: dict[str, Any]) -> None:
        """Raise if the region holds too many machines, or is full and this one would grow."""
        left = self.left(machine["region"])
        before, after = guest_of(machine["config"]), guest_of(config)
        grows = after[1] > before[1] or after[2] > before[2]
        if left is not None and (left < 0 or (left == 0 and grows)):
            raise fly_error(409, NO_MEMORY, "insufficient_capacity")

    async def place(self, request: web.Request) -> web.Response:
        """POST /platform/placements, the simple form: machines spread over the regions that have room."""
        body = await request.json() if request.body_exists else {}
        if not isinstance(body, dict) or not body.get("org_slug"):
            raise refuse("org_slug is required")
        text, count = str(body.get("region") or "any"), body.get("count") or 1
        regions = list(REGIONS) if text == "any" else [item.strip() for item in text.split(",")]
        for region in regions:
            if region not in REGIONS and region != "eu":
                raise refuse(f"region {region} not found")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1000:
            raise refuse("count must be between 1 and 1000")
        regions = [one for region in regions for one in (EUROPE if region == "eu" else [region])]
        placed = spread(count, {region: self.left(region) for region in regions})
        found = [{"region": region, "count": number, "concurrency": number} for region, number in placed.items()]
        if sum(placed.values()) < count:
            raise fly_error(422, "no region has room for so many machines", "insufficient_capacity")
        return web.json_response({"regions": found})


EUROPE = ["ams", "arn", "cdg", "fra", "lhr"]


def spread(count: int, room: dict[str, int | None]) -> dict[str, int]:
    """How many of ``count`` each region gets, evenly as far as there is room."""
    placed = dict.fromkeys(room, 0)
    for _ in range(count):
        fits = [region for region, left in room.items() if left is None or placed[region] < left]
        if not fits:
            break
        placed[min(fits, key=lambda region: placed[region])] += 1
    return {region: number for region, number in placed.items() if number}
