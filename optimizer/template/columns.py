"""What the schema says about a column, in the words of a workbook: units row, note, drop-down and limits."""

from __future__ import annotations

from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from xlsxwriter.utility import xl_range_abs

from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES
from optimizer.schema_docs import describe
from optimizer.tables import ColumnType, column_types
from optimizer.workbook_in.layout import HEADER_ROW, SETTINGS, SHEETS

#: Rows of a sheet that drop-downs look through.
LOOKED_THROUGH = 20_000
#: Rows below a table that keep its drop-downs and limits.
SPARE_ROWS = 200

YEARS = "list_planning_years"
WORDS = {"number": "number", "whole number": "whole number", "true or false": "true/false", "text": "text"}


def units(model: type[BaseModel], name: str) -> str:
    """Unit of a column, or its kind where it has none."""
    column = describe(model, name)
    if column["choices"] and not isinstance(column["choices"][0], int):
        return "choice"
    return str(column["unit"] or WORDS.get(column["type"], column["type"]))


def blank_means(model: type[BaseModel], name: str) -> str:
    """What a blank cell stands for."""
    column = describe(model, name)
    if column["required"]:
        return "needed"
    return "may be blank" if column["default"] in (None, "") else f"blank: {_shown(column['default'])}"


def note(model: type[BaseModel], name: str) -> str:
    """Everything the schema says about a column."""
    column = describe(model, name)
    lines = [sentence(column["description"])]
    if column["choices"]:
        lines.append(f"One of {', '.join(map(str, column['choices']))}.")
    if column["bounds"]:
        lines.append(f"Limits: {', '.join(column['bounds'])}{' ' + column['unit'] if column['unit'] else ''}.")
    if column["refers_to"]:
        lines.append(f"Refers to {referred(column['refers_to'])}.")
    lines.append("Needed." if column["required"] else f"{sentence(blank_means(model, name).capitalize())}")
    return "\n".join(lines)


def sentence(text: str) -> str:
    """Text of a note: begins large, ends with a stop, and says sheets instead of files."""
    for file in (MANIFEST_FILE, HOURLY_FILE):
        text = text.replace(file, f"sheet {SHEETS[file]}")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def referred(target: str) -> str:
    """Where a name must stand, in words."""
    if target == "planning_years":
        return f"planning_years in sheet {SETTINGS}"
    table, column = target.split(".")
    return f"column {column} of sheet {SHEETS[TABLES[table].file]}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


# Drop-downs and limits


def validation(model: type[BaseModel], name: str) -> dict[str, Any] | None:
    """Excel's data validation of a column; None where anything may be written."""
    wanted, info = column_types(model)[name], model.model_fields[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if wanted.choices:
        return {"validate": "list", "source": [str(choice) for choice in wanted.choices]}
    if wanted.kind == "true or false":
        return {"validate": "list", "source": ["true", "false"]}
    if extra.get("refers_to"):
        source = list_name(str(extra["refers_to"]))
        missing = {"error_title": "Not listed yet", "error_message": f"Not in {referred(str(extra['refers_to']))}."}
        return {"validate": "list", "source": f"={source}", "error_type": "warning"} | missing
    return _limits(wanted, info)


def _limits(wanted: ColumnType, info: FieldInfo) -> dict[str, Any] | None:
    if wanted.kind not in ("number", "whole number"):
        return None
    found = {sign: bound for sign, kind in BOUNDS.items() if (bound := _bound(info, kind)) is not None}
    rule: dict[str, Any] = {"validate": "integer" if wanted.kind == "whole number" else "decimal"}
    low, high = found.get(">=", found.get(">")), found.get("<=", found.get("<"))
    if low is not None and high is not None:
        rule |= {"criteria": "between", "minimum": low, "maximum": high}
    elif found:
        sign, bound = next(iter(found.items()))
        rule |= {"criteria": sign, "value": bound}
    else:
        return None
    words = " and ".join(f"{sign} {bound:g}" for sign, bound in found.items())
    return rule | {"error_title": "Out of range", "error_message": f"Write a {wanted.kind} {words}."}


BOUNDS = {">=": Ge, ">": Gt, "<=": Le, "<": Lt}


def _bound(info: FieldInfo, kind: type) -> float | None:
    for constraint in info.metadata:
        if isinstance(constraint, kind):
            return float(getattr(constraint, kind.__name__.lower()))
    return None


def list_name(target: str) -> str:
    """Name of the range that a drop-down offers."""
    return YEARS if target == "planning_years" else f"list_{target.replace('.', '_')}"


def lists() -> dict[str, str]:
    """Formula of every such range: the filled cells below a heading."""
    targets = {
        str(info.json_schema_extra["refers_to"])
        for table in TABLES.values()
        for info in table.row.model_fields.values()
        if isinstance(info.json_schema_extra, dict) and "refers_to" in info.json_schema_extra
    }
    return {list_name(target): _range(target) for target in sorted(targets)}


def _range(target: str) -> str:
    if target == "planning_years":
        paths, values = _column(SETTINGS, 0), _column(SETTINGS, 1)
        first, count = f'MATCH("planning_years",{paths},0)', f'COUNTIF({paths},"planning_years")'
        return f"=INDEX({values},{first}):INDEX({values},{first}+{count}-1)"
    table, name = target.split(".")
    cells = _column(SHEETS[TABLES[table].file], list(TABLES[table].columns()).index(name))
    return f"={cells.partition(':')[0]}:INDEX({cells},MAX(1,COUNTA({cells})))"


def _column(sheet: str, column: int) -> str:
    cells = xl_range_abs(HEADER_ROW, column, HEADER_ROW + LOOKED_THROUGH - 1, column)
    return f"'{sheet}'!{cells}"
