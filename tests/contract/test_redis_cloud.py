"""What the local cloud's Redis Cloud says, against the published description."""

from __future__ import annotations

import json
import re

from tests.contract.published import FILES
from tests.support import ROOT, SPECS, needs_specs


@needs_specs
def test_codes_of_failed_tasks_are_published() -> None:
    document = json.loads((SPECS / FILES["redis_cloud"]).read_text())
    known = document["components"]["schemas"]["ProcessorResponse"]["properties"]["error"]["enum"]
    ours: set[str] = set()
    for path in (ROOT / "local_cloud" / "redis_cloud").glob("*.py"):
        for pair in re.findall(r'TaskError\(\s*"([A-Z_]+)"|kind = "([A-Z_]+)"', path.read_text()):
            ours |= set(filter(None, pair))
    assert len(ours) > 25
    assert ours - set(known) == set()
