"""The schema as text: Markdown for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from optimizer.problems import number
from optimizer.schema import (
    HOURLY_FILE,
    MANIFEST_FILE,
    SCHEMA_VERSION,
    SERIES_BOUNDS,
    TABLES,
    Manifest,
    Table,
)
from optimizer.tables import column_types, is_list, section_of

SIGNS = {Ge: ">=", Gt: ">", Le: "<=", Lt: "<"}


def schema_json() -> dict[str, Any]:
    """Tables, manifest and hourly file as plain data.

    Returns
    -------
    dict
        ``schema_version``; ``manifest``: file and sections, each with its entries; ``tables``: file, description,
        key, required and columns; ``hourly``: file and the bounds of each kind of series. A column has name, type,
        unit, required, default, choices, bounds, refers_to and description.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "manifest": {"file": MANIFEST_FILE, "sections": [_section(name, model) for name, model in _sections()]},
        "tables": [_table(table) for table in TABLES.values()],
        "hourly": {
            "file": HOURLY_FILE,
            "kinds": {kind: {"minimum": low, "maximum": high} for kind, (low, high) in SERIES_BOUNDS.items()},
        },
    }


def schema_markdown() -> str:
    """The schema as a Markdown page."""
    page = schema_json()
    lines = ["# Files of an instance", "", INTRODUCTION, "", f"## {MANIFEST_FILE}", ""]
    for section in page["manifest"]["sections"]:
        title = f"### [{section['name']}]" if section["name"] else "### Top of the file"
        lines += [title, "", section["description"], "", *_markdown_columns(section["entries"]), ""]
    for table in page["tables"]:
        need = "Needed." if table["required"] else "Optional."
        key = ", ".join(f"`{name}`" for name in table["key"])
        lines += [f"## {table['file']}", "", f"{table['description']} {need} Key: {key}.", ""]
        lines += [*_markdown_columns(table["columns"]), ""]
    lines += [f"## {HOURLY_FILE}", "", HOURLY, "", "| kind | least | most |", "|---|---|---|"]
    lines += [f"| {kind} | {number(low)} | {number(high)} |" for kind, (low, high) in SERIES_BOUNDS.items()]
    return "\n".join(lines) + "\n"


INTRODUCTION = """\
An instance is a folder: `instance.toml`, one CSV file per table, and `hourly.csv`; or a workbook with a sheet for
each (`optimizer template`). Files are UTF-8 with commas and one header row. A blank cell takes the default; a column
whose default is "none" may stay blank, and a "needed" one must be filled. Numbers have a decimal point and no
thousands separator; truth values are `true` and `false`. Money is real US$ of `price_year`. Every file is named under
`[files]` with its source and licence."""

HOURLY = """\
Column `hour` counts 0, 1, 2, ... up to `series_hours` less one; every row of `series.csv` has a column of its name.
Values must be finite and within the bounds of their kind."""


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """The manifest and its sections; NAME stands for a name of the user's."""
    yield "", Manifest
    for name, info in Manifest.model_fields.items():
        inner, by_name = section_of(info)
        if inner is not None:
            yield f"{name}.NAME" if by_name else name, inner


def _section(name: str, model: type[BaseModel]) -> dict[str, Any]:
    fields = {key: info for key, info in model.model_fields.items() if section_of(info)[0] is None}
    return {
        "name": name,
        "description": (model.__doc__ or "").strip(),
        "entries": [describe(model, key) for key in fields],
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "file": table.file,
        "description": " ".join((table.row.__doc__ or "").split()),
        "required": table.required,
        "key": list(table.key),
        "columns": [describe(table.row, name) for name in table.columns()],
    }


def describe(model: type[BaseModel], name: str) -> dict[str, Any]:
    """A column (or an entry of the manifest) as plain data."""
    info = model.model_fields[name]
    wanted = column_types(model)[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    years = is_list(info)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return {
        "name": name,
        "type": "list of years" if years else "whole number" if _whole(wanted.choices) else wanted.kind,
        "unit": extra.get("unit", ""),
        "required": info.is_required(),
        "default": default,
        "choices": list(wanted.choices),
        "bounds": [] if years else _bounds(info),
        "refers_to": extra.get("refers_to"),
        "description": info.description or "",
    }


def _whole(choices: tuple[str | int, ...]) -> bool:
    return bool(choices) and all(isinstance(choice, int) for choice in choices)


def _bounds(info: FieldInfo) -> list[str]:
    """Bounds in words, '>= 0'."""
    found = []
    for constraint in info.metadata:
        for kind, sign in SIGNS.items():
            if isinstance(constraint, kind):
                found.append(f"{sign} {number(float(getattr(constraint, sign_name(kind))))}")
    return found


def sign_name(kind: type) -> str:
    """Name of the bound inside an annotated constraint: ge, gt, le, lt."""
    return kind.__name__.lower()


def _markdown_columns(columns: list[dict[str, Any]]) -> list[str]:
    lines = ["| column | type | unit | default | limits | meaning |", "|---|---|---|---|---|---|"]
    for column in columns:
        cells = [
            f"`{column['name']}`",
            ", ".join(f"`{choice}`" for choice in column["choices"]) or column["type"],
            column["unit"],
            "needed" if column["required"] else _default(column["default"]),
            ", ".join(column["bounds"]),
            column["description"] + (f" (refers to `{column['refers_to']}`)" if column["refers_to"] else ""),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number(float(value)) if isinstance(value, int | float) else str(value)
