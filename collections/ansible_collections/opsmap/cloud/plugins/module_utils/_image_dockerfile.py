# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a Dockerfile: which images it starts from; and writing it anew for a builder that has no mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option

MOUNT = re.compile(r"--mount=(\S+)\s*")


@dataclass
class Instruction:
    """One instruction, its continued lines joined. ``stage``: number of the stage, -1 before the first."""

    word: str
    rest: str
    stage: int


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction in order."""
    stage, joined = -1, ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or (joined and not line.strip()):
            continue
        joined += line.strip() + " "
        if line.rstrip().endswith("\\"):
            joined = joined.rstrip()[:-1]
            continue
        word, _dummy, rest = joined.strip().partition(" ")
        joined = ""
        if word:
            stage += word.upper() == "FROM"
            yield Instruction(word.upper(), rest.strip(), stage)


@dataclass
class Stages:
    """The names of the stages, and the images that come from outside."""

    names: set[str] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    count: int = 0


def stages(text: str, arguments: Mapping[str, str]) -> Stages:
    """Which images a Dockerfile needs, its arguments filled in."""
    found, values = Stages(), {}
    for step in instructions(text):
        if step.word == "ARG" and step.stage < 0:
            name, _dummy, default = step.rest.partition("=")
            values[name] = str(arguments.get(name, default.strip("\"'")))
        elif step.word == "FROM":
            words = [word for word in step.rest.split() if not word.startswith("--")]
            _outside(found, filled(words[0], values) if words else "")
            found.names.add(str(found.count))
            found.names |= {words[2].lower()} if len(words) > 2 else set()
            found.count += 1
        elif step.word in ("COPY", "ADD", "RUN"):
            for image in re.findall(r"--from=(\S+)|--mount=\S*\bfrom=([^,\s]+)", step.rest):
                _outside(found, image[0] or image[1])
    return found


def _outside(found: Stages, image: str) -> None:
    if image and image != "scratch" and image.lower() not in found.names:
        found.images.add(image)


def filled(text: str, values: Mapping[str, str]) -> str:
    """``$NAME``, ``${NAME}`` and ``${NAME:-default}`` replaced."""

    def value(match: re.Match[str]) -> str:
        return values.get(match["plain"] or match["name"]) or match["default"] or ""

    return re.sub(r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})", value, text)


def without_mounts(text: str, secrets: set[str], image: str) -> str:
    """The same Dockerfile for the legacy builder.

    Cache mounts go: they save time and change nothing. A secret mount becomes a copy of the file out of ``image``, which
    is there for one instruction of an earlier stage; the last stage is what is published, so there it is refused.
    """
    lines, last = [], stages(text, {}).count - 1
    for step in instructions(text):
        if step.word != "RUN":
            lines.append(f"{step.word} {step.rest}")
            continue
        command, files = MOUNT.sub("", step.rest), []
        for options in (dict(_pair(part) for part in mount.split(",")) for mount in MOUNT.findall(step.rest)):
            kind = options.get("type", "bind")
            if kind == "secret":
                files += _secret_file(options, secrets, step.stage == last)
            elif kind not in ("cache", "tmpfs"):
                raise bad_option("dockerfile", f"--mount=type={kind} needs BuildKit", "install docker-buildx")
        lines += [f"COPY --from={image} /{name} {target}" for name, target in files]
        lines.append(f"RUN {command}")
        lines += [f"RUN rm -f {target}" for dummy, target in files]
    return "\n".join(lines) + "\n"


def _secret_file(options: dict[str, str], secrets: set[str], published: bool) -> list[tuple[str, str]]:
    name = options.get("id") or options.get("target", "").rpartition("/")[2]
    if name not in secrets:
        return []  # optional, as with BuildKit
    if published:
        problem = f"the secret {name} is used in the last stage, where only BuildKit keeps it out of the image"
        raise bad_option("dockerfile", problem, "use it in an earlier stage, or install docker-buildx")
    return [(name, options.get("target") or options.get("dst") or f"/run/secrets/{name}")]


def _pair(part: str) -> tuple[str, str]:
    key, _dummy, value = part.partition("=")
    return key.strip(), value.strip()
