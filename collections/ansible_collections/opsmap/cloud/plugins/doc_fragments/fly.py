# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every Fly.io module."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Base URL of the Machines API, without C(/v1).
      - Taken from E(OPSMAP_FLY_API_URL) or E(FLY_FLAPS_BASE_URL) when not given.
    type: str
    default: https://api.machines.dev
  api_token:
    description:
      - Token, as C(fly tokens create) prints it; the scheme in front of it may stay.
      - Taken from E(FLY_ACCESS_TOKEN) or E(FLY_API_TOKEN) when not given.
    type: str
    required: true
  api_timeout:
    description:
      - Seconds to wait for one answer. Must exceed 60, the longest wait of the server.
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
    description: Base URL of the Machines API, without C(/v1).
    type: str
    default: https://api.machines.dev
    vars:
      - name: opsmap_fly_api_url
    env:
      - name: OPSMAP_FLY_API_URL
      - name: FLY_FLAPS_BASE_URL
  api_token:
    description: Token, as C(fly tokens create) prints it; the scheme in front of it may stay.
    type: str
    vars:
      - name: opsmap_fly_api_token
    env:
      - name: FLY_ACCESS_TOKEN
      - name: FLY_API_TOKEN
  api_timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 75.0
    env:
      - name: OPSMAP_API_TIMEOUT
  api_retries:
    description: How often a call is sent again when that is harmless.
    type: int
    default: 5
    env:
      - name: OPSMAP_API_RETRIES
  ca_path:
    description: PEM file of the authorities to trust instead of the system's.
    type: path
    env:
      - name: OPSMAP_CA_PATH
"""
