"""The sheets for people: README, and Checks with live formulas over the tables."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.schema import HOURLY_FILE, TABLES, Table
from optimizer.template.book import Book
from optimizer.template.columns import YEARS, referred
from optimizer.workbook_in.layout import CHECKS, HEADER_ROW, README, SETTINGS, SHEETS

HOW = (
    "Fill in sheet Settings, then the tables. Cells to fill in are yellow with blue figures.",
    "Column names stand in row 5: dark where a value is needed, light where a blank cell takes the default.",
    "Above them: the unit, and what a blank cell means. Point at a name to read what the column is, with its limits.",
    "Money is in real US$ of price_year. Shares are written as 0.05 or 5 %, truth values as true and false.",
    "Write values, not formulas: a formula is refused, so that every figure can be traced to what was written.",
    "To calculate, add a sheet whose name begins with _ (it is not read) and paste the values.",
    "Tables grow downwards. Delete rows that are blank in between; blank rows at the end do no harm.",
    "Every table that is filled names its source and licence in sheet Settings (files).",
    "Sheet Checks finds the most frequent mistakes while you write. All rules are tested by:",
)
COMMANDS = ("optimizer validate FILE.xlsx", "optimizer solve FILE.xlsx", "optimizer export folder FILE.xlsx -o FOLDER")


def write_readme(book: Book) -> None:
    """How to fill in the workbook, and what its sheets are."""
    sheet = book.sheet(README, "Input workbook", "What to fund at each data-centre site, when, and who pays.")
    row = 3
    for line in HOW:
        sheet.write_string(row, 0, line)
        row += 1
    for line in COMMANDS:
        sheet.write_string(row, 0, f"    {line}", book.bold)
        row += 1
    sheet.write_row(row + 1, 0, ["sheet", "", "what it holds"], book.head)
    row += 2
    for name, need, text in _sheets():
        sheet.write_url(row, 0, f"internal:'{name}'!A1", string=name)
        sheet.write_string(row, 1, need)
        sheet.write_string(row, 2, text)
        row += 1
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 10)
    sheet.set_column(2, 2, 90)


def _sheets() -> Iterator[tuple[str, str, str]]:
    yield SETTINGS, "needed", "years, discounting, options, time resolutions; source and licence of every table"
    for table in TABLES.values():
        need = "needed" if table.required else "optional"
        yield SHEETS[table.file], need, " ".join((table.row.__doc__ or "").split())
    yield SHEETS[HOURLY_FILE], "optional", "hourly series, one column each"
    yield CHECKS, "", "live formulas that find the most frequent mistakes"


def write_checks(book: Book) -> None:
    """Counts of what is wrong, as live formulas; each must be 0."""
    note = "Live formulas; each must be 0. They find the most frequent mistakes: optimizer validate finds all."
    sheet = book.sheet(CHECKS, CHECKS, note)
    for column, name in enumerate(("sheet", "check", "wrong")):
        sheet.write_string(HEADER_ROW - 1, column, name, book.head)
    row = HEADER_ROW
    for name, check, formula in _checks():
        sheet.write_string(row, 0, name)
        sheet.write_string(row, 1, check)
        sheet.write_formula(row, 2, f"={formula}", None, 0)
        row += 1
    sheet.write_string(2, 1, "all of them", book.bold)
    sheet.write_formula(2, 2, f"=SUM(C{HEADER_ROW + 1}:C{row})", book.bold, 0)
    for sign, colour in (("==", "#C6EFCE"), ("!=", "#FFC7CE")):
        look = {"type": "cell", "criteria": sign, "value": 0, "format": book.format(bg_color=colour)}
        sheet.conditional_format(HEADER_ROW, 2, row - 1, 2, look)
        sheet.conditional_format(2, 2, 2, 2, look)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 70)
    sheet.freeze_panes(HEADER_ROW, 0)


def _checks() -> Iterator[tuple[str, str, str]]:
    """Sheet, what is counted, and the formula that counts it."""
    for table in TABLES.values():
        yield SHEETS[table.file], f"rows with the same {', '.join(table.key)}", _twice(table)
        needed = [name for name, info in table.row.model_fields.items() if info.is_required()]
        yield SHEETS[table.file], f"blank cells among {', '.join(needed)}", _blank(table, needed)
        for name, info in table.row.model_fields.items():
            extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
            target = str(extra.get("refers_to", ""))
            if target:
                yield SHEETS[table.file], f"{name} not in {referred(target)}", _unknown(table, name, target)


def _cells(table: str, column: str) -> str:
    return f"{table}[{column}]"


def _twice(table: Table) -> str:
    pairs = ",".join(f"{_cells(table.name, name)},{_cells(table.name, name)}" for name in table.key)
    return f'SUMPRODUCT(({_cells(table.name, table.key[0])}<>"")*(COUNTIFS({pairs})>1))'


def _blank(table: Table, needed: list[str]) -> str:
    """Blank cells of needed columns in rows that are filled in any of them."""
    filled = "+".join(f'({_cells(table.name, name)}<>"")' for name in needed)
    blank = "+".join(f'({_cells(table.name, name)}="")' for name in needed)
    return f"SUMPRODUCT((({filled})>0)*({blank}))"


def _unknown(table: Table, name: str, target: str) -> str:
    cells = _cells(table.name, name)
    known = YEARS if target == "planning_years" else _cells(*target.split("."))
    return f'SUMPRODUCT(({cells}<>"")*(COUNTIF({known},{cells})=0))'
