# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret may be in an image: what is refused before a build, and what is looked for after it."""

from __future__ import annotations

import tarfile
import zlib
from typing import IO, Any
from urllib.parse import quote

from ansible_collections.opsmap.cloud.plugins.module_utils._docker import Engine
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option

CHUNK = 2**20
SHORTEST = 6  # characters of a secret that can be told from other text
WORDS = {"token", "password", "passwd", "secret", "credential", "credentials", "apikey", "passphrase"}
PAIRS = ("api_key", "private_key", "access_key", "secret_key")


def check(params: dict[str, Any]) -> None:
    """Refuse secrets where everybody who has the image could read them."""
    hint = "give it in secret_values and use RUN --mount=type=secret,id=NAME in the Dockerfile"
    hidden = {name: value for name, value in params["secret_values"].items() if value}
    for name, value in hidden.items():
        if not isinstance(value, str) or len(value) < SHORTEST:
            problem = f"the value of {name} is too short to be told from other text"
            raise bad_option("secret_values", problem, f"use {SHORTEST} characters or more")
        if name in params["build_secrets"]:
            raise bad_option("secret_values", f"{name} is in build_secrets too", "give it once")
    for option in ("build_args", "labels"):
        for name, value in params[option].items():
            words = name.lower().replace("-", "_").replace(".", "_")
            if option == "build_args" and (WORDS & set(words.split("_")) or any(pair in words for pair in PAIRS)):
                raise bad_option(option, f"{name} would stay in the image's history", hint)
            if any(secret in str(value) for secret in [*hidden.values(), params["registry_password"] or ""] if secret):
                raise bad_option(option, f"{name} holds a secret, which would stay in the image", hint)


def seal(engine: Engine, name: str, secrets: dict[str, str]) -> None:
    """Search every layer, the history and the config for secrets; an image that holds one is removed again."""
    wanted = {key: value.encode() for key, value in secrets.items() if value}
    found = _found(engine, name, wanted) if wanted else set()
    if found:
        engine.remove(name, steps=True)
        hint = "mount it for one instruction (RUN --mount=type=secret) and write it to no file that stays"
        problem = f"the secret {', '.join(sorted(found))} got into the image, which is removed again"
        raise CloudError(problem, "docker", f"build {name}", code="refused", hint=hint)


def _found(engine: Engine, name: str, secrets: dict[str, bytes]) -> set[str]:
    """The secrets that are somewhere in an image as the engine would give it away."""
    found: set[str] = set()
    where = f"/images/{quote(name, safe=':/')}/get"
    with engine.answer("GET", where) as answer, tarfile.open(fileobj=answer, mode="r|") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file:
                _search(file, secrets, found)
    return found


def _search(file: IO[bytes], secrets: dict[str, bytes], found: set[str]) -> None:
    """Look for each secret in a file, packed or not."""
    longest = max(map(len, secrets.values()))
    before, unpack = b"", None
    while chunk := file.read(CHUNK):
        if not before and chunk[:2] == b"\x1f\x8b":
            unpack = zlib.decompressobj(31)
        text = before + (unpack.decompress(chunk) if unpack else chunk)
        found |= {key for key, secret in secrets.items() if secret in text}
        before = text[-longest:]
