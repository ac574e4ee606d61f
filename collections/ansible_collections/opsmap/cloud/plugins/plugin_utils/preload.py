# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every task of this collection imports.

Ansible forks a worker for each task and host: what the parent has loaded, each worker has for nothing; what it has not,
each loads anew.
"""

from __future__ import annotations

from ansible_collections.opsmap.cloud.plugins.module_utils import _digitalocean, _fly, _redis_cloud
from ansible_collections.opsmap.cloud.plugins.modules import container_image, fly_machines, http_check
from ansible_collections.opsmap.cloud.plugins.plugin_utils import in_process

LOADED = (_digitalocean, _fly, _redis_cloud, container_image, fly_machines, http_check, in_process)
