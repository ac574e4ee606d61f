"""Generated fly.toml files: valid ones give configs that the API allows, odd ones give problems and never a traceback."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml import translate
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_toml_merge import options
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.collection.machine_config import FILE, MOUNT, problems, wrong

WORDS = st.text("abcxyz09_-. äß\"'\\\n#", min_size=1, max_size=8)
NAMES = st.text("abcdefgh", min_size=1, max_size=4)
PATHS = NAMES.map("/{}".format)
PORTS = st.integers(1, 65535)
PROCESSES = ["app", "web", "worker"]


def dumped(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumped(key)} = {dumped(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value).lower()


def toml(values: dict[str, Any]) -> bytes:
    return "".join(f"{dumped(key)} = {dumped(value)}\n" for key, value in values.items()).encode()


def maybe(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def between(low: float, high: float) -> st.SearchStrategy[Any]:
    """A duration within these seconds: with units, or in milliseconds."""
    number = st.integers(int(low * 1000), int(high * 1000))
    return number | number.map("{}ms".format) | st.integers(int(low) + 1, int(high)).map("{}s".format)


GROUPS = st.lists(st.sampled_from(PROCESSES), min_size=1, max_size=3)
HEADERS = st.dictionaries(NAMES, WORDS | st.integers(-(2**63), 2**63 - 1) | st.booleans(), max_size=2)
HTTP_CHECK = maybe(
    {},
    interval=between(0, 100),
    timeout=between(0, 100),
    grace_period=between(0, 100),
    method=st.sampled_from(["get", "POST", "Head"]),
    path=PATHS,
    protocol=st.sampled_from(["http", "https"]),
    tls_skip_verify=st.booleans(),
    tls_server_name=WORDS,
    headers=HEADERS | st.lists(st.fixed_dictionaries({"name": NAMES, "value": WORDS}), max_size=2),
    restart_limit=st.integers(0, 3),
)
TCP_CHECK = maybe({}, interval=between(0, 100), timeout=between(0, 100), grace_period=between(0, 100))
TLS = maybe(
    {}, alpn=st.lists(WORDS, max_size=2), versions=st.lists(WORDS, max_size=2), default_self_signed=st.booleans()
)
HTTP = maybe(
    {},
    compress=st.booleans(),
    h2_backend=st.booleans(),
    idle_timeout=st.integers(0, 900),
    response=maybe(
        {}, pristine=st.booleans(), headers=st.dictionaries(NAMES, st.just(False) | WORDS | st.lists(WORDS))
    ),
)
CONCURRENCY = st.tuples(st.integers(0, 50), st.integers(50, 99)).flatmap(
    lambda pair: st.sampled_from(
        [f"{pair[0]},{pair[1]}", {"type": "requests", "soft_limit": pair[0], "hard_limit": pair[1]}]
    )
)
COMMON = {
    "auto_stop_machines": st.sampled_from([True, False, "off", "stop", "suspend"]),
    "auto_start_machines": st.booleans(),
    "min_machines_running": st.integers(0, 5),
    "concurrency": CONCURRENCY,
}
HTTP_SERVICE = maybe(
    {"internal_port": PORTS, "processes": GROUPS},
    force_https=st.booleans(),
    tls_options=TLS,
    http_options=HTTP,
    checks=st.lists(HTTP_CHECK, max_size=2) | HTTP_CHECK,
    **COMMON,
)
PORT = maybe(
    {}, handlers=st.lists(st.sampled_from(["http", "tls", "pg_tls", "proxy_proto"]), max_size=2), tls_options=TLS
)


@st.composite
def service(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A service with external ports of its own, so that services do not take each other's."""
    first = 1000 + number * 100
    place: Any = st.sampled_from([{"port": first}, {"port": str(first)}, {"start_port": first, "end_port": first + 9}])
    ports = [{**draw(PORT), **draw(place)}]
    if draw(st.booleans()):
        ports.append({"port": first + 50, "handlers": ["http", "tls"], "force_https": True})
    fixed = {"internal_port": PORTS | PORTS.map(str), "processes": GROUPS, "ports": st.just(ports)}
    checks = {"tcp_checks": st.lists(TCP_CHECK, max_size=2), "http_checks": st.lists(HTTP_CHECK, max_size=2)}
    found: dict[str, Any] = draw(maybe(fixed, protocol=st.sampled_from(["tcp", "udp"]), **checks, **COMMON))
    return found


