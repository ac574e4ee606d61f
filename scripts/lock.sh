#!/usr/bin/env bash
# Pins and hashes requirements/main.in into requirements/main.txt, for every Python and platform that we support.
# Give package names to move only those; without names everything moves to its newest release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=$(command -v uv) || {
  .venv/bin/python -m venv .cache/lock
  .cache/lock/bin/python -m pip install --quiet uv
  uv=.cache/lock/bin/uv
}

upgrade=(--upgrade)
if (($#)); then
  upgrade=()
  for name in "$@"; do upgrade+=(--upgrade-package "$name"); done
fi

# A local folder of wheels would give hashes that no other machine can match.
env -u UV_FIND_LINKS -u PIP_FIND_LINKS UV_SYSTEM_CERTS=1 "$uv" pip compile requirements/main.in \
  --universal --python-version 3.12 --python .venv/bin/python --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command scripts/lock.sh --quiet \
  --output-file requirements/main.txt "${upgrade[@]}"
