"""The workbook of a run: its formats, tables that formulas can refer to, lines over the years, charts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from optimizer.report.workbook.figure import Answer, Figure
from optimizer.xlsx import SafeBook

#: Colours that colour-blind readers can tell apart (Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7F7F7F", "#000000", "#BDBDBD")
#: Row of a table's headings, and of its first values.
HEAD, TOP = 3, 4
#: Units at the end of a column's name, the longest first, and how figures of the unit are shown.
MONEY, SMALL = "#,##0;[Red]-#,##0", "#,##0.000;[Red]-#,##0.000"
UNITS = {
    "usd_per_kw_year": ("US$/kW-year", SMALL),
    "usd_per_month": ("US$ a month", "#,##0.00;[Red]-#,##0.00"),
    "usd_per_mwh": ("US$/MWh", "#,##0.00;[Red]-#,##0.00"),
    "usd_per_t": ("US$/t", "#,##0.00"),
    "cents_per_kwh": ("cents/kWh", SMALL),
    "usd": ("US$", MONEY),
    "mwh": ("MWh", "#,##0;[Red]-#,##0"),
    "kwh": ("kWh", "#,##0"),
    "mw": ("MW", "#,##0.0;[Red]-#,##0.0"),
    "t": ("t CO2", "#,##0"),
}
#: The same for columns without a unit, by the end of their name.
PLAIN = {"year": "0", "blocks": "#,##0.00", "share": "0.0%"}


def heading(column: str) -> str:
    """Heading of a column: its name in words, and its unit.

    Examples
    --------
    >>> heading("change_cents_per_kwh"), heading("present_value_usd"), heading("mw"), heading("paid_as")
    ('change, cents/kWh', 'present value, US$', 'MW', 'paid as')
    """
    unit = _unit(column)
    if unit is None:
        return column.replace("_", " ")
    words = column.removesuffix(unit).removesuffix("_").replace("_", " ")
    return f"{words}, {UNITS[unit][0]}" if words else UNITS[unit][0]


def number_format(column: str) -> str:
    """How the figures of a column are shown.

    Examples
    --------
    >>> number_format("capex_usd"), number_format("year"), number_format("option")
    ('#,##0;[Red]-#,##0', '0', 'General')
    """
    unit = _unit(column)
    return UNITS[unit][1] if unit else next((f for end, f in PLAIN.items() if column.endswith(end)), "General")


def _unit(column: str) -> str | None:
    return next((unit for unit in UNITS if column == unit or column.endswith(f"_{unit}")), None)


def look(number: int) -> dict[str, Any]:
    """Filling of a chart's series: a colour, and stripes where all colours are taken."""
    colour = COLOURS[number % len(COLOURS)]
    if number < len(COLOURS):
        return {"fill": {"color": colour}}
    return {"pattern": {"pattern": "wide_upward_diagonal", "fg_color": colour, "bg_color": "#FFFFFF"}}


@dataclass(frozen=True)
class SheetTable:
    """Where a table stands, and its values."""

    sheet: str
    frame: pd.DataFrame

    def column(self, name: str) -> str:
        """Cells of a column; the row under the heading where the table is empty."""
        letter = xl_col_to_name(list(self.frame.columns).index(name))
        return f"'{self.sheet}'!${letter}${TOP + 1}:${letter}${TOP + max(1, len(self.frame))}"

    def total(self, column: str, **where: str | int) -> Figure:
        """Sum of a column over the rows with these values; texts must be words of this program, not of the data."""
        rows = self.frame
        for key, value in where.items():
            rows = rows[rows[key] == value]
        amount = math.fsum(rows[column].astype(float))
        if not where:
            return Figure(amount, f"SUM({self.column(column)})")
        tests = ",".join(f"{self.column(key)},{_literal(value)}" for key, value in where.items())
        return Figure(amount, f"SUMIFS({self.column(column)},{tests})")

    def total_named(self, column: str, key: str, name: str, cell: str, **where: str | int) -> Figure:
        """Sum of a column over the rows whose ``key`` is a name from the data, which stands in ``cell``."""
        rows = self.frame[self.frame[key] == name]
        tests = [f"EXACT({self.column(key)},{cell})"]
        for other, value in where.items():
            rows = rows[rows[other] == value]
            tests.append(f"({self.column(other)}={_literal(value)})")
        return Figure(math.fsum(rows[column].astype(float)), f"SUMPRODUCT({'*'.join(tests)}*{self.column(column)})")


