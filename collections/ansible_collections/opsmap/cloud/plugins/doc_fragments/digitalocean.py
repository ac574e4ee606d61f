# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every DigitalOcean module and lookup."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Base URL of the API, without C(/v2).
      - Taken from E(OPSMAP_DIGITALOCEAN_API_URL) when not given.
    type: str
    default: https://api.digitalocean.com
  api_token:
    description:
      - Token with the scopes for databases, C(database:view_credentials) among them.
      - Taken from E(DIGITALOCEAN_TOKEN), E(DIGITALOCEAN_ACCESS_TOKEN) or E(DO_API_TOKEN) when not given.
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
    description: Base URL of the API, without C(/v2).
    type: str
    default: https://api.digitalocean.com
    vars:
      - name: opsmap_digitalocean_api_url
    env:
      - name: OPSMAP_DIGITALOCEAN_API_URL
  api_token:
    description: Token with the scopes for databases, C(database:view_credentials) among them.
    type: str
    vars:
      - name: opsmap_digitalocean_api_token
    env:
      - name: DIGITALOCEAN_TOKEN
      - name: DIGITALOCEAN_ACCESS_TOKEN
      - name: DO_API_TOKEN
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
