from __future__ import annotations

import base64
from typing import Any

import pytest

SERVE = "/opt/venv/bin/python -m supercog_shared.serve"
ENGINE = f"{SERVE} supercog_engine"
PROCESSES = {
    "agents": [f"{ENGINE}.agents:app --port 8080"],
    "triggersvc": [f"{ENGINE}.triggersvc:app --port 8002"],
    "dashboard": [
        f"{SERVE} supercog_dashboard.app:app --host 127.0.0.1 --port 8000",
        "caddy run --config /etc/caddy/Caddyfile --adapter caddyfile",
        "python -m supercog_dashboard.start",
    ],
}
OPEN = {"agents": {8080}, "triggersvc": {8002}, "dashboard": {3000, 8002, 9091}}  # for everybody, on both families
INSIDE = {"agents": set(), "triggersvc": set(), "dashboard": {8000}}  # for the machine itself
MEMORY = {"agents": 1024, "triggersvc": 512, "dashboard": 512}
SECRETS = {
    "agents": {"CREDENTIALS_DATABASE_URL", "CREDENTIALS_MASTER_KEY", "DASH_PUBLIC_KEY"},
    "triggersvc": set[str](),
    "dashboard": {"ADMIN_PASSWORD", "DASH_PRIVATE_KEY"},
}
ALL = pytest.mark.parametrize("app", sorted(PROCESSES))


@pytest.fixture
def machine(deployed: Any, app: str) -> Any:
    return deployed.machine(f"supercog-{app}-local")


@ALL
def test_nothing_but_the_service_runs_and_not_as_root(inside: Any, machine: Any, app: str) -> None:
    found = inside.processes(machine)
    assert sorted(command for _, command in found) == PROCESSES[app]
    assert {user for user, _ in found} == {"app"}


@ALL
def test_it_listens_for_both_families(inside: Any, machine: Any, app: str) -> None:
    found = inside.sockets(machine)
    assert {(address, port) for address, port in found if address != "127.0.0.1"} == {
        ("::", port) for port in OPEN[app]
    }
    assert {port for address, port in found if address == "127.0.0.1"} == INSIDE[app]
    for port in OPEN[app]:  # :: without "v6 only" takes both
        code = f"import socket; [socket.create_connection((host, {port}), 5) for host in ('127.0.0.1', '::1')]"
        assert machine.run(f'python3 -c "{code}"').rc == 0


@ALL
def test_environment_and_secrets_reach_the_process(inside: Any, machine: Any, app: str) -> None:
    found = inside.environment(machine, PROCESSES[app][-1], "app")
    stated = {
        "ENV": "local",
        "APP_URL": found["APP_URL"],
        "FLY_APP_NAME": f"supercog-{app}-local",
        "FLY_REGION": "ewr",
        "PRIMARY_REGION": "ewr",
        "FLY_PROCESS_GROUP": "app",
        "FLY_VM_MEMORY_MB": str(MEMORY[app]),
        "SSL_CERT_FILE": "/etc/opsmap/ca.crt",
    }
    assert stated.items() <= found.items()
    assert found["APP_URL"].startswith("https://app.")
    assert found["DATABASE_URL"].startswith("postgresql://")
    assert found["REDIS_URL"].startswith(("redis://", "rediss://"))
    own = set().union(*SECRETS.values())
    assert own & set(found) == SECRETS[app], "a service has its own secrets and no other's"


@ALL
def test_files_are_what_the_release_says(deployed: Any, machine: Any, app: str) -> None:
    config = deployed.fly(f"/v1/apps/supercog-{app}-local/machines")[0]["config"]
    files = {file["guest_path"]: base64.b64decode(file["raw_value"]) for file in config["files"]}
    assert set(files) == {"/etc/opsmap/ca.crt", *(["/etc/caddy/Caddyfile"] if app == "dashboard" else [])}
    for path, content in files.items():
        assert machine.file(path).content == content
    assert files["/etc/opsmap/ca.crt"].strip() == (deployed.instance.folder / "ca.crt").read_bytes().strip()
    assert app != "dashboard" or machine.file("/etc/caddy/Caddyfile").contains("email_handler")


@ALL
def test_mounts(machine: Any, app: str) -> None:
    mount, folder = machine.mount_point("/code/storage"), machine.file("/code/storage")
    assert mount.exists == (app == "agents")
    if app == "agents":
        assert "rw" in mount.options
        assert (folder.user, folder.group) == ("app", "app")
