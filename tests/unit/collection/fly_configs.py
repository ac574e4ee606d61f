"""Generated MachineConfigs (reference fly 2.7), and every way to change one of their leaves so that it means something else."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Config = dict[str, Any]
Path = tuple[Any, ...]
HANDLERS = ["http", "tls", "pg_tls", "proxy_proto"]
WORDS = st.text("abcdefghij", min_size=1, max_size=6)
PATHS = WORDS.map(lambda word: f"/{word}")
BYTES = st.binary(max_size=60).filter(bool)
SHARED = st.sampled_from([1, 2, 4, 6, 8]).flatmap(
    lambda cpus: st.integers(cpus, 8 * cpus).map(lambda m: {"cpu_kind": "shared", "cpus": cpus, "memory_mb": 256 * m})
)
PERFORMANCE = st.sampled_from([1, 2, 4, 8, 16]).flatmap(
    lambda cpus: st.integers(2 * cpus, 8 * cpus).map(
        lambda m: {"cpu_kind": "performance", "cpus": cpus, "memory_mb": 1024 * m}
    )
)
PRESETS = [f"shared-cpu-{n}x" for n in (1, 2, 4, 6, 8)] + [f"performance-{n}x" for n in (1, 2, 4, 8, 16)]


def some(needed: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Config]:
    """An object with these fields, of which the optional ones may be missing."""
    return st.fixed_dictionaries(needed, optional=optional)


def spelled(nanoseconds: int) -> st.SearchStrategy[Any]:
    """A duration in one of the forms that the API takes."""
    seconds, rest = divmod(nanoseconds, 10**9)
    exact = [f"{seconds}s", f"{seconds // 60}m{seconds % 60}s"] if not rest else [f"{nanoseconds // 10**6}ms"]
    return st.sampled_from([nanoseconds, *exact])


DURATIONS = st.one_of(
    st.integers(1, 7200).map(lambda n: n * 10**9), st.integers(1, 5000).map(lambda n: n * 10**6)
).flatmap(spelled)
STOP_TIMES = st.integers(1, 300).map(lambda n: n * 10**9).flatmap(spelled)
HEADER = some(
    {"name": st.sampled_from(["X-Forwarded-Proto", "accept", "X-Check"]), "values": st.lists(WORDS, min_size=1)}
)
CHECK: dict[str, Any] = {
    "interval": DURATIONS,
    "timeout": DURATIONS,
    "grace_period": DURATIONS,
    "method": st.sampled_from(["get", "GET", "HEAD", "post"]),
    "path": PATHS,
    "protocol": st.sampled_from(["http", "https"]),
    "tls_skip_verify": st.booleans(),
    "tls_server_name": WORDS,
    "headers": st.lists(HEADER, max_size=2, unique_by=lambda header: header["name"]),
}
CHECKS = some({"type": st.sampled_from(["tcp", "http"]), "port": st.integers(1, 65535)}, **CHECK)
TOP_CHECKS = some(
    {"type": st.sampled_from(["tcp", "http"]), "port": st.integers(1, 65535)},
    kind=st.sampled_from(["informational", "readiness"]),
    **CHECK,
)
HTTP_OPTIONS = some(
    {},
    compress=st.booleans(),
    h2_backend=st.booleans(),
    idle_timeout=st.integers(1, 600),
    headers_read_timeout=st.integers(1, 60),
    response=some(
        {},
        pristine=st.booleans(),
        headers=st.dictionaries(
            st.sampled_from(["X-One", "Server"]), st.one_of(WORDS, st.lists(WORDS), st.just(False))
        ),
    ),
    replay_cache=st.lists(
        some(
            {"path_prefix": PATHS, "ttl_seconds": st.integers(10, 99), "type": st.just("cookie"), "name": WORDS},
            allow_bypass=st.booleans(),
        ),
        max_size=2,
        unique_by=lambda cache: cache["path_prefix"],
    ),
)
PORT_FIELDS: dict[str, Any] = {
    "handlers": st.lists(st.sampled_from(HANDLERS), unique=True),
    "force_https": st.booleans(),
    "tls_options": some(
        {},
        alpn=st.lists(st.sampled_from(["h2", "http/1.1"]), unique=True),
        versions=st.lists(st.sampled_from(["TLSv1.2", "TLSv1.3"]), unique=True),
        default_self_signed=st.booleans(),
    ),
    "http_options": HTTP_OPTIONS,
    "proxy_proto_options": some({"version": st.sampled_from(["v1", "v2"])}),
}


def with_http(port: Config) -> Config:
    """The handler that ``force_https`` needs."""
    needs = port.get("force_https") and "http" not in port.get("handlers", [])
    return {**port, "handlers": [*port.get("handlers", []), "http"]} if needs else port


def at_ports(numbers: list[int]) -> st.SearchStrategy[list[Config]]:
    """One port for each number; every third one is a range."""
    places = [
        {"port": st.just(number)}
        if number % 3
        else {"start_port": st.just(number), "end_port": st.integers(number, number + 9)}
        for number in numbers
    ]
    return st.tuples(*(some(place, **PORT_FIELDS).map(with_http) for place in places)).map(list)


def fitting(concurrency: Config) -> Config:
    """The hard limit is not below the soft one."""
    if "hard_limit" in concurrency:
        concurrency["hard_limit"] += concurrency.get("soft_limit") or 20
    return concurrency


CONCURRENCY = some(
    {},
    type=st.sampled_from(["connections", "requests"]),
    soft_limit=st.integers(1, 100),
    hard_limit=st.integers(0, 100),
).map(fitting)


def service(number: int, least: int = 0) -> st.SearchStrategy[Config]:
    """The service of that place in the list: no two share an external port. ``least``: of ports and checks."""
    external = st.lists(
        st.integers(number * 1000 + 100, number * 1000 + 900), min_size=least, max_size=3, unique_by=lambda n: n // 20
    )
    lists: dict[str, Any] = {
        "ports": external.flatmap(at_ports),
        "checks": st.lists(CHECKS, min_size=least, max_size=2, unique_by=lambda check: check["port"]),
    }
    fields: dict[str, Any] = {
        "autostop": st.sampled_from(["off", "stop", "suspend", True, False]),
        "autostart": st.booleans(),
        "min_machines_running": st.integers(0, 3),
        "concurrency": CONCURRENCY,
        "force_instance_key": WORDS,
        "force_instance_description": WORDS,
    }
    needed = {"protocol": st.sampled_from(["tcp", "udp"]), "internal_port": st.integers(3000, 3002)}
    return some({**needed, **lists}, **fields) if least else some(needed, **lists, **fields)


def services(least: int = 0) -> st.SearchStrategy[list[Config]]:
    """Services, and in each of them ports and checks, of which there are at least so many."""
    numbers = st.lists(st.integers(0, 9), min_size=least, max_size=3, unique=True)
    return numbers.flatmap(lambda found: st.tuples(*(service(n, least) for n in found)).map(list))


def spelled_bytes(content: bytes) -> st.SearchStrategy[str]:
    """Base64 in one of its spellings."""
    plain = base64.b64encode(content).decode()
    return st.sampled_from([plain, plain.rstrip("="), base64.encodebytes(content).decode(), plain.replace("/", "_")])


FILE = some(
    {"guest_path": PATHS, "raw_value": BYTES.map(lambda content: base64.b64encode(content).decode())},
    mode=st.sampled_from([0, 0o600, 0o755]),
)
LOOSE_FILE = some({"guest_path": PATHS, "raw_value": BYTES.flatmap(spelled_bytes)}, mode=st.sampled_from([0, 0o600]))
SECRET_FILE = some({"guest_path": PATHS, "secret_name": WORDS})
MOUNT = some(
    {"volume": WORDS.map(lambda word: f"vol_{word}"), "path": PATHS},
    extend_threshold_percent=st.integers(50, 99),
    add_size_gb=st.integers(1, 100),
    size_gb_limit=st.integers(1, 500),
)
TEXTS = st.text(max_size=8)
VARIABLES = st.dictionaries(st.sampled_from(["A", "PORT", "DEBUG", "a.b"]), TEXTS)
LOOSE_VARIABLES = st.dictionaries(
    st.sampled_from(["A", "PORT", "DEBUG"]), st.one_of(TEXTS, st.booleans(), st.integers())
)
COMMAND = st.lists(WORDS, max_size=3)
MAIN: dict[str, Any] = {
    "init": some(
        {}, cmd=COMMAND, entrypoint=COMMAND, exec=COMMAND, tty=st.booleans(), swap_size_mb=st.integers(0, 512)
    ),
    "services": services(),
    "checks": st.dictionaries(WORDS, TOP_CHECKS, max_size=2),
    "statics": st.lists(
        some({"guest_path": PATHS, "url_prefix": PATHS}, tigris_bucket=WORDS, index_document=WORDS),
        max_size=2,
        unique_by=lambda static: static["url_prefix"],
    ),
    "metrics": some({"port": st.integers(1, 65535), "path": PATHS}, https=st.booleans()),
    "stop_config": some({}, signal=st.sampled_from(["SIGINT", "SIGTERM"]), timeout=STOP_TIMES),
    "restart": some({}, policy=st.sampled_from(["no", "always", "on-failure"]), max_retries=st.integers(0, 12)),
    "schedule": st.sampled_from(["hourly", "daily", "weekly", "monthly"]),
    "auto_destroy": st.booleans(),
    "dns": some({}, skip_registration=st.booleans(), nameservers=st.lists(WORDS, max_size=2), hostname=WORDS),
    "metadata": st.dictionaries(st.sampled_from(["team", "tier"]), WORDS),
    "processes": st.lists(
        some({}, cmd=COMMAND, user=WORDS, env=VARIABLES, ignore_app_secrets=st.booleans()), max_size=2
    ),
    "rootfs": some({"persist": st.sampled_from(["never", "restart", "always"])}, size_gb=st.integers(1, 9)),
}
GUEST = st.one_of(
    st.one_of(SHARED, PERFORMANCE).map(lambda guest: {"guest": guest}),
    st.one_of(SHARED, PERFORMANCE).map(lambda guest: {"guest": {**guest, "persist_rootfs": "restart"}}),
    st.sampled_from(PRESETS).map(lambda size: {"size": size}),
    st.just({}),
)


def of(optional: dict[str, Any], **needed: st.SearchStrategy[Any]) -> st.SearchStrategy[Config]:
    """Configs of the common fields and these."""
    image = st.sampled_from(["nginx", "registry.fly.io/web:1", "registry.fly.io/web@sha256:" + "a" * 64])
    fields = {key: field for key, field in {**MAIN, **optional}.items() if key not in needed}
    return st.tuples(some({"image": image, **needed}, **fields), GUEST).map(lambda parts: {**parts[0], **parts[1]})


def files(*kinds: st.SearchStrategy[Config]) -> st.SearchStrategy[list[Config]]:
    """Files at different paths."""
    return st.lists(st.one_of(*kinds), max_size=3, unique_by=lambda file: file["guest_path"])


# What a caller may declare, in any spelling; what the server takes word by word, and of that with services.
CONFIGS = of(
    {"env": LOOSE_VARIABLES, "files": files(LOOSE_FILE, SECRET_FILE), "mounts": st.lists(MOUNT, min_size=1, max_size=1)}
)
STRICT: dict[str, Any] = {"env": VARIABLES, "files": files(FILE, SECRET_FILE)}
SENDABLE = of(STRICT)
SERVED = of(STRICT, services=services(1))
ROWS = st.sets(st.integers(1, 24))

ENUMS = {
    "autostop": {"off": "stop", "stop": "suspend", "suspend": "off", True: "off", False: "stop"},
    "type": {"tcp": "http", "http": "tcp", "connections": "requests", "requests": "connections", "cookie": "header"},
    "protocol": {"tcp": "udp", "udp": "tcp", "http": "https", "https": "http"},
    "policy": {"no": "always", "always": "on-failure", "on-failure": "no"},
    "kind": {"informational": "readiness", "readiness": "informational"},
    "signal": {"SIGINT": "SIGTERM", "SIGTERM": "SIGINT"},
    "persist": {"never": "always", "restart": "never", "always": "restart"},
    "persist_rootfs": {"restart": "always"},
    "cpu_kind": {"shared": "performance", "performance": "shared"},
}
TIMES = {"interval", "timeout", "grace_period"}
SILENT = {"max_retries"}  # says something for one policy only


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all values that are no containers."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))
    elif path[-1] not in SILENT:
        yield path


def other(key: Any, value: Any) -> Any:
    """A value that means something else in that field."""
    if key in ENUMS and value in ENUMS[key]:
        return ENUMS[key][value]
    if key in TIMES:
        return "3h33m33s"
    if key == "raw_value":
        return base64.b64encode(b"something else, and longer than anything that is generated here, surely").decode()
    if key == "method":
        return "DELETE"
    if key == "size":
        return "shared-cpu-2x" if value == "performance-4x" else "performance-4x"
    if key == "image":
        return "registry.fly.io/other:2"
    if isinstance(value, bool):
        return not value
    return value + 7777 if isinstance(value, int) else f"{value}-changed"


def changed(config: Config, path: Path) -> Config:
    """The config with one leaf that means something else."""
    made = copy.deepcopy(config)
    part: Any = made
    for step in path[:-1]:
        part = part[step]
    named = [step for step in path if isinstance(step, str)]
    key = "" if named[0] in ("env", "metadata") or "headers" in path[:-1] else named[-1]
    part[path[-1]] = other(key, part[path[-1]])
    return made
