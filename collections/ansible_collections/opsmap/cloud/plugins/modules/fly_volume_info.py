#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_volume_info
short_description: Read volumes of Fly.io and their snapshots
version_added: 0.1.0
description:
  - Gives the volumes of an app or of all apps of an organization. Changes nothing.
options:
  app:
    description: Name of the app. Give it or O(org). There is nothing where the app is missing.
    type: str
  org:
    description:
      - Slug of an organization, to read all of its apps. This list is some seconds behind.
      - Regions that do not answer are named in a warning.
    type: str
  name:
    description: Only volumes of this pool.
    type: str
  region:
    description: Only volumes in this region.
    type: str
  volume_id:
    description: Only this volume.
    type: str
  deleted:
    description: Whether to give deleted ones too, which stay in the list for a day. Their snapshots can be restored.
    type: bool
    default: false
  snapshots:
    description: Whether to read the snapshots, one call for each volume.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait.unused
  - opsmap.cloud.attributes.info
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: See which snapshots there are to restore
  opsmap.cloud.fly_volume_info:
    app: supercog-agents
    name: storage
    snapshots: true
    deleted: true
  register: storage
"""

RETURN = r"""
resource:
  description:
    - The volumes, in order of app, name, region and id. A key that the server does not tell is null.
    - C(snapshots) is there when asked for, newest first; a snapshot is complete when its C(status) is V(created). Sizes in it are bytes.
  returned: always
  type: dict
  sample:
    volumes:
      - id: vol_1
        app: supercog-agents
        name: storage
        region: ewr
        state: created
        size_gb: 10
        attached_machine_id: 3d8d9014a3d789
        snapshots: [{id: vs_1, status: created, volume_size: 10737418240, created_at: '2026-11-24T10:00:00Z'}]
"""

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_present import present_snapshot, present_volume
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_read import Reader, answer, fits
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_volumes import VolumesApi
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str"},
        "org": {"type": "str"},
        "name": {"type": "str"},
        "region": {"type": "str"},
        "volume_id": {"type": "str"},
        "deleted": {"type": "bool", "default": False},
        "snapshots": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
    "mutually_exclusive": [("app", "org")],
    "required_one_of": [("app", "org")],
}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Read volumes."""
    client = Fly(params, context.clock)
    reader = Reader(client)
    filters = {"name": params["name"], "region": params["region"], "id": params["volume_id"]}
    found = reader.volumes(params["app"], params["org"], with_gone=params["deleted"])
    volumes = [shown for app, volume in found if fits(shown := present_volume(app, volume), filters)]
    volumes.sort(key=lambda volume: tuple(str(volume[key]) for key in ("app", "name", "region", "id")))
    if params["snapshots"]:
        for volume in volumes:
            snapshots = VolumesApi(client, volume["app"]).snapshots(volume["id"])
            newest = sorted(snapshots, key=lambda item: str(item.get("created_at") or "~"), reverse=True)
            volume["snapshots"] = [present_snapshot(item) for item in newest]
    return answer({"volumes": volumes}, reader)


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
