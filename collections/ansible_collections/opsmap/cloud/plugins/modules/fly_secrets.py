#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fly_secrets
short_description: Set the secrets of a Fly.io app
version_added: 0.1.0
description:
  - Writes only what differs, all at once, so that one version of the secrets holds all of it.
  - Machines read secrets when they start. They get new values when M(opsmap.cloud.fly_machines) is given RV(ignore:resource.record)
    as O(opsmap.cloud.fly_machines#module:secrets_record), which differs from what they were released with.
  - Fly.io never gives a secret back. Each machine's metadata carries, for every secret, a keyed fingerprint of the value and
    the digest that the server listed. A secret is unchanged when both still hold, so a foreign change is seen.
  - Before machines carry them, as when no machine exists yet, a mark vouches for the values. It is one more secret, named
    C(OPSMAP_RECORD_...) after a keyed fingerprint of all names and values. Each write leaves one and removes the one before.
  - A foreign change or removal of a wanted secret is named in a warning and mended. Secrets that are not listed are named too.
  - Use one task for all secrets of an app. Two tasks write again until machines carry the record of both.
options:
  app:
    description: Name of the app.
    type: str
    required: true
  secrets:
    description:
      - Names and values. Booleans are written as V(true) and V(false).
      - Values are in no result. Should an answer of the server repeat one, it is masked if it has 4 characters or more. Shorter
        ones are not, because masking each C(3) or C(yes) would spoil versions and words that have nothing to do with it.
    type: dict
    default: {}
  files:
    description:
      - Secrets that a machine gets as files, through C(secret_name) in its C(files). Fly.io wants those in base64.
      - Give one of O(files[].content), O(files[].base64) and O(files[].src) each.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the secret.
        type: str
        required: true
      content:
        description: The file's text.
        type: str
      base64:
        description: The file's bytes in base64; line breaks may be in it.
        type: str
      src:
        description: Path of the file where the module runs, usually the controller.
        type: path
  fingerprint_key:
    description: Key of the fingerprints. The API token when not given; then a new token writes the secrets once more.
    type: str
  stage:
    description:
      - Set the values without a rollout. RV(ignore:resource.record) is null then, so the machines keep the record that they have.
      - A machine that starts for any other reason reads the staged values. A later run with V(false) writes nothing and rolls out.
    type: bool
    default: false
  purge:
    description: Delete secrets that are not listed.
    type: bool
    default: false
extends_documentation_fragment:
  - opsmap.cloud.fly
  - opsmap.cloud.wait
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Set the secrets
  opsmap.cloud.fly_secrets:
    app: supercog-agents
    secrets:
      OPENAI_API_KEY: "{{ openai_api_key }}"
    fingerprint_key: "{{ opsmap_fingerprint_key }}"
  register: secrets

- name: Set a file's content, to be released later
  opsmap.cloud.fly_secrets:
    app: supercog-agents
    secrets:
      OPENAI_API_KEY: "{{ openai_api_key }}"
    files:
      - name: SIGNING_KEY
        content: "{{ signing_key }}"
    fingerprint_key: "{{ opsmap_fingerprint_key }}"
    stage: true
"""

RETURN = r"""
resource:
  description:
    - C(names) that are wanted, C(unlisted) ones that are there too, and C(record) for the machines (null when staged).
    - C(version) holds what was written. Null when nothing was written and no machine waits for it.
    - C(staged) is true when machines run with other values than those that are set.
  returned: always
  type: dict
  sample:
    names: [OPENAI_API_KEY]
    unlisted: []
    version: 3
    record: "qhstbcdf.fgsskdbcpmlr.hmbccpdnhqcs"
    staged: false
plan:
  description: The steps that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [set secret OPENAI_API_KEY]
"""

import re
import time
from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._fly import OPTIONS, Fly
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_machine import RECORD, metadata
from ansible_collections.opsmap.cloud.plugins.module_utils._fly_secrets import MARK, Ledger, encoded, text
from ansible_collections.opsmap.cloud.plugins.module_utils._module import WAIT_OPTIONS, run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context, Plan
from ansible_collections.opsmap.cloud.plugins.module_utils._secret import Secret

SOURCES = ("content", "base64", "src")
FILE: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str", "no_log": True},
    "base64": {"type": "str", "no_log": True},
    "src": {"type": "path"},
}
ONE = {"mutually_exclusive": [SOURCES], "required_one_of": [SOURCES]}
SPEC: dict[str, Any] = {
    "argument_spec": {
        "app": {"type": "str", "required": True},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "files": {"type": "list", "elements": "dict", "default": [], "options": FILE, **ONE},
        "fingerprint_key": {"type": "str", "no_log": True},
        "stage": {"type": "bool", "default": False},
        "purge": {"type": "bool", "default": False},
        **OPTIONS,
        **WAIT_OPTIONS,
    },
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate(params: dict[str, Any]) -> None:
    """Refuse what can be known to be wrong before anything is asked; leaves all values in ``values``."""
    files = [file["name"] for file in params["files"]]
    for option, names in (("secrets", list(params["secrets"])), ("files", files)):
        for name in names:
            if not NAME.fullmatch(str(name)) or str(name).startswith(MARK):
                hint = f"use letters, digits and underscores, no digit first, and not {MARK}... (ours)"
                raise bad_option(option, f"{name!r} is no name", hint)
    twice = sorted(name for name in files if name in params["secrets"] or files.count(name) > 1)
    if twice:
        raise bad_option("files", f"{twice[0]} is given twice", "give each name once, in secrets or in files")
    params["values"] = {name: text("secrets", name, value) for name, value in params["secrets"].items()}
    params["values"].update({file["name"]: encoded(file) for file in params["files"]})


def ledger(params: dict[str, Any], observed: dict[str, Any] | None) -> Ledger:
    """The wanted values beside what is there."""
    seen = observed or {}
    key = params["fingerprint_key"] or params["api_token"]
    return Ledger(key, params["app"], params["values"], seen.get("secrets") or [], seen.get("records") or [])


def plan(params: dict[str, Any], observed: dict[str, Any] | None) -> Plan:
    """Steps from what is there to the wanted values. Names only, never a value."""
    book = ledger(params, observed)
    result = Plan(before=dict.fromkeys(sorted(book.listed), "present"))
    result.after = dict(result.before)
    foreign: list[str] = []
    for name in sorted(book.values):
        if book.unchanged(name):
            continue
        there = name in book.listed
        result.after[name] = "changed" if there else "present"
        if book.foreign(name):
            foreign.append(f"{name} ({'changed' if there else 'removed'})")
            result.before[name], result.after[name] = f"{'changed' if there else 'removed'} by someone else", "present"
        result.add("set", f"set secret {name}", name=name)
    for name in book.unlisted() if params["purge"] else []:
        del result.after[name]
        result.add("delete", f"delete secret {name}", name=name)
    if foreign:
        result.warnings.append(
            f"secrets of {params['app']} that someone else touched are set again: {', '.join(foreign)}"
        )
    if book.unlisted() and not params["purge"]:
        names = ", ".join(book.unlisted())
        result.warnings.append(f"secrets of {params['app']} that are not listed stay (purge removes them): {names}")
    return result


def write(client: Fly, book: Ledger, the_plan: Plan) -> tuple[int | None, dict[str, str]]:
    """All changes and the mark in one call, so in one version; gives it and the digests afterwards."""
    names = [step.args["name"] for step in the_plan.steps]
    values = {name: Secret(book.values[name]) if name in book.values else None for name in names}
    marks: dict[str, Secret | None] = dict.fromkeys(book.marks)
    # an equal value would not move the mark's time, by which it vouches
    marks[book.mark] = Secret(f"written {time.time()}")
    version, written = client.set_secrets(book.app, {**values, **marks})
    return version, {**client.secrets(book.app), **written}


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Converge the secrets of one app."""
    validate(params)
    client, app, version = Fly(params, context.clock), params["app"], None
    records = [metadata(machine).get(RECORD, "") for machine in client.listed(app, "machines") or []]
    observed = {"secrets": client.secret_list(app), "records": records}
    book, the_plan = ledger(params, observed), plan(params, observed)
    digests = {name: book.digest(name) for name in book.listed}
    if the_plan.changed:
        for step in the_plan.steps:
            context.report(step.title)
            digests.pop(step.args["name"], None)
        if not context.check_mode:
            version, digests = write(client, book, the_plan)
    record = book.record({name: digest for name, digest in digests.items() if not name.startswith(MARK)})
    waiting = any(kept and kept != record for kept in records)
    if waiting and not the_plan.changed and not params["stage"] and not context.check_mode:
        version, _dummy = client.set_secrets(app, {f"{MARK}NONE": None})  # unsetting nothing tells the version
    result: dict[str, Any] = {
        "changed": the_plan.changed,
        "diff": the_plan.diff(),
        "plan": [step.title for step in the_plan.steps],
        "resource": {
            "names": sorted(book.values),
            "unlisted": [] if params["purge"] else book.unlisted(),
            "version": version,
            "record": None if params["stage"] else record,
            "staged": params["stage"] and any(kept != record for kept in records),
        },
    }
    return {**result, "warnings": the_plan.warnings} if the_plan.warnings else result


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
