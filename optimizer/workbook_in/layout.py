"""How an input workbook is laid out: its sheets, the rows above a table, and the paths of its settings.

Row 1 is the title of a sheet, row 2 what it holds, row 3 the units, row 4 what may stay blank, row 5 the names of
the columns; data begin in row 6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES, Manifest
from optimizer.tables import section_of

#: Row with the names of the columns, counted from 1.
HEADER_ROW = 5
SETTINGS, HOURLY, README, CHECKS = "Settings", "Hourly", "README", "Checks"
SETTINGS_COLUMNS = ("path", "value", "unit", "note")
#: Sheets for people, with formulas; not read. Nor are sheets whose name begins with an underscore.
NOT_READ = (README, CHECKS)

#: Largest sheet there is.
SHEET_ROWS, SHEET_COLUMNS = 1_048_576, 16_384


def _sheet(name: str) -> str:
    return name.replace("_", " ").capitalize()


#: Sheet of every file of a folder.
SHEETS: dict[str, str] = (
    {MANIFEST_FILE: SETTINGS} | {table.file: _sheet(table.name) for table in TABLES.values()} | {HOURLY_FILE: HOURLY}
)

_PART = r'[^\s."]+|"(?:[^"\\]|\\.)*"'
_PATH = re.compile(rf"(?:{_PART})(?:\.(?:{_PART}))*")


def letters(column: int) -> str:
    """Letters of a column counted from 1.

    Examples
    --------
    >>> letters(1), letters(27), letters(16384)
    ('A', 'AA', 'XFD')
    """
    found = ""
    while column:
        column, rest = divmod(column - 1, 26)
        found = chr(ord("A") + rest) + found
    return found


def path_of(parts: Sequence[str]) -> str:
    """Path of a setting; parts with dots, quotes or spaces in double quotes, as JSON writes them.

    Examples
    --------
    >>> path_of(["files", "sites.csv", "source"])
    'files."sites.csv".source'
    """
    return ".".join(part if re.fullmatch(r'[^\s."\\]+', part) else json.dumps(part) for part in parts)


def parts_of(path: str) -> list[str] | None:
    """Parts of the path of a setting, None if it is not well formed.

    Examples
    --------
    >>> parts_of('files."sites.csv".source'), parts_of("a..b")
    (['files', 'sites.csv', 'source'], None)
    """
    if not _PATH.fullmatch(path):
        return None
    try:
        return [json.loads(part) if part.startswith('"') else part for part in re.findall(_PART, path)]
    except ValueError:
        return None


def entry_of(parts: Sequence[str]) -> tuple[type[BaseModel], str] | None:
    """Section and entry that a path names; None if there is no such entry.

    Examples
    --------
    >>> entry_of(["finance", "inflation"])[1], entry_of(["finance"])
    ('inflation', None)
    """
    model: type[BaseModel] = Manifest
    ahead = list(parts)
    while ahead:
        name = ahead.pop(0)
        if name not in model.model_fields:
            return None
        inner, by_name = section_of(model.model_fields[name])
        if inner is None:
            return None if ahead else (model, name)
        if by_name:
            del ahead[:1]
        model = inner
    return None


def entries() -> Iterator[tuple[str, ...]]:
    """Paths of all settings; NAME stands for a name of the user's."""

    def within(model: type[BaseModel], before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, info in model.model_fields.items():
            inner, by_name = section_of(info)
            if inner is None:
                yield (*before, name)
            else:
                yield from within(inner, (*before, name, "NAME") if by_name else (*before, name))

    yield from within(Manifest, ())
