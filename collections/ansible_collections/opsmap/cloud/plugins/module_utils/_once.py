# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating where the API has no idempotency key: look, make, and after a lost answer look again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

T = TypeVar("T")

IN_DOUBT = frozenset({408, 409, 500, 502, 503, 504})  # the thing may have been made all the same
PAUSES = (0.5, 1.5, 3.0)  # seconds before each further look: lists may lag behind what was made


def make_once(look: Callable[[], T | None], make: Callable[[], T], attempts: int, clock: Clock) -> T:
    """What ``look`` finds, else what ``make`` makes; never a second one because an answer was lost.

    attempts: how often ``make`` may be repeated after an outcome in doubt.
    """
    found, attempt = look(), 0
    if found is not None:
        return found
    while True:
        attempt += 1
        try:
            return make()
        except CloudError as error:
            # "name not available" is also said of what our own lost call has made, and that may be unreadable yet
            taken = error.status == 422
            if not (taken or error.status in IN_DOUBT or error.code == "unreachable"):
                raise
            if attempt > attempts or (taken and attempt == 1):
                found = look()
                if found is None:
                    raise
                return found
        for pause in PAUSES:
            clock.sleep(pause)
            found = look()
            if found is not None:
                return found
