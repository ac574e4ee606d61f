from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("app", "port"), [("agents", 8080), ("triggersvc", 8002), ("dashboard", 3000)])
def test_it_listens_for_both_families(deployed: Any, app: str, port: int) -> None:
    machine = deployed.machine(f"supercog-{app}-local")
    code = f"import socket; [socket.create_connection((host, {port}), 5) for host in ('127.0.0.1', '::1')]"
    assert machine.run(f'python3 -c "{code}"').rc == 0


def test_services_do_not_run_as_root(deployed: Any) -> None:
    for app in ("agents", "triggersvc", "dashboard"):
        machine = deployed.machine(f"supercog-{app}-local")
        users = machine.check_output(
            "stat -c %U /proc/[0-9]*/exe 2>/dev/null; for p in /proc/[0-9]*; do stat -c %U $p; done"
        )
        assert "app" in users.split()


def test_environment_and_secrets_reach_the_process(deployed: Any) -> None:
    names = (
        deployed.machine("supercog-agents-local").check_output("tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1").split()
    )
    assert {"DATABASE_URL", "REDIS_URL", "CREDENTIALS_MASTER_KEY", "FLY_MACHINE_ID", "FLY_REGION", "PORT"} <= set(names)
    assert "opsmap" not in names


def test_files_and_mounts(deployed: Any) -> None:
    agents, dashboard = deployed.machine("supercog-agents-local"), deployed.machine("supercog-dashboard-local")
    assert agents.mount_point("/code/storage").exists
    assert agents.file("/code/storage").user == "app"
    assert dashboard.file("/etc/caddy/Caddyfile").contains("email_handler")
