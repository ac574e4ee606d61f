"""Plans as data: every file in cases/<module>/ is options + what is observed -> steps, diff or refusal."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

CASES = Path(__file__).parent / "cases"
MODULES = "ansible_collections.opsmap.cloud.plugins.modules"
CREDENTIALS = {"api_token": "token", "api_key": "key", "api_secret_key": "secret"}
CONDITIONS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
FILES = sorted(CASES.glob("*/*.yml"))


def options(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The options as a module receives them, or a CloudError as Ansible would word it."""
    credentials = {key: value for key, value in CREDENTIALS.items() if key in spec["argument_spec"]}
    checker = ModuleArgumentSpecValidator(spec["argument_spec"], **{k: spec[k] for k in CONDITIONS if k in spec})
    checked = checker.validate({**credentials, **given})
    if checked.error_messages:
        raise CloudError("; ".join(checked.error_messages), code="argument_spec")
    return dict(checked.validated_parameters)


def planned(module: Any, case: dict[str, Any]) -> Any:
    """The plan of a case."""
    params = options(module.SPEC, case["options"])
    module.validate(params)
    return module.plan(params, case.get("observed"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_plan(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    module = importlib.import_module(f"{MODULES}.{file.parent.name}")
    expected = case["expect"]
    if "error" in expected:
        with pytest.raises(CloudError) as caught:
            planned(module, case)
        assert caught.value.code == expected["error"]["code"]
        assert expected["error"]["says"] in str(caught.value)
        return
    plan = planned(module, case)
    assert [step.title for step in plan.steps] == expected["steps"]
    if "calls" in expected:
        assert [{step.do: step.args} for step in plan.steps] == expected["calls"]
    if "diff" in expected:
        assert plan.diff() == expected["diff"]
    if "warnings" in expected:
        assert plan.warnings == expected["warnings"]


@pytest.mark.parametrize("name", sorted({file.parent.name for file in FILES}))
def test_every_option_is_in_a_case(name: str) -> None:
    module = importlib.import_module(f"{MODULES}.{name}")
    used: set[str] = set()
    for file in (CASES / name).glob("*.yml"):
        used |= set(yaml.safe_load(file.read_text())["options"])
    shared = {"api_url", "api_token", "api_key", "api_secret_key", "api_timeout", "api_retries", "ca_path"}
    assert set(module.SPEC["argument_spec"]) - shared - {"wait_timeout", "poll_interval"} - used == set()


def test_every_managing_module_has_cases() -> None:
    folder = Path(importlib.import_module(f"{MODULES}.fly_app").__file__ or "").parent
    with_plan = {file.stem for file in folder.glob("*.py") if "\ndef plan(" in file.read_text()}
    assert with_plan - {file.parent.name for file in FILES} == set()
