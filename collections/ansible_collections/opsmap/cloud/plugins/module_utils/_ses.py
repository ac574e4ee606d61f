# Copyright: opsmap contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipt rules of Amazon SES: the API's words and ours, and the calls."""

from __future__ import annotations

from typing import Any

from ansible_collections.opsmap.cloud.plugins.module_utils._aws import client, told
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError


def wanted(params: dict[str, Any]) -> dict[str, Any]:
    """The rule that the options describe, in the module's words."""
    action = {"topic_arn": params["topic_arn"], "encoding": params["encoding"]}
    settings = {name: params[name] for name in ("enabled", "tls_policy", "scan_enabled")}
    return {"recipients": sorted(params["recipients"]), "actions": [action], **settings}


def seen(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of the API in the module's words; an action of another kind keeps its own."""
    actions: list[dict[str, Any]] = []
    for action in rule.get("Actions", []):
        sns = action.get("SNSAction")
        known = {"topic_arn": sns["TopicArn"], "encoding": sns.get("Encoding", "UTF-8")} if sns else action
        actions.append(known)
    return {
        "recipients": sorted(rule.get("Recipients", [])),
        "actions": actions,
        "enabled": rule.get("Enabled", False),
        "tls_policy": rule.get("TlsPolicy", "Optional"),
        "scan_enabled": rule.get("ScanEnabled", False),
    }


def sent(params: dict[str, Any]) -> dict[str, Any]:
    """The rule as the API takes it."""
    return {
        "Name": params["name"],
        "Enabled": params["enabled"],
        "TlsPolicy": params["tls_policy"],
        "ScanEnabled": params["scan_enabled"],
        "Recipients": sorted(params["recipients"]),
        "Actions": [{"SNSAction": {"TopicArn": params["topic_arn"], "Encoding": params["encoding"]}}],
    }


class Rules:
    """The calls for one rule."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.ses = client(params, "ses")

    def observe(self) -> dict[str, Any]:
        """What ``plan`` compares with."""
        rules = self._rules()
        with told("read the active rule set"):
            active = self.ses.describe_active_receipt_rule_set().get("Metadata", {}).get("Name", "")
        rule = next((seen(rule) for rule in rules or [] if rule["Name"] == self.params["name"]), None)
        return {"rule": rule, "there": rules is not None, "active": active}

    def _rules(self) -> list[dict[str, Any]] | None:
        try:
            with told(f"read rule set {self.params['rule_set']}"):
                answer = self.ses.describe_receipt_rule_set(RuleSetName=self.params["rule_set"])
                return list(answer.get("Rules", []))
        except CloudError as error:
            if error.code == "RuleSetDoesNotExist":
                return None
            raise

    def handlers(self) -> dict[str, Any]:
        """The steps of a plan."""
        params, rule = self.params, sent(self.params)
        return {
            "create_set": lambda: self._call("create_receipt_rule_set"),
            "create": lambda: self._call("create_receipt_rule", Rule=rule),
            "update": lambda: self._call("update_receipt_rule", Rule=rule),
            "activate": lambda: self._call("set_active_receipt_rule_set"),
            "delete": lambda: self._call("delete_receipt_rule", RuleName=params["name"]),
        }

    def _call(self, method: str, **arguments: Any) -> None:
        with told(method.replace("_", " ")):
            getattr(self.ses, method)(RuleSetName=self.params["rule_set"], **arguments)

    def present(self, observed: dict[str, Any]) -> dict[str, Any] | None:
        """The result's resource."""
        name = self.params["rule_set"]
        return observed["rule"] and {"rule_set": name, "active": observed["active"] == name, **observed["rule"]}
