# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One visitor who walks through steps: requests, cookies, what is expected and what is saved."""

from __future__ import annotations

import json
import string
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.opsmap.cloud.plugins.module_utils._errors import bad_option
from ansible_collections.opsmap.cloud.plugins.module_utils._plan import Context

try:
    import urllib3

    HAS_URLLIB3 = True
except ImportError:
    HAS_URLLIB3 = False

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
    kind, _dummy, rest = source.partition(".")
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
        address, _dummy, other = str(self.params["resolve"].get(host, "")).rpartition(":")
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
            except urllib3.exceptions.NameResolutionError as error:
                problem = f"{error}; if the name service does not know it yet, give its address in resolve"
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
