# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the variables of several roles in one task: including each role for it would cost a worker per file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible_collections.opsmap.cloud.plugins.plugin_utils.in_process import plain

RULE: dict[str, Any] = {
    "variable": {"type": "str", "required": True},
    "that": {"type": "bool", "required": True},
    "remedy": {"type": "str", "required": True},
}
SPEC: dict[str, Any] = {
    "roles": {"type": "list", "elements": "str", "required": True},
    "required_variables": {"type": "list", "elements": "str", "default": []},
    "required_hint": {"type": "str", "default": "give it as a variable"},
    "resolve": {"type": "list", "elements": "str", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
}


class ActionModule(ActionBase):
    """Reports every problem of the host at once."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        checked = ArgumentSpecValidator(SPEC).validate(plain(self._task.args))
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        params = checked.validated_parameters
        host = self._resolved(params["resolve"], task_vars or {})
        problems = [
            f"{name}: not given; {params['required_hint']}"
            for name in params["required_variables"]
            if host.get(name) in (None, "")
        ]
        problems += [f"{rule['variable']}: {rule['remedy']}" for rule in params["rules"] if not rule["that"]]
        for role in params["roles"]:
            problems += self._of_role(self._folder(role, host), host)
        problems = list(dict.fromkeys(problems))
        result.update(changed=False, problems=problems)
        if problems:
            result.update(failed=True, msg="\n- ".join(["nothing was changed; mend this first:", *problems]))
        return result

    def _resolved(self, names: list[str], host: dict[str, Any]) -> dict[str, Any]:
        """The host's variables with these rendered, each on top of the ones before it; later tasks find them so."""
        known, values = dict(host), {}
        templar = self._with(known)
        for name in names:
            with suppress(AnsibleUndefinedVariable):  # what is not given is told by whoever needs it
                if name in host:
                    known[name] = values[name] = templar.template(host[name])
        if hasattr(self, "register_host_variables"):  # before ansible-core 2.21 every use renders them anew
            self.register_host_variables(values)
        return known

    def _with(self, variables: dict[str, Any]) -> Any:
        return self._templar.copy_with_new_env(available_variables=variables)

    def _folder(self, role: str, host: dict[str, Any]) -> Path:
        near = Path(str(host.get("playbook_dir", "."))) / "roles"
        for path in (near, *(Path(str(entry)) for entry in constants.DEFAULT_ROLES_PATH)):
            if (path / role).is_dir():
                return path / role
        raise AnsibleActionFail(f"roles: there is no role {role}; it is looked for in roles_path")

    def _load(self, path: Path) -> dict[str, Any]:
        return (
            (self._loader.load_from_file(str(path), unsafe=True, trusted_as_template=True) or {})
            if path.is_file()
            else {}
        )

    def _of_role(self, folder: Path, host: dict[str, Any]) -> list[str]:
        known = {**self._load(folder / "defaults" / "main.yml"), **host, **self._load(folder / "vars" / "main.yml")}
        templar = self._with(known)
        specs = self._load(folder / "meta" / "argument_specs.yml")["argument_specs"]
        options = specs.get("validate", specs["main"])["options"]
        try:
            given = {name: templar.template(known[name]) for name in options if name in known}
            checked = ArgumentSpecValidator(options).validate(plain(given))
            problems = remove_values(checked.error_messages, checked._no_log_values)
            if problems:  # rules may rely on the types
                return [f"{folder.name}: {problem}" for problem in problems]
            rules = known.get(f"__{folder.name}_rules", [])
            return [self._worded(templar, rule) for rule in rules if not templar.template(rule["that"])]
        except AnsibleError as error:
            return [f"{folder.name}: {error}"]

    def _worded(self, templar: Any, rule: dict[str, Any]) -> str:
        return f"{templar.template(rule['variable'])}: {templar.template(rule['remedy'])}"
