"""Configs of machines in the local cloud: what is refused, and what container they become."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import Any

import pytest
from aiohttp import web

from local_cloud.fly import container, processes, schema
from local_cloud.fly.validate import check_config

IMAGE = {"image": "registry.fly.io/web:1"}
SERVICE = {"protocol": "tcp", "internal_port": 8080}


def service(**more: Any) -> dict[str, Any]:
    return {"services": [{**SERVICE, **more}]}


ACCEPTED: list[dict[str, Any]] = [
    {},
    {"env": None, "mounts": [], "services": None},
    {"size": "performance-16x"},
    {"guest": {"cpu_kind": "shared", "cpus": 8, "memory_mb": 16384}},
    {"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096, "persist_rootfs": 3}},
    service(autostop="suspend", ports=[{"port": 443, "handlers": ["tls", "http"], "force_https": True}]),
    service(autostop=True, ports=[{"start_port": 5000, "end_port": 5010}], min_machines_running=1),
    service(checks=[{"type": "http", "interval": 15_000_000_000, "timeout": "2s", "tls_server_name": "x"}]),
    {"checks": {"a": {"type": "tcp", "port": 1, "kind": "readiness", "grace_period": "1m30s"}}},
    {"mounts": [{"volume": "vol_1", "path": "/data", "extend_threshold_percent": 80, "add_size_gb": 1}]},
    {"stop_config": {"signal": "SIGQUIT", "timeout": "300s"}, "restart": {"policy": "always"}},
    {"statics": [{"guest_path": "/srv", "url_prefix": "/static/", "tigris_bucket": ""}]},
    {"init": {"swap_size_mb": 512, "tty": True, "kernel_args": ["a"]}, "dns": {"nameservers": ["::1"]}},
    {"future": {"x": 1}, "schedule": "weekly", "auto_destroy": True, "metrics": {"port": 9, "path": "/m"}},
]


@pytest.mark.parametrize("config", ACCEPTED, ids=json.dumps)
def test_accepted(config: dict[str, Any]) -> None:
    check_config({**IMAGE, **config}, "ewr")


REFUSED: dict[str, dict[str, Any]] = {
    "config.services must be a list": {"services": {}},
    "config.services[0] must be an object": {"services": ["x"]},
    "config.init.cmd must be a list": {"init": {"cmd": "run"}},
    "config.services[0].autostart must be true or false": service(autostart="yes"),
    "config.services[0].autostop must be true or false or a string": service(autostop=1),
    "config.metadata.a must be a string": {"metadata": {"a": 1}},
    "config.auto_destroy must be true or false": {"auto_destroy": 1},
    "config.guest.cpus must be an integer": {"guest": {"cpus": True}},
    "must be a duration": {"stop_config": {"timeout": 1.5}},
    "services[0].protocol": {"services": [{"protocol": "sctp", "internal_port": 1}]},
    "services[0].internal_port must be between": {"services": [{"protocol": "tcp", "internal_port": 70000}]},
    "services[0].ports[0]: port, or start_port": service(ports=[{"handlers": []}]),
    "end_port is below start_port": service(ports=[{"start_port": 9, "end_port": 5}]),
    "handlers: smtp": service(ports=[{"port": 25, "handlers": ["smtp"]}]),
    "autostop later": service(autostop="later"),
    "concurrency.type users": service(concurrency={"type": "users"}),
    "size huge": {"size": "huge"},
    "guest.cpus of shared 3": {"guest": {"cpus": 3, "memory_mb": 768}},
    "guest.cpu_kind quick": {"guest": {"cpu_kind": "quick"}},
    "use 4096 to 16384 in steps of 1024": {"guest": {"cpu_kind": "performance", "cpus": 2, "memory_mb": 2048}},
    "persist_rootfs often": {"guest": {"persist_rootfs": "often"}},
    "must be absolute": {"files": [{"guest_path": "x", "raw_value": ""}]},
    "is no base64": {"files": [{"guest_path": "/x", "raw_value": "%"}]},
    "needs one of": {"files": [{"guest_path": "/x", "raw_value": "", "secret_name": "A"}]},
    "mode must be": {"files": [{"guest_path": "/x", "raw_value": "", "mode": 99999}]},
    "only one mount": {"mounts": [{"volume": "a", "path": "/a"}, {"volume": "b", "path": "/b"}]},
    "a mount needs": {"mounts": [{"volume": "a"}]},
    "extend_threshold_percent": {"mounts": [{"volume": "a", "path": "/a", "extend_threshold_percent": 10}]},
    "restart.policy sometimes": {"restart": {"policy": "sometimes"}},
    "max_retries": {"restart": {"max_retries": -1}},
    "stop_config.signal SIGSTOP": {"stop_config": {"signal": "SIGSTOP"}},
    "statics[0] needs": {"statics": [{"guest_path": "/a"}]},
    "metrics.port": {"metrics": {"path": "/m"}},
    "checks.a.type udp": {"checks": {"a": {"type": "udp", "port": 1}}},
    "checks.a.kind loud": {"checks": {"a": {"type": "tcp", "port": 1, "kind": "loud"}}},
    "a header needs a name": {"checks": {"a": {"type": "http", "port": 1, "headers": [{"values": ["x"]}]}}},
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(web.HTTPBadRequest) as problem:
        check_config({**IMAGE, **REFUSED[text]}, "ewr")
    message = json.loads(problem.value.text or "")["error"]
    assert message.startswith("invalid_argument: ")
    assert text in message


def test_types_of_bodies() -> None:
    schema.check({"name": None, "config": {"image": "a"}, "other": object()}, schema.BODY)
    with pytest.raises(web.HTTPBadRequest):
        schema.check({"skip_launch": "true"}, schema.BODY)


MACHINE: dict[str, Any] = {"id": "0123456789abcd", "region": "ewr", "instance_id": "I", "private_ip": "fdaa::9"}


def body_of(secrets: dict[str, str] | None = None, **config: Any) -> tuple[dict[str, Any], container.Files]:
    around = container.Surroundings(
        image="localhost:1/web@sha256:a",
        image_config={"Env": ["PATH=/bin"], "Entrypoint": ["/enter"], "Cmd": ["serve"], "User": "app"},
        network="net",
        secrets=secrets or {},
        volumes={"vol_1": "opsmap-vol_1"},
        processors=2,
    )
    return container.container_config("web", {**MACHINE, "config": {**IMAGE, **config}}, around)


def test_a_config_becomes_a_container() -> None:
    made, files = body_of(
        {"TOKEN": "s", "FILE": base64.b64encode(b"content").decode()},
        env={"TOKEN": "e", "A": "1"},
        guest={"cpus": 4, "memory_mb": 1024},
        init={"swap_size_mb": 256, "cmd": ["other"]},
        mounts=[{"volume": "vol_1", "path": "/data"}],
        files=[{"guest_path": "/f", "secret_name": "FILE"}, {"guest_path": "/g", "raw_value": "", "mode": 0o600}],
    )
    host = made["HostConfig"]
    assert (made["Entrypoint"], made["Cmd"]) == (["/enter"], ["other"])
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (2 * 10**9, 2**30, 2**30 + 2**28)
    assert host["Mounts"] == [{"Type": "volume", "Source": "opsmap-vol_1", "Target": "/data"}]
    assert {"TOKEN=s", "A=1", "PATH=/bin", "FLY_PRIVATE_IP=fdaa::9"} <= set(made["Env"])
    assert files == {"/f": (b"content", 0o644), "/g": (b"", 0o600)}
    endpoint = made["NetworkingConfig"]["EndpointsConfig"]["net"]
    assert endpoint["IPAMConfig"] == {"IPv6Address": "fdaa::9"}
    assert "web.internal" in endpoint["Aliases"]


def test_exec_replaces_everything() -> None:
    made, _ = body_of(init={"exec": ["/run"], "cmd": ["x"], "entrypoint": ["y"]})
    assert (made["Entrypoint"], made["Cmd"]) == (["/run"], [])


def test_a_file_of_a_secret_that_is_missing_or_wrong_is_told() -> None:
    for secrets, text in (({}, "is not set"), ({"S": "%"}, "is no base64")):
        with pytest.raises(ValueError, match=text):
            body_of(secrets, files=[{"guest_path": "/f", "secret_name": "S"}])


def test_addresses_are_in_the_subnet_and_stay() -> None:
    one = container.address("fdaa:1:2::/64", "0123456789abcd")
    assert one == container.address("fdaa:1:2::/64", "0123456789abcd")
    assert one.startswith("fdaa:1:2:")
    assert one != container.address("fdaa:1:2::/64", "0123456789abce")
    assert container.address("", "0123456789abcd") == ""


def test_names_on_the_private_network() -> None:
    hidden = {**MACHINE, "config": {"dns": {"skip_registration": True}}}
    assert container.aliases("web", hidden) == ["0123456789abcd.vm.web.internal"]
    named = {**MACHINE, "config": {"metadata": {"fly_process_group": "app", "x": "no name!"}}}
    found = container.aliases("web", named)
    assert {"app.process.web.internal", "ewr.web.internal"} <= set(found)
    assert not [name for name in found if ".x.kv." in name]


@pytest.mark.parametrize(
    ("config", "can"),
    [
        ({}, True),
        ({"guest": {"cpus": 2, "memory_mb": 4096}}, False),
        ({"init": {"swap_size_mb": 1}}, False),
        ({"schedule": "daily"}, False),
    ],
)
def test_what_can_be_suspended(config: dict[str, Any], can: bool) -> None:
    assert container.can_suspend(config) is can


def test_what_no_host_takes() -> None:
    assert "containers" in container.unavailable({"containers": [{"name": "a"}]})
    assert "GPU" in container.unavailable({"guest": {"gpu_kind": "a10"}})
    assert container.unavailable({}) == ""


def test_references_of_flys_registry_lead_to_the_own_one() -> None:
    own = "localhost:1"
    for name in ("registry.fly.io/web:1", "127.0.0.1:9/web:1", "localhost:1/web:1"):
        assert container.image_reference(name, own) == "localhost:1/web:1"
    assert container.image_reference("nginx", own) == "nginx"


def run_script(*items: dict[str, Any], secrets: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    text = processes.script(list(items), {"Cmd": ["echo", "of the image"]}, secrets or {}, {"region": "ewr"})
    around = {**os.environ, **(secrets or {})}  # as the container's environment has them
    return subprocess.run(["/bin/sh", "-c", text], env=around, capture_output=True, text=True, timeout=20, check=False)


def test_the_first_process_to_end_decides() -> None:
    start = {"exec": ["sh", "-c", 'trap "echo told; exit 0" TERM; while :; do sleep 0.05; done']}
    done = run_script(start, {"exec": ["sh", "-c", "sleep 0.3; exit 4"]})
    assert (done.returncode, done.stdout) == (4, "told\n")


def test_processes_have_their_own_environment() -> None:
    echo = {"exec": ["sh", "-c", 'echo "$A|$R|$S|${GONE-none}"'], "env": {"A": "it's"}, "ignore_app_secrets": True}
    echo["env_from"] = [{"env_var": "R", "field_ref": "region"}]
    echo["secrets"] = [{"env_var": "S", "name": "KEY"}]
    assert run_script(echo, secrets={"KEY": "$k", "GONE": "x"}).stdout == "it's|ewr|$k|none\n"
    assert run_script({"cmd": ["echo", "hi"]}).stdout == "hi\n"
    assert run_script({}).stdout == "of the image\n"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"exec": ["a"], "secrets": [{"env_var": "S", "name": "S"}]}, "secret S is not set"),
        ({"exec": ["a"], "env_from": [{"env_var": "S", "field_ref": "mood"}]}, "unknown field_ref mood"),
    ],
)
def test_processes_that_cannot_be(item: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        processes.script([item], {}, {}, {})
