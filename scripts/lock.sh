#!/usr/bin/env bash
# Pins and hashes requirements/main.in and local_cloud/requirements.in into .txt files, for every Python and platform that we support.
# Give package names to move only those; without names everything moves to its newest release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$PWD/.venv/bin/python
uv=$(command -v uv) || {
  .venv/bin/python -m venv .cache/lock
  .cache/lock/bin/python -m pip install --quiet uv
  uv=$PWD/.cache/lock/bin/uv
}

upgrade=(--upgrade)
if (($#)); then
  upgrade=()
  for name in "$@"; do upgrade+=(--upgrade-package "$name"); done
fi

# A local folder of wheels would give hashes that no other machine can match.
lock() { # FOLDER NAME PYTHON
  (cd "$1" && env -u UV_FIND_LINKS -u PIP_FIND_LINKS UV_SYSTEM_CERTS=1 "$uv" pip compile "$2.in" \
    --universal --python-version "$3" --python "$python" --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command scripts/lock.sh --quiet \
    --output-file "$2.txt" "${upgrade[@]}")
}
lock requirements main 3.12
lock local_cloud requirements 3.11 # Debian's
