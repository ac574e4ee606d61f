"""Several processes in one machine (reference fly 2.7, ``processes``): a shell script that starts and ends them together.

The machine ends when the first process ends, with its code; the others get SIGTERM. The script is a file that only root
can read, because secrets may stand in it. The image needs ``/bin/sh``, and ``su`` if a process has a user.
"""

from __future__ import annotations

import shlex
from typing import Any

PATH = "/.fly/processes.sh"
TAIL = """
finish() { kill -TERM $all 2>/dev/null; wait; exit "$1"; }
trap 'finish 0' TERM INT QUIT HUP
while :; do
  for one in $all; do
    kill -0 "$one" 2>/dev/null && continue
    wait "$one"
    finish "$?"
  done
  sleep 0.1
done
"""


def script(listed: list[dict[str, Any]], image: dict[str, Any], secrets: dict[str, str], facts: dict[str, str]) -> str:
    """The script. image: Docker's config of the image; facts: what ``env_from`` may refer to."""
    lines = ["#!/bin/sh", "all="]
    for number, item in enumerate(listed):
        lines += _one(number, item, image, secrets, facts)
    return "\n".join(lines) + TAIL


def _one(
    number: int, item: dict[str, Any], image: dict[str, Any], secrets: dict[str, str], facts: dict[str, str]
) -> list[str]:
    values = dict(item.get("env") or {})
    for source in item.get("env_from") or []:
        if source["field_ref"] not in facts:
            raise ValueError(f"processes[{number}]: unknown field_ref {source['field_ref']}")
        values[source["env_var"]] = facts[source["field_ref"]]
    for wanted in item.get("secrets") or []:
        name = wanted.get("name") or wanted["env_var"]
        if name not in secrets:
            raise ValueError(f"processes[{number}]: secret {name} is not set")
        values[wanted["env_var"]] = secrets[name]
    hidden = [name for name in secrets if item.get("ignore_app_secrets") and name not in values]
    return [
        "(",
        *(f"  unset {name}" for name in hidden),
        *(f"  export {key}={shlex.quote(value)}" for key, value in values.items()),
        f"  exec {_command(item, image)}",
        ") &",
        'all="$all $!"',
    ]


def _command(item: dict[str, Any], image: dict[str, Any]) -> str:
    words = item.get("exec") or [
        *(item.get("entrypoint") or image.get("Entrypoint") or []),
        *(item.get("cmd") or image.get("Cmd") or []),
    ]
    if not words:
        raise ValueError("a process has no command, and the image has none either")
    command, user = shlex.join(words), item.get("user") or image.get("User")
    if user in (None, "", "root", "0"):
        return command
    return f"su -m -s /bin/sh {shlex.quote(str(user))} -c {shlex.quote('exec ' + command)}"
