"""The stage of the dashboard's image that builds the front end."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

DASHBOARD = Path(__file__).parents[3] / "examples" / "supercog" / "dashboard"


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DASHBOARD / "build_site.py"), str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_front_end_of_the_product(tmp_path: Path) -> None:
    assert build(DASHBOARD / "site", tmp_path).returncode == 0
    page = (tmp_path / "index.html").read_bytes()
    assert page == (DASHBOARD / "site" / "index.html").read_bytes()
    assert gzip.decompress((tmp_path / "assets" / "app.js.gz").read_bytes()).startswith(b"import")


def test_a_name_that_leads_nowhere_stops_it(tmp_path: Path) -> None:
    source = tmp_path / "site"
    source.mkdir()
    (source / "index.html").write_text('<script src="/app.js"></script><a href="/page">')
    (source / "app.js").write_text('import { x } from "./gone.js"; import "./app.js"')
    done = build(source, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr == "build_site: app.js names ./gone.js\n"


def test_no_page_stops_it(tmp_path: Path) -> None:
    assert "has no index.html" in build(tmp_path, tmp_path / "out").stderr
