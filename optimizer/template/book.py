"""The workbook being written: its formats, and values by the kind of their column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizer.tables import ColumnType
from optimizer.xlsx import SafeBook

#: Ink of figures to fill in, and paper of cells by what they are.
INK, PAPER, HEAD, HEAD_OPTIONAL, GREY = "#1F3FBF", "#FFFBE6", "#1F3864", "#8EA9DB", "#666666"


class Book(SafeBook):
    """A workbook and the formats that its sheets share."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.title = self.format(bold=True, font_size=14, font_color=HEAD)
        self.unit = self.format(italic=True, font_color=GREY, valign="top", align="left", indent=1)
        self.remark = self.format(font_color=GREY, valign="top")
        self.note = self.format(italic=True, font_color=GREY)
        self.bold = self.format(bold=True)
        self.above = self.format(italic=True, font_color=GREY, font_size=9, text_wrap=True, valign="top")
        head = {"bold": True, "font_color": "#FFFFFF", "border": 1, "border_color": "#FFFFFF", "text_wrap": True}
        self.head = self.format(**head, bg_color=HEAD, valign="vcenter")
        self.head_optional = self.format(**head | {"font_color": "#000000"}, bg_color=HEAD_OPTIONAL, valign="vcenter")

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
        return self.titled_sheet(name, title, note, self.title, self.note)

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
