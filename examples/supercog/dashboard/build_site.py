"""Builds the front end: python3 build_site.py SOURCE TARGET, in a stage of its own of the Dockerfile.

Copies the files, stops when one names another that is not there, and packs each that gets smaller by it. Names stay as they
are: while a new version is rolled out, a page of one machine may ask another for its scripts.
"""

from __future__ import annotations

import gzip
import re
import shutil
import sys
from pathlib import Path

NAMED = re.compile(r"""(?:(?:src|href)=|\bfrom |\bimport\(?\s*|url\()["']?((?:\.{0,2}/)[\w./-]+\.\w+)""")
TEXT = {".html", ".css", ".js", ".svg", ".json"}


def missing(source: Path, file: Path) -> list[str]:
    """The names in a file that lead nowhere."""
    named = NAMED.findall(file.read_text())
    places = {name: (source / name.lstrip("/")) if name.startswith("/") else file.parent / name for name in named}
    return [f"{file.relative_to(source)} names {name}" for name, place in places.items() if not place.is_file()]


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    files = sorted(path for path in source.rglob("*") if path.is_file())
    problems = [problem for file in files if file.suffix in TEXT for problem in missing(source, file)]
    if problems or not (source / "index.html").is_file():
        raise SystemExit("build_site: " + ("; ".join(problems) or f"{source} has no index.html"))
    for file in files:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        packed = gzip.compress(file.read_bytes(), mtime=0)
        if file.suffix in TEXT and len(packed) < file.stat().st_size:
            place.with_name(place.name + ".gz").write_bytes(packed)
    print(f"build_site: {len(files)} files")


if __name__ == "__main__":
    main()
