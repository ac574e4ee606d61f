# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every AWS module."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  region:
    description:
      - Region, such as V(us-east-1).
      - Taken from E(AWS_REGION) or E(AWS_DEFAULT_REGION) when not given.
    type: str
    required: true
  access_key:
    description:
      - Id of the access key. Without it boto3 looks in its usual places, such as E(AWS_PROFILE) or the instance's role.
      - Taken from E(AWS_ACCESS_KEY_ID) when not given.
    type: str
  secret_key:
    description:
      - The access key's secret.
      - Taken from E(AWS_SECRET_ACCESS_KEY) when not given.
    type: str
  session_token:
    description:
      - Token of temporary credentials.
      - Taken from E(AWS_SESSION_TOKEN) when not given.
    type: str
  endpoint_url:
    description:
      - Base URL of the services instead of AWS's own, for a stand-in.
      - Taken from E(AWS_ENDPOINT_URL) when not given.
    type: str
requirements:
  - boto3
"""
