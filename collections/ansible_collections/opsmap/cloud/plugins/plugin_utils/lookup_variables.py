# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a lookup that come from variables: Ansible hands them over as they were written, templates and all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rendered(templar: Any, variables: Mapping[str, Any] | None, prefixes: tuple[str, ...]) -> dict[str, Any]:
    """The variables, those that begin with one of the prefixes rendered."""
    given = dict(variables or {})
    names = [name for name in given if name.startswith(prefixes)]
    return {**given, **{name: templar.template(given[name]) for name in names}} if templar else given
