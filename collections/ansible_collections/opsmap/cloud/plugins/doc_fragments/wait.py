# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that waits, and of those that share a group of module_defaults with them."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait_timeout:
    description:
      - Seconds to wait for the resource to become ready. A rerun goes on waiting.
      - Taken from E(OPSMAP_WAIT_TIMEOUT) when not given.
    type: float
    default: 600.0
  poll_interval:
    description:
      - Seconds between two looks at the resource.
      - Taken from E(OPSMAP_POLL_INTERVAL) when not given.
    type: float
    default: 1.0
"""

    UNUSED = r"""
options:
  wait_timeout:
    description: Has no effect; it is taken so that one C(module_defaults) serves the whole group.
    type: float
    default: 600.0
  poll_interval:
    description: Has no effect, as O(wait_timeout).
    type: float
    default: 1.0
"""
