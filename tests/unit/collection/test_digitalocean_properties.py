"""Any two desired states A and B: converging A, then B, is converging B from nothing, and then nothing changes."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import patch

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.collection.fake_digitalocean import FakeDigitalOcean
from tests.unit.collection.fake_http import Direct
from tests.unit.collection.runs import run_module

Desired = dict[str, Any]
SIZES = {1: ["db-s-1vcpu-1gb", "db-s-2vcpu-4gb"], 2: ["db-s-2vcpu-4gb"]}
ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2/32", "198.51.100.0/24"])
WINDOWS = st.fixed_dictionaries(
    {"day": st.sampled_from(["monday", "sunday"]), "hour": st.sampled_from(["04:00", "5:30"])}
)
CONFIG = st.fixed_dictionaries({"work_mem": st.integers(1, 3), "jit": st.booleans()})
AUTOSCALE = st.fixed_dictionaries(
    {"enabled": st.booleans(), "threshold_percent": st.integers(70, 72), "increment_gib": st.just(10)}
)


@st.composite
def desired(draw: st.DrawFn) -> Desired:
    """A whole state: every field is given, so that nothing of an earlier one may stay."""
    nodes = draw(st.sampled_from([1, 2]))
    cluster = {
        "region": draw(st.sampled_from(["nyc1", "nyc3"])),
        "version": draw(st.sampled_from(["15", "16"])),
        "size": draw(st.sampled_from(SIZES[nodes])),
        "num_nodes": nodes,
        "storage_size_mib": draw(st.sampled_from([71680, 81920])),
        "tags": draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True)),
        "project_id": draw(st.sampled_from(["p-1", "p-2"])),
        "private_network_uuid": draw(st.sampled_from(["n-1", "n-2"])),
        "maintenance_window": draw(WINDOWS),
        "config": draw(CONFIG),
        "autoscale": draw(AUTOSCALE),
        "service_cnames": draw(st.lists(st.sampled_from(["db.example.com", "pg.example.com"]), unique=True)),
    }
    pool = {"mode": draw(st.sampled_from(["session", "transaction"])), "size": draw(st.integers(1, 4))}
    rules = [{"value": value} for value in draw(st.lists(ADDRESSES, min_size=1, unique=True))]
    return {"cluster": cluster, "pool": {**pool, "database": "defaultdb", "user": "doadmin"}, "rules": rules}


def converge(cloud: FakeDigitalOcean, state: Desired) -> bool:
    """Whether anything changed."""
    access = {"api_url": cloud.url, "api_token": "token"}
    with patch.object(Transport, "_connect", lambda transport: Direct(cloud, threading.RLock())):
        results = [
            run_module("do_database_cluster", name="sup", **access, **state["cluster"]),
            run_module("do_database_firewall", cluster="sup", rules=state["rules"], **access),
            run_module("do_database_pool", cluster="sup", name="engine", **access, **state["pool"]),
        ]
    return any(result["changed"] for result in results)


def refused(cloud: FakeDigitalOcean, state: Desired) -> CloudError | None:
    """Why a state cannot be reached; None when it was."""
    try:
        converge(cloud, state)
    except CloudError as error:
        return error
    return None


def observed(cloud: FakeDigitalOcean) -> Any:
    """What is there, without what every cluster has of its own."""
    one = dict(cloud.clusters["u1"])
    own = ("left", "created_at", "accounts", "coming", "rules", "do_settings")
    shown = {key: value for key, value in one.items() if key not in own}
    if one["autoscale"]["enabled"]:  # storage that is larger than asked for may have grown by itself, and stays
        del shown["storage_size_mib"]
    shown["firewall"] = sorted((rule["type"], rule["value"]) for rule in one["firewall"])
    shown["tags"] = sorted(one["tags"] or [])
    shown["cnames"] = sorted(one["do_settings"].get("service_cnames") or [])
    return shown


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=desired(), second=desired())
def test_the_way_does_not_matter(first: Desired, second: Desired) -> None:
    there, fresh = (FakeDigitalOcean(looks=1, missing=0, url="http://ocean.test") for _ in range(2))
    converge(there, first)
    before = observed(there)
    there.seen.clear()
    refusal = refused(there, second)
    if refusal:
        assert refusal.code == "refused", refusal
        assert there.writes() == []
        assert observed(there) == before
        return
    converge(fresh, second)
    assert observed(there) == observed(fresh)
    assert not converge(there, second)
