"""Every Molecule scenario, on an instance of its own that they share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import ROOT, Instance, run

SCENARIOS = sorted(
    path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml") if path.parent.name != "default"
)


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[None]:
    """Made by the first scenario, removed at the end; what a run that was cut off left behind goes first."""
    run("molecule", "reset", "-s", "default")
    Instance("molecule").playbook("playbooks/down.yml", "-e", "confirm=yes")
    yield
    run("molecule", "destroy", "-s", "default")
    assert Instance("molecule").containers() == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    run("molecule", "test", "-s", scenario, "--destroy", "never")
