#!/usr/bin/env bash
# Makes this checkout ready to run: interpreter, .venv, Docker Engine, base image. Does only what is missing.
#
#   scripts/bootstrap.sh [python|docker|base_image|chromium|drop_base_image]...     without names: the first three
#
# OPSMAP_PYTHON        interpreter to use instead of looking for one
# OPSMAP_BASE_IMAGE    "pull" or "build": only that way to the base image; any other value is the image to use
# OPSMAP_MIN_FREE_GB   disk space to insist on, 5 if not given
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=$ROOT/.cache
VENV=$ROOT/.venv
RELEASE=bookworm
NEEDS_PYTHON='import sys, venv, ensurepip, ssl; sys.exit(sys.version_info < (3, 12))'

say() { printf '%s\n' "$*"; }

fail() {
  printf 'bootstrap: %s\n' "$*" >&2
  exit 1
}

limited() { # seconds, command: macOS has no timeout
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then timeout "$seconds" "$@"; else "$@"; fi
}

is_root() { [[ $(id -u) == 0 ]]; }

can_apt() { is_root && command -v apt-get >/dev/null; }

apt_install() {
  say "installing $* from the distribution"
  if ! { apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet \
    --no-install-recommends "$@"; } >"$CACHE/apt.log" 2>&1; then
    fail "apt-get could not install $*: $(grep -m 1 '^E:' "$CACHE/apt.log" || tail -n 1 "$CACHE/apt.log"); see .cache/apt.log"
  fi
}

hash_of() { # of standard input
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

checkout_id() { # the six characters that every name of this checkout carries
  printf %s "$ROOT" | if command -v sha1sum >/dev/null; then sha1sum; else shasum; fi | cut -c 1-6
}

need_space() { # folder, what is kept there
  local wanted=${OPSMAP_MIN_FREE_GB:-5} free
  [[ $wanted =~ ^[0-9]+$ ]] || fail "OPSMAP_MIN_FREE_GB is '$wanted'; give a number of gigabytes"
  free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }')
  ((free >= wanted)) || fail "$1 ($2) has $free GB free and $wanted are needed; free some space, or set OPSMAP_MIN_FREE_GB"
}

# --- interpreter and virtual environment ---

python_candidates() { # those first that the tests run with
  local name folder
  for name in python3.13 python3.12 python3.14; do
    type -aP "$name" || :
    for folder in "${PYENV_ROOT:-$HOME/.pyenv}/versions/${name#python}".* /usr /usr/local /opt/homebrew; do
      printf '%s\n' "$folder/bin/$name"
    done
  done
  type -aP python3 || :
}

runs() { [[ -x $1 ]] && limited 20 "$1" -c "$NEEDS_PYTHON" >/dev/null 2>&1; }

find_python() { # sets PYTHON to the first candidate that really runs: version managers leave shims that do not
  local candidate
  while read -r candidate; do
    if runs "$candidate"; then
      PYTHON=$candidate
      return
    fi
  done < <(python_candidates)
  return 1
}

fetch_python() {
  local version
  if command -v uv >/dev/null; then
    say "fetching Python 3.13 with uv"
    if uv python install --quiet 3.13 && PYTHON=$(uv python find --managed-python 3.13); then return; fi
  fi
  can_apt || return 1
  apt-get update --quiet >"$CACHE/apt.log" 2>&1 || fail "apt-get update failed; see .cache/apt.log"
  for version in 3.13 3.12; do
    if apt-cache show "python$version-venv" >/dev/null 2>&1; then
      apt_install "python$version" "python$version-venv"
      find_python && return
    fi
  done
  return 1
}

choose_python() {
  PYTHON=${OPSMAP_PYTHON:-}
  if [[ -n $PYTHON ]]; then
    runs "$PYTHON" || fail "OPSMAP_PYTHON=$PYTHON is no Python >= 3.12 that runs with venv and ssl; give another or unset it"
  elif ! find_python && ! fetch_python; then
    fail "no Python >= 3.12 runs here (with venv, ensurepip and ssl); install one, or uv, or give its path in OPSMAP_PYTHON"
  fi
}

step_python() {
  local stamp wanted
  stamp=$VENV/.requirements
  wanted=$(hash_of <"$ROOT/requirements/main.txt")
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && runs "$VENV/bin/python"; then return; fi
  need_space "$ROOT" "the checkout"
  if ! runs "$VENV/bin/python"; then
    choose_python
    say "making .venv with $PYTHON"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" || fail "$PYTHON could not make .venv; remove .venv and try another with OPSMAP_PYTHON"
  fi
  say "installing requirements/main.txt into .venv (about a minute)"
  rm -f "$stamp"
  "$VENV/bin/python" -m pip install --quiet --require-hashes --requirement "$ROOT/requirements/main.txt" \
    >"$CACHE/pip.log" 2>&1 ||
    fail "pip could not install requirements/main.txt: $(grep -m 1 '^ERROR:' "$CACHE/pip.log" || tail -n 1 "$CACHE/pip.log"); see .cache/pip.log"
  say "$wanted" >"$stamp"
}

# --- Docker Engine ---

docker_answers() { limited 15 docker version --format '{{.Server.Version}}' >/dev/null 2>"$CACHE/docker.err"; }

