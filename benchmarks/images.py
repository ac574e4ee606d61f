"""Figures of the image builder: what an unchanged image costs, and a change of the source alone.

The module is called as the worker of Ansible calls it; a local cloud has the registry. Both images of the product are
measured, from a copy of their sources; the slower one counts.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import ROOT, Instance

sys.path.insert(0, str(ROOT / "collections"))
Row = tuple[str, float, float]
PARTS = {"agents": "engine", "dashboard": "dashboard"}


@contextmanager
def products(cloud: Instance) -> Iterator[dict[str, dict[str, Any]]]:
    """Options of the module for each image, with a copy of the product as source; the images are there."""
    cloud.playbook("playbooks/local_cloud.yml")
    with tempfile.TemporaryDirectory() as copy:
        source = Path(copy) / "supercog"
        shutil.copytree(ROOT / "examples" / "supercog", source)
        found = {name: _options(cloud, name, source / part, source) for name, part in PARTS.items()}
        for options in found.values():
            seconds(options)
        yield found


def _options(cloud: Instance, name: str, source: Path, product: Path) -> dict[str, Any]:
    app = f"bench-{name}"
    apps = cloud.call(1, "GET", "/v1/apps?org_slug=personal", "fly")["apps"]
    if app not in [found["name"] for found in apps]:
        cloud.call(1, "POST", "/v1/apps", "fly", {"name": app, "org_slug": "personal"})
    folder = Path(sys.executable).parent
    return {
        "repository": f"localhost:{cloud.port + 4}/{app}",
        "source": str(source),
        "contexts": {"shared": str(product / "shared")},
        "files": {"caddy": str(folder / "caddy")} if name == "dashboard" else {},
        "base_image": (ROOT / ".cache" / "base-image").read_text().strip(),
        "build_secrets": {"ca": _ca_bundle()},
        "registry_password": cloud.token("fly"),
        "poetry": str(folder / "poetry"),
    }


def _ca_bundle() -> str:
    """As group_vars/local/main.yml finds it."""
    places = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    return next((place for place in places if Path(place).is_file()), "")


def seconds(options: dict[str, Any], changes: bool | None = None) -> float:
    """Wall time of the module; whether it built is checked if that is said."""
    from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
    from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
    from ansible_collections.opsmap.cloud.plugins.modules import container_image

    start = time.monotonic()
    checked = ModuleArgumentSpecValidator(container_image.SPEC["argument_spec"]).validate(options)
    result = container_image.run(checked.validated_parameters, Context())
    took = time.monotonic() - start
    assert changes is None or result["changed"] is changes, result["plan"]
    return took


def noop(cloud: Instance) -> list[Row]:
    """Medians of nine runs with nothing changed."""
    with products(cloud) as found:
        medians = {
            name: statistics.median(seconds(options, changes=False) for _ in range(9))
            for name, options in found.items()
        }
    for name, took in medians.items():
        print(f"unchanged image of {name:10}{took:7.3f} s")
    return [("image_noop_seconds", max(medians.values()), 0.3)]


def source_change(cloud: Instance) -> list[Row]:
    """Medians of three builds and pushes, each after a change of one source file."""
    with products(cloud) as found:
        medians = {name: statistics.median(_changed(options) for _ in range(3)) for name, options in found.items()}
    for name, took in medians.items():
        print(f"changed source of {name:10}{took:8.2f} s, pushed")
    return [("image_source_change_seconds", max(medians.values()), 10.0)]


def _changed(options: dict[str, Any]) -> float:
    file = next(path for path in sorted(Path(options["source"]).glob("supercog_*/*.py")) if path.stem == "settings")
    file.write_text(f"{file.read_text()}\n# {time.time_ns()}\n")
    return seconds(options, changes=True)
