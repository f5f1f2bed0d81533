"""The printed schema names every table and column once, as the schema has them."""

from __future__ import annotations

import json

from optimizer.schema import SERIES_BOUNDS, TABLES, Manifest
from optimizer.schema_docs import schema_json, schema_markdown


def test_json_has_every_table_and_column() -> None:
    page = json.loads(json.dumps(schema_json(), allow_nan=False))
    assert [table["name"] for table in page["tables"]] == list(TABLES)
    for table in page["tables"]:
        assert [column["name"] for column in table["columns"]] == list(TABLES[table["name"]].columns())
        assert set(table["key"]) <= {column["name"] for column in table["columns"]}
        assert table["description"] and all(column["description"] for column in table["columns"])
    assert set(page["hourly"]["kinds"]) == set(SERIES_BOUNDS)


def test_json_column() -> None:
    (sites,) = [table for table in schema_json()["tables"] if table["name"] == "sites"]
    columns = {column["name"]: column for column in sites["columns"]}
    assert columns["existing_poi_mw"] == {
        "name": "existing_poi_mw",
        "type": "number",
        "unit": "MW",
        "required": False,
        "default": 0.0,
        "choices": [],
        "bounds": [">= 0", "<= 1000000"],
        "refers_to": None,
        "description": "firm import capacity of the POI before any funded upgrade; 0 for an island",
    }
    assert columns["zone"]["refers_to"] == "zones.zone" and columns["zone"]["required"]
    assert columns["utility"]["default"] is None and not columns["utility"]["required"]
    assert columns["export_allowed"]["type"] == "true or false"


def test_json_choices_and_manifest() -> None:
    page = schema_json()
    technologies = next(table for table in page["tables"] if table["name"] == "technologies")
    columns = {column["name"]: column for column in technologies["columns"]}
    assert columns["macrs_years"]["choices"] == [3, 5, 7, 10, 15, 20]
    assert columns["macrs_years"]["type"] == "whole number"
    assert columns["kind"]["choices"] == ["generator", "storage", "wires"]
    sections = {section["name"]: section for section in page["manifest"]["sections"]}
    assert list(sections) == ["", "finance", "compute", "rates", "options", "resolutions.NAME", "files.NAME"]
    named = {entry["name"] for entry in sections[""]["entries"]} | {name.split(".")[0] for name in sections if name}
    assert named == set(Manifest.model_fields)


def test_markdown_lists_everything_in_even_tables() -> None:
    page = schema_markdown()
    for table in TABLES.values():
        part = page.split(f"\n## {table.file}\n")[1].split("\n## ")[0]
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == list(table.columns())
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in {4, 7}, line
    assert page.endswith("\n") and "discount_rate" in page
