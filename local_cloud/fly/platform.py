"""Regions and sizes (reference fly 2.6, 2.7)."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, tuple[str, int, int]] = {
    **{f"shared-cpu-{cpus}x": ("shared", cpus, 256 * cpus) for cpus in (1, 2, 4, 6, 8)},
    **{f"performance-{cpus}x": ("performance", cpus, 2048 * cpus) for cpus in (1, 2, 4, 8, 16)},
}

REGIONS: dict[str, tuple[str, float, float]] = {
    "ams": ("Amsterdam, Netherlands", 52.37, 4.90),
    "arn": ("Stockholm, Sweden", 59.65, 17.92),
    "bom": ("Mumbai, India", 19.10, 72.87),
    "cdg": ("Paris, France", 48.86, 2.35),
    "dfw": ("Dallas, Texas (US)", 32.78, -96.81),
    "ewr": ("Secaucus, NJ (US)", 40.79, -74.06),
    "fra": ("Frankfurt, Germany", 50.12, 8.68),
    "gru": ("Sao Paulo, Brazil", -23.55, -46.63),
    "iad": ("Ashburn, Virginia (US)", 39.04, -77.49),
    "jnb": ("Johannesburg, South Africa", -26.20, 28.03),
    "lax": ("Los Angeles, California (US)", 34.05, -118.24),
    "lhr": ("London, United Kingdom", 51.51, -0.13),
    "nrt": ("Tokyo, Japan", 35.62, 139.78),
    "ord": ("Chicago, Illinois (US)", 41.89, -87.62),
    "sin": ("Singapore, Singapore", 1.29, 103.85),
    "sjc": ("San Jose, California (US)", 37.35, -121.93),
    "syd": ("Sydney, Australia", -33.87, 151.21),
    "yyz": ("Toronto, Canada", 43.64, -79.36),
}


def guest_of(config: dict[str, Any]) -> tuple[str, int, int]:
    """Kind, number of processors and memory in MB of a machine's config."""
    kind, cpus, memory = PRESETS.get(config.get("size") or "", ("shared", 1, 256))
    given = config.get("guest") or {}
    return given.get("cpu_kind") or kind, given.get("cpus") or cpus, given.get("memory_mb") or memory


def listed() -> list[dict[str, object]]:
    """As the API lists them."""
    return [
        {
            "code": code,
            "name": name,
            "latitude": latitude,
            "longitude": longitude,
            "gateway_available": code in ("ewr", "iad", "lhr", "ams", "fra", "nrt", "sjc"),
            "requires_paid_plan": False,
            "deprecated": False,
            "geo_region": "",
            "mpg_available": False,
        }
        for code, (name, latitude, longitude) in REGIONS.items()
    ]
