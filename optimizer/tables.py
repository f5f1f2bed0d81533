"""Text of a file -> typed rows: cells are read by the type of their column and tested against its bounds.

The bounds themselves are declared once, in ``schema.py``; this module turns what pydantic says about a broken
one into the words of the field. Rules that join several rows or tables are in ``consistency.py``.
"""

from __future__ import annotations

import csv
import io
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from optimizer.problems import Problem, number, shown, suggestion
from optimizer.schema import Row, Table

#: Largest instance.toml, and largest CSV file, read.
MAX_MANIFEST_BYTES = 2**20
MAX_FILE_BYTES = 64 * 2**20
#: Most rows of a table, and longest line of a file, read.
MAX_TABLE_ROWS = 200_000
MAX_LINE_CHARACTERS = 100_000
#: Problems of a file after which it is not read further.
MAX_PROBLEMS = 1_000

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?", re.ASCII)
TRUTH = {"true": True, "false": False}

Kind = Literal["number", "whole number", "true or false", "text"]


@dataclass(frozen=True)
class ColumnType:
    """How a column's cells are read."""

    kind: Kind
    optional: bool
    choices: tuple[str | int, ...] = ()


class Misfit(str):
    """Text of a workbook's cell that is not of its column's kind; says which rule it breaks, and what to do."""

    __slots__ = ("fix", "rule")
    rule: str
    fix: str

    @classmethod
    def of(cls, text: str, rule: str, fix: str) -> Misfit:
        """Text with its rule and fix."""
        found = cls(text)
        found.rule, found.fix = rule, fix
        return found


@dataclass
class TableRows:
    """Rows of one table with the lines they stand on.

    ``complete`` is False when a row (or the file) could not be read: rules about what is missing then say nothing.
    ``cells`` still knows the keys of the broken rows, so that references to them are not called unknown; ``present``
    is False when even those could not be read.
    """

    table: Table
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    complete: bool = True
    present: bool = True


@cache
def column_types(model: type[BaseModel]) -> dict[str, ColumnType]:
    """Type of every column of a row class (or of every entry of a manifest section)."""
    return {name: _column_type(info.annotation) for name, info in model.model_fields.items()}


