"""Writes the tables of the roles' READMEs from their argument specifications; --check only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- variables: make docs -->", "<!-- end of variables -->"


def cell(value: Any) -> str:
    """A value for a table."""
    return str(value).replace("|", "\\|").replace("\n", " ").strip()


def table(specs: dict[str, Any]) -> str:
    """Variables of all entry points, each once, then the entry points."""
    options: dict[str, Any] = {}
    for spec in specs.values():
        options.update(spec.get("options") or {})
    lines = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        default = "**required**" if option.get("required") else f"`{cell(option.get('default'))}`"
        lines.append(f"| `{name}` | {option['type']} | {default} | {cell(option['description'])} |")
    lines += ["", "| entry point | what it does |", "| --- | --- |"]
    lines += [f"| `{name}` | {cell(spec['short_description'])} |" for name, spec in specs.items()]
    return "\n".join(lines)


def page(role: Path) -> str:
    """The whole README: what is above the table stays."""
    readme = role / "README.md"
    about = yaml.safe_load((role / "meta/main.yml").read_text())["galaxy_info"]["description"]
    head = readme.read_text().split(BEGIN)[0] if readme.exists() else f"# {role.name}\n\n{about}.\n\n"
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return f"{head}{BEGIN}\n\n{table(specs)}\n\n{END}\n"


def main() -> int:
    """0 if all is as it should be."""
    stale = []
    for role in sorted((ROOT / "roles").iterdir()):
        wanted, readme = page(role), role / "README.md"
        if readme.exists() and readme.read_text() == wanted:
            continue
        stale.append(str(readme.relative_to(ROOT)))
        if "--check" not in sys.argv[1:]:
            readme.write_text(wanted)
    if stale and "--check" in sys.argv[1:]:
        print(f"stale: {', '.join(stale)}; run make docs")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
