"""What the module caddyfile refuses, with the line, and what it says about routes; asked of the real Caddy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.modules import caddyfile

KNOWN = ["localhost:8000", "agents.internal:8080", "preview.internal:9000", "trigger.internal:8002"]
GUARD = {"upstream": "trigger.internal:8002", "method": "POST", "path": "/email_handler"}
GOOD = """{
	admin off
}

(machines) {
	reverse_proxy {
		dynamic a {
			name {args[0]}
			port {args[1]}
		}
	}
}

(email) {
	@email {
		method POST
		path /email_handler
	}
	handle @email {
		rewrite /email_handler
		import machines trigger.internal 8002
	}
}

http://:3000 {
	import email
	handle /api/* {
		reverse_proxy localhost:8000
	}
	handle {
		map {http.request.cookie.agent_service} {agents_host} {agents_port} {
			preview preview.internal 9000
			default agents.internal 8080
		}
		import machines {agents_host} {agents_port}
	}
}

http://:8002 {
	import email
	handle {
		respond 404
	}
}
"""


def run(content: str, **options: Any) -> dict[str, Any]:
    given = {"binary": None, "upstreams": KNOWN, "guarded": [GUARD], "one_site_per_port": True} | options
    assert {"content", *given} == set(caddyfile.SPEC["argument_spec"])
    return caddyfile.run({"content": content, **given}, Context(check_mode=True))


def line(text: str, content: str) -> int:
    """Number of the line that has this text."""
    return next(number for number, one in enumerate(content.splitlines(), 1) if text in one)


def test_a_good_one_passes_and_tells_its_routes() -> None:
    result = run(GOOD)
    assert result["content"] == GOOD
    assert [(*route["listen"], *route["methods"], *route["paths"], route["answer"]) for route in result["routes"]] == [
        (":3000", "POST", "/email_handler", "trigger.internal:8002"),
        (":3000", "/api/*", "localhost:8000"),
        (":3000", "agents.internal:8080 or preview.internal:9000"),
        (":8002", "POST", "/email_handler", "trigger.internal:8002"),
        (":8002", "404"),
    ]


REPLACED = [
    # Upstreams that are no service
    ("reverse_proxy localhost:8000", "reverse_proxy evil.example:80", "upstream evil.example:80 is no known service"),
    ("reverse_proxy localhost:8000", "reverse_proxy localhost:8001", "upstream localhost:8001 is no known service"),
    ("reverse_proxy localhost:8000", "reverse_proxy localhost:8000 evil.example:80", "upstream evil.example:80"),
    ("reverse_proxy localhost:8000", "reverse_proxy unix//run/docker.sock", "unix//run/docker.sock"),
    ("reverse_proxy localhost:8000", "php_fastcgi evil.example:9000", "upstream evil.example:9000"),
    ("reverse_proxy localhost:8000", "forward_auth evil.example:80 {\n\t\t\turi /x\n\t\t}", "upstream evil.example:80"),
    ("preview preview.internal 9000", "preview evil.internal 9000", "upstream evil.internal:9000"),
    ("preview preview.internal 9000", "preview preview.internal 22", "upstream preview.internal:22"),
    ("default agents.internal 8080", "default evil.internal 8080", "upstream evil.internal:8080"),
    (
        "import machines {agents_host} {agents_port}",
        "import machines evil.internal 8080",
        "upstream evil.internal:8080",
    ),
    # Upstreams that the client chooses
    ("reverse_proxy localhost:8000", "reverse_proxy {header.X-To}:80", "is taken from the request"),
    ("reverse_proxy localhost:8000", "reverse_proxy {cookie.agent_service}:80", "is taken from the request"),
    ("name {args[0]}", "name {http.request.cookie.agent_service}", "is taken from the request"),
    ("import machines {agents_host} {agents_port}", "import machines {host} 8080", "is taken from the request"),
    ("preview preview.internal 9000", "~(.+) ${1}.internal 9000", "${1}.internal:9000"),
    ("import machines {agents_host} {agents_port}", "import machines {agents_hots} 8080", "is taken from the request"),
    # Other ways to the trigger service
    ("reverse_proxy localhost:8000", "reverse_proxy trigger.internal:8002", "besides POST /email_handler"),
    ("default agents.internal 8080", "default trigger.internal 8002", "besides POST /email_handler"),
    ("handle /api/* {", "handle /email_handler {\n\t\treverse_proxy trigger.internal:8002", "besides POST"),
    # What Caddy itself refuses
    ("reverse_proxy localhost:8000", "reverse_porxy localhost:8000", "unrecognized directive: reverse_porxy"),
    ("method POST", "path_regexp (((", "error parsing regexp"),
    ("rewrite /email_handler", "header_up", "unrecognized directive: header_up"),
    ("respond 404", "respond ok 404 x", "wrong argument count"),
]


@pytest.mark.parametrize(("old", "new", "says"), REPLACED)
def test_an_unsafe_change_is_refused_with_its_line(old: str, new: str, says: str) -> None:
    content = GOOD.replace(old, new)
    assert content != GOOD
    with pytest.raises(CloudError) as refused:
        run(content)
    named = next(one for one in new.splitlines() if "evil" in one or "trigger" in one or one == new)
    assert says in refused.value.message
    assert refused.value.message.startswith(f"line {line(named, content)}: "), refused.value.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\t\tmethod POST\n", ""),
        ("method POST", "method POST GET"),
        ("path /email_handler", "path /email_handler /admin"),
        ("path /email_handler", "path /email_handler*"),
        ("rewrite /email_handler", "rewrite /admin"),
        ("handle @email {", "handle {"),
    ],
)
def test_a_wider_way_to_the_trigger_service_is_refused(old: str, new: str) -> None:
    content = GOOD.replace(old, new)
    with pytest.raises(CloudError, match="besides POST /email_handler") as refused:
        run(content)
    at = line("import machines trigger.internal", content)
    assert refused.value.message.startswith(f"line {at}: ")


HIDDEN = {
    "in an error handler": "http://:3001 {\n\thandle_errors {\n\t\treverse_proxy evil.example:80\n\t}\n}\n",
    "in a response handler": (
        "http://:3001 {\n\treverse_proxy localhost:8000 {\n\t\thandle_response {\n"
        "\t\t\treverse_proxy evil.example:80\n\t\t}\n\t}\n}\n"
    ),
    "in intercept": (
        "http://:3001 {\n\tintercept {\n\t\thandle_response {\n\t\t\treverse_proxy evil.example:80\n\t\t}\n\t}\n}\n"
    ),
    "in a named route": "&(far) {\n\treverse_proxy evil.example:80\n}\n\nhttp://:3001 {\n\tinvoke far\n}\n",
    "through a proxy": (
        "http://:3001 {\n\treverse_proxy localhost:8000 {\n\t\ttransport http {\n"
        "\t\t\tnetwork_proxy url http://evil.example:80\n\t\t}\n\t}\n}\n"
    ),
    "among several sources": (
        "http://:3001 {\n\treverse_proxy {\n\t\tdynamic multi {\n\t\t\ta evil.example 80\n\t\t}\n\t}\n}\n"
    ),
}


@pytest.mark.parametrize("where", HIDDEN)
def test_upstreams_are_found_everywhere(where: str) -> None:
    content = f"{GOOD}\n{HIDDEN[where]}"
    with pytest.raises(CloudError, match=r"evil\.example:80 is no known service") as refused:
        run(content)
    assert refused.value.message.startswith(f"line {line('evil.example', content)}: ")


@pytest.mark.parametrize(
    "site",
    [
        "http://:3000",
        "http://app.example.test:3000",
        ":3000",
        "https://x.example.test:3000, http://y.example.test:3001",
    ],
)
def test_two_sites_on_one_port_are_refused_with_both_lines(site: str) -> None:
    content = f"{GOOD}\n{site} {{\n\trespond ok\n}}\n"
    with pytest.raises(CloudError) as refused:
        run(content)
    first, second = line("http://:3000 {", content), len(content.splitlines()) - 2
    assert refused.value.message.startswith(f"line {second}: a second site on port 3000; the first is on line {first}")


def test_without_rules_any_valid_one_passes() -> None:
    content = "http://a.example.test:3000 {\n\treverse_proxy x:1\n}\n\nhttp://b.example.test:3000 {\n\trespond ok\n}\n"
    result = run(content, upstreams=None, guarded=[], one_site_per_port=False)
    assert [route["answer"] for route in result["routes"]] == ["x:1", "200 ok"]


def test_what_is_not_formatted_comes_back_formatted() -> None:
    assert run(GOOD.replace("\t", "  "))["content"] == GOOD


def test_comments_and_heredocs_are_no_sites() -> None:
    text = GOOD.replace("respond 404", "respond <<X\n\t\t\thttp://:3000 {\n\t\t\tX 404")
    assert run(f"# http://:3000 {{\n{text}")["routes"][-1]["answer"].startswith("404 http://:3000 {")


def test_a_binary_that_is_not_there_is_named() -> None:
    with pytest.raises(CloudError, match="there is no Caddy at '/nowhere'"):
        run(GOOD, binary="/nowhere")
    assert run(GOOD, binary=str(Path(sys.executable).with_name("caddy")))["changed"] is False
