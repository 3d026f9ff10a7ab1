"""A JSON Schema as tables: every key with its type and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports import markdown as md

Schema = Mapping[str, Any]


def tables(schema: Schema) -> Iterator[str]:
    """The document's keys, then each of its definitions."""
    yield md.table(("key", "type", "meaning"), _rows(schema, ""))
    for name, definition in schema.get("$defs", {}).items():
        yield f"## {name}"
        if "description" in definition:
            yield md.text(definition["description"])
        if "enum" in definition:
            yield "One of: " + ", ".join(md.code(value) for value in definition["enum"]) + "."
        rows = list(_rows(definition, ""))
        if rows:
            yield md.table(("key", "type", "meaning"), rows)
        elif "enum" not in definition:
            yield f"Type: {_type(definition)}."


def _rows(schema: Schema, path: str) -> Iterator[tuple[str, str, str]]:
    """Keys in the order of the file, those inside another behind its name and a dot."""
    for name, value in schema.get("properties", {}).items():
        where = f"{path}{name}"
        yield md.code(where), _type(value), md.text(value.get("description", "")) or "—"
        yield from _rows(value, f"{where}.")
        items = value.get("items")
        if isinstance(items, dict):
            yield from _rows(items, f"{where}[].")
        others = value.get("additionalProperties")
        if isinstance(others, dict):
            yield from _rows(others, f"{where}.*.")


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{md.text(name)}](#{name.lower()})"
    if "const" in schema:
        return md.code(schema["const"])
    if "enum" in schema:
        return ", ".join(md.code("null" if value is None else value) for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(one) for one in schema[key])
    kinds = schema.get("type", "any")
    words = [kinds] if isinstance(kinds, str) else list(kinds)
    return " or ".join(_word(word, schema) for word in words)


def _word(word: str, schema: Schema) -> str:
    inner = schema.get("items" if word == "array" else "additionalProperties")
    if word == "array" and isinstance(inner, dict):
        return f"array of {_type(inner)}"
    if word == "object" and isinstance(inner, dict):
        return f"object of {_type(inner)}"
    return md.text(word)
