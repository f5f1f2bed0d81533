"""The sheets of an input workbook."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from optimizer.instance import Instance
from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, SCHEMA_VERSION, SERIES_BOUNDS, TABLES, Manifest, Row, Table
from optimizer.tables import ColumnType, column_types, is_list, section_of
from optimizer.template.book import Book, number_format
from optimizer.template.columns import SPARE_ROWS, blank_means, lists, note, units, validation
from optimizer.template.guide import write_checks, write_readme
from optimizer.workbook_in.layout import (
    HEADER_ROW,
    HOURLY,
    SETTINGS,
    SETTINGS_COLUMNS,
    SHEET_COLUMNS,
    SHEETS,
    entry_of,
    path_of,
)

#: Row and column count from 0 here, as XlsxWriter has it.
UNITS, BLANKS, HEADER, FIRST = HEADER_ROW - 3, HEADER_ROW - 2, HEADER_ROW - 1, HEADER_ROW
#: Blank rows of an empty table, and of one that is filled.
EMPTY_ROWS, YEARS_OFFERED = 10, 5
#: Width of a column of text, and of sources.
NARROW, WIDE, SOURCE = 10, 17, 60

#: Width of a printed page, in characters.
PAGE_WIDTH = 210

#: Settings of an empty workbook.
STARTING: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "currency": "USD",
    "series_hours": 8760,
    "options": {"resolution": "standard"},
    "resolutions": {"standard": {"step_hours": 1}},
}


def write_template(path: Path, instance: Instance | None = None) -> None:
    """Write an input workbook that ``read_instance`` reads.

    Parameters
    ----------
    path
        File to write; its name ends with .xlsx.
    instance
        What to fill it with; None for empty tables. A filled workbook reads back as the same instance.

    Raises
    ------
    ValueError
        When the instance has more series than a sheet has columns.
    """
    hourly = instance.hourly if instance else pd.DataFrame()
    if len(hourly.columns) >= SHEET_COLUMNS:
        raise ValueError(f"a sheet holds at most {SHEET_COLUMNS - 1:,} series, there are {len(hourly.columns):,}")
    book = Book(path)
    book.book.set_properties({"title": "Input workbook", "comments": f"schema version {SCHEMA_VERSION}"})
    write_readme(book)
    _settings(book, instance.manifest if instance else None)
    for table in TABLES.values():
        _table(book, table, instance.rows(table.name) if instance else ())
    _hourly(book, hourly, HOURLY_FILE in instance.manifest.files if instance else False)
    for name, formula in lists().items():
        book.book.define_name(name, formula)
    write_checks(book)
    book.book.close()


def _heading(book: Book, sheet: Any, column: int, name: str, style: Any, remark: str = "") -> None:
    sheet.write_string(HEADER, column, name, style)
    if remark:
        lines = sum(1 + len(line) // 45 for line in remark.splitlines())
        sheet.write_comment(HEADER, column, remark, {"width": 260, "height": 22 + 15 * lines, "font_size": 9})


def _table(book: Book, table: Table, rows: Sequence[Row]) -> None:
    """A table with the units, notes, drop-downs and limits of its columns."""
    description = " ".join((table.row.__doc__ or "").split())
    need = "Needed." if table.required else "Optional: leave it blank if there is none."
    key = ", ".join(table.key)
    sheet = book.sheet(SHEETS[table.file], SHEETS[table.file], f"{description} {need} One row per {key}.")
    names = list(table.columns())
    last = FIRST + max(len(rows), EMPTY_ROWS if not rows else 1) - 1
    width = sum(
        _column(book, sheet, column, table.row, name, [getattr(row, name) for row in rows], last)
        for column, name in enumerate(names)
    )
    heads = [{"header": name, "header_format": _head(book, table.row, name)} for name in names]
    look = {"name": table.name, "columns": heads, "style": "Table Style Light 1", "banded_rows": False}
    sheet.add_table(HEADER, 0, last, len(names) - 1, look)
    _finish(sheet, len(table.key), (last, len(names), width))


def _head(book: Book, model: type[BaseModel], name: str) -> Any:
    return book.head if model.model_fields[name].is_required() else book.head_optional


def _column(
    book: Book, sheet: Any, column: int, model: type[BaseModel], name: str, values: Sequence[Any], last: int
) -> float:
    """Write a column from its unit down to its last cell; its width."""
    wanted = column_types(model)[name]
    for row, value in enumerate(values, FIRST):
        book.value(sheet, row, column, value if value != "" else None, wanted)
    for row in range(FIRST + len(values), last + 1):
        book.value(sheet, row, column, None, wanted)
    sheet.write_string(UNITS, column, units(model, name), book.above)
    sheet.write_string(BLANKS, column, blank_means(model, name), book.above)
    _heading(book, sheet, column, name, _head(book, model, name), note(model, name))
    rule = validation(model, name)
    if rule:
        sheet.data_validation(FIRST, column, last + SPARE_ROWS, column, rule)
    longest = max((len(str(value)) for value in values if isinstance(value, str)), default=0)
    width = SOURCE if name == "source" else max(NARROW, min(WIDE, len(name) + 2), min(30, longest + 2))
    below = book.format(num_format=number_format(None, wanted))
    sheet.set_column(column, column, width, below)  # what is typed below the table stays text
    return width


def _finish(sheet: Any, key_columns: int, area: tuple[int, int, float]) -> None:
    """Freeze the headings and say how to print: last row, number of columns and their width."""
    last, columns, width = area
    sheet.print_area(0, 0, last, columns - 1)
    sheet.fit_to_pages(math.ceil(width / PAGE_WIDTH), 0)
    sheet.repeat_columns(0, key_columns - 1)
    sheet.set_row(BLANKS, 26)
    sheet.set_row(HEADER, 32)
    sheet.freeze_panes(FIRST, key_columns)
    sheet.repeat_rows(UNITS, HEADER)
    sheet.set_comments_author("schema")


# Settings


def _settings(book: Book, manifest: Manifest | None) -> None:
    """One row per entry of the manifest; lists one row per value."""
    described = "What applies to the whole case. One row per value; a list has several rows with one path."
    sheet = book.sheet(SETTINGS, SETTINGS, described)
    for column, name in enumerate(SETTINGS_COLUMNS):
        _heading(book, sheet, column, name, book.head)
    row = FIRST
    for parts, value in _setting_rows(manifest):
        _setting(book, sheet, row, parts, value)
        row += 1
    heads = [{"header": name, "header_format": book.head} for name in SETTINGS_COLUMNS]
    look = {"name": "settings", "columns": heads, "style": "Table Style Light 1", "banded_rows": False}
    sheet.add_table(HEADER, 0, row - 1, len(SETTINGS_COLUMNS) - 1, look)
    widths = (44, 36, 14, 120)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    _finish(sheet, 1, (row - 1, len(widths), sum(widths)))


def _setting(book: Book, sheet: Any, row: int, parts: tuple[str, ...], value: Any) -> None:
    model, name = entry_of(parts) or (Manifest, "name")
    several = is_list(model.model_fields[name])
    wanted = ColumnType("whole number", optional=False) if several else column_types(model)[name]
    book.text(sheet, row, 0, path_of(parts), book.format(num_format="@", valign="top"))
    book.value(sheet, row, 1, value if value != "" else None, wanted)
    sheet.write_string(row, 2, "year" if several else units(model, name), book.unit)
    remark = note(model, name).replace("\n", " ")
    if parts[0] == "files":  # needed only with what it is about
        remark = remark.replace("Needed.", f"Needed if sheet {SHEETS.get(parts[1], parts[1])} is filled.")
    sheet.write_string(row, 3, remark, book.remark)
    rule = validation(model, name)
    if rule and not several:
        sheet.data_validation(row, 1, row, 1, rule)


def _setting_rows(manifest: Manifest | None) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of every setting; None where it is not given."""
    values = manifest.model_dump() if manifest else STARTING
    yield from _section_rows(Manifest, values, (), manifest is None)


