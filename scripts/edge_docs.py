"""Writes the table of routes in docs/edge.md from the variables and the template; --check only compares.

The template is rendered with the values of group_vars for a domain of its own; the table is what the real Caddy makes of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jinja2
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "collections"))

from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.modules import caddyfile

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "example.com"
PAGE = ROOT / "docs" / "edge.md"
BEGIN, END = "<!-- routes: make docs -->", "<!-- end of routes -->"
TEMPLATES = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)


def load(name: str) -> dict[str, Any]:
    """A file of variables."""
    return dict(yaml.safe_load((ROOT / name).read_text()))


def everything(domain: str) -> dict[str, Any]:
    """What the role says, and what group_vars say of an environment `prod`; the latter wins."""
    return (
        load("roles/caddy_config/defaults/main.yml")
        | load("group_vars/all/main.yml")
        | load("group_vars/all/caddy_config.yml")
        | {"opsmap_domain": domain, "opsmap_env": "prod", "opsmap_root": str(ROOT)}
    )


def resolve(value: Any, found: dict[str, Any]) -> Any:
    """A value whose expressions name other variables; numbers become numbers."""
    while isinstance(value, str) and "{{" in value:
        text = TEMPLATES.from_string(value).render(found)
        value = int(text) if text.isdigit() else text
    return value


def values(domain: str = DOMAIN) -> dict[str, Any]:
    """The role's variables."""
    found = everything(domain)
    return {name: resolve(value, found) for name, value in found.items() if name.startswith("caddy_config_")}


def render(variables: dict[str, Any]) -> str:
    """The Caddyfile."""
    return TEMPLATES.from_string((ROOT / "templates" / "Caddyfile.j2").read_text()).render(variables)


def outside() -> dict[str, str]:
    """How the public comes to each port of the container, by what the dashboard's Fly services say."""
    found = everything(DOMAIN)
    ways = {}
    for service in load("group_vars/dashboard.yml")["fly_app_config"]["services"]:
        ports = [(resolve(port["port"], found), port) for port in service["ports"] if not port.get("force_https")]
        words = [f"{'https' if 'tls' in port['handlers'] else 'http'} {number}" for number, port in ports]
        ways[str(resolve(service["internal_port"], found))] = ", ".join(words)
    return ways


def routes(domain: str = DOMAIN) -> list[dict[str, Any]]:
    """Every way to an answer, as the module tells it."""
    content = render(values(domain))
    given = {"content": content, "binary": None, "upstreams": None, "guarded": [], "one_site_per_port": True}
    return list(caddyfile.run(given, Context())["routes"])


def table() -> str:
    """In the order in which Caddy tries them."""
    ways = outside()
    lines = ["| port | from outside | host | method | path | if | who answers |", "| --- " * 7 + "|"]
    for route in routes():
        port = route["listen"][0].removeprefix(":")
        methods = route["methods"] or (["GET", "HEAD"] if route["answer"].startswith("files") else [])
        parts = [route["hosts"], methods, [f"`{path}`" for path in route["paths"]], route["when"]]
        words = [port, ways.get(port, "no"), *(", ".join(part) or "any" for part in parts[:3])]
        lines.append(f"| {' | '.join([*words, ', '.join(parts[3]), route['answer']])} |")
    return "\n".join(lines)


def main() -> int:
    """0 if the page is as it should be."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    wanted = f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"
    if text == wanted:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"stale: {PAGE.relative_to(ROOT)}; run make docs")
        return 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
