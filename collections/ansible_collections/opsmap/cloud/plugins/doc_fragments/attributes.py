# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every managing module supports, and every module that only reads."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Computes the same plan and makes no change.
    support: full
  diff_mode:
    description: Shows what changes, from the same plan. Secrets are never part of it.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Nothing is ever changed, so check mode makes no difference.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""
