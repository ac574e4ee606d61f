#!/usr/bin/python
# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_check
short_description: Walk through HTTP requests as a user would
version_added: 0.1.0
description:
  - Makes requests one after the other, with one cookie jar, and compares the answers. Values may be saved from an answer and
    used in later steps as C(${name}). A step is tried again until it passes or O(timeout) is over.
  - Redirects are not followed, so that they can be checked.
options:
  steps:
    description: The requests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the step does, for messages.
        type: str
        required: true
      url:
        description: Where to.
        type: str
        required: true
      method:
        description: Method.
        type: str
        default: GET
      headers:
        description: Headers.
        type: dict
        default: {}
      json:
        description: Body, sent as JSON.
        type: raw
      form:
        description: Body, sent as a form.
        type: dict
      body:
        description: Body as it is.
        type: str
      status:
        description: Wanted status, or several.
        type: list
        elements: int
        default: [200]
      expect:
        description:
          - C(json) (a subset), C(headers) and C(headers_not) (a part of each), C(body_contains), C(location) (a part).
          - C(closed), when true, passes if nothing answers or the answer is 404. It is not tried again.
        type: dict
        default: {}
      save:
        description:
          - Name to C(body), C(json.path.to.value) or C(header.name).
          - Names that begin with an underscore are for later steps only and are not returned, so they may hold secrets.
        type: dict
        default: {}
  variables:
    description: Values for C(${name}), such as passwords.
    type: dict
    default: {}
  resolve:
    description: Where to connect instead of asking the name service, host to C(address:port).
    type: dict
    default: {}
  ca_path:
    description: PEM file of the authorities to trust instead of the system's.
    type: path
  timeout:
    description: Seconds that a step may be tried again.
    type: float
    default: 30.0
  required:
    description: Whether a step that does not pass is a failure. If not, RV(passed) tells.
    type: bool
    default: true
extends_documentation_fragment:
  - opsmap.cloud.attributes
author:
  - opsmap contributors (@opsmap)
"""

EXAMPLES = r"""
- name: Sign in and look who it is
  opsmap.cloud.http_check:
    variables: {password: "{{ admin_password }}"}
    steps:
      - name: sign in
        url: https://app.supercog.example/api/login
        method: POST
        json: {email: admin@supercog.example, password: "${password}"}
      - name: who am I
        url: https://app.supercog.example/api/me
        expect:
          json: {email: admin@supercog.example}
"""

RETURN = r"""
passed:
  description: Whether all steps passed.
  returned: success
  type: bool
  sample: true
saved:
  description: What was saved.
  returned: success
  type: dict
  sample: {}
