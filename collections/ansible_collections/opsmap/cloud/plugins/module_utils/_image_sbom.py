# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of an image, as CycloneDX: locked Python packages, the distribution's packages, added files."""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

TYPE = "application/vnd.cyclonedx+json"
SPACE = uuid.UUID("5ed5f1d4-2f3c-5b0e-9c8e-0d7b6a4c1e21")  # any fixed one: the same image gets the same number
DPKG = "/var/lib/dpkg/status"
RELEASE = "/usr/lib/os-release"


def document(
    name: str,
    inputs: str,
    python: list[tuple[str, str, list[str]]],
    dpkg: bytes | None,
    release: bytes | None,
    files: list[tuple[str, Path]],
    bases: dict[str, str],
) -> dict[str, Any]:
    """The document. It has no date, so that it is the same for the same image."""
    components = [*_python(python), *_debian(_text(dpkg), _text(release)), *_files(files)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, f'{name} {inputs}')}",
        "version": 1,
        "metadata": {
            "component": {"type": "container", "bom-ref": "image", "name": name, "version": f"inputs-{inputs}"},
            "properties": [{"name": f"opsmap:base:{image}", "value": known} for image, known in sorted(bases.items())],
        },
        "components": components,
    }


def _python(packages: list[tuple[str, str, list[str]]]) -> Iterator[dict[str, Any]]:
    for name, version, hashes in packages:
        package = f"pkg:pypi/{quote(name)}@{quote(version)}"
        found = {"type": "library", "bom-ref": package, "name": name, "version": version, "purl": package}
        # A lock lists the hash of every file of a release; the one that was installed is among them.
        listed = [{"alg": "SHA-256", "content": value} for value in hashes]
        yield found | ({"hashes": listed} if listed else {})


def _debian(status: str, release: str) -> Iterator[dict[str, Any]]:
    known = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    distribution = known.get("ID", "debian").strip('"')
    for block in sorted(status.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(" "))
        if "installed" not in fields.get("Status", "").split():
            continue
        name, version = fields["Package"], fields["Version"]
        package = f"pkg:deb/{distribution}/{quote(name)}@{quote(version)}?arch={fields.get('Architecture', 'all')}"
        yield {"type": "library", "bom-ref": package, "name": name, "version": version, "purl": package}


def _files(files: list[tuple[str, Path]]) -> Iterator[dict[str, Any]]:
    for name, path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }


def _text(archive: bytes | None) -> str:
    """The one file of a tar, as the engine gives it."""
    if not archive:
        return ""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file:
                return file.read().decode(errors="replace")
    return ""