def _row_formula(formula: str | Sequence[str], row: int, places: Mapping[str, int]) -> str:
    """Formula of a cell in a table's row."""
    if not isinstance(formula, str):
        return formula[row - TOP]
    return formula.format(**{column: xl_rowcol_to_cell(row, place) for column, place in places.items()})


def _literal(value: str | int) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


class Book(SafeBook):
    """The workbook and what all of its sheets share."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.title = self.format(bold=True, font_size=14, font_color="#1F3864")
        self.note = self.format(italic=True, font_color="#595959")
        self.bold = self.format(bold=True)
        self.head = self.format(
            bold=True, font_color="#FFFFFF", bg_color="#1F3864", border=1, border_color="#FFFFFF", text_wrap=True,
            valign="vcenter",
        )  # fmt: skip
        self.tables: dict[str, SheetTable] = {}

    def sheet(self, name: str, title: str, note: str) -> Any:
        """A sheet with its title and what it holds."""
        return self.titled_sheet(name, title, note, self.title, self.note)

    def number(self, number_format: str, *, bold: bool = False, given: bool = False) -> Any:
        """Format of figures; ``given`` marks those to change, ``bold`` sums."""
        extra: dict[str, Any] = {"bold": True, "top": 1} if bold else {}
        return self.format(num_format=number_format, **extra, **({"bg_color": "#FFF2CC", "border": 1} if given else {}))

    def put(self, sheet: Any, row: int, column: int, value: Any, style: Any = None) -> Figure:
        """Write a figure, a number, a text, or nothing; what formulas may refer to it by."""
        cell = f"'{sheet.get_name()}'!{xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True)}"
        if isinstance(value, Figure):
            sheet.write_formula(row, column, f"={value.formula}", style, float(value.value))
            return Figure(value.value, cell)
        if isinstance(value, Answer):
            sheet.write_formula(row, column, f"={value.formula}", style, value.value)
        elif value is None or (isinstance(value, float) and not math.isfinite(value)):
            self.text(sheet, row, column, "", style)
        elif isinstance(value, str):
            self.text(sheet, row, column, value, style)
        else:
            number = int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
            sheet.write_number(row, column, number, style)
            return Figure(float(value), cell)
        return Figure(0.0, cell)

    def heads(self, sheet: Any, row: int, column: int, names: Sequence[str | int], *, height: int = 32) -> None:
        """Headings side by side, in a row high enough for them: years are numbers."""
        sheet.set_row(row, 48 if row == HEAD else height)
        for place, name in enumerate(names, column):
            self.put(sheet, row, place, name, self.head)

    def table(
        self,
        name: str,
        title: str,
        note: str,
        frame: pd.DataFrame,
        formulas: Mapping[str, str | Sequence[str]] | None = None,
    ) -> tuple[Any, SheetTable]:
        """A sheet with one Excel table.

        Parameters
        ----------
        formulas
            Column -> formula over columns of the same row in braces, such as ``{usd}*{share}``, or the formulas of
            all rows; the frame holds the values that they give.
        """
        sheet, made = self.sheet(name, title, note), formulas or {}
        frame = frame.reset_index(drop=True)
        places = {column: position for position, column in enumerate(frame.columns)}
        values = frame.astype(object).where(frame.notna(), None)
        for column, position in places.items():
            style = self._column_style(column)
            longest = max((len(str(v)) for v in values[column] if isinstance(v, str)), default=0)
            wide = max(13, min(34, longest + 2), len(heading(column)) // 3 + 5)  # headings break into three lines
            sheet.set_column(position, position, wide)
            for row, value in enumerate(values[column], TOP):
                if column in made:
                    value = Figure(float(value), _row_formula(made[column], row, places))
                self.put(sheet, row, position, value, style)
        if len(frame):
            self._as_table(sheet, name, frame)
        else:
            self.heads(sheet, HEAD, 0, [heading(column) for column in frame.columns])
        sheet.set_row(HEAD, 48)
        sheet.freeze_panes(TOP, 0)
        sheet.repeat_rows(HEAD)
        self.tables[name] = SheetTable(name, frame)
        return sheet, self.tables[name]

    def _column_style(self, column: str) -> Any:
        """Figures by their unit, years in the middle, text a little away from figures before it."""
        shown = number_format(column)
        looks: dict[str, dict[str, Any]] = {"0": {"align": "center"}, "General": {"indent": 1}}
        return self.format(num_format=shown, **looks.get(shown, {}))

    def _as_table(self, sheet: Any, name: str, frame: pd.DataFrame) -> None:
        columns = [{"header": heading(column), "header_format": self.head} for column in frame.columns]
        identifier = "t_" + "".join(letter if letter.isalnum() else "_" for letter in name)
        layout = {"columns": columns, "name": identifier, "style": "Table Style Light 1"}
        sheet.add_table(HEAD, 0, HEAD + len(frame), len(frame.columns) - 1, layout)

    def chart(self, kind: str, title: str, unit: str, *, subtype: str | None = None, height: int = 340) -> Any:
        """A chart with its title and the unit of its axis; the title must not come from data."""
        chart = self.book.add_chart({"type": kind, **({"subtype": subtype} if subtype else {})})
        chart.set_title({"name": title, "name_font": {"size": 12}, "overlay": False})
        values, names = ("x", "y") if kind == "bar" else ("y", "x")
        axes = {"x": chart.set_x_axis, "y": chart.set_y_axis}
        axes[values]({"name": unit, "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}}})
        axes[names]({"label_position": "low", "reverse": kind == "bar"})  # bars from top to bottom
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 760, "height": height})
        return chart


@dataclass(frozen=True)
class Line:
    """A row of figures over the years."""

    sheet: str
    row: int
    first: int
    values: tuple[float, ...]

    def at(self, position: int) -> Figure:
        """Figure of a year, by its position."""
        cell = xl_rowcol_to_cell(self.row, self.first + position)
        return Figure(self.values[position], f"'{self.sheet}'!{cell}")

    @property
    def cells(self) -> str:
        """All years."""
        start = xl_rowcol_to_cell(self.row, self.first, row_abs=True, col_abs=True)
        end = xl_rowcol_to_cell(self.row, self.first + len(self.values) - 1, row_abs=True, col_abs=True)
        return f"'{self.sheet}'!{start}:{end}"

    def times(self, other: Line) -> Figure:
        """Sum over the years of the products: with discount factors, a present value."""
        value = math.fsum(a * b for a, b in zip(self.values, other.values, strict=True))
        return Figure(value, f"SUMPRODUCT({self.cells},{other.cells})")


class Timeline:
    """Lines over the same years on one sheet: name, present value, then a column a year.

    The years stay in sight when the sheet is scrolled, where they stand in its first rows.
    """

    FIRST, FIRST_ROWS = 2, 10

    def __init__(self, book: Book, sheet: Any, years: Sequence[int], row: int, title: str) -> None:
        self.book, self.sheet, self.years, self.row = book, sheet, tuple(years), row
        book.heads(sheet, row, 0, [title, "present value", *years])
        self.calendar = Line(sheet.get_name(), row, self.FIRST, tuple(float(year) for year in years))
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, self.FIRST + len(years) - 1, 16)
        sheet.freeze_panes(row + 1 if row < self.FIRST_ROWS else 0, 1)

    def add(
        self,
        name: str,
        figure: Callable[[int], Figure | float],
        *,
        number_format: str = MONEY,
        bold: bool = False,
        factors: Line | None = None,
    ) -> Line:
        """Add a line: the figure of each year by position; with discount factors, its present value too."""
        self.row += 1
        style = self.book.number(number_format, bold=bold)
        self.book.put(self.sheet, self.row, 0, name, self.book.bold if bold else None)
        values = [
            self.book.put(self.sheet, self.row, self.FIRST + place, figure(place), style).value
            for place in range(len(self.years))
        ]
        line = Line(self.sheet.get_name(), self.row, self.FIRST, tuple(values))
        if factors is not None:
            self.book.put(self.sheet, self.row, 1, line.times(factors), style)
        return line

    def present_value(self, line: Line, factors: Line) -> Figure:
        """Where the present value of a line stands."""
        cell = xl_rowcol_to_cell(line.row, 1, row_abs=True, col_abs=True)
        return Figure(line.times(factors).value, f"'{line.sheet}'!{cell}")

    def gap(self, rows: int = 1) -> None:
        """Leave rows empty."""
        self.row += rows

    def remark(self, name: str, figure: Figure, style: Any) -> None:
        """Add a figure that stands for no year."""
        self.row += 1
        self.book.put(self.sheet, self.row, 0, name, self.book.note)
        self.book.put(self.sheet, self.row, 1, figure, style)
