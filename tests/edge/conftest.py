"""The front door of these tests, with a listener in the place of each service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.edge.front import HERE, Front, Service, opened
from tests.edge.world import World, entered

MACHINES = ("fdaa::a1", "fdaa::a2", "fdaa::a3")
TRIGGERS, PREVIEW, LAPTOP = "fdaa::b1", "fdaa::c1", "fdaa::d1"
DOOR, NEIGHBOUR = "fdaa::e1", "fdaa::e2"
FLY_PROXY, STRANGER = "172.16.0.9", "203.0.113.50"


@dataclass
class House:
    """A world with a front door and what is behind it."""

    world: World
    front: Front
    agents: list[Service]
    api: Service
    triggers: Service
    peers: list[Service]

    @property
    def services(self) -> list[Service]:
        return [*self.agents, self.api, self.triggers, *self.peers]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with entered() as world, opened(world, tmp_path_factory.mktemp("front")) as front:
        known = front.values
        world.place(known["caddy_config_agents_host"], *MACHINES)
        world.place(known["caddy_config_triggersvc_host"], TRIGGERS)
        world.place("preview.internal", PREVIEW)
        world.place("alice-laptop._peer.internal", LAPTOP)
        world.place("door", DOOR, NEIGHBOUR)
        made = House(
            world,
            front,
            [Service(f"agents {name}", name, known["caddy_config_agents_port"]) for name in MACHINES],
            Service("api", HERE, int(known["caddy_config_api_upstream"].partition(":")[2])),
            Service("triggersvc", TRIGGERS, known["caddy_config_triggersvc_port"]),
            [Service("preview", PREVIEW, known["caddy_config_agents_port"]), Service("alice", LAPTOP, 9000)],
        )
        yield made
        for service in made.services:
            service.end()
