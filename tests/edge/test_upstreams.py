"""Machines share the load, dead ones are left out, streams outlive a reload, peers are on the list or not at all."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.edge.conftest import LAPTOP, MACHINES, House
from tests.edge.front import Front, Service

GRACE_SECONDS = 10  # of the Caddyfile: what is open for longer than that after a reload stays open


def answers(front: Front, number: int) -> Counter[str]:
    """Who answers, if nobody fails."""
    found = [front.ask(front.engine, "/x") for _ in range(number)]
    assert {answer.status for answer in found} == {200}
    return Counter(answer.by for answer in found)


def test_all_machines_share_the_load(house: House) -> None:
    shares = answers(house.front, 90)
    assert set(shares) == {f"agents {name}" for name in MACHINES}
    assert min(shares.values()) >= 10, shares


@contextmanager
def replaced(house: House, number: int) -> Iterator[Service]:
    """A machine is dead for a while."""
    dead = house.agents[number]
    dead.end()
    yield dead
    house.agents[number] = Service(dead.name, MACHINES[number], dead.server_address[1])


def test_a_dead_machine_is_left_out_and_no_request_is_lost(house: House) -> None:
    with replaced(house, 1) as dead:
        shares = answers(house.front, 60)
    assert dead.name not in shares
    assert len(shares) == 2


def test_a_machine_that_does_not_answer_to_connections_loses_no_request(house: House) -> None:
    with replaced(house, 2) as dead:
        address = (MACHINES[2], dead.server_address[1])
        with socket.create_server(address, family=socket.AF_INET6, backlog=0, reuse_port=True):
            full = [socket.socket(socket.AF_INET6) for _ in range(4)]
            for one in full:  # the queue of the listener is full: further connections get no answer
                one.setblocking(False)
                one.connect_ex(address)
            shares = answers(house.front, 20)
            for one in full:
                one.close()
    assert dead.name not in shares


def test_a_machine_that_hangs_loses_no_request_that_can_be_repeated(house: House) -> None:
    house.front.reload(answer_timeout="1s")
    try:
        with replaced(house, 0) as dead:
            address = (MACHINES[0], dead.server_address[1])
            with socket.create_server(address, family=socket.AF_INET6, reuse_port=True):
                shares = answers(house.front, 20)
    finally:
        house.front.reload(answer_timeout="60s")
    assert dead.name not in shares


def test_no_client_can_put_machines_out_of_service(house: House) -> None:
    front = house.front
    for _ in range(6):
        assert front.ask(front.engine, "/x", "POST", body=(b"x" * 1_000_000 for _ in range(26))).status == 413
        with front.connect() as line:
            line.sendall(b"POST /x HTTP/1.1\r\nHost: engine.example.test\r\nContent-Length: 1000\r\n\r\nx")
        assert front.ask(front.engine, "/status/503").status == 503
    start = time.monotonic()
    assert len(answers(front, 40)) == len(MACHINES)
    assert time.monotonic() - start < 2


def test_a_machine_that_comes_is_used_and_one_that_goes_is_not(house: House) -> None:
    host, port = house.front.values["caddy_config_agents_host"], house.front.values["caddy_config_agents_port"]
    house.world.place(host, MACHINES[0], "fdaa::a9")
    new = Service("agents new", "fdaa::a9", port)
    try:
        time.sleep(6)  # names are asked for again every 5 s
        shares = answers(house.front, 40)
    finally:
        house.world.place(host, *MACHINES)
        new.end()
    assert set(shares) == {"agents new", house.agents[0].name}
    time.sleep(6)


def test_when_all_are_dead_the_answer_says_so_in_time(house: House) -> None:
    house.world.place("nobody.internal", "fdaa::f1")
    host = house.front.values["caddy_config_agents_host"]
    house.front.reload(agents_host="nobody.internal")
    start = time.monotonic()
    answer = house.front.ask(house.front.engine, "/x")
    house.front.reload(agents_host=host)
    assert (answer.status, answer.body) == (502, b"502 Bad Gateway")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert time.monotonic() - start < 12


HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"


def begun(front: Front, host: str, path: str, headers: str = "") -> socket.socket:
    """A connection whose answer has begun."""
    line = front.connect()
    line.settimeout(5)
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
    head = line.recv(4096)
    assert head.split(b" ")[1] in (b"200", b"101"), head
    return line


def test_streams_and_websockets_outlive_a_reload(house: House) -> None:
    front = house.front
    streams = [begun(front, front.app, "/api/stream"), begun(front, front.engine, "/stream")]
    sockets = [
        begun(front, front.app, "/api/ws", HANDSHAKE),
        begun(front, front.engine, "/ws", HANDSHAKE),
        begun(front, front.engine, "/ws", f"{HANDSHAKE}Cookie: agent_service=x\r\n"),
    ]
    front.reload(upload_limit="24MB", stall_timeout="2s")
    end = time.monotonic() + GRACE_SECONDS + 4
    while time.monotonic() < end:
        for line in streams:
            assert b"data: tick" in line.recv(65536)
        for line in sockets:
            line.sendall(b"still here?")
            assert line.recv(100) == b"still here?"
        time.sleep(0.5)
    assert front.ask(front.app, "/api/x", "POST", body=b"x" * 24_000_001).status == 413  # the new configuration
    front.reload(upload_limit="25MB", stall_timeout="30s")
    for line in (*streams, *sockets):
        line.close()


def test_requests_are_not_lost_while_caddy_reloads(house: House) -> None:
    front = house.front
    for number in range(5):
        front.reload(upload_limit=f"{20 + number}MB")
        assert {front.ask(front.app, "/api/x").status for _ in range(20)} == {200}
    front.reload(upload_limit="25MB")


@pytest.fixture
def listed(house: House) -> Iterator[Front]:
    """A door whose list has a preview and a developer's machine, the latter on a port of its own."""
    peers = {"preview": "preview.internal", "alice": "alice-laptop._peer.internal:9000"}
    house.front.reload(agent_services=peers, agent_check_path="")
    yield house.front
    house.front.reload(agent_services={}, agent_check_path="/api/agent-service")


def test_a_developers_own_service_is_an_entry_of_the_list(house: House, listed: Front) -> None:
    assert listed.ask(listed.engine, "/run_oauth", Cookie="agent_service=alice").by == "alice"
    assert (LAPTOP, 9000) in house.world.connections
    assert listed.ask(listed.engine, "/run_oauth", Cookie="agent_service=preview").by == "preview"
    for other in ("bob", "alice-laptop._peer.internal:9000", "bob-laptop._peer.internal"):
        assert listed.ask(listed.engine, "/run_oauth", Cookie=f"agent_service={other}").by.startswith("agents ")
    assert listed.ask(listed.app, "/api/x", Cookie="agent_service=alice").by == "api"


def test_a_peer_that_is_away_is_no_reason_to_ask_another(house: House, listed: Front) -> None:
    laptop = house.peers[1]
    laptop.end()
    answer = listed.ask(listed.engine, "/run_oauth", Cookie="agent_service=alice")
    house.peers[1] = Service(laptop.name, LAPTOP, laptop.server_address[1])
    assert (answer.status, answer.by) == (502, "502 Bad Gateway")
