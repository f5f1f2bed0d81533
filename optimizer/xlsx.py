"""Excel files as this project writes them: text that stays text, and numbers in full."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

#: Between two escapes that share an underscore.
_OVERLAP = re.compile(r"(?<=_x[0-9A-Fa-f]{4})(?=_x[0-9A-Fa-f]{4}_)")


class _ExactSheet(Worksheet):  # type: ignore[misc] # XlsxWriter has no types
    """A sheet whose numbers are written in full: 16 digits, as XlsxWriter writes them, lose the last bit."""

    def _xml_number_element(self, number: Any, attributes: list[tuple[str, Any]]) -> None:
        words = "".join(f' {key}="{self._escape_attributes(value)}"' for key, value in attributes)
        self.fh.write(f"<c{words}><v>{number!r}</v></c>")


class SafeBook:
    """A workbook that takes nothing from data for a formula, a link or markup."""

    def __init__(self, path: Path) -> None:
        self.book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def format(self, **properties: Any) -> Any:
        """A format, made once."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(properties)
        return self._formats[key]

    def titled_sheet(self, name: str, title: str, note: str, title_style: Any, note_style: Any) -> Any:
        """A sheet with its title and what it holds; printed as wide as a page, as long as it needs."""
        sheet = self.book.add_worksheet(name, _ExactSheet)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        self.text(sheet, 0, 0, title, title_style)
        self.text(sheet, 1, 0, note, note_style)
        return sheet

    def text(self, sheet: Any, row: int, column: int, text: str, style: Any = None) -> None:
        """Write text as text, whatever it looks like."""
        if text:
            sheet.write_string(row, column, exact(text), style)
        else:
            sheet.write_blank(row, column, None, style)


def exact(text: str) -> str:
    """Text, or the runs of it where XlsxWriter would change it: what looks like runs, and escapes that overlap.

    Text that begins with <r> and ends with </r> is written as it is into the file: so it must be ours.

    Examples
    --------
    >>> exact("a < b"), exact("<r></r>")
    ('a < b', '<r><t xml:space="preserve">&lt;r&gt;&lt;/r&gt;</t></r>')
    """
    pieces = _OVERLAP.split(text)
    if len(pieces) == 1 and not (text.startswith("<r>") and text.endswith("</r>")):
        return text
    return "".join(f'<r><t xml:space="preserve">{escape(piece)}</t></r>' for piece in pieces)
