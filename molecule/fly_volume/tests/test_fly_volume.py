from __future__ import annotations

from typing import Any


def test_the_pool_is_there(deployed: Any) -> None:
    volumes = deployed.fly("/v1/apps/supercog-agents-local/volumes")
    assert [(v["name"], v["region"], v["size_gb"], v["encrypted"]) for v in volumes] == [("storage", "ewr", 1, True)]
