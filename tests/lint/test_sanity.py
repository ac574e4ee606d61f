"""ansible-test sanity, all of it. Its tools are kept in .cache, apart from the user's."""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.support import ROOT, run

HOME = ROOT / ".cache" / "ansible-test"
COLLECTION = ROOT / "collections" / "ansible_collections" / "opsmap" / "cloud"
# Where ansible-test would fetch a script that installs pip, it finds one that takes what the interpreter brings.
PIP = "import ensurepip\nensurepip.bootstrap()\n"


def prepare() -> None:
    """Put the script where ansible-test keeps it; its name carries a version of pip."""
    spec = find_spec("ansible_test")
    assert spec
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "_internal" / "python_requirements.py"
    folder = HOME / ".ansible" / "test" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    for version in set(re.findall(r"pip='([\d.]+)'", source.read_text())):
        (folder / f"get_pip_{version.replace('.', '_')}.py").write_text(PIP)


def test_sanity() -> None:
    prepare()
    pip_settings = {} if "PIP_CONFIG_FILE" in os.environ else {"PIP_CONFIG_FILE": str(user_pip_settings())}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    run("ansible-test", "sanity", "--local", "--python", version, folder=COLLECTION, HOME=str(HOME), **pip_settings)


def user_pip_settings() -> Path:
    """Where the user says which index pip asks."""
    places = [Path.home() / ".config" / "pip" / "pip.conf", Path.home() / ".pip" / "pip.conf"]
    return next((path for path in places if path.is_file()), Path(os.devnull))
