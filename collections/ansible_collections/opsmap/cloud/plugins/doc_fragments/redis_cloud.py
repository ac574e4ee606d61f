# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every Redis Cloud module and lookup."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Base URL of the REST API, with its version.
      - Taken from E(OPSMAP_REDIS_CLOUD_API_URL) or E(REDISCLOUD_URL) when not given.
    type: str
    default: https://api.redislabs.com/v1
  api_key:
    description:
      - The account's key. An owner of the account enables the API in the console.
      - Taken from E(REDISCLOUD_ACCESS_KEY) when not given.
    type: str
    required: true
  api_secret_key:
    description:
      - The user's secret key.
      - Taken from E(REDISCLOUD_SECRET_KEY) when not given.
    type: str
    required: true
  api_timeout:
    description:
      - Seconds to wait for one answer.
      - Taken from E(OPSMAP_API_TIMEOUT) when not given.
    type: float
    default: 75.0
  api_retries:
    description:
      - How often a call is sent again when that is harmless.
      - Taken from E(OPSMAP_API_RETRIES) when not given.
    type: int
    default: 5
  ca_path:
    description:
      - PEM file of the authorities to trust instead of the system's.
      - Taken from E(OPSMAP_CA_PATH) when not given.
    type: path
"""

    PLUGIN = r"""
options:
  api_url:
    description: Base URL of the REST API, with its version.
    type: str
    default: https://api.redislabs.com/v1
    vars:
      - name: opsmap_redis_cloud_api_url
    env:
      - name: OPSMAP_REDIS_CLOUD_API_URL
      - name: REDISCLOUD_URL
  api_key:
    description: The account's key.
    type: str
    vars:
      - name: opsmap_redis_cloud_api_key
    env:
      - name: REDISCLOUD_ACCESS_KEY
  api_secret_key:
    description: The user's secret key.
    type: str
    vars:
      - name: opsmap_redis_cloud_api_secret_key
    env:
      - name: REDISCLOUD_SECRET_KEY
  api_timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 75.0
    vars:
      - name: opsmap_api_timeout
    env:
      - name: OPSMAP_API_TIMEOUT
  api_retries:
    description: How often a call is sent again when that is harmless.
    type: int
    default: 5
    vars:
      - name: opsmap_api_retries
    env:
      - name: OPSMAP_API_RETRIES
  ca_path:
    description: PEM file of the authorities to trust instead of the system's.
    type: path
    vars:
      - name: opsmap_ca_path
    env:
      - name: OPSMAP_CA_PATH
"""
