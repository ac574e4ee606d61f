from __future__ import annotations

from typing import Any


def test_the_registry_has_it_without_secrets(deployed: Any) -> None:
    image = deployed.image("supercog-dashboard-local")
    text = str(image["Config"]) + str(image.get("ContainerConfig"))
    assert image["Config"]["Labels"]["dev.opsmap.inputs"]
    assert "BEGIN CERTIFICATE" not in text
    assert "password" not in text.lower()