@st.composite
def machine(draw: st.DrawFn) -> dict[str, Any]:
    """A size in which CPUs and memory go together."""
    kind = draw(st.sampled_from(["shared", "performance"]))
    cpus = draw(st.sampled_from([1, 2, 4, 6, 8]))
    least, step = (256, 256) if kind == "shared" else (2048, 1024)
    memory = draw(st.integers(least * cpus // step, least * 4 * cpus // step)) * step
    written = draw(st.sampled_from([memory, str(memory), f"{memory}mb", f"{memory} MiB"]))
    named = {"size": f"{'shared-cpu' if kind == 'shared' else kind}-{cpus}x"}
    base = draw(
        st.sampled_from([named, {"cpu_kind": kind, "cpus": cpus, "memory": written}, {**named, "memory_mb": memory}])
    )
    extra = draw(maybe({}, kernel_args=st.lists(WORDS, max_size=2) | WORDS, host_dedication_id=WORDS, processes=GROUPS))
    return {**base, **extra}


@st.composite
def mount(draw: st.DrawFn, groups: list[str]) -> dict[str, Any]:
    extend = {
        "auto_extend_size_threshold": st.integers(50, 99),
        "auto_extend_size_increment": st.integers(1, 100).map("{}GB".format),
    }
    more = draw(
        st.sampled_from([{}, extend, {**extend, "auto_extend_size_limit": st.integers(1, 500).map("{}gb".format)}])
    )
    sizes = st.integers(1, 500) | st.integers(1, 500).map("{}gb".format)
    fixed = {"source": NAMES, "destination": PATHS, "processes": st.just(groups), **more}
    found: dict[str, Any] = draw(maybe(fixed, initial_size=sizes, snapshot_retention=st.integers(1, 60)))
    return found


TOP_CHECK = maybe(
    {"type": st.sampled_from(["tcp", "http"]), "port": PORTS},
    interval=between(2, 90),
    timeout=between(0, 60),
    grace_period=between(0, 300),
    kind=st.sampled_from(["informational", "readiness"]),
    processes=GROUPS,
    headers=HEADERS,
)
FILES = st.fixed_dictionaries({"guest_path": PATHS}, optional={"processes": GROUPS}).flatmap(
    lambda file: st.sampled_from([{"raw_value": "text\n"}, {"secret_name": "S"}, {"local_path": "beside"}, {}]).map(
        lambda source: {**file, **source}
    )
)
COMMANDS = st.sampled_from(["", "run", "run --now 'a b'", 'sh -c "x \\"y\\""'])
DEPLOY = maybe(
    {},
    strategy=st.sampled_from(["rolling", "immediate"]),
    max_unavailable=st.integers(1, 5) | st.floats(0.01, 1),
    release_command=COMMANDS,
    release_command_timeout=st.sampled_from(["1m", "90s", "1h2m3.5s"]),
    wait_timeout=st.sampled_from(["1s", "10m"]),
    release_command_vm=machine().map(lambda vm: {key: value for key, value in vm.items() if key != "processes"}),
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A whole file that flyctl would take."""
    one_each = draw(st.lists(st.sampled_from([["app"], ["web"], ["worker"]]), unique_by=str))
    fixed = {
        "processes": st.fixed_dictionaries(dict.fromkeys(PROCESSES, COMMANDS)),
        "mounts": st.tuples(*(mount(groups) for groups in one_each)).map(list),
        "services": st.tuples(*(service(number) for number in range(draw(st.integers(0, 3))))).map(list),
    }
    optional = {
        "app": NAMES,
        "primary_region": st.sampled_from(["ewr", "fra"]),
        "kill_signal": st.sampled_from(["SIGINT", "SIGTERM", "SIGUSR1"]),
        "kill_timeout": st.integers(0, 300) | st.integers(1, 5).map("{}m".format),
        "swap_size_mb": st.integers(0, 4096),
        "env": st.dictionaries(
            NAMES, WORDS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(), max_size=4
        ),
        "http_service": HTTP_SERVICE,
        "vm": machine() | st.lists(machine(), max_size=3),
        "checks": st.dictionaries(WORDS, TOP_CHECK, max_size=2),
        "metrics": st.lists(maybe({"port": PORTS}, path=PATHS, https=st.booleans(), processes=GROUPS), max_size=2),
        "restart": st.lists(
            maybe({"policy": st.sampled_from(["always", "never", "on-failure"])}, retries=PORTS), max_size=2
        ),
        "statics": st.lists(
            st.fixed_dictionaries({"guest_path": PATHS, "url_prefix": PATHS}), unique_by=str, max_size=1
        ),
        "files": st.lists(FILES, max_size=3),
        "deploy": DEPLOY,
        "experimental": maybe({}, cmd=st.lists(WORDS) | WORDS, entrypoint=st.lists(WORDS), exec=WORDS),
    }
    found: dict[str, Any] = draw(st.fixed_dictionaries(fixed, optional=optional))
    return found


def read(path: str) -> bytes:
    assert path == "beside"
    return b"\x00\xff"


@settings(max_examples=150, deadline=None)
@given(files())
def test_a_valid_file_gives_what_the_api_allows(values: dict[str, Any]) -> None:
    result, notes = translate(toml(values), read)
    assert notes.problems == []
    stated = result["machines"]
    merged = options(result, {"count": {"fra": 1}})
    assert merged["conflicts"] == []
    assert [group["name"] for group in merged["groups"]] == PROCESSES
    for group in merged["groups"]:
        assert problems(group["config"]) == []
        assert wrong(group.get("mount", {}), MOUNT, "mount") == []
        assert next(iter(group["count"])) == values.get("primary_region", "fra")
    for file in [*stated["files"], *(file for group in stated["groups"] for file in group.get("files", []))]:
        assert wrong(file, FILE, "file") == []
    assert problems({"guest": stated.get("release_command", {}).get("guest", {})}) == []
    assert {volume["group"] for volume in result["volumes"]} == {g["name"] for g in stated["groups"] if "mount" in g}
    json.dumps(result, allow_nan=False)


SECTIONS = ["http_service", "services", "vm", "mounts", "checks", "deploy", "processes", "env", "files", "experimental"]
SECTIONS += [
    "build",
    "metrics",
    "restart",
    "statics",
    "kill_timeout",
    "swap_size_mb",
    "app",
    "machine_checks",
    "compute",
]
KEYS = [
    "internal_port",
    "ports",
    "port",
    "processes",
    "checks",
    "interval",
    "headers",
    "memory",
    "size",
    "cpus",
    "name",
]
KEYS += [
    "concurrency",
    "handlers",
    "destination",
    "initial_size",
    "http_options",
    "response",
    "wait_timeout",
    "local_path",
]
ODD = st.recursive(
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "0", "-1s", "1e9gb", "9" * 99, "app"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(SECTIONS), ODD, max_size=4))
def test_an_odd_file_gives_problems_and_no_traceback(values: dict[str, Any]) -> None:
    notes = translate(toml(values), lambda path: path.encode())[1]
    assert all(": " in problem for problem in notes.problems)
