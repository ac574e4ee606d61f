"""First process of the container: python -m supercog_engine.entry agents|triggersvc|migrate|COMMAND...

A new volume belongs to root and hides what the image has at its place. So the container starts as root, hands the
folder to the service's user, becomes that user for good, and turns into the command.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

USER = "app"
SERVE = (sys.executable, "-m", "supercog_shared.serve")
COMMANDS = {
    "agents": (*SERVE, "supercog_engine.agents:app", "--port", os.environ.get("PORT") or "8080"),
    "triggersvc": (*SERVE, "supercog_engine.triggersvc:app", "--port", os.environ.get("PORT") or "8002"),
    "migrate": (sys.executable, "-m", "supercog_engine.migrate"),
}


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(f"entry: no command; {', '.join(COMMANDS)}, or any program")
    command = sys.argv[1:] if len(sys.argv) > 2 else COMMANDS.get(sys.argv[1], sys.argv[1:])
    if os.getuid() == 0:
        user = pwd.getpwnam(USER)
        storage = Path(os.environ.get("STORAGE_PATH") or "/code/storage")
        storage.mkdir(parents=True, exist_ok=True)
        if storage.stat().st_uid != user.pw_uid:
            os.chown(storage, user.pw_uid, user.pw_gid)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ["HOME"] = user.pw_dir
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
