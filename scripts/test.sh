#!/usr/bin/env bash
# Runs stages of the tests: lint, unit, integration, molecule, e2e; all of them without names.
# Everything that Docker holds for them belongs to instances of their own, beside a running make up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_CONFIG=$PWD/ansible.cfg

(($#)) || set -- lint unit integration e2e molecule
folders=()
for stage in "$@"; do
  case $stage in
    unit) folders+=(tests/unit tests/contract tests/edge) ;;
    e2e) scripts/bootstrap.sh chromium && folders+=(tests/e2e) ;;
    lint | integration | molecule) folders+=("tests/$stage") ;;
    *) printf 'test.sh: no stage %s; there are lint, unit, integration, e2e, molecule\n' "$stage" >&2 && exit 2 ;;
  esac
done
exec pytest "${folders[@]}"
