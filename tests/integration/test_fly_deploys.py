"""Deploys while visitors come, and deploys that fail on their way: no request fails, and one version runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import Instance, run

TEST = Instance("load")


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[None]:
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "--strategy rolling",
        "--strategy canary --fail image",
        "--strategy bluegreen",
        "--strategy bluegreen --fail check --at 2",
        "--strategy rolling --fail capacity --at 2",
        "--strategy rolling --fail interrupt --at 2",
        "--strategy immediate --fail interrupt --at 2",
    ],
)
def test_no_request_fails_and_one_version_runs(arguments: str) -> None:
    done = run("python", "tests/load/deploy_under_load.py", *arguments.split(), "--requests", "300")
    assert "failed=0 versions=1" in done.stdout.splitlines()[-1]