wait_for_docker() { # seconds
  local deadline=$((SECONDS + $1))
  until docker_answers; do
    ((SECONDS < deadline)) || return 1
    sleep 0.3
  done
}

start_docker() {
  say "starting Docker Engine"
  if [[ -d /run/systemd/system ]]; then
    if systemctl start docker >"$CACHE/dockerd.log" 2>&1 && wait_for_docker 60; then return; fi
    fail "systemctl start docker did not bring up the engine; see 'systemctl status docker'"
  fi
  # Without systemd an init script may be barred by policy and lowers limits; the daemon itself does neither.
  setsid nohup dockerd >"$CACHE/dockerd.log" 2>&1 </dev/null 9>&- &
  wait_for_docker 60 || fail "dockerd does not answer after 60 s: $(tail -n 1 "$CACHE/dockerd.log"); see .cache/dockerd.log"
}

step_docker() {
  : >"$CACHE/docker.err"
  if command -v docker >/dev/null && docker_answers; then return; fi
  if [[ -n ${DOCKER_HOST:-} ]]; then
    fail "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
  fi
  if grep -q 'permission denied' "$CACHE/docker.err"; then
    fail "Docker Engine runs, but this user may not use it; add the user to the group docker and log in again"
  fi
  # A docker command alone may be a client without an engine.
  if ! command -v dockerd >/dev/null; then
    can_apt || fail "no Docker Engine here; install it (Docker Desktop, or the package docker.io), start it, and run this again"
    apt_install docker.io iptables iproute2
    hash -r
    if wait_for_docker 5; then return; fi
  fi
  is_root || fail "Docker Engine is installed but not running; start it (sudo systemctl start docker) and run this again"
  start_docker
}

check_docker_space() {
  local folder
  folder=$(docker info --format '{{.DockerRootDir}}')
  # Docker Desktop keeps its images in a virtual machine, where df cannot look.
  if [[ -d $folder ]]; then need_space "$folder" "Docker's images"; fi
}

# --- base image ---

has_image() { docker image inspect --format '{{.Id}}' "$1" >/dev/null 2>&1; }

pull_base() { # reference
  say "pulling $1"
  limited 120 docker pull --quiet "$1" >"$CACHE/pull.log" 2>&1
}

build_base() { # reference: the distribution's own packages, nothing else
  local tar=$CACHE/base.tar
  if [[ ! -s $tar ]]; then
    if ! command -v mmdebstrap >/dev/null; then
      can_apt || fail "no registry gave debian:$RELEASE-slim and mmdebstrap is missing; install mmdebstrap, or name an image in OPSMAP_BASE_IMAGE"
      apt_install mmdebstrap debian-archive-keyring
    fi
    say "building the base image from Debian's packages"
    mmdebstrap --quiet --variant=minbase --format=tar "$RELEASE" "$tar.part" >"$CACHE/mmdebstrap.log" 2>&1 ||
      fail "mmdebstrap could not build the base image: $(grep -m 1 '^E:' "$CACHE/mmdebstrap.log" || tail -n 1 "$CACHE/mmdebstrap.log"); see .cache/mmdebstrap.log"
    mv "$tar.part" "$tar"
  fi
  docker import --change 'CMD ["bash"]' "$tar" "$1" >/dev/null || fail "docker could not import .cache/base.tar; remove it and run this again"
}

step_base_image() {
  local slim=debian:$RELEASE-slim built image kept=$CACHE/base-image way=${OPSMAP_BASE_IMAGE:-}
  built=opsmap-base:$RELEASE-$(checkout_id)
  if [[ -z $way && -s $kept ]] && has_image "$(<"$kept")"; then return; fi
  check_docker_space
  case $way in
    "") if has_image "$slim" || { [[ ! -s $CACHE/base.tar ]] && pull_base "$slim"; }; then image=$slim; else image=$built; fi ;;
    pull) image=$slim ;;
    build) image=$built ;;
    *) image=$way ;;
  esac
  if ! has_image "$image"; then
    if [[ $image == "$built" ]]; then
      build_base "$image"
    else
      pull_base "$image" || fail "no registry gave $image: $(tail -n 1 "$CACHE/pull.log"); check the network, or unset OPSMAP_BASE_IMAGE"
    fi
  fi
  say "$image" >"$kept"
  say "base image: $image"
}

step_drop_base_image() { # what build_base made; a pulled image is someone else's too
  local built
  built=opsmap-base:$RELEASE-$(checkout_id)
  if has_image "$built"; then docker rmi --force "$built" >/dev/null; fi
  rm -f "$CACHE/base-image"
}

# --- browser of the end-to-end tests ---

find_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do type -P "$name" && return; done
  return 1
}

step_chromium() {
  if find_chromium >/dev/null; then return; fi
  can_apt || fail "no Chromium here, which the end-to-end tests drive; install chromium or google-chrome"
  apt_install chromium
}

main() {
  local step
  (($#)) || set -- python docker base_image
  mkdir -p "$CACHE"
  if command -v flock >/dev/null; then # two runs at once would make one .venv
    exec 9>"$CACHE/bootstrap.lock"
    flock 9
  fi
  for step in "$@"; do
    declare -F "step_$step" >/dev/null || fail "no step '$step'; there are python, docker, base_image, chromium, drop_base_image"
    "step_$step"
  done
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
