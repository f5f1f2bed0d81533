"""The sheets of a workbook as the content of an instance: settings, tables, hourly series, and what is missing."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.hourly import MAX_HOURS, hourly_columns, need_hour
from optimizer.problems import InstanceError, Problem, shown, suggestion
from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES, Table
from optimizer.tables import (
    MAX_PROBLEMS,
    ColumnType,
    Misfit,
    TableRows,
    Unreadable,
    column_types,
    number_fix,
    read_header,
    read_rows,
    stopped,
)
from optimizer.workbook_in.cells import (
    AS_TEXT,
    FORMULA,
    is_blank,
    open_workbook,
    sheet_rows,
    text_of,
    width,
)
from optimizer.workbook_in.container import read_container
from optimizer.workbook_in.layout import HEADER_ROW, NOT_READ, SHEETS
from optimizer.workbook_in.places import Places, at_cell
from optimizer.workbook_in.settings import read_settings

NUMBER = ColumnType("number", optional=False)
FILES = {sheet: file for file, sheet in SHEETS.items()}


@dataclass
class Book:
    """What the sheets hold.

    Attributes
    ----------
    settings
        Entries of the manifest, not yet validated; None if they could not be read.
    tables
        Rows of every table.
    hourly
        Hourly series; None if they could not be read, or there are none.
    hourly_complete
        False if some of its cells could not be read.
    sheets
        Files whose sheets are there.
    places
        Where everything stands.
    """

    settings: dict[str, Any] | None
    tables: dict[str, TableRows]
    hourly: pd.DataFrame | None
    hourly_complete: bool
    sheets: set[str]
    places: Places

    def filled(self) -> set[str]:
        """Files that a folder of this content has."""
        tables = {rows.table.file for rows in self.tables.values() if rows.table.required or rows.cells}
        series = self.hourly is not None and len(self.hourly.columns)
        return tables | ({HOURLY_FILE} if series else set())


def read_book(path: Path, problems: list[Problem]) -> Book:
    """Read a workbook; what is wrong with its sheets is added to ``problems``, to be placed by ``Book.places``.

    Raises
    ------
    InstanceError
        When the file is no workbook, or not one to open.
    """
    try:
        content, merged = read_container(path)
        workbook = open_workbook(path.name, content)
    except Unreadable as stop:
        raise InstanceError([stop.problem]) from None
    try:
        return _read_sheets(workbook, merged, problems)
    finally:
        workbook.close()


def _read_sheets(workbook: Any, merged: dict[str, str], problems: list[Problem]) -> Book:
    problems.extend(_sheet_problems(workbook.sheetnames))
    sheets = {FILES[sheet.title]: sheet for sheet in reversed(workbook.worksheets) if sheet.title in FILES}
    places = Places()
    for file, sheet in sheets.items():
        problems.extend(_merged_problems(file, merged.get(sheet._worksheet_path)))  # its part, which has no public name
    settings = None
    if MANIFEST_FILE in sheets:
        settings = read_settings(sheets[MANIFEST_FILE], places, problems)
    else:
        problems.append(Problem(MANIFEST_FILE, None, None, None, "is missing", "Start from a template."))
    tables = {table.name: _table(sheets, table, places, problems) for table in TABLES.values()}
    before = len(problems)
    hourly = _hourly(sheets[HOURLY_FILE], places, problems) if HOURLY_FILE in sheets else None
    return Book(settings, tables, hourly, len(problems) == before, set(sheets), places)


def _sheet_problems(names: list[str]) -> Iterator[Problem]:
    """Sheets that are none of an instance, and sheets that stand twice."""
    known = [*SHEETS.values(), *NOT_READ]
    for position, name in enumerate(names):
        if name in names[:position]:
            yield Problem(shown(name), None, None, None, "stands twice", "Delete one of the two sheets.")
        elif name not in known and not name.startswith("_"):
            fix = f"{suggestion(name, known)} A sheet whose name begins with _ is not read."
            yield Problem(shown(name), None, None, None, "is not a sheet of an instance", fix)


def _merged_problems(file: str, area: str | None) -> Iterator[Problem]:
    """Merged cells hide which row or column a value belongs to."""
    if area is not None:
        cell = area.partition(":")[0]
        yield Problem(SHEETS[file], None, None, None, f"has merged cells ({shown(area)})", "Unmerge them.", cell=cell)


# Tables


def _table(sheets: dict[str, Any], table: Table, places: Places, problems: list[Problem]) -> TableRows:
    if table.file not in sheets:
        if table.required:
            fix = f"Add it with the columns {', '.join(table.columns())}."
            problems.append(Problem(table.file, None, None, None, "is missing", fix))
        return TableRows(table, complete=not table.required, present=not table.required)
    before = len(problems)
    lines = _lines(table, sheet_rows(table.file, sheets[table.file]), places, problems)
    result = read_rows(table.file, lines, table, problems)
    result.complete = result.complete and len(problems) == before
    return result


def _lines(
    table: Table, rows: Iterator[tuple[int, tuple[Any, ...]]], places: Places, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    """Text of the cells of every row, header first."""
    names = _header(table.file, rows, places)
    yield 1, names
    kinds = [column_types(table.row).get(name) for name in names]
    for line, cells in rows:
        problems.extend(_beyond(table.file, line, cells, len(names)))
        texts = [text_of(cell, kind) for cell, kind in zip(cells, kinds, strict=False)]
        yield line, texts + [""] * (len(names) - len(texts))


def _header(file: str, rows: Iterator[tuple[int, tuple[Any, ...]]], places: Places) -> list[str]:
    """Names of the columns, and where they stand.

    Raises
    ------
    Unreadable
        When there are none, or a cell holds no text.
    """
    _, cells = next(rows, (1, ()))
    names = []
    for cell in cells[: width(cells)]:
        if cell.value is not None and (cell.data_type == FORMULA or not isinstance(cell.value, str)):
            raise Unreadable(file, 1, f"must hold names of columns, not {shown(cell.value)}", AS_TEXT)
        names.append(cell.value or "")
    if not names:
        raise Unreadable(file, 1, f"has no names of columns in row {HEADER_ROW}", "Start from a template.")
    places.columns[file] = {name: column for column, name in reversed(list(enumerate(names, 1)))}
    return names


def _beyond(file: str, line: int, cells: tuple[Any, ...], columns: int) -> Iterator[Problem]:
    """What stands right of the table."""
    for number, cell in enumerate(cells[columns : width(cells)], columns + 1):
        if not is_blank(cell):
            rule = "stands in a column without a name"
            yield at_cell(file, line, number, None, None, rule, f"Delete it, or name the column in row {HEADER_ROW}.")


# Hourly series


def _hourly(sheet: Any, places: Places, problems: list[Problem]) -> pd.DataFrame | None:
    """The hourly series; None if there are none, or no usable table."""
    try:
        rows = sheet_rows(HOURLY_FILE, sheet)
        names = _header(HOURLY_FILE, rows, places)
        header = read_header(HOURLY_FILE, iter([(1, names)]))
        need_hour(header)
        values = _values(header, rows, problems)
    except Unreadable as stop:
        problems.append(stop.problem)
        return None
    if len(header) == 1 and not len(values):
        return None
    return hourly_columns(header, values, problems)


def _values(header: list[str], rows: Iterator[tuple[int, tuple[Any, ...]]], problems: list[Problem]) -> np.ndarray:
    """Numbers of the rows; NaN where a cell holds none."""
    before = len(problems)
    numbers = array("d")
    for line, cells in rows:
        if line > MAX_HOURS + 1:
            raise Unreadable(HOURLY_FILE, line, f"must have at most {MAX_HOURS:,} rows", "Shorten it.")
        if len(problems) > before + MAX_PROBLEMS:
            raise stopped(HOURLY_FILE, line)
        problems.extend(_beyond(HOURLY_FILE, line, cells, len(header)))
        found = [cell.value for cell in cells]
        if len(found) == len(header) and all(
            type(value) in (int, float) and cell.data_type == "n" for value, cell in zip(found, cells, strict=True)
        ):
            numbers.extend(_finite(header, line, found, problems))
        else:
            numbers.extend(_slow_row(header, line, cells, problems))
    return np.frombuffer(numbers, dtype=np.float64).reshape(-1, len(header))


def _finite(header: list[str], line: int, values: list[float], problems: list[Problem]) -> list[float]:
    """Values as they are, NaN too; those too large for a number are problems."""
    if all(-1e300 < value < 1e300 for value in values):
        return values
    found = []
    for name, value in zip(header, values, strict=True):
        finite = value != value or -1e300 < value < 1e300
        if not finite:
            rule = "must be a finite number"
            problems.append(Problem(HOURLY_FILE, line, name, shown(str(value)), rule, "Write the figure."))
        found.append(value if finite else np.nan)
    return found


def _slow_row(header: list[str], line: int, cells: tuple[Any, ...], problems: list[Problem]) -> list[float]:
    """Read a row cell by cell, telling which cells are not numbers."""
    texts = [text_of(cell, NUMBER) for cell in cells[: len(header)]]
    values = []
    for name, text in zip(header, texts + [""] * (len(header) - len(texts)), strict=True):
        if isinstance(text, Misfit):
            problems.append(Problem(HOURLY_FILE, line, name, shown(text), text.rule, text.fix))
        elif not text.strip():
            problems.append(Problem(HOURLY_FILE, line, name, "", "must be filled", number_fix("")))
        values.append(float("nan") if isinstance(text, Misfit) or not text.strip() else float(text))
    return _finite(header, line, values, problems)
