"""What the platform offers for PostgreSQL (reference digitalocean 7)."""

from __future__ import annotations

import re
from typing import Any

REGIONS = [
    "ams3",
    "atl1",
    "blr1",
    "fra1",
    "lon1",
    "nyc1",
    "nyc2",
    "nyc3",
    "ric1",
    "sfo2",
    "sfo3",
    "sgp1",
    "syd1",
    "tor1",
]
VERSIONS = ["13", "14", "15", "16", "17"]
SINGLE = ["db-s-1vcpu-1gb"]
SIZES = ["db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb", "db-s-6vcpu-16gb", "db-amd-1vcpu-2gb", "db-intel-2vcpu-8gb",
         "gd-2vcpu-8gb", "gd-4vcpu-16gb", "gd-8vcpu-32gb", "so1_5-2vcpu-16gb"]  # fmt: skip
STORAGE = {1: 10240, 2: 30720, 4: 61440, 8: 143360, 16: 276480, 32: 593920}  # MiB by GB of memory


def options() -> dict[str, Any]:
    """The answer to GET /v2/databases/options."""
    layouts = [{"num_nodes": nodes, "sizes": (SINGLE if nodes == 1 else []) + SIZES} for nodes in (1, 2, 3)]
    ends = [{"version": v, "end_of_life": None, "end_of_availability": None, "default": v == "17"} for v in VERSIONS]
    pg = {"regions": REGIONS, "versions": VERSIONS, "default_version": "17", "layouts": layouts}
    return {"options": {"pg": pg}, "version_availability": {"pg": ends}}


def memory_gb(size: str) -> int:
    """Memory of a size."""
    found = re.search(r"-(\d+)gb$", size)
    return int(found.group(1)) if found else 1


def offered(size: str, nodes: int) -> bool:
    """Whether a size is there with this number of nodes."""
    return size in SIZES or (size in SINGLE and nodes == 1)
