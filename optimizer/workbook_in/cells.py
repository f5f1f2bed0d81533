"""Cells as they stand: text, numbers, truth values; formulas, dates and errors are told apart and never computed."""

from __future__ import annotations

import datetime
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

from optimizer.problems import shown
from optimizer.tables import DECIMAL, ColumnType, Misfit, Unreadable, number_fix
from optimizer.workbook_in.layout import HEADER_ROW, letters

#: What a cell holds, by openpyxl's letter.
FORMULA, ERROR, DATE = "f", "e", "d"

AS_TEXT = "Format the cell as text and write it again."
NO_FORMULA = ("must be a value, not a formula", "Formulas are never computed here: paste the value.")
NO_ERROR = ("must be a value, not an error", "Write the value.")

_STRING_TAG, _TEXT_TAG = f"{{{SHEET_MAIN_NS}}}si", f"{{{SHEET_MAIN_NS}}}t"
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class _Reader(ExcelReader):  # type: ignore[misc] # openpyxl has no types
    """openpyxl's reader, with the escapes of shared strings undone as the format says."""

    def read_strings(self) -> None:
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            for _, node in iterparse(source):
                if node.tag == _TEXT_TAG and node.text:
                    node.text = unescaped(node.text)
                elif node.tag == _STRING_TAG:
                    self.shared_strings.append(Text.from_tree(node).content)
                    node.clear()


def unescaped(text: str) -> str:
    """Undo ``_xHHHH_``, which stands for one character.

    Examples
    --------
    >>> unescaped("a_x000D_b"), unescaped("_x005F_x0041_")
    ('a\\rb', '_x0041_')
    """
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def open_workbook(name: str, content: bytes) -> Any:
    """Open a workbook that `container` has tested, row by row.

    Raises
    ------
    Unreadable
        When openpyxl cannot read it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = _Reader(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
            reader.read()
            return reader.wb
    except Exception as error:  # openpyxl fails in many ways on what is no workbook
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> Unreadable:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Unreadable(name, None, f"cannot be read as a workbook: {shown(what)}", "Open it and save it again as .xlsx.")


def sheet_rows(file: str, sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield (line, cells) from the header row on, which is line 1; blank rows at the end are left out.

    Raises
    ------
    Unreadable
        When openpyxl cannot read on.
    """
    sheet.reset_dimensions()  # what the file says about its size is not believed
    blank: list[int] = []
    rows = enumerate(sheet.iter_rows(min_row=HEADER_ROW), start=1)
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                line, cells = next(rows)
        except StopIteration:
            return
        except Exception as error:  # as in open_workbook
            raise _unreadable(file, error) from None
        if line > 1 and all(is_blank(cell) for cell in cells):
            blank.append(line)
            continue
        yield from ((empty, ()) for empty in blank)
        blank.clear()
        yield line, tuple(cells)


def is_blank(cell: Any) -> bool:
    """Nothing but spaces."""
    value = cell.value
    return value is None or (isinstance(value, str) and cell.data_type != FORMULA and not value.strip())


def width(cells: tuple[Any, ...]) -> int:
    """Number of cells up to the last that is not blank."""
    return max((position for position, cell in enumerate(cells, 1) if not is_blank(cell)), default=0)


def address(line: int, column: int) -> str:
    """Cell of a line (1: the header) and a column counted from 1.

    Examples
    --------
    >>> address(1, 1), address(2, 28)
    ('A5', 'AB6')
    """
    return f"{letters(column)}{line + HEADER_ROW - 1}"


def text_of(cell: Any, wanted: ColumnType | None) -> str:
    """Text of a cell as a CSV file would have it; `Misfit` where it is not of its column's kind."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == FORMULA:
        return _formula(str(getattr(value, "text", None) or value))
    if cell.data_type == ERROR:
        return Misfit.of(str(value), *NO_ERROR)
    if isinstance(value, bool):
        return _truth(value, wanted)
    if isinstance(value, int | float) and cell.data_type != DATE:
        return _number(value, wanted)
    if isinstance(value, str):
        return _text(value, wanted)
    return _date(value, wanted)


def _formula(text: str) -> Misfit:
    rule, fix = NO_FORMULA
    if text.upper() in ("=TRUE()", "=FALSE()"):
        fix = "Format the cell as text and write true or false: LibreOffice saves truth values as formulas."
    return Misfit.of(text, rule, fix)


def _words(wanted: ColumnType | None) -> str:
    if wanted is None:
        return "text or a number"
    return wanted.kind if wanted.kind in ("text", "true or false") else f"a {wanted.kind}"


def _truth(value: bool, wanted: ColumnType | None) -> str:
    text = "true" if value else "false"
    if wanted is None or wanted.kind == "true or false":
        return text
    fix = AS_TEXT if wanted.kind == "text" else "Write the figure."
    return Misfit.of(text, f"must be {_words(wanted)}, not a truth value", fix)


def _number(value: int | float, wanted: ColumnType | None) -> str:
    if wanted is None or wanted.kind in ("number", "whole number"):
        return repr(value)
    text = repr(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)
    if any(isinstance(choice, int) for choice in wanted.choices):
        return text
    fix = AS_TEXT if wanted.kind == "text" else "Write true or false."
    return Misfit.of(text, f"must be {_words(wanted)}, not a number", fix)


def _text(value: str, wanted: ColumnType | None) -> str:
    if wanted is None or wanted.kind not in ("number", "whole number") or not value.strip():
        return value
    fix = "Write it again in a cell that is not formatted as text."
    return Misfit.of(
        value, f"must be {_words(wanted)}, not text", fix if DECIMAL.fullmatch(value) else number_fix(value)
    )


def _date(value: object, wanted: ColumnType | None) -> str:
    text = value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
    fix = AS_TEXT if wanted is None or wanted.kind == "text" else "Format the cell as a number and write the figure."
    return Misfit.of(text.removesuffix("T00:00:00"), f"must be {_words(wanted)}, not a date", fix)