"""

import json
import string
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError, bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._module import run_module
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

try:
    import urllib3

    HAS_URLLIB3 = True
except ImportError:
    HAS_URLLIB3 = False

STEP: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "json": {"type": "raw"},
    "form": {"type": "dict"},
    "body": {"type": "str"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "expect": {"type": "dict", "default": {}},
    "save": {"type": "dict", "default": {}},
}
SPEC: dict[str, Any] = {
    "argument_spec": {
        "steps": {"type": "list", "elements": "dict", "required": True, "options": STEP},
        "variables": {"type": "dict", "default": {}, "no_log": True},
        "resolve": {"type": "dict", "default": {}},
        "ca_path": {"type": "path"},
        "timeout": {"type": "float", "default": 30.0},
        "required": {"type": "bool", "default": True},
    },
}
PAUSE = 0.5  # seconds between two tries
EXPECTATIONS = {"json", "headers", "headers_not", "body_contains", "location", "closed"}


def filled(value: Any, values: dict[str, Any]) -> Any:
    """A value with its ``${name}`` replaced."""
    if isinstance(value, dict):
        return {key: filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    try:
        return string.Template(value).substitute(values)
    except (KeyError, ValueError) as error:
        raise bad_option(
            "steps", f"{error} is not known in {value[:60]!r}", "save it in an earlier step, or write $$"
        ) from None


def missing(wanted: Any, seen: Any, where: str = "json") -> str | None:
    """Where an answer is not what is wanted, or None; dictionaries are compared as a subset."""
    if isinstance(wanted, dict) and isinstance(seen, dict):
        found = (missing(item, seen.get(key), f"{where}.{key}") for key, item in wanted.items())
        return next((text for text in found if text), None)
    return None if str(wanted) == str(seen) else f"{where} is {str(seen)[:200]!r} and not {str(wanted)[:200]!r}"


def mismatch(step: dict[str, Any], answer: Any, text: str) -> str | None:
    """Why an answer does not pass, or None."""
    if answer.status not in step["status"]:
        return f"answers {answer.status} and not {' or '.join(map(str, step['status']))}: {text.strip()[:200]}"
    expect = step["expect"]
    problems = [missing(expect["json"], _json(text))] if "json" in expect else []
    problems += [
        None if str(wanted) in answer.headers.get(name, "") else f"header {name} is {answer.headers.get(name)!r}"
        for name, wanted in (expect.get("headers") or {}).items()
    ]
    problems += [
        f"header {name} is {unwanted!r}"
        for name, unwanted in (expect.get("headers_not") or {}).items()
        if str(unwanted) in answer.headers.get(name, "")
    ]
    if expect.get("body_contains", "") not in text:
        problems.append(f"the body does not contain {expect['body_contains']!r}")
    if str(expect.get("location", "")) not in answer.headers.get("location", ""):
        problems.append(f"it leads to {answer.headers.get('location')!r} and not to {expect['location']!r}")
    return next((problem for problem in problems if problem), None)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _saved(source: str, answer: Any, text: str) -> Any:
    kind, _, rest = source.partition(".")
    if kind == "body":
        return text
    if kind == "header":
        return answer.headers.get(rest, "")
    value = _json(text)
    for key in rest.split(".") if rest else []:
        value = value[int(key)] if isinstance(value, list) and key.isdigit() else (value or {}).get(key)
    return value


class Walk:
    """One user: a cookie jar, what was saved, and connections."""

    def __init__(self, params: dict[str, Any], context: Context) -> None:
        self.params = params
        self.clock = context.clock
        self.values: dict[str, Any] = dict(params["variables"])
        self.saved: dict[str, Any] = {}
        self.cookies: dict[str, dict[str, str]] = {}

    def send(self, step: dict[str, Any]) -> tuple[Any, str]:
        """One request."""
        parts = urlsplit(step["url"])
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address, _, other = str(self.params["resolve"].get(host, "")).rpartition(":")
        options: dict[str, Any] = {"timeout": 15.0, "retries": False}
        if parts.scheme == "https":
            options.update(server_hostname=host, assert_hostname=host, ca_certs=self.params["ca_path"])
            pool: Any = urllib3.HTTPSConnectionPool(address or host, int(other or port), **options)
        else:
            pool = urllib3.HTTPConnectionPool(address or host, int(other or port), **options)
        headers = {"Host": parts.netloc, **{key: str(value) for key, value in step["headers"].items()}}
        if self.cookies.get(host):
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies[host].items())
        body, kind = _body(step)
        headers.update({"Content-Type": kind} if kind else {})
        where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            answer = pool.request(step["method"], where, body=body, headers=headers, redirect=False)
            self._keep(host, answer)
            return answer, answer.data.decode(errors="replace")
        finally:
            pool.close()

    def _keep(self, host: str, answer: Any) -> None:
        for line in answer.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies.setdefault(host, {})[name] = morsel.value

    def go(self, raw: dict[str, Any]) -> str | None:
        """Try a step until it passes; why it did not, or None."""
        step = {
            **raw,
            **filled({key: raw[key] for key in ("url", "headers", "json", "form", "body", "expect")}, self.values),
        }
        if step["expect"].get("closed"):
            return self._open(step)
        end = self.clock.now() + self.params["timeout"]
        while True:
            try:
                answer, text = self.send(step)
                problem = mismatch(step, answer, text)
            except urllib3.exceptions.HTTPError as error:
                problem = f"no answer: {error}"
            if problem is None:
                for name, source in step["save"].items():
                    self.values[name] = _saved(source, answer, text)
                    self.saved.update({} if name.startswith("_") else {name: self.values[name]})
                return None
            if self.clock.now() >= end:
                return f"{step['name']} ({step['method']} {step['url']}): {problem}"
            self.clock.sleep(PAUSE)

    def _open(self, step: dict[str, Any]) -> str | None:
        """What answers where nothing should, or None."""
        try:
            status = self.send(step)[0].status
        except urllib3.exceptions.HTTPError:
            return None
        return (
            None if status == 404 else f"{step['name']} ({step['url']}): answers {status}, and should not be reachable"
        )


def _body(step: dict[str, Any]) -> tuple[bytes | None, str]:
    if step["json"] is not None:
        return json.dumps(step["json"]).encode(), "application/json"
    if step["form"] is not None:
        return urlencode(step["form"]).encode(), "application/x-www-form-urlencoded"
    return (None, "") if step["body"] is None else (step["body"].encode(), "")


def run(params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Walk through all steps."""
    if not HAS_URLLIB3:
        raise CloudError("the Python package urllib3 is missing", code="refused", hint="install urllib3")
    walk = Walk(params, context)
    for step in params["steps"]:
        unknown = set(step["expect"]) - EXPECTATIONS
        if unknown:
            raise bad_option(
                "steps", f"{step['name']} expects {', '.join(unknown)}", f"use {', '.join(sorted(EXPECTATIONS))}"
            )
    for step in params["steps"]:
        problem = walk.go(step)
        if problem and params["required"]:
            raise CloudError(
                problem, "opsmap", "http check", code="failed_state", hint="look at the logs of what answers there"
            )
        if problem:
            return {"changed": False, "passed": False, "saved": walk.saved, "problem": problem}
    return {"changed": False, "passed": True, "saved": walk.saved}


def main() -> None:
    """Entry point of the ordinary way."""
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
