# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MachineConfig: what Fly.io reads back, compared with what is declared, and merged with it.

What a read-back difference means is written once, in the table of ``_fly_config_fields``; docs/fly-normalisation.md has the
rules row by row. Both sides go through it, so it does not matter which side has which form.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_fields import CONFIG
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_kinds import Found
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_config_values import guest_of, same_image, text


def env(values: dict[str, Any]) -> dict[str, str]:
    """Variables as text: the API takes nothing else. A variable without a value is left out."""
    return {key: written for key, value in values.items() if (written := text(value)) is not None}


def differences(
    desired: dict[str, Any], observed: dict[str, Any], image_ref: dict[str, Any] | None = None
) -> dict[str, tuple[Any, Any]]:
    """Dotted path -> (is, should be), for what is declared and for what is owned and should be gone.

    image_ref: the machine's field of that name. With it a digest is recognised behind the tag that a machine was made with.
    """
    wanted, present = sized(desired), sized(observed)
    if same_image(wanted.get("image"), present.get("image"), image_ref):
        wanted.pop("image", None)
    found: Found = {}
    CONFIG.compare(wanted, present, "", found)
    return found


def merged(observed: dict[str, Any], desired: dict[str, Any]) -> dict[str, Any]:
    """The whole config to send: what is observed and not ours stays, what is owned comes from ``desired``."""
    wanted, present = sized(desired), sized(observed)
    if wanted.get("size"):
        present.pop("guest", None)  # a preset and a guest exclude each other
    result: dict[str, Any] = CONFIG.merge(wanted, present) or {}
    return {**result, "metadata": result.get("metadata") or {}}


def sized(config: dict[str, Any] | None) -> dict[str, Any]:
    """A copy with ``guest`` in place of a known preset in ``size``; beside a guest, ``size`` is only an echo."""
    made = dict(config or {})
    preset = guest_of(str(made.get("size") or ""))
    if preset:
        made["guest"] = {**preset, **(made.get("guest") or {})}
    if made.get("guest"):
        made.pop("size", None)
    return made
