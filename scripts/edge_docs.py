"""Writes the table of routes in docs/edge.md from the variables and the template; --check only compares.

The template is rendered with the values of group_vars for a domain of its own, and the table is what Caddy makes of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "example.com"
ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)


def values(domain: str = DOMAIN) -> dict[str, Any]:
    """The role's variables as an environment `prod` has them."""
    found: dict[str, Any] = {"opsmap_domain": domain, "opsmap_env": "prod", "opsmap_root": str(ROOT)}
    for name in ("roles/caddy_config/defaults/main.yml", "group_vars/all/main.yml", "group_vars/all/caddy_config.yml"):
        found = yaml.safe_load((ROOT / name).read_text()) | found | _wired(name)
    return {name: _resolved(value, found) for name, value in found.items() if name.startswith("caddy_config_")}


def _wired(name: str) -> dict[str, Any]:
    """What group_vars say wins over what a role says."""
    return dict(yaml.safe_load((ROOT / name).read_text())) if name.endswith("caddy_config.yml") else {}


def _resolved(value: Any, found: dict[str, Any]) -> Any:
    while isinstance(value, str) and "{{" in value:
        text = ENVIRONMENT.from_string(value).render(found)
        value = int(text) if text.isdigit() else text
    return value


def render(variables: dict[str, Any]) -> str:
    """The Caddyfile."""
    return ENVIRONMENT.from_string((ROOT / "templates" / "Caddyfile.j2").read_text()).render(variables)


if __name__ == "__main__":
    print(render(values()))
