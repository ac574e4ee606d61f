"""Each port of the product is stated once."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support import ROOT, run

MAIN = "group_vars/all/main.yml"
PORTS = {
    name: value
    for name, value in yaml.safe_load((ROOT / MAIN).read_text()).items()
    if name.endswith("_port") and isinstance(value, int) and value > 1023
}
DEPLOYS = ["group_vars", "inventory", "playbooks", "site.yml", "templates"]
DEPLOYS += [f"roles/{name}" for name in ("caddy_config", "fly_app", "fly_volume", "agents_image")]


def test_they_differ() -> None:
    assert {"dashboard_port", "agents_port", "email_port", "api_port", "metrics_port"} <= PORTS.keys()
    assert len(set(PORTS.values())) == len(PORTS)


@pytest.mark.parametrize("name", PORTS)
def test_nothing_that_deploys_repeats_it(name: str) -> None:
    number = re.compile(rf"(?<![\w.-]){PORTS[name]}(?![\w-])")
    found = [
        f"{file}: {line.strip()}"
        for file in run("git", "ls-files", *DEPLOYS).stdout.splitlines()
        if not file.endswith("README.md") and (ROOT / file).is_file()
        for line in (ROOT / file).read_text().splitlines()
        if number.search(line.partition(" #")[0]) and "description" not in line and "example" not in line
    ]
    assert found == [
        f"{MAIN}: {line}" for line in (ROOT / MAIN).read_text().splitlines() if line.startswith(f"{name}:")
    ]
