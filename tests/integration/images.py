"""What the tests of images share: calling the module, looking at every byte of an image."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.modules import container_image

from tests.support import ROOT, run

BASE = (ROOT / ".cache" / "base-image").read_text().strip()
FOLDER = Path(sys.executable).parent


@dataclass
class Built:
    """A run of the module: its result, and what it said while it ran."""

    result: dict[str, Any]
    said: list[str] = field(default_factory=list)

    @property
    def resource(self) -> dict[str, Any]:
        found: dict[str, Any] = self.result["resource"]
        return found

    @property
    def name(self) -> str:
        return f"{self.resource['repository']}:{self.resource['tag']}"


def build(check_mode: bool = False, report: Callable[[str], None] = lambda text: None, **given: Any) -> Built:
    """Run the module as the worker does; CloudError if it fails. ``report`` hears its progress."""
    options = {"base_image": BASE, "poetry": str(FOLDER / "poetry"), "uv": str(FOLDER / "uv"), **given}
    checked = ModuleArgumentSpecValidator(container_image.SPEC["argument_spec"]).validate(options)
    assert not checked.error_messages, checked.error_messages
    said: list[str] = []
    context = Context(check_mode=check_mode, report=lambda text: (said.append(text), report(text))[1])
    return Built(container_image.run(checked.validated_parameters, context), said)


def inspect(name: str) -> dict[str, Any]:
    """The engine's description of an image."""
    found: dict[str, Any] = json.loads(run("docker", "image", "inspect", name).stdout)[0]
    return found


def contents(name: str) -> dict[str, bytes]:
    """Every file of every layer, the config and the history of an image, by where it is; packed files unpacked."""
    saved = subprocess.run(["docker", "save", name], capture_output=True, check=True).stdout
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(saved)) as image:
        for member in image:
            file = image.extractfile(member) if member.isfile() else None
            if file and member.name.endswith(".tar"):
                with tarfile.open(fileobj=file) as layer:
                    for inner in layer:
                        content = layer.extractfile(inner) if inner.isfile() else None
                        text = content.read() if content else b""
                        found[f"{member.name}/{inner.name}"] = unpacked(text) + inner.linkname.encode()
            elif file:
                found[member.name] = file.read()
    return found


def unpacked(content: bytes) -> bytes:
    """Content as it is, or of a gzip file."""
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except OSError:  # looks like gzip and is not: then its bytes are what is searched
        return content
