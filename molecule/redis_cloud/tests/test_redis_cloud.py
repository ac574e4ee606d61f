from __future__ import annotations

from typing import Any


def test_the_server_wants_a_password_and_tls(deployed: Any) -> None:
    server = deployed("-redis-")
    port = server.run("ps -eo args | grep -o ':[0-9]* *$' | head -1").stdout
    config = server.file("/etc/opsmap/redis.conf")
    assert config.mode == 0o600
    assert config.contains("^requirepass ")
    assert config.contains("^tls-port ")
    assert config.contains("^port 0$")
    assert config.contains("^appendonly yes$"), port


def test_the_password_is_in_no_argument(deployed: Any) -> None:
    server = deployed("-redis-")
    password = server.run("sed -n 's/^requirepass //p' /etc/opsmap/redis.conf").stdout.strip()
    assert len(password) == 32
    assert password not in server.check_output("cat /proc/1/cmdline /proc/*/environ")
