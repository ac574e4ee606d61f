"""Settings: what the container is told when it starts, and what can be switched while it runs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CHOICES = {"launch_failure": ("failed", "launch_failed")}
TLS_OFFSET = 10  # an API at +1 answers over TLS at +11
NOISE_ROWS = frozenset(range(1, 25))  # of the table of read-back differences (reference fly 5.2)


def noise_rows(text: str) -> frozenset[int]:
    """Rows from ``all`` or a list such as ``1,4,12``; a ValueError names what is no row."""
    if text.strip() == "all":
        return NOISE_ROWS
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdecimal() or int(part) not in NOISE_ROWS]
    if wrong:
        raise ValueError(f"wire_noise_rows: {', '.join(wrong)} is no row; give numbers from 1 to 24, or all")
    return frozenset(map(int, parts))


@dataclass
class Switches:
    """Behaviour that tests change through the control API; seconds and milliseconds as named."""

    provisioning_seconds: float = 1.0
    latency_ms: float = 0.0
    wire_noise: bool = True
    wire_noise_rows: str = "all"
    task_404_seconds: float = 0.2
    fresh_404_seconds: float = 0.1  # a new machine is not found for so long
    machine_start_seconds: float = 0.0
    destroyed_seconds: float = 60.0  # a destroyed machine is answered for so long, then it is not found
    detach_seconds: float = 0.2  # a volume stays bound so long after its machine is gone
    list_lag_seconds: float = 0.0  # lists show what was so long ago, those of an organisation twice as long ago
    schedule_hour_seconds: float = 3600.0  # what an hour of a machine's schedule takes
    launch_failure: str = "failed"  # or launch_failed: a machine that never ran is destroyed
    rate_limit: bool = False
    rate_limit_retry_after: bool = True  # whether a 429 says when to come again
    autostop_seconds: float = 300.0  # the proxy looks so often for idle machines, and idle is what was quiet so long
    volume_seconds: float = 0.1  # how long a volume takes to be made or extended
    certificate_seconds: float = 0.3  # how long the check of a host name takes
    backup_seconds: float = 1.0  # a database cluster's first backup is ready so long after it is online
    cluster_lag_seconds: float = 0.1  # a database cluster reads as before so long after a change was asked for
    cluster_linger_seconds: float = 0.3  # a database cluster is answered so long after it was destroyed

    def update(self, values: dict[str, Any]) -> None:
        """Set what is given, all or nothing; an unknown name or a wrong value is a ValueError that names it."""
        known = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"{name} is no setting; known are {', '.join(sorted(known))}")
            if known[name] is bool and not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false")
            if known[name] is float and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
                raise ValueError(f"{name} must be a number, 0 or more")
            if known[name] is str and not isinstance(value, str):
                raise ValueError(f"{name} must be a string")
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}")
            if name == "wire_noise_rows":
                noise_rows(value)
        for name, value in values.items():
            setattr(self, name, known[name](value))

    @property
    def noise(self) -> frozenset[int]:
        """The rows that machines are read back with."""
        return noise_rows(self.wire_noise_rows) if self.wire_noise else frozenset()


@dataclass
class Settings:
    """One instance: its name, its ports, where its state is and which tokens it accepts."""

    instance: str
    port_base: int
    image: str
    version: str
    tokens: dict[str, str]
    proxy_ports: list[int]
    state: Path = Path("/state")
    suffix: str = "localhost"
    switches: Switches = field(default_factory=Switches)

    @classmethod
    def from_env(cls) -> Settings:
        """Read the container's environment and the tokens file."""
        env = os.environ
        tokens = json.loads(Path(env.get("OPSMAP_TOKENS", "/run/opsmap/tokens.json")).read_text())
        return cls(
            instance=env["OPSMAP_INSTANCE"],
            port_base=int(env["OPSMAP_PORT_BASE"]),
            image=env["OPSMAP_IMAGE"],
            version=env.get("OPSMAP_VERSION", ""),
            tokens=tokens,
            proxy_ports=[int(port) for port in env.get("OPSMAP_PROXY_PORTS", "443,80,8002").split(",")],
            state=Path(env.get("OPSMAP_STATE", "/state")),
            suffix=env.get("OPSMAP_DOMAIN_SUFFIX", "localhost"),
            switches=Switches(provisioning_seconds=float(env.get("OPSMAP_PROVISIONING_SECONDS", "1"))),
        )

    @property
    def prefix(self) -> str:
        """What the name of everything in Docker begins with."""
        return f"opsmap-{self.instance}"

    @property
    def network(self) -> str:
        return f"{self.prefix}-6pn"

    @property
    def labels(self) -> dict[str, str]:
        return {"dev.opsmap.instance": self.instance}

    def port(self, offset: int) -> int:
        """A port of the block, by its offset from the first; docs/local-cloud.md has the table."""
        return self.port_base + offset
