"""http_check against a real server on this machine: what passes, what does not, what is kept."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.modules import http_check

INSTANCES = cycle("ab")


class Site(BaseHTTPRequestHandler):
    """Signs in with the right password; knows who comes back by the cookie; two instances take turns."""

    def do_GET(self) -> None:
        known = "session=1" in self.headers.get("Cookie", "")
        if self.path == "/leave":
            self.answer(302, {}, Location="/somewhere?code=1")
        elif self.path == "/me":
            self.answer(200 if known else 401, {"user": {"name": "ada"}})
        else:
            self.answer(200 if self.path == "/" else 404, {"status": "ok"}, Instance=next(INSTANCES))

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = given == {"password": "planted"}
        self.answer(200 if right else 401, {"token": "t-1"}, **({"Set-Cookie": "session=1; Secure"} if right else {}))

    def answer(self, status: int, body: Any, **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *values: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def walk(*steps: dict[str, Any], **options: Any) -> dict[str, Any]:
    spec = http_check.SPEC["argument_spec"]
    checked = ModuleArgumentSpecValidator(spec).validate({"timeout": 0, "steps": list(steps), **options})
    assert not checked.error_messages
    return http_check.run(checked.validated_parameters, Context())


def sign_in(url: str) -> dict[str, Any]:
    return {
        "name": "sign in",
        "url": f"{url}/",
        "method": "POST",
        "json": {"password": "${password}"},
        "save": {"_t": "json.token"},
    }


def test_a_visitor_keeps_cookies_and_fills_in_what_was_saved(url: str) -> None:
    me = {
        "name": "me",
        "url": f"{url}/me",
        "expect": {"json": {"user": {"name": "ada"}}},
        "save": {"who": "json.user.name"},
    }
    result = walk(sign_in(url), me, variables={"password": "planted"})
    assert result == {"changed": False, "passed": True, "saved": {"who": "ada"}}


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"url": "/nowhere"}, "answers 404 and not 200"),
        ({"url": "/", "expect": {"json": {"status": "bad"}}}, "json.status is 'ok' and not 'bad'"),
        ({"url": "/", "expect": {"body_contains": "<html"}}, "does not contain '<html'"),
        ({"url": "/leave", "status": [302], "expect": {"location": "/home"}}, "leads to '/somewhere?code=1'"),
        ({"url": "/", "expect": {"headers": {"Instance": "c"}}}, "header Instance is"),
        ({"url": "/", "expect": {"headers_not": {"Instance": ""}}}, "header Instance is ''"),
        ({"url": "/", "expect": {"closed": True}}, "should not be reachable"),
        ({"url": "/", "expect": {"jsn": {}}}, "expects jsn -> use"),
        ({"url": "/${nobody}"}, "'nobody' is not known"),
    ],
)
def test_what_is_not_as_expected_is_told(url: str, step: dict[str, Any], says: str) -> None:
    with pytest.raises(CloudError) as caught:
        walk({"name": "look", **step, "url": url + step["url"]})
    assert says in str(caught.value)


def test_a_step_is_tried_until_another_instance_answers(url: str) -> None:
    first = walk({"name": "one", "url": f"{url}/", "save": {"seen": "header.Instance"}})["saved"]["seen"]
    again = {
        "name": "other",
        "url": f"{url}/",
        "expect": {"headers_not": {"Instance": first}},
        "save": {"seen": "header.Instance"},
    }
    assert walk(again, timeout=5)["saved"]["seen"] != first


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/", "http://nobody.invalid/"])
def test_what_does_not_answer_is_closed(where: str) -> None:
    assert walk({"name": "closed", "url": where, "expect": {"closed": True}})["passed"]


def test_a_problem_need_not_be_a_failure(url: str) -> None:
    result = walk({"name": "look", "url": f"{url}/nowhere"}, required=False)
    assert not result["passed"]
    assert "answers 404" in result["problem"]


def test_a_name_that_does_not_resolve_is_told_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(CloudError, match="give its address in resolve"):
        walk({"name": "look", "url": "http://app.example.test/"})
