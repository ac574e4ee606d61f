"""What the local cloud's Redis Cloud says, against the published description."""

from __future__ import annotations

import json
import re

from tests.contract.published import FILES
from tests.support import ROOT, SPECS, needs_specs

BEGINNINGS = {"ACL_REDIS_RULE", "ACL_ROLE", "ACL_USER", "FIXED_SUBSCRIPTION_PLAN"}  # of codes that are put together


@needs_specs
def test_codes_of_failed_tasks_are_published() -> None:
    document = json.loads((SPECS / FILES["redis_cloud"]).read_text())
    known = document["components"]["schemas"]["ProcessorResponse"]["properties"]["error"]["enum"]
    ours: set[str] = set()
    for path in (ROOT / "local_cloud" / "redis_cloud").glob("*.py"):
        ours |= set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', path.read_text()))
    assert len(ours) > 60
    assert ours - set(known) == BEGINNINGS
