"""Regions (reference fly 2.6)."""

from __future__ import annotations

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
