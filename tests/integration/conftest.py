"""Instances that test modules share: one for Fly's proxy with a small image, one for DigitalOcean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.edge_app import App, Edge, names
from tests.ocean import Ocean
from tests.support import Instance

TEST = Instance("flyedge")
NAMES = names("edge")


@pytest.fixture(scope="session")
def edge() -> Iterator[Edge]:
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("playbooks/local_cloud.yml")
    yield Edge(TEST)
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(scope="session")
def ocean() -> Iterator[Ocean]:
    test = Instance("ocean")
    test.playbook("playbooks/down.yml", "-e", "confirm=yes")
    test.playbook("playbooks/local_cloud.yml")
    found = Ocean(test)
    found.control("PUT", "/settings", {"provisioning_seconds": 0.2, "backup_seconds": 0.2})
    yield found
    test.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(scope="session")
def image(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> str:
    return edge.image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def new_app(edge: Edge, image: str) -> Iterator[Callable[..., App]]:
    """Makes apps with addresses; they are gone afterwards, and switches as they were."""
    before: dict[str, Any] = edge.control("GET", "/settings")
    made: list[App] = []

    def make(*addresses: str) -> App:
        made.append(App(edge, next(NAMES), image, *addresses))
        return made[-1]

    yield make
    edge.control("PUT", "/settings", before)
    for app in made:
        if edge.api.get(app.path).status_code == 200:
            app.remove()


@pytest.fixture
def app(new_app: Callable[..., App]) -> App:
    """With public addresses, the shared one and its own."""
    return new_app("shared_v4", "v4", "v6")
