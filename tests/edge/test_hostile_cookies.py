"""The table of hostile cookies, and that it would notice."""

from __future__ import annotations

import re
import sys

from tests.edge import hostile_cookies
from tests.edge.front import Front
from tests.edge.hostile_values import VALUES
from tests.support import run


def test_no_hostile_value_leaks() -> None:
    done = run(sys.executable, "tests/edge/hostile_cookies.py")
    last = done.stdout.splitlines()[-1]
    counted = re.fullmatch(r"values=(\d+) leaked=0", last)
    assert counted, done.stdout
    assert int(counted[1]) > 2 * len(VALUES) > 300
    assert len(set(VALUES)) == len(VALUES)


def test_a_door_that_takes_the_value_as_a_host_is_found_out() -> None:
    def spoil(front: Front) -> None:
        file = front.folder / "Caddyfile"
        file.write_text(file.read_text().replace("name {args[0]}", "name {http.request.cookie.agent_service}"))
        front.signal_reload()

    values = [b"evil.example", b"preview.internal"]
    sent, leaked = hostile_cookies.run(spoil, lambda _: None, values)
    assert (sent, leaked) == (2 * len(values), 2 * len(values))
