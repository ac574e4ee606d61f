from __future__ import annotations

from typing import Any

import pytest

from tests.inside import check_finished, listens

APP = """
import fastapi

app = fastapi.FastAPI()
"""
SERVE = ("python", "-m", "supercog_shared.serve", "tiny:app", "--port", "8080")


def test_the_image_is_finished_and_has_no_secrets(deployed: Any) -> None:
    image = deployed.image("supercog-agents-local")
    with deployed.started(image["Id"], APP, "sleep", "60") as host:
        check_finished(image, host)


def test_the_service_is_the_user_without_rights(deployed: Any) -> None:
    """The container starts as root to hand the volume over, and what runs is not root any more."""
    with deployed.started(deployed.image("supercog-agents-local")["Id"], APP, "sleep", "60") as host:
        status = dict(line.split(":\t", 1) for line in host.file("/proc/1/status").content_string.splitlines())
        assert status["Uid"].split() == ["1000"] * 4
        assert int(status["CapEff"], 16) == 0
        assert host.file("/code/storage").user == "app"


def test_uvicorn_listens_on_both_families(deployed: Any) -> None:
    with deployed.started(deployed.image("supercog-agents-local")["Id"], APP, *SERVE) as host:
        assert listens(host, 8080) == {"127.0.0.1": True, "::1": True}


@pytest.mark.parametrize(
    ("given", "both"),
    [("HOST=:: PORT=8090", True), ("HOST=127.0.0.1 PORT=8090", False)],
)
def test_host_and_port_of_the_environment_count(deployed: Any, given: str, both: bool) -> None:
    command = ("sh", "-c", f"{given} exec python -m supercog_shared.serve tiny:app")
    with deployed.started(deployed.image("supercog-agents-local")["Id"], APP, *command) as host:
        assert listens(host, 8090) == {"127.0.0.1": True, "::1": both}


def test_the_bill_of_materials_is_in_the_registry(deployed: Any) -> None:
    tags = deployed.tags("supercog-agents-local")
    assert {tag + ".sbom" for tag in tags if not tag.endswith(".sbom")} <= set(tags)
