"""The journal of the local cloud against the published descriptions: every body in it must be one of theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FILES = {"redis_cloud": "redis-cloud.openapi.json", "digitalocean": "digitalocean-databases.openapi.json"}


class Description:
    """One OpenAPI document."""

    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = json.loads(path.read_text())
        self.registry: Any = Registry().with_resource("spec", Resource(self.document, DRAFT202012))

    def problems(self, entry: dict[str, Any]) -> list[str]:
        """What of one request and its answer is not as described."""
        where = f"{entry['method']} {entry['path']}"
        pointer = self.operation(entry["method"].lower(), entry["path"])
        if pointer is None:
            return []  # routes are compared on their own
        status = str(entry["status"])
        request = self.at(pointer, "requestBody", "content", "application/json", "schema")
        answer = self.at(pointer, "responses", status, "content", "application/json", "schema")
        found = []
        if request and entry["request"] is not None and entry["status"] < 300:
            found += [f"{where} request: {text}" for text in self.check(request, entry["request"])]
        if answer and entry["response"] is not None:
            found += [f"{where} {status}: {text}" for text in self.check(answer, entry["response"])]
        return found

    def undeclared(self, entry: dict[str, Any]) -> set[str]:
        """Members of an answer that its schema does not know, as ``Schema.member``."""
        pointer = self.operation(entry["method"].lower(), entry["path"])
        if pointer is None or entry["response"] is None:
            return set()
        content = self.at(pointer, "responses", str(entry["status"]), "content", "application/json")
        return set(self.beyond((content or {}).get("schema"), entry["response"], "?"))

    def beyond(self, schema: Any, value: Any, name: str) -> Iterator[str]:
        """As undeclared, for one value. A schema without properties allows anything."""
        name = schema["$ref"].rpartition("/")[2] if isinstance(schema, dict) and "$ref" in schema else name
        schema = self.followed(schema) or {}
        if isinstance(value, list):
            for item in value:
                yield from self.beyond(schema.get("items"), item, name)
        elif isinstance(value, dict) and schema.get("properties"):
            for key, item in value.items():
                if key not in schema["properties"]:
                    yield f"{name}.{key}"
                else:
                    yield from self.beyond(schema["properties"][key], item, f"{name}.{key}")

    @cache  # noqa: B019 - lives as long as the test
    def operation(self, method: str, path: str) -> str | None:
        """Pointer to the operation that a request is."""
        for known, item in sorted(self.document["paths"].items(), key=lambda pair: pair[0].count("{")):
            if method in item and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", known), path):
                return f"/paths/{known.replace('~', '~0').replace('/', '~1')}/{method}"
        return None

    def at(self, pointer: str, *parts: str) -> Any:
        """What a pointer and the names after it lead to, references followed; None if it is not there."""
        found = self.followed(self.registry.resolver().lookup(f"spec#{pointer}").contents)
        for part in parts:
            found = self.followed((found or {}).get(part))
        return found

    def followed(self, found: Any) -> Any:
        """What a reference stands for."""
        while isinstance(found, dict) and "$ref" in found:
            found = self.registry.resolver().lookup(f"spec{found['$ref']}").contents
        return found

    def check(self, schema: Any, value: Any) -> list[str]:
        """Problems of a value. OpenAPI 3.0 has nullable where JSON Schema has null, so a null counts as left out."""
        validator = Draft202012Validator(absolute(schema), registry=self.registry)
        errors = validator.iter_errors(without_nulls(value))
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]


def absolute(schema: Any) -> Any:
    """A schema whose references name the document."""
    if isinstance(schema, dict):
        return {
            key: f"spec{item}" if key == "$ref" and item.startswith("#") else absolute(item)
            for key, item in schema.items()
        }
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def without_nulls(value: Any) -> Any:
    """A value without members that are null."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
