"""The transport: what is sent again, what is not, and what the operator reads when it fails."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport, path
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock


class Script:
    """A server that plays a list of (status, body, headers) and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.seen: list[tuple[str, str, dict[str, str], str]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                script.seen.append((self.command, self.path, dict(self.headers), body))
                status, payload, headers = script.answers.pop(0)
                if status == 0:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def transport(self, **options: Any) -> Transport:
        url = f"http://127.0.0.1:{self.server.server_port}"
        clock = Clock(now=lambda: 0.0, sleep=lambda seconds: None)
        return Transport(service="fly", base_url=url, clock=clock, **options)


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.server.shutdown()


def test_reads_are_sent_again_until_they_work(script: Script) -> None:
    script.answers = [(503, {}, {}), (0, b"", {}), (429, {}, {"Retry-After": "1"}), (200, {"name": "web"}, {})]
    assert script.transport().get("/apps/web", operation="get app") == {"name": "web"}


def test_a_post_whose_answer_was_lost_is_not_sent_again(script: Script) -> None:
    script.answers = [(0, b"", {})]
    with pytest.raises(CloudError) as failure:
        script.transport().call("POST", "/apps", operation="create app", body={"name": "web"})
    assert failure.value.code == "unreachable"
    assert "a rerun looks before it creates" in failure.value.hint
    assert len(script.seen) == 1


def test_a_post_is_sent_again_only_when_the_server_did_nothing(script: Script) -> None:
    script.answers = [(429, {}, {}), (503, {}, {}), (201, {}, {})]
    assert script.transport().call("POST", "/apps", operation="create app", body={}).status == 201
    script.answers = [(500, {"error": "boom"}, {})]
    with pytest.raises(CloudError, match="boom"):
        script.transport().call("POST", "/apps", operation="create app", body={})


def test_retries_are_bounded(script: Script) -> None:
    script.answers = [(503, {}, {})] * 3
    with pytest.raises(CloudError) as failure:
        script.transport(retries=2).get("/x", operation="get x")
    assert failure.value.status == 503
    assert len(script.seen) == 3


@pytest.mark.parametrize(
    ("status", "body", "headers", "message", "code", "request_id"),
    [
        (422, {"error": "Name has already been taken", "status": "name_taken"}, {"fly-request-id": "01H-ewr"},
         "Name has already been taken", "name_taken", "01H-ewr"),
        (401, {"message": "Unauthorized"}, {}, "Unauthorized", "", ""),
        (404, b"404 page not found", {}, "404 page not found", "", ""),
        (422, {"id": "unprocessable_entity", "message": "bad size", "request_id": "r1"}, {},
         "bad size", "unprocessable_entity", "r1"),
        (404, {"status": 404, "error": "Not Found", "message": "no user"}, {}, "no user", "", ""),
        (500, b"", {}, "answered 500 without a reason", "", ""),
    ],
)  # fmt: skip
def test_every_error_shape_is_understood(
    script: Script, status: int, body: Any, headers: dict[str, str], message: str, code: str, request_id: str
) -> None:
    script.answers = [(status, body, headers)]
    with pytest.raises(CloudError) as failure:
        script.transport(retries=0).get("/x", operation="get x")
    error = failure.value
    assert (error.message, error.code, error.request_id, error.status) == (message, code, request_id, status)
    assert error.failure()["error"]["service"] == "fly"


def test_nothing_there_is_none(script: Script) -> None:
    script.answers = [(404, {}, {})]
    assert script.transport().find("/apps/web", operation="get app") is None


def test_pages_are_followed_to_the_end(script: Script) -> None:
    script.answers = [
        (200, {"tags": [1, 2], "links": {"pages": {"next": "x"}}}, {}),
        (200, {"tags": [3], "links": {}}, {}),
    ]
    assert list(script.transport().pages("/tags", "tags", operation="list tags")) == [1, 2, 3]
    assert "page=2" in script.seen[1][1]


def test_a_secret_is_sent_but_never_shown(script: Script) -> None:
    token = "planted-9f2c"
    transport = script.transport(headers={"Authorization": Secret(f"Bearer {token}")}, retries=0)
    script.answers = [(500, {"error": "no"}, {})]
    with pytest.raises(CloudError) as failure:
        transport.call("POST", "/x", operation="set", body={"password": Secret(token)})
    assert script.seen[0][2]["Authorization"] == f"Bearer {token}"
    assert token in script.seen[0][3]
    assert token not in repr(transport) + str(failure.value) + json.dumps(failure.value.failure())


def test_a_base_url_that_is_none_names_the_option() -> None:
    with pytest.raises(CloudError, match=r"api_url is 'api\.example'") as failure:
        Transport(service="fly", base_url="api.example").get("/x", operation="get x")
    assert failure.value.code == "bad_option"


def test_variable_parts_of_a_path_are_encoded() -> None:
    assert path("/apps/{app}/certificates/{host}", app="a/b", host="*.x") == "/apps/a%2Fb/certificates/%2A.x"