def _section_rows(
    model: type[BaseModel], values: Mapping[str, Any], before: tuple[str, ...], empty: bool
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, info in model.model_fields.items():
        inner, by_name = section_of(info)
        path, value = (*before, name), values.get(name)
        if inner is None and is_list(info):
            yield from ((path, item) for item in (value or [None] * (YEARS_OFFERED if empty and not before else 1)))
        elif inner is None:
            yield path, value
        elif by_name:
            for key in _names(name, value or {}):
                yield from _section_rows(inner, (value or {}).get(key, {}), (*path, key), empty)
        else:
            yield from _section_rows(inner, value or {}, path, empty)


def _names(section: str, given: Mapping[str, Any]) -> list[str]:
    """Names of a section with several; every file is offered its note."""
    if section != "files":
        return list(given)
    return [*given, *(name for name in SHEETS if name not in given and name != MANIFEST_FILE)]


# Hourly series


def _hourly(book: Book, hourly: pd.DataFrame, needed: bool) -> None:
    """Hours and one column per series; hours are written only where there are series or a note on them."""
    bounds = "; ".join(f"{kind} {low:g} to {high:g}" for kind, (low, high) in SERIES_BOUNDS.items())
    title = "One column per row of sheet Series, one row per hour: 0, 1, 2, ... No blank cells."
    sheet = book.sheet(HOURLY, HOURLY, f"{title} Limits by kind: {bounds}.")
    sheet.write_string(HEADER, 0, "hour", book.head)
    figure, hour = book.input("General"), book.remark
    if len(hourly.columns) or needed:
        sheet.write_column(FIRST, 0, list(range(len(hourly))), hour)
    for column, (name, values) in enumerate(hourly.items(), start=1):
        book.text(sheet, HEADER, column, str(name), book.head)
        for row, value in enumerate(values.tolist(), FIRST):
            sheet.write_number(row, column, value, figure)
    columns, width = 1 + len(hourly.columns), max([12, *(min(24, 2 + len(str(name))) for name in hourly.columns)])
    sheet.set_column(0, columns, width)
    _finish(sheet, 1, (FIRST + len(hourly), columns, columns * width))
