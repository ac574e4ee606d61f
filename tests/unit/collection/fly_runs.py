"""Releases against the fake Fly, on its clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport
from ansible_collections.opsmap.cloud.plugins.modules import fly_machines

from tests.unit.collection.fake_fly import FakeFly
from tests.unit.collection.fake_http import Direct
from tests.unit.collection.runs import still_clock

CHECKED: dict[str, Any] = {
    "services": [
        {
            "protocol": "tcp",
            "internal_port": 8080,
            "ports": [{"port": 443, "handlers": ["http", "tls"]}],
            "checks": [{"type": "http", "port": 8080, "path": "/health", "interval": "2s", "timeout": "1s"}],
        }
    ]
}


@contextmanager
def fake_fly() -> Iterator[FakeFly]:
    """An empty app, reached without sockets."""
    fake = FakeFly(clock=still_clock(), url="http://fly.test")
    lock = threading.RLock()
    with patch.object(Transport, "_connect", lambda transport: Direct(fake, lock)):
        yield fake


def metadata(group: str, **more: str) -> dict[str, str]:
    owned = {"fly_platform_version": "v2", "fly_process_group": group, "opsmap_owner": "opsmap"}
    return {
        **owned,
        "opsmap_release": "20260101T000000Z",
        "fly_release_version": "3",
        "fly_release_id": "rel_x",
        **more,
    }


def old_machine(
    fly: FakeFly,
    name: str,
    state: str = "started",
    group: str = "app",
    config: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """A machine of the release before."""
    env = {"FLY_PROCESS_GROUP": group, "PRIMARY_REGION": "ewr"}
    whole = {"image": "old", "env": env, "metadata": metadata(group), **(CHECKED if config is None else config)}
    return fly.add(name, whole, state, **more)


def release(
    fly: FakeFly,
    *,
    check_mode: bool = False,
    alert: Callable[[str], None] = lambda text: None,
    report: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> dict[str, Any]:
    """The result of the module, or the CloudError that it raised."""
    conditions = {key: value for key, value in fly_machines.SPEC.items() if key != "argument_spec"}
    basic: dict[str, Any] = {
        "app": "web",
        "api_url": fly.url,
        "api_token": "token",
        "config": CHECKED,
        "wait_timeout": 60,
    }
    given = {**basic, **options}
    checked = ModuleArgumentSpecValidator(fly_machines.SPEC["argument_spec"], **conditions).validate(given)
    assert not checked.error_messages, checked.error_messages
    context = Context(check_mode, report=report, alert=alert, clock=fly.clock)
    return fly_machines.run(dict(checked.validated_parameters), context)


def snapshot(fly: FakeFly) -> dict[str, Any]:
    """What matters of the machines that exist, by name."""
    for machine in fly.machines.values():
        fly.advance(machine)
    return {
        m["name"]: {"id": m["id"], "state": m["state"], "config": m["config"], "cordoned": m["cordoned"]}
        for m in fly.machines.values()
        if m["state"] != "destroyed"
    }
