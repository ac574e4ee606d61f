# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module redis_cloud_info in the worker."""

from __future__ import annotations

from ansible_collections.opsmap.cloud.plugins.modules import redis_cloud_info
from ansible_collections.opsmap.cloud.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    module = redis_cloud_info
