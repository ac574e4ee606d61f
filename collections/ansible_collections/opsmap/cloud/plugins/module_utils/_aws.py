# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of AWS (boto3), and its errors in the collection's one shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import from_env

OPTIONS: dict[str, Any] = {
    "region": {"type": "str", "required": True, "fallback": from_env("AWS_REGION", "AWS_DEFAULT_REGION")},
    "access_key": {"type": "str", "no_log": False, "fallback": from_env("AWS_ACCESS_KEY_ID")},
    "secret_key": {"type": "str", "no_log": True, "fallback": from_env("AWS_SECRET_ACCESS_KEY")},
    "session_token": {"type": "str", "no_log": True, "fallback": from_env("AWS_SESSION_TOKEN")},
    "endpoint_url": {"type": "str", "fallback": from_env("AWS_ENDPOINT_URL")},
}
TOGETHER = [("access_key", "secret_key")]
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
SECONDS = 15  # for a connection and for an answer
HINTS = {
    "AccessDenied": "give the key's user the permission that the message names",
    "AuthorizationError": "give the key's user the permission that the message names",
    "InvalidClientTokenId": "access_key: there is no such key; see the users in the console of IAM",
    "SignatureDoesNotMatch": "secret_key: it does not belong to access_key",
    "NotFound": "make it first, or correct its name and region",
}


def client(params: Mapping[str, Any], service: str) -> Any:
    """A client of one service. Without access_key, boto3 looks for credentials where it usually does."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        hint = "install boto3"
        raise CloudError("boto3 is not installed for this Python", code="refused", hint=hint) from None
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries=retries, user_agent_extra="opsmap.cloud")
    return boto3.client(
        service,
        region_name=params["region"],
        endpoint_url=params["endpoint_url"] or None,
        aws_access_key_id=params["access_key"],
        aws_secret_access_key=params["secret_key"],
        aws_session_token=params["session_token"],
        config=config,
    )


@contextmanager
def told(operation: str) -> Iterator[None]:
    """What boto3 raises inside, as a CloudError that names the operation and the remedy."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        facts, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code = str(facts.get("Code", ""))
        raise CloudError(
            str(facts.get("Message") or code),
            service="aws",
            operation=operation,
            status=meta.get("HTTPStatusCode"),
            code=code,
            request_id=str(meta.get("RequestId", "")),
            hint=HINTS.get(code, ""),
        ) from None
    except NoCredentialsError:
        hint = "give access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise CloudError(
            "no credentials", service="aws", operation=operation, code="no_credentials", hint=hint
        ) from None
    except BotoCoreError as error:
        hint = "check endpoint_url, region and the network"
        raise CloudError(str(error), service="aws", operation=operation, code="unreachable", hint=hint) from None


def check_topic(arn: str) -> None:
    """Refuse what is no topic."""
    if not TOPIC.fullmatch(arn):
        hint = "give it like arn:aws:sns:us-east-1:123456789012:mail"
        raise bad_option("topic_arn", f"{arn!r} is no ARN of an SNS topic", hint)
