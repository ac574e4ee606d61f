"""Settings of all tests: order of the stages, and the counts as the last line."""

from __future__ import annotations

import pytest

STAGES = ("lint", "unit", "contract", "edge", "integration", "e2e", "molecule")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast stages first; the order inside a file stays."""
    items.sort(key=lambda item: next((i for i, stage in enumerate(STAGES) if f"tests/{stage}/" in str(item.path)), 99))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what ran, in one line that scripts can read."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    count = {kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"{count['passed']} passed, {count['failed'] + count['error']} failed{skipped}")
