# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed calls of the Fly Machines API. Paths and bodies: https://docs.machines.dev (apps, addresses, certificates)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_errors import (
    CERTIFICATE_RULES,
    SECRET_RULES,
    explained,
)
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
    403: "the token's scope is too small: a deploy token serves one app, a read-only token writes nothing",
    412: "no capacity where the volume is; create a volume in another region or try again later",
}

VOLUME_GONE = frozenset(
    {"scheduling_destroy", "fork_cleanup", "waiting_for_detach", "pending_destroy", "destroying", "destroyed"}
)


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

    def token_scopes(self) -> list[dict[str, Any]]:
        """What the token is good for: ``org_slug`` and ``apps`` (empty for all apps). Empty when Fly.io does not tell."""
        try:
            body = self.http.get("/tokens/current", operation="read the token's scope")
        except CloudError:  # it only makes a message better, so its own failure is of no interest
            return []
        return [item for item in (body or {}).get("tokens") or [] if isinstance(item, dict)]

    def delete_app(self, app: str) -> None:
        """Delete an app and all that is in it."""
        self.http.call(
            "DELETE",
            path("/apps/{app}", app=app),
            operation=f"delete app {app}",
            query={"force": "true"},
            accept=(404,),
        )

    def regions(self) -> list[str]:
        """Codes of the regions that take new machines. Sources disagree on the shape: a list, or under a key in either case."""
        body = self.http.get("/platform/regions", operation="list regions")
        if isinstance(body, dict):
            body = next((value for key, value in body.items() if key.lower() == "regions"), [])
        return sorted(item["code"] for item in body or [] if not item.get("deprecated"))

    def listed(self, app: str, what: str, query: Mapping[str, Any] | None = None) -> Any:
        """What a list of an app answers; None where the app is missing."""
        return self.http.find(path("/apps/{app}/", app=app) + what, operation=f"list {what} of {app}", query=query)

    def addresses(self, app: str) -> list[dict[str, Any]]:
        """Addresses that are assigned to an app."""
        return list((self.listed(app, "ip_assignments") or {}).get("ips") or [])

    def assign_address(self, app: str, body: dict[str, Any]) -> None:
        """Assign one more address of a kind. Not repeatable: each call may allocate."""
        where = path("/apps/{app}/ip_assignments", app=app)
        self.http.call("POST", where, operation=f"assign {body['type']} to {app}", body=body, repeatable=False)

    def release_address(self, app: str, address: str) -> None:
        """Give an address back."""
        where = path("/apps/{app}/ip_assignments/{ip}", app=app, ip=address)
        self.http.call("DELETE", where, operation=f"release {address} of {app}", accept=(404,))

    def certificate(self, app: str, hostname: str) -> dict[str, Any] | None:
        """A certificate in detail, or None."""
        where = path("/apps/{app}/certificates/{host}", app=app, host=hostname)
        found: dict[str, Any] | None = self.http.find(where, operation=f"get certificate {hostname}")
        return found

    def request_certificate(self, app: str, hostname: str) -> None:
        """Ask for a certificate by ACME. Asking twice costs nothing that a read would not show."""
        where, body = path("/apps/{app}/certificates/acme", app=app), {"hostname": hostname}
        with explained(CERTIFICATE_RULES):
            self.http.call("POST", where, operation=f"request certificate {hostname}", body=body)

    def upload_certificate(self, app: str, hostname: str, fullchain: str, private_key: Secret) -> None:
        """Serve a certificate of one's own. Repeatable: the same files give the same result."""
        where = path("/apps/{app}/certificates/custom", app=app)
        body = {"hostname": hostname, "fullchain": fullchain, "private_key": private_key}
        with explained(CERTIFICATE_RULES):
            self.http.call("POST", where, operation=f"upload certificate {hostname}", body=body, repeatable=True)

    def delete_certificate(self, app: str, hostname: str) -> None:
        """Remove a host name with its certificates."""
        where = path("/apps/{app}/certificates/{host}", app=app, host=hostname)
        self.http.call("DELETE", where, operation=f"delete certificate {hostname}", accept=(404,))

    def secret_list(self, app: str) -> list[dict[str, Any]]:
        """Name, digest and times of every secret; the values cannot be read."""
        return list((self.listed(app, "secrets") or {}).get("secrets") or [])

    def secrets(self, app: str) -> dict[str, str]:
        """Digests by name."""
        return {item["name"]: str(item.get("digest") or "") for item in self.secret_list(app)}

    def set_secrets(self, app: str, values: dict[str, Secret | None]) -> tuple[int | None, dict[str, str]]:
        """Write several at once (None deletes); gives the version that holds them, and their digests.

        Repeatable: the values are the same. Deleting what is not there is the way to learn the current version.
        """
        where, body = path("/apps/{app}/secrets", app=app), {"values": values}
        with explained(SECRET_RULES):
            answer = self.http.call("POST", where, operation=f"set secrets of {app}", body=body, repeatable=True).body
        version = (answer or {}).get("version", (answer or {}).get("Version"))
        written = {item["name"]: str(item.get("digest") or "") for item in (answer or {}).get("secrets") or []}
        return None if version is None else int(version), written

    def volumes(self, app: str) -> list[dict[str, Any]]:
        """Volumes of an app that still exist; deleted ones linger in the list for a day."""
        return [item for item in self.listed(app, "volumes") or [] if item.get("state") not in VOLUME_GONE]

    def create_volume(self, app: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a volume. Names are not unique, so the caller counts first."""
        where = path("/apps/{app}/volumes", app=app)
        made: dict[str, Any] = self.http.call(
            "POST", where, operation=f"create volume {body['name']}", body=body, repeatable=False
        ).body
        return made

    def change_volume(self, app: str, volume: str, body: dict[str, Any], *, extend: bool = False) -> None:
        """Change retention, or grow (``extend``)."""
        where = path("/apps/{app}/volumes/{id}", app=app, id=volume) + ("/extend" if extend else "")
        self.http.call("PUT", where, operation=f"{'extend' if extend else 'change'} volume {volume}", body=body)

    def snapshot_volume(self, app: str, volume: str) -> None:
        """Take a snapshot; it is made in the background."""
        where = path("/apps/{app}/volumes/{id}/snapshots", app=app, id=volume)
        self.http.call("POST", where, operation=f"snapshot volume {volume}")

    def delete_volume(self, app: str, volume: str) -> None:
        """Delete a volume that no machine holds."""
        where = path("/apps/{app}/volumes/{id}", app=app, id=volume)
        self.http.call("DELETE", where, operation=f"delete volume {volume}", accept=(404,))
