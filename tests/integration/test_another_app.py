"""docs/another-app.md as it stands: a public FastAPI project, with files and commands out of that page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.images import BASE
from tests.support import ROOT, Instance, changed, run

TEST = Instance("another")
PAGE = (ROOT / "docs" / "another-app.md").read_text()
BLOCKS = [(kind, text) for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)]
COMMANDS = [text for kind, text in BLOCKS if kind == "sh"]
FILES = dict(re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S))
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# What builds on this machine need, as the page says.
HERE = f" -e agents_image_base={BASE}" + (f" -e agents_image_ca_bundle={AUTHORITIES}" if AUTHORITIES.is_file() else "")
NAME = "httpbinx-of-mine.fly.localhost"


@dataclass(frozen=True)
class Stranger:
    """Somebody with a folder of their own, and a checkout."""

    folder: Path

    def do(self, commands: str, check: bool = True) -> tuple[int, str]:
        """Exit status and output of a block of the page."""
        done = run(
            *("bash", "-euc", commands),
            check=check,
            folder=self.folder,
            OPSMAP=str(ROOT),
            OPSMAP_INSTANCE=TEST.purpose,
            CLOUD_PORT=str(TEST.port),
            CLOUD_FOLDER=str(TEST.folder),
            UV_SYSTEM_CERTS="1",
        )
        return done.returncode, done.stdout + done.stderr

    def deploy(self, more: str = "", check: bool = True) -> tuple[int, str]:
        return self.do(command("ansible-playbook -i hosts.yml").rstrip() + HERE + more, check)


def command(start: str) -> str:
    """The block of the page that begins so."""
    return str(next(text for text in COMMANDS if text.startswith(start)))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    found = Stranger(tmp_path_factory.mktemp("stranger"))
    status, said = found.do(command("python -m pip download"), check=False)
    if status != 0:
        pytest.skip(f"pip cannot fetch the public source distribution: {said.strip()[-600:]}")
    for name, text in FILES.items():
        (found.folder / name).write_text(text)
    found.do(command("uv lock"))
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    try:
        found.do(command('(cd "$OPSMAP"'))
        yield found
    finally:
        TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
        images = run("docker", "images", "--quiet", f"localhost:{TEST.port + 4}/httpbinx-of-mine").stdout.split()
        if images:
            run("docker", "rmi", "--force", *set(images))


def test_the_page_has_the_files_it_speaks_of() -> None:
    assert sorted(FILES) == ["Dockerfile", "deploy.yml", "hosts.yml"]


def test_a_source_that_is_not_there_is_named_before_anything_is_made(stranger: Stranger) -> None:
    status, said = stranger.deploy(" -e agents_image_source=/nowhere/httpbinx", check=False)
    assert status != 0
    said = " ".join(said.split())  # Ansible breaks long lines
    assert "agents_image_source: /nowhere/httpbinx is no folder; give the folder of the source" in said
    assert TEST.call(1, "GET", "/v1/apps?org_slug=personal", "fly")["apps"] == []


@pytest.mark.slow
def test_the_app_answers_through_the_proxy_and_a_second_run_changes_nothing(stranger: Stranger) -> None:
    assert changed(stranger.deploy()[1])["httpbinx"] > 0
    status, text = TEST.get(NAME, "/get?from=me")
    answer = json.loads(text)
    assert (status, answer["args"], answer["headers"]["x-forwarded-proto"]) == (200, {"from": "me"}, "https")
    assert json.loads(stranger.do(command("curl"))[1])["args"] == {"from": "me"}
    assert changed(stranger.deploy()[1]) == {"httpbinx": 0}
