"""Another Redis password for the whole product, with users at the front door and a client of Redis all the while."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from tests.edge_app import Edge
from tests.support import Instance, changed, run

TEST = Instance("rotation")
APP = "app.supercog.localhost"
ROTATE = ("playbooks/rotate.yml", "-e", "service=redis")


@pytest.fixture(scope="module", autouse=True)
def product() -> Iterator[None]:
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("site.yml")
    yield
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


def api(path: str) -> Any:
    keys = {"x-api-key": TEST.token("redis_cloud_api_key"), "x-api-secret-key": TEST.token("redis_cloud_secret_key")}
    answer = httpx.get(f"http://127.0.0.1:{TEST.port + 2}/v1{path}", headers=keys, timeout=30)
    answer.raise_for_status()
    return answer.json()


def database() -> dict[str, Any]:
    """The product's database, with its password."""
    number = api("/fixed/subscriptions")["subscriptions"][0]["id"]
    found: dict[str, Any] = api(f"/fixed/subscriptions/{number}/databases")["subscription"]["databases"][0]
    return found


def connected(password: str = "") -> redis.Redis:
    found = database()
    port, trust = int(found["publicEndpoint"].rpartition(":")[2]), str(TEST.folder / "ca.crt")
    secret = password or found["security"]["password"]
    return redis.Redis("127.0.0.1", port, password=secret, socket_timeout=5, ssl=True, ssl_ca_certs=trust)


class Visitor:
    """Signed in, and asking again and again; what its session says comes from Redis."""

    def __init__(self) -> None:
        self.edge = Edge(TEST)
        self.client = self.edge.client()
        body = {"email": "admin@supercog.localhost", "password": (TEST.folder / "admin_password").read_text().strip()}
        answer = self.get("/api/login", method="POST", json=body)
        assert answer.status_code == 200, answer.text
        self.cookie = "; ".join(f"{key}={value}" for key, value in answer.cookies.items())
        self.asked, self.longest = 0, 0.0
        self.failed: list[str] = []
        self.ended = threading.Event()

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.edge.get(APP, path, client=self.client, **more)

    def visit(self) -> None:
        while not self.ended.is_set():
            start = time.monotonic()
            try:
                status = self.get("/api/me", headers={"Cookie": self.cookie}).status_code
            except httpx.HTTPError as error:
                status = -1
                self.failed.append(repr(error))
            self.asked += 1
            self.longest = max(self.longest, time.monotonic() - start)
            if status not in (200, -1):
                self.failed.append(str(status))
            time.sleep(0.02)


def test_no_request_fails_while_the_password_is_rotated() -> None:
    before = database()["security"]["password"]
    kept, visitors = connected(), [Visitor(), Visitor()]
    kept.set("kept", "over the rotation")
    threads = [threading.Thread(target=visitor.visit) for visitor in visitors]
    for thread in threads:
        thread.start()
    try:
        output = TEST.playbook(*ROTATE)
    finally:
        for visitor, thread in zip(visitors, threads, strict=True):
            visitor.ended.set()
            thread.join()
    asked, failed = sum(v.asked for v in visitors), [text for v in visitors for text in v.failed]
    longest = max(visitor.longest for visitor in visitors)
    print(f"rotation: {asked} requests, {len(failed)} failed, longest answer {longest * 1000:.0f} ms")
    assert failed == []
    assert asked > 200
    after = database()["security"]["password"]
    assert after != before
    with pytest.raises(redis.AuthenticationError):
        connected(password=before).ping()
    assert kept.get("kept") == b"over the rotation"  # its connection has lived on
    assert before not in output
    assert after not in output
    everything = json.dumps(TEST.call(0, "GET", "/journal?since=0", "control")) + run("ps", "-eo", "args").stdout
    assert after not in everything
    assert api("/acl/users")["users"] == []
    assert set(changed(TEST.playbook("site.yml")).values()) == {0}


def test_an_interrupted_rotation_is_mended_by_the_next() -> None:
    fault = {"kind": "status", "service": "redis_cloud", "method": "PUT", "path": "/databases/", "status": 403}
    TEST.call(0, "POST", "/faults", "control", fault)
    output = TEST.playbook(*ROTATE, check=False)
    assert "failed=1" in output
    TEST.call(0, "DELETE", "/faults", "control")
    assert len(api("/acl/users")["users"]) == 1
    before = database()["security"]["password"]
    TEST.playbook(*ROTATE)
    assert database()["security"]["password"] != before
    assert api("/acl/users")["users"] == []
    assert api("/acl/roles")["roles"] == []


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["-e", "service=nothing"], "say whose password it is"),
        (["-e", "service=redis", "--limit", "agents.local"], "leave --limit out"),
        (["-e", "service=redis", "--check"], "cannot be foreseen"),
        (["-e", "service=redis", "-e", "redis_cloud_enable_default_user=false"], "redis_cloud_enable_default_user"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_rotated_stops_at_once(extra: list[str], says: str) -> None:
    before = TEST.call(0, "GET", "/journal?since=0", "control")["next"]
    output = " ".join(TEST.playbook("playbooks/rotate.yml", *extra, check=False).split())
    assert says in output
    entries = TEST.call(0, "GET", f"/journal?since={before}", "control")["entries"]
    assert [entry["path"] for entry in entries if entry["method"] not in ("GET", "HEAD")] == []
