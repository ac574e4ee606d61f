from __future__ import annotations

from typing import Any


def test_its_servers_listen_on_both_families(deployed: Any) -> None:
    cloud = deployed("-cloud")
    for offset in range(9):
        code = f"import socket; [socket.create_connection((host, {deployed.port + offset}), 5) for host in ('127.0.0.1', '::1')]"
        assert cloud.run(f'python3 -c "{code}"').rc == 0, offset


def test_it_refuses_a_request_without_token(deployed: Any) -> None:
    code = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{deployed.port + 1}/v1/apps/x')"
    assert "401" in deployed("-cloud").run(f'python3 -c "{code}"').stderr
