"""Essentials plans as the API lists them. Prices are invented; their order is right."""

from __future__ import annotations

from typing import Any

REGIONS = {
    "AWS": ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1"],
    "GCP": ["us-east4", "us-central1", "europe-west1"],
}
# size, unit, connections, CIDR rules, bandwidth GB, operations a second, price without replication
SIZES: list[tuple[float, str, int, int, int, int, int]] = [
    (30, "MB", 30, 1, 5, 100, 0),
    (250, "MB", 256, 4, 100, 1000, 5),
    (1, "GB", 1024, 8, 200, 2000, 18),
    (2.5, "GB", 2500, 8, 400, 4000, 40),
    (5, "GB", 5000, 16, 800, 8000, 75),
    (12, "GB", 10000, 32, 2000, 16000, 150),
]
AVAILABILITY = {"No replication": 1.0, "Single-zone": 1.25, "Multi-zone": 2.0}


def plans() -> list[dict[str, Any]]:
    """All plans; ids are stable."""
    found: list[dict[str, Any]] = []
    number = 34000
    for provider, regions in REGIONS.items():
        for region_id, region in enumerate(regions, 1):
            for row in SIZES:
                for availability in AVAILABILITY:
                    number += 1
                    if row[6] or availability == "No replication":
                        found.append(_plan(number, provider, region, region_id, row, availability))
    return found


def _plan(number: int, provider: str, region: str, region_id: int, row: Any, availability: str) -> dict[str, Any]:
    size, unit, connections, rules, bandwidth, throughput, price = row
    paid = price > 0
    label = f"{availability.replace(' ', '-')}_{size:g}{unit}" if paid else f"Cache {size:g}{unit}"
    return {
        "id": number,
        "name": label,
        "size": size,
        "datasetSize": size / 2 if availability != "No replication" else size,
        "sizeMeasurementUnit": unit,
        "provider": provider,
        "region": region,
        "regionId": region_id,
        "price": round(price * AVAILABILITY[availability]),
        "priceCurrency": "USD",
        "pricePeriod": "Month",
        "maximumDatabases": 1,
        "maximumThroughput": throughput,
        "maximumBandwidthGB": bandwidth,
        "availability": availability,
        "connections": str(connections),
        "cidrAllowRules": rules,
        "redisFlex": False,
        "supportDataPersistence": paid,
        "supportInstantAndDailyBackups": paid,
        "supportReplication": availability != "No replication",
        "supportClustering": False,
        "supportSsl": paid,
        "supportedAlerts": ["datasets-size", "throughput-higher-than", "latency", "connections-limit"],
        "customerSupport": "Standard" if paid else "Basic",
    }


def megabytes(plan: dict[str, Any]) -> int:
    """Memory of a plan."""
    return int(plan["size"] * (1024 if plan["sizeMeasurementUnit"] == "GB" else 1))
