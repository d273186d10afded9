"""As much of JSON Schema as `docs/maps.schema.json` uses."""

from __future__ import annotations

from typing import Any

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "required", "properties", "items",
    "additionalProperties", "const", "enum", "minimum", "maximum", "minItems", "maxItems", "anyOf",
}  # fmt: skip


def check(value: Any, schema: dict[str, Any], whole: dict[str, Any], at: str = "file") -> None:
    """Raise `AssertionError` naming the place at which a value does not follow the schema."""
    assert schema.keys() <= KNOWN, f"{at}: the schema says {schema.keys() - KNOWN}"
    if "$ref" in schema:
        return check(value, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, at)
    if "anyOf" in schema:
        assert any(_fits(value, s, whole, at) for s in schema["anyOf"]), f"{at}: fits nothing"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        assert any(_is(value, name) for name in names), f"{at}: {value!r:.60} is no {names}"
    if "const" in schema:
        assert value == schema["const"], at
    if "enum" in schema:
        assert value in schema["enum"], f"{at}: {value!r}"
    if isinstance(value, (int, float)):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), at
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), at
        for i, item in enumerate(value):
            check(item, schema.get("items", {}), whole, f"{at}[{i}]")
    if isinstance(value, dict):
        _check_object(value, schema, whole, at)
    return None


def _check_object(value: dict[str, Any], schema: dict, whole: dict, at: str) -> None:
    parts = schema.get("properties", {})
    assert not set(schema.get("required", ())) - value.keys(), f"{at} lacks something"
    others = schema.get("additionalProperties", {})
    assert others is not False or value.keys() <= parts.keys(), (
        f"{at}: {value.keys() - parts.keys()}"
    )
    for name, part in value.items():
        check(part, parts.get(name, others), whole, f"{at}.{name}")


def _fits(value: Any, schema: dict, whole: dict, at: str) -> bool:
    try:
        check(value, schema, whole, at)
    except AssertionError:
        return False
    return True


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and not (
        isinstance(value, bool) and name in ("integer", "number")
    )
