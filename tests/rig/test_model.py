"""The tables of `docs/rig.md` and the model that checks a rig file agree."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from watlowlib.rig.model import (
    ControllerTable,
    PortTable,
    RecordTable,
    RuleTable,
    SinkTable,
    Table,
    WriteTable,
)

PAGE = (Path(__file__).parents[2] / "docs" / "rig.md").read_text("utf-8")
TABLES = {
    "[ports.NAME]": PortTable,
    "[controllers.NAME]": ControllerTable,
    "[record]": RecordTable,
    "[[record.sinks]]": SinkTable,
    "[[rules]]": RuleTable,
    "[rules.write]": WriteTable,
}
TOML = {
    "string": "string",
    "integer": "integer",
    "number": "float",
    "boolean": "boolean",
    "array": "array",
    "object": "table",
}


def toml_type(schema: dict[str, Any]) -> str:
    """Return the type of a key in TOML's words; the file may have any in the table of `Any`."""
    schema = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if schema.get("$ref", "").endswith("Table"):
        return "table"
    return "string" if "$ref" in schema else TOML.get(schema.get("type", ""), "integer or string")


def toml_value(value: object) -> str:
    """Return a default as the file writes it; a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    value = value.value if isinstance(value, Enum) else value
    return "`" + repr(value).replace("'", '"') + "`"


def rows_of_the_page(title: str) -> dict[str, list[str]]:
    """Return the cells of the table below a heading, by key."""
    section = PAGE.split(f"## `{title}`\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    return {key: rest.split(" | ") for key, rest in rows}


@pytest.mark.parametrize(("title", "table"), TABLES.items(), ids=TABLES)
def test_the_page_has_each_key_with_its_type_default_and_what_is_allowed(
    title: str, table: type[Table]
) -> None:
    schemas = table.model_json_schema()["properties"]
    expected = {}
    for key, field in table.model_fields.items():
        default = "required" if field.is_required() else toml_value(field.default)
        expected[key] = [toml_type(schemas[key]), default, str(field.description)]
    rows = rows_of_the_page(title)
    assert {key: cells[:3] for key, cells in rows.items()} == expected
    assert all(len(cells) == 4 and cells[3] for cells in rows.values())
