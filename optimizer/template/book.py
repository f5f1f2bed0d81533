"""The workbook being written: its formats, numbers in full, and text that stays text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from optimizer.tables import ColumnType

#: Between two escapes that share an underscore.
_OVERLAP = re.compile(r"(?<=_x[0-9A-Fa-f]{4})(?=_x[0-9A-Fa-f]{4}_)")

#: Ink of figures to fill in, and paper of cells by what they are.
INK, PAPER, HEAD, HEAD_OPTIONAL, GREY = "#1F3FBF", "#FFFBE6", "#1F3864", "#8EA9DB", "#666666"


class _ExactSheet(Worksheet):  # type: ignore[misc] # XlsxWriter has no types
    """A sheet whose numbers are written in full: 16 digits, as XlsxWriter writes them, lose the last bit."""

    def _xml_number_element(self, number: Any, attributes: list[tuple[str, Any]]) -> None:
        words = "".join(f' {key}="{self._escape_attributes(value)}"' for key, value in attributes)
        self.fh.write(f"<c{words}><v>{number!r}</v></c>")


class Book:
    """A workbook and the formats that its sheets share."""

    def __init__(self, path: Path) -> None:
        self.book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self.title = self.format(bold=True, font_size=14, font_color=HEAD)
        self.unit = self.format(italic=True, font_color=GREY, valign="top", align="left", indent=1)
        self.remark = self.format(font_color=GREY, valign="top")
        self.note = self.format(italic=True, font_color=GREY)
        self.bold = self.format(bold=True)
        self.above = self.format(italic=True, font_color=GREY, font_size=9, text_wrap=True, valign="top")
        head = {"bold": True, "font_color": "#FFFFFF", "border": 1, "border_color": "#FFFFFF", "text_wrap": True}
        self.head = self.format(**head, bg_color=HEAD, valign="vcenter")
        self.head_optional = self.format(**head | {"font_color": "#000000"}, bg_color=HEAD_OPTIONAL, valign="vcenter")

    def format(self, **properties: Any) -> Any:
        """A format, made once."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(properties)
        return self._formats[key]

    def input(self, number_format: str) -> Any:
        """Format of a cell to fill in."""
        return self.format(
            num_format=number_format,
            bg_color=PAPER,
            font_color=INK,
            border=1,
            border_color="#E3DFC8",
            valign="top",
            **{"align": "left", "indent": 1} if number_format == "@" else {},
        )

    def sheet(self, name: str, title: str, note: str) -> Any:
        """A sheet with its title and what it holds."""
        sheet = self.book.add_worksheet(name, _ExactSheet)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)  # printed as wide as a page, as long as it needs
        sheet.write_string(0, 0, title, self.title)
        sheet.write_string(1, 0, note, self.note)
        return sheet

    def text(self, sheet: Any, row: int, column: int, text: str, style: Any = None) -> None:
        """Write text as text, whatever it looks like."""
        if text:
            sheet.write_string(row, column, _exact(text), style)
        else:
            sheet.write_blank(row, column, None, style)

    def value(self, sheet: Any, row: int, column: int, value: Any, wanted: ColumnType) -> None:
        """Write one value to fill in, formatted by the kind of its column."""
        style = self.input(number_format(value, wanted))
        if value is None:
            sheet.write_blank(row, column, None, style)
        elif isinstance(value, bool):  # as text: LibreOffice saves truth values as formulas
            sheet.write_string(row, column, "true" if value else "false", style)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value, style)
        else:
            self.text(sheet, row, column, str(value), style)


def _exact(text: str) -> str:
    """Text, or the runs of it where XlsxWriter would change it: what looks like runs, and escapes that overlap.

    Text that begins with <r> and ends with </r> is written as it is into the file: so it must be ours.

    Examples
    --------
    >>> _exact("a < b"), _exact("<r></r>")
    ('a < b', '<r><t xml:space="preserve">&lt;r&gt;&lt;/r&gt;</t></r>')
    """
    pieces = _OVERLAP.split(text)
    if len(pieces) == 1 and not (text.startswith("<r>") and text.endswith("</r>")):
        return text
    return "".join(f'<r><t xml:space="preserve">{escape(piece)}</t></r>' for piece in pieces)


def number_format(value: Any, wanted: ColumnType) -> str:
    """Format of a cell: text and truth values as text, large whole figures in groups of three, all else as it is.

    Examples
    --------
    >>> from optimizer.tables import ColumnType
    >>> number_format(15e9, ColumnType("number", False)), number_format(2030, ColumnType("whole number", False))
    ('#,##0', '0')
    """
    if wanted.kind in ("text", "true or false") and not any(isinstance(choice, int) for choice in wanted.choices):
        return "@"
    if wanted.kind == "whole number":
        return "0"
    large = isinstance(value, float) and abs(value) >= 1e4 and value.is_integer()
    return "#,##0" if large else "General"
