# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls of the Fly Machines API. Paths and bodies: https://docs.machines.dev (apps, addresses, certificates)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._module import HTTP_OPTIONS, from_env
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret
from ansible_collections.opsmap.cloud.plugins.module_utils._transport import Transport, path
from ansible_collections.opsmap.cloud.plugins.module_utils._wait import Clock

OPTIONS: dict[str, Any] = {
    "api_url": {
        "type": "str",
        "default": "https://api.machines.dev",
        "fallback": from_env("OPSMAP_FLY_API_URL", "FLY_FLAPS_BASE_URL"),
    },
    "api_token": {
        "type": "str",
        "required": True,
        "no_log": True,
        "fallback": from_env("FLY_ACCESS_TOKEN", "FLY_API_TOKEN"),
    },
    **HTTP_OPTIONS,
}

HINTS: dict[int | str, str] = {
    "name_taken": "app names are global on Fly.io; choose another name",
    403: "the name belongs to another organization, or the token's scope is too small (a deploy token makes no apps)",
    412: "no capacity where the volume is; create a volume in another region or try again later",
}


def authorization(token: str) -> Secret:
    """The header for a token as flyctl prints it: macaroons go as FlyV1, anything else as Bearer."""
    bare = token.strip()
    for scheme in ("Bearer ", "FlyV1 "):
        bare = bare.removeprefix(scheme)
    scheme = "FlyV1" if bare.startswith(("fm1r_", "fm1a_", "fm2_")) else "Bearer"
    return Secret(f"{scheme} {bare}")


class Fly:
    """One account. Every method is one call; ``find_*`` gives None where there is nothing."""

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None) -> None:
        self.http = Transport(
            service="fly",
            base_url=params["api_url"].rstrip("/") + "/v1",
            headers={"Authorization": authorization(params["api_token"])},
            timeout=params["api_timeout"],
            retries=params["api_retries"],
            ca_path=params["ca_path"],
            hints=HINTS,
            clock=clock or Clock(),
        )

    def find_app(self, app: str) -> dict[str, Any] | None:
        """The app, or None. Some unknown names answer 400 instead of 404 (reference fly 1.4)."""
        try:
            found: dict[str, Any] | None = self.http.find(path("/apps/{app}", app=app), operation=f"get app {app}")
        except CloudError as error:
            if error.status == 400 and "could not find app" in error.message.lower():
                return None
            raise
        return found

    def create_app(self, app: str, org: str, network: str | None) -> None:
        """Make an app; the answer's shape varies, so read it again."""
        body = {"name": app, "org_slug": org, **({"network": network} if network else {})}
        self.http.call("POST", "/apps", operation=f"create app {app}", body=body)

    def delete_app(self, app: str) -> None:
        """Delete an app and all that is in it."""
        self.http.call(
            "DELETE",
            path("/apps/{app}", app=app),
            operation=f"delete app {app}",
            query={"force": "true"},
            accept=(404,),
        )