def read_text(path: Path, limit: int = MAX_FILE_BYTES) -> str | Problem:
    """Read a UTF-8 text file (a byte-order mark is accepted) after testing its size."""
    name = path.name
    if path.is_symlink():
        return Problem(name, None, None, None, "must be a file of the folder, not a link", "Copy the file here.")
    try:
        size = path.stat().st_size
        if size > limit:
            megabytes = f"{size / 2**20:.1f} MB"
            return Problem(
                name, None, None, None, f"must be at most {limit // 2**20} MB, is {megabytes}", "Split or shorten it."
            )
        content = path.read_bytes()
    except OSError as error:
        return Problem(name, None, None, None, f"cannot be read: {error.strerror or error}", "Check the file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        found = content[error.start : error.start + 1].hex()
        rule = f"must be UTF-8 text; byte 0x{found} is not"
        return Problem(name, row, None, None, rule, "Save it as 'CSV UTF-8'.")


class Unreadable(Exception):
    """A file that cannot be read on; carries the problem."""

    def __init__(self, file: str, line: int | None, rule: str, fix: str) -> None:
        super().__init__(rule)
        self.problem = Problem(file, line, None, None, rule, fix)


def read_lines(file: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of every row, header first.

    Raises
    ------
    Unreadable
        When the file is empty, its quoting is broken or a line is too long.
    """
    if not text.strip("\r\n "):
        raise Unreadable(file, None, "is empty", "Write the header row, or delete the file.")
    reader = csv.reader(_bounded_lines(file, text), strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        fix = "Put text with commas or quotes in double quotes, and double the quotes inside it."
        raise Unreadable(file, start, f"cannot be read as CSV: {error}", fix) from None


def read_header(file: str, lines: Iterator[tuple[int, list[str]]]) -> list[str]:
    """Names of the columns.

    Raises
    ------
    Unreadable
        When a name is blank or stands twice, or the separator is not a comma.
    """
    header = next(lines)[1]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise Unreadable(file, 1, "columns must be separated by commas", "Save it as comma-separated CSV.")
    for position, name in enumerate(header, 1):
        if not name.strip():
            raise Unreadable(file, 1, f"column {position} has no name", "Name it, or delete the column.")
        if name in header[: position - 1]:
            raise Unreadable(file, 1, f"column {shown(name)} stands twice", "Delete one of the two.")
    return header


def read_table(file: str, text: str, table: Table, problems: list[Problem]) -> TableRows:
    """Read the rows of a CSV table; what is wrong with them is added to ``problems``."""
    return read_rows(file, read_lines(file, text), table, problems)


def read_rows(file: str, lines: Iterator[tuple[int, list[str]]], table: Table, problems: list[Problem]) -> TableRows:
    """Read the rows of a table from its (line, cells), header first; cells may be `Misfit`."""
    result = TableRows(table)
    before = len(problems)
    try:
        header = read_header(file, lines)
        missing = _missing_columns(file, header, table, problems)
        result.present = not missing & set(table.key)
        for line, cells in lines:
            if len(result.cells) >= MAX_TABLE_ROWS:
                raise Unreadable(file, line, f"must have at most {MAX_TABLE_ROWS:,} rows", "Shorten the table.")
            if len(problems) > before + MAX_PROBLEMS:
                raise stopped(file, line)
            if _whole_row(file, line, header, cells, result, problems) and not missing:
                _read_row(file, line, result, problems)
    except Unreadable as stop:
        problems.append(stop.problem)
        result.present = False
    result.complete = len(problems) == before
    return result


def stopped(file: str, line: int) -> Unreadable:
    """A file with so many problems that the rest of it is not read."""
    rule = f"is not read from here on: more than {MAX_PROBLEMS:,} problems before"
    return Unreadable(file, line, rule, "Correct those listed and read it again.")


def typed(model: type[BaseModel], column: str, text: str) -> Any:
    """Read a cell by the type of its column.

    Raises
    ------
    ValueError
        With the rule and the fix as its two arguments.
    """
    if isinstance(text, Misfit):
        raise ValueError(text.rule, text.fix)
    wanted = column_types(model)[column]
    bare = text.strip()
    if wanted.choices:
        return _choice(bare, wanted.choices)
    if wanted.kind == "text":
        return text
    if wanted.kind == "true or false":
        if bare.lower() not in TRUTH:
            raise ValueError("must be true or false", f"Write true or false. {meaning(model, column)}")
        return TRUTH[bare.lower()]
    if wanted.kind == "whole number":
        if not WHOLE.fullmatch(bare):
            raise ValueError("must be a whole number" + _unit_of(model, column), number_fix(bare))
        return int(bare.split(".")[0])
    if not DECIMAL.fullmatch(bare):
        raise ValueError("must be a finite number" + _unit_of(model, column), number_fix(bare))
    return float(bare)


def is_blank(model: type[BaseModel], column: str, text: str) -> bool:
    """A cell without content; in a text column spaces are content."""
    wanted = column_types(model)[column]
    return not (text if wanted.kind == "text" and not wanted.choices else text.strip())


def breaches(model: type[BaseModel], error: ValidationError) -> Iterator[tuple[str, Any, str, str]]:
    """Translate pydantic's errors into (dotted column, value, rule, fix)."""
    for found in error.errors(include_url=False):
        if found["type"] != "too_short" or not found["input"]:  # a list is also too short when its items are wrong
            yield _breach(model, found)


def meaning(model: type[BaseModel], column: str) -> str:
    """What a column is, as a sentence for the end of a message."""
    return f"{column}: {model.model_fields[column].description}."


def unit(model: type[BaseModel], column: str) -> str:
    """Unit of a column, '' for text."""
    extra = model.model_fields[column].json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def section_of(info: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Class of a section of the manifest (None: it is an entry), and whether there are several of it by name."""
    annotation = info.annotation
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1], True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    return None, False


def is_list(info: FieldInfo) -> bool:
    """An entry of the manifest that holds several values."""
    parts = (info.annotation, *typing.get_args(info.annotation))
    return any(typing.get_origin(part) is tuple for part in parts)


def make_row(model: type[Row], values: Mapping[str, Any]) -> Row | list[tuple[str, Any, str, str]]:
    """Validate one row of typed values: the row, or what it breaks as (column, value, rule, fix)."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        return list(breaches(model, error))


def _column_type(annotation: Any) -> ColumnType:
    optional = False
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        optional = len(members) < len(typing.get_args(annotation))
        annotation = members[0]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is Literal:
        return ColumnType("text", optional, typing.get_args(annotation))
    kinds: dict[Any, Kind] = {float: "number", int: "whole number", bool: "true or false"}
    return ColumnType(kinds.get(annotation, "text"), optional)


def _bounded_lines(file: str, text: str) -> Iterator[str]:
    """Lines of the text, none too long."""
    for position, line in enumerate(io.StringIO(text, newline=""), 1):
        if len(line) > MAX_LINE_CHARACTERS:
            rule = f"must have at most {MAX_LINE_CHARACTERS:,} characters in a line"
            raise Unreadable(file, position, rule, "Check the quotes and line ends of the file.")
        yield line


def _missing_columns(file: str, header: list[str], table: Table, problems: list[Problem]) -> set[str]:
    """Columns that must be there and are not; unknown ones are added to the problems too."""
    known = list(table.columns())
    for name in header:
        if name not in known:
            problems.append(
                Problem(file, 1, shown(name), None, "is not a column of this table", suggestion(name, known))
            )
    missing = {name for name, info in table.row.model_fields.items() if info.is_required() and name not in header}
    for name in (name for name in known if name in missing):
        rule = "column is missing and has no default"
        problems.append(Problem(file, 1, name, None, rule, f"Add it. {meaning(table.row, name)}"))
    return missing


def _whole_row(
    file: str, line: int, header: list[str], cells: list[str], result: TableRows, problems: list[Problem]
) -> bool:
    """Keep the cells of a row; False when the row is blank or has too few or too many of them."""
    if not any(cell.strip() for cell in cells):
        problems.append(Problem(file, line, None, None, "row is blank", "Delete the row."))
        return False
    result.cells.append(dict(zip(header, cells, strict=False)))
    if len(cells) != len(header):
        rule = f"row has {len(cells)} cells, the header has {len(header)}"
        problems.append(Problem(file, line, None, None, rule, "Check its commas and quotes."))
    return len(cells) == len(header)


def _read_row(file: str, line: int, result: TableRows, problems: list[Problem]) -> None:
    """Validate the row whose cells were kept last."""
    model = result.table.row
    text = {column: cell for column, cell in result.cells[-1].items() if column in model.model_fields}
    values: dict[str, Any] = {}
    broken: set[str] = set()
    for column, cell in text.items():
        try:
            if not is_blank(model, column, cell):
                values[column] = typed(model, column, cell)
            elif model.model_fields[column].is_required():
                raise ValueError("must be filled" + _unit_of(model, column), meaning(model, column))
        except ValueError as error:
            broken.add(column)
            problems.append(Problem(file, line, column, shown(cell), *error.args))
    row = make_row(model, values)
    if isinstance(row, list):
        for column, _, rule, fix in row:
            if column not in broken:
                problems.append(Problem(file, line, column, shown(text.get(column, "")), rule, fix))
    elif not broken:
        result.rows.append(row)
        result.lines.append(line)
        result.positions.append(len(result.cells) - 1)


def _choice(text: str, choices: tuple[str | int, ...]) -> str | int:
    for choice in choices:
        if text == str(choice):
            return choice
    names = [str(choice) for choice in choices]
    raise ValueError(f"must be one of {', '.join(names)}", suggestion(text, names))


def _unit_of(model: type[BaseModel], column: str) -> str:
    name = unit(model, column)
    return f" ({name})" if name else ""


def number_fix(text: str) -> str:
    if re.fullmatch(r"[+-]?\d{1,3}([ ,_']\d{3})+(\.\d*)?", text):
        return f"Write {re.sub(r'[ ,_]', '', text)}, without a thousands separator."
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"Write {text.replace(',', '.')}, with a decimal point."
    if text.endswith("%") and DECIMAL.fullmatch(text[:-1].strip()):
        return f"Write {number(float(text[:-1]) / 100)}, a share."
    if text.lstrip("+-").lower() in {"nan", "inf", "infinity", "na", "n/a", "none", "null"}:
        return "Write the figure; leave the cell blank only where the column has a default."
    return "Write digits with a decimal point, without unit or separators."


def _breach(model: type[BaseModel], found: Any) -> tuple[str, Any, str, str]:
    location = [part for part in found["loc"] if part != "[key]"]
    column = ".".join(f'"{part}"' if "." in str(part) else str(part) for part in location)
    owner, name = _owner(model, location)
    described = meaning(owner, name) if name else ""
    rule, fix = _rule(found, unit(owner, name) if name else "", described, str(location[-1]), list(owner.model_fields))
    return column, found["input"], rule, fix


def _owner(model: type[BaseModel], location: list[Any]) -> tuple[type[BaseModel], str | None]:
    """The class and the field that a location inside a model points at; no field where there is none."""
    owner, parts = model, list(location)
    while parts:
        name = parts.pop(0)
        if name not in owner.model_fields:
            return owner, None
        inner = _inner_model(owner.model_fields[name])
        if inner is not None and parts and typing.get_origin(owner.model_fields[name].annotation) is dict:
            parts.pop(0)
        if inner is None or not parts:
            return owner, name
        owner = inner
    return owner, None


def _inner_model(info: FieldInfo) -> type[BaseModel] | None:
    for candidate in (info.annotation, *typing.get_args(info.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


BOUNDS = {
    "greater_than_equal": (">=", "ge"),
    "greater_than": (">", "gt"),
    "less_than_equal": ("<=", "le"),
    "less_than": ("<", "lt"),
}


def _rule(found: Any, unit_name: str, described: str, column: str, known: list[str]) -> tuple[str, str]:
    """The rule and the fix behind one of pydantic's errors."""
    kind = found["type"]
    context = found.get("ctx", {})
    suffix = f" {unit_name}" if unit_name and unit_name not in {"share", "factor", "year", "blocks"} else ""
    if kind in BOUNDS:
        sign, name = BOUNDS[kind]
        check = "Check the unit. " if sign in {"<=", "<"} and suffix else ""
        return f"must be {sign} {number(float(context[name]))}{suffix}", check + described
    if kind == "missing":
        return "must be given", described
    if kind == "extra_forbidden":
        return "is not known here", suggestion(column, known)
    if kind == "finite_number":
        return "must be a finite number" + suffix, described
    if kind == "literal_error":
        return f"must be one of {context['expected']}", described
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters", described
    if kind == "string_too_short":
        return "must be filled", described
    if kind == "string_pattern_mismatch":
        return _pattern_rule(column), described
    if kind == "string_unicode":
        return "must be valid Unicode text", described
    if kind == "too_short":
        return "must not be empty", described
    for name, words in (
        ("int", "a whole number"),
        ("float", "a number"),
        ("bool", "true or false"),
        ("string", "text"),
    ):
        if kind.startswith(f"{name}_"):
            return f"must be {words}" + suffix, described
    return str(found["msg"]), described


def _pattern_rule(column: str) -> str:
    if column.endswith("funding_modes"):
        return "must be own, contribution, utility, or several of them separated by ';'"
    return "must be a name without line breaks, control characters, or spaces at its ends"
