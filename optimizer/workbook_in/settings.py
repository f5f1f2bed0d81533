"""The sheet of settings: one row per entry of the manifest, lists one row per value.

Blank values are entries left out. The path of an entry is that of ``--set``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from optimizer.problems import Problem, shown, suggestion
from optimizer.schema import MANIFEST_FILE, Manifest
from optimizer.tables import WHOLE, ColumnType, Unreadable, column_types, is_list, section_of, typed
from optimizer.workbook_in.cells import FORMULA, NO_FORMULA, is_blank, sheet_rows, text_of, width
from optimizer.workbook_in.layout import HEADER_ROW, SETTINGS_COLUMNS, entries, entry_of, parts_of, path_of
from optimizer.workbook_in.places import Places, at_cell

#: Most rows of settings read.
MAX_ROWS = 2_000
WHOLE_NUMBER = ColumnType("whole number", optional=False)


class _Settings:
    """Settings being read."""

    def __init__(self, places: Places, problems: list[Problem]) -> None:
        self.raw: dict[str, Any] = {
            name: {} for name, info in Manifest.model_fields.items() if info.is_required() and section_of(info)[0]
        }
        self.places, self.problems = places, problems
        self.first: dict[str, int] = {}

    def add(self, line: int, path: Any, value: Any) -> None:
        """Read one row."""
        if path is None or path.value is None:
            self._wrong(line, "path", None, "must be filled beside a value", "Write the path of a setting.")
            return
        if path.data_type == FORMULA:
            return
        named = str(text_of(path, ColumnType("text", optional=False)))
        parts = parts_of(named)
        entry = entry_of(parts) if parts and path.data_type == "s" else None
        if parts is None or entry is None:
            known = [path_of(found) for found in entries()]
            self._wrong(line, "path", shown(named), "is not a setting", suggestion(named, known))
        elif value is None or value.value in (None, ""):
            self.places.add_setting(parts, line, None)
        else:
            self._keep(line, parts, *entry, value)

    def _keep(self, line: int, parts: list[str], model: type[BaseModel], name: str, cell: Any) -> None:
        several = is_list(model.model_fields[name])
        path = path_of(parts)
        if path in self.first and not several:
            rule = f"stands already in row {self.first[path] + HEADER_ROW - 1}"
            self._wrong(line, "path", shown(path), rule, "Keep one of the two rows.")
            return
        self.first.setdefault(path, line)
        section = self.raw
        for part in parts[:-1]:
            section = section.setdefault(part, {})
        try:
            value = _whole(cell) if several else _value(model, name, cell)
        except ValueError as error:
            text = text_of(cell, None)
            rule, fix = error.args
            self._wrong(line, "value", shown(text), rule, fix, name=path)
            return
        if several:
            self.places.add_setting(parts, line, len(section.setdefault(name, [])))
            section[name].append(value)
        else:
            self.places.add_setting(parts, line, None)
            section[name] = value

    def _wrong(self, line: int, column: str, value: str | None, rule: str, fix: str, name: str | None = None) -> None:
        number = self.places.columns[MANIFEST_FILE][column]
        self.problems.append(at_cell(MANIFEST_FILE, line, number, name or column, value, rule, fix))


def read_settings(sheet: Any, places: Places, problems: list[Problem]) -> dict[str, Any] | None:
    """Entries of the manifest as a nested dict; None if the sheet has no usable table."""
    settings = _Settings(places, problems)
    try:
        rows = sheet_rows(MANIFEST_FILE, sheet)
        line, header = next(rows, (1, ()))
        columns = _columns(header)
        places.columns[MANIFEST_FILE] = columns
        places.value_column = columns["value"]
        for line, cells in rows:
            if line > MAX_ROWS:
                raise Unreadable(MANIFEST_FILE, line, f"must have at most {MAX_ROWS:,} rows", "Delete rows.")
            problems.extend(_formulas(line, cells, columns))
            path, value = (_at(cells, columns[name]) for name in ("path", "value"))
            if any(cell is not None and not is_blank(cell) for cell in (path, value)):
                settings.add(line, path, value)
    except Unreadable as stop:
        problems.append(stop.problem)
        return None
    return settings.raw


def _columns(header: tuple[Any, ...]) -> dict[str, int]:
    """Column of path, value, unit and note."""
    names = [str(cell.value) for cell in header[: width(header)]]
    for name in names:
        if names.count(name) > 1 or name not in SETTINGS_COLUMNS:
            fix = f"The columns are {', '.join(SETTINGS_COLUMNS)}."
            raise Unreadable(MANIFEST_FILE, 1, f"has a column {shown(name)} too many", fix)
    for name in ("path", "value"):
        if name not in names:
            rule = f"column {name} is missing in row {HEADER_ROW}"
            raise Unreadable(MANIFEST_FILE, 1, rule, "Start from a template.")
    return {name: names.index(name) + 1 for name in names}


def _at(cells: tuple[Any, ...], column: int) -> Any:
    return cells[column - 1] if column <= len(cells) else None


def _formulas(line: int, cells: tuple[Any, ...], columns: dict[str, int]) -> list[Problem]:
    """Formulas where nothing is read; those of values are found with the values."""
    names = {number: name for name, number in columns.items()}
    return [
        at_cell(MANIFEST_FILE, line, number, names.get(number), shown(text_of(cell, None)), *NO_FORMULA)
        for number, cell in enumerate(cells, 1)
        if cell.data_type == FORMULA and number != columns["value"]
    ]


def _value(model: type[BaseModel], name: str, cell: Any) -> Any:
    """Value of an entry by its type."""
    return typed(model, name, text_of(cell, column_types(model)[name]))


def _whole(cell: Any) -> int:
    text = text_of(cell, WHOLE_NUMBER)
    if not WHOLE.fullmatch(text.strip()) or hasattr(text, "rule"):
        raise ValueError(getattr(text, "rule", "must be a whole number"), getattr(text, "fix", "One value a row."))
    return int(text.split(".")[0])
