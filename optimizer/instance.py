"""An instance: a folder (CSV tables, an hourly file, a manifest) or a workbook -> one frozen, validated object.

It is read whole and every problem found in it is reported at once, with file, row and column or sheet and cell, value,
rule and fix (`InstanceError`). Nothing is repaired silently. What is accepted can be written back without loss.

The rules of a single cell are in ``schema.py``, those that join rows or tables in ``consistency.py``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tomli_w
from pydantic import ValidationError

from optimizer import schema
from optimizer.consistency import Content, Origins, find_problems
from optimizer.hourly import hourly_frame, read_hourly
from optimizer.problems import InstanceError, MissingPackageError, Problem, shown, suggestion
from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES, Manifest, Row, Table
from optimizer.tables import MAX_MANIFEST_BYTES, TableRows, breaches, make_row, read_table, read_text

if TYPE_CHECKING:
    from optimizer.workbook_in import Book

__all__ = ["Instance", "InstanceError", "Problem", "make_instance", "read_instance", "write_instance"]


@dataclass(frozen=True, eq=False)
class Instance:
    """Everything the model knows about a case; two instances are equal when their content is.

    Attributes
    ----------
    manifest
        ``instance.toml``.
    hourly
        Hourly series: index ``hour`` 0..n-1, one float64 column per series; its values cannot be written to.
    path
        Folder or workbook it was read from; None for one made in memory.
    content_hash
        SHA-256 of the content, whatever the folder and the layout of its files.

    The other attributes are the tables of the schema, a tuple of rows each.
    """

    manifest: Manifest
    sites: tuple[schema.Site, ...]
    site_years: tuple[schema.SiteYear, ...]
    zones: tuple[schema.Zone, ...]
    zone_years: tuple[schema.ZoneYear, ...]
    supply_blocks: tuple[schema.SupplyBlock, ...]
    corridors: tuple[schema.Corridor, ...]
    utilities: tuple[schema.Utility, ...]
    customer_classes: tuple[schema.CustomerClass, ...]
    class_years: tuple[schema.ClassYear, ...]
    cost_allocators: tuple[schema.CostAllocator, ...]
    technologies: tuple[schema.Technology, ...]
    spend_curves: tuple[schema.SpendShare, ...]
    tax_credits: tuple[schema.TaxCredit, ...]
    funding_options: tuple[schema.FundingOption, ...]
    option_rules: tuple[schema.OptionRule, ...]
    existing_assets: tuple[schema.ExistingAsset, ...]
    tariffs: tuple[schema.Tariff, ...]
    fuels: tuple[schema.Fuel, ...]
    fuel_prices: tuple[schema.FuelPrice, ...]
    budgets: tuple[schema.Budget, ...]
    compute_demand: tuple[schema.ComputeDemand, ...]
    policy: tuple[schema.Policy, ...]
    price_response: tuple[schema.PricePoint, ...]
    capacity_price_curve: tuple[schema.CapacityPoint, ...]
    shared_network_costs: tuple[schema.SharedNetworkCost, ...]
    series: tuple[schema.Series, ...]
    periods: tuple[schema.Period, ...]
    calendar: tuple[schema.CalendarSlot, ...]
    drivers: tuple[schema.Driver, ...]
    hourly: pd.DataFrame
    path: Path | None
    content_hash: str

    def rows(self, name: str) -> tuple[Row, ...]:
        """Rows of a table by its name."""
        rows: tuple[Row, ...] = getattr(self, TABLES[name].name)
        return rows

    def frame(self, name: str) -> pd.DataFrame:
        """Table as a DataFrame, one column per column of the schema, in its order."""
        rows = [row.model_dump() for row in self.rows(name)]
        return pd.DataFrame(rows, columns=list(TABLES[name].columns()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instance) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)


def read_instance(path: str | os.PathLike[str]) -> Instance:
    """Read and validate the instance in a folder or in a workbook (``.xlsx``).

    Raises
    ------
    InstanceError
        With every problem of every file or sheet.
    MissingPackageError
        For a workbook, when openpyxl is not installed.
    """
    folder = Path(path)
    if folder.is_file() and folder.suffix.lower() == ".xlsx":
        return _read_workbook(folder)
    if not folder.is_dir():
        fix = "Give the folder that holds instance.toml, or an .xlsx workbook."
        raise InstanceError([Problem(str(path), None, None, None, "is not a folder", fix)])
    problems: list[Problem] = []
    manifest, unknown = _read_manifest(folder, problems)
    problems.extend(_folder_problems(folder))
    tables = {table.name: _read_file(folder, table, problems) for table in TABLES.values()}
    hourly, hourly_complete = _read_hourly_file(folder, manifest, problems)
    content = Content(manifest, unknown, tables, hourly, hourly_complete)
    if manifest is not None and "files" not in unknown:
        present = _present_files(folder)
        problems.extend(_note_problems(manifest, present, present))
    problems.extend(find_problems(content))
    if problems:
        raise InstanceError(problems)
    return _instance(content, folder)


def placed(instance: Instance, problems: Iterable[Problem]) -> list[Problem]:
    """Problems where the instance was read from: at the cells of its workbook, or in the files of its folder."""
    found = list(problems)
    if instance.path is None or not instance.path.is_file():
        return found
    places = _read_book(instance.path, []).places
    return [places.located(problem) for problem in found]


def make_instance(
    manifest: Manifest | Mapping[str, Any],
    tables: Mapping[str, Iterable[Row | Mapping[str, Any]]],
    hourly: pd.DataFrame,
    *,
    origins: Origins | None = None,
) -> Instance:
    """Make an instance in memory, under the same rules as a folder.

    Parameters
    ----------
    manifest
        Content of ``instance.toml``.
    tables
        Rows by name of the table; tables left out are empty.
    hourly
        One column per series, one row per hour.
    origins
        Where changed cells come from, for the messages; rows without one are named by the line they would have
        in the table's file.

    Raises
    ------
    InstanceError
        With every problem.
    """
    origins = origins or Origins()
    problems: list[Problem] = []
    raw = manifest.model_dump(exclude_none=True) if isinstance(manifest, Manifest) else dict(manifest)
    checked, unknown = _check_manifest(raw, problems, origins)
    for name in tables:
        if name not in TABLES:
            problems.append(Problem(name, None, None, None, "is not a table", suggestion(name, TABLES)))
    checked_tables = {
        table.name: _check_rows(table, tables.get(table.name, ()), problems, origins) for table in TABLES.values()
    }
    frozen = _checked_hourly(hourly, problems)
    content = Content(checked, unknown, checked_tables, frozen, True, origins)
    if checked is not None and frozen is not None and "files" not in unknown:
        problems.extend(_note_problems(checked, _needed_files(checked_tables, frozen)))
    problems.extend(find_problems(content))
    if problems:
        raise InstanceError(problems)
    return _instance(content, None)


def write_instance(instance: Instance, folder: str | os.PathLike[str]) -> None:
    """Write an instance as a folder that `read_instance` gives back unchanged.

    The files are written beside the target and renamed, so that the folder is whole or absent.

    Raises
    ------
    FileExistsError
        When the folder exists and is not empty.
    """
    target = Path(folder)
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise FileExistsError(f"{target} exists and is not an empty folder: choose another, or delete it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
    temporary.mkdir()
    try:
        for name, text in _files(instance).items():
            (temporary / name).write_text(text, encoding="utf-8", newline="")
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


# Reading


def _read_book(path: Path, problems: list[Problem]) -> Book:
    try:
        from optimizer.workbook_in import read_book
    except ModuleNotFoundError as error:
        raise MissingPackageError.of(error, "reading a workbook", "workbook") from None
    return read_book(path, problems)


def _read_workbook(path: Path) -> Instance:
    problems: list[Problem] = []
    book = _read_book(path, problems)
    manifest, unknown = None, frozenset[str]()
    if book.settings is not None:
        manifest, unknown = _check_manifest(book.settings, problems, Origins())
    hourly = book.hourly
    if hourly is None and book.hourly_complete:
        hourly = hourly_frame([], np.empty((manifest.series_hours if manifest else 0, 0)))
    content = Content(manifest, unknown, book.tables, hourly, book.hourly_complete)
    if manifest is not None and "files" not in unknown:
        problems.extend(_note_problems(manifest, book.filled(), book.sheets))
    problems.extend(find_problems(content))
    if problems:
        raise InstanceError(book.places.located(problem) for problem in problems)
    return _instance(content, path)


#: Stand-ins for manifest entries that could not be read, so that the rules about the others still run.
STAND_IN: dict[str, Any] = {
    "schema_version": 1,
    "name": "unknown",
    "currency": "USD",
    "price_year": 2000,
    "base_year": 2000,
    "planning_years": [2000],
    "finance": {"discount_rate": 0.0},
    "options": {"resolution": "unknown"},
    "resolutions": {"unknown": {}},
    "files": {},
}


def _read_manifest(folder: Path, problems: list[Problem]) -> tuple[Manifest | None, frozenset[str]]:
    path = folder / MANIFEST_FILE
    if not path.exists() and not path.is_symlink():
        fix = "Write it, or copy it from another instance."
        problems.append(Problem(MANIFEST_FILE, None, None, None, "is missing", fix))
        return None, frozenset()
    text = read_text(path, MAX_MANIFEST_BYTES)
    if isinstance(text, Problem):
        problems.append(text)
        return None, frozenset()
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        row = int(line[1]) if line else None
        problems.append(Problem(MANIFEST_FILE, row, None, None, f"is not valid TOML: {error}", "Correct this line."))
        return None, frozenset()
    return _check_manifest(raw, problems, Origins())


def _check_manifest(
    raw: Mapping[str, Any], problems: list[Problem], origins: Origins
) -> tuple[Manifest | None, frozenset[str]]:
    """Validate the manifest; entries that fail are named, and replaced so that the others can be tested."""
    try:
        return Manifest.model_validate(dict(raw)), frozenset()
    except ValidationError as error:
        broken = {str(found["loc"][0]) for found in error.errors(include_url=False)}
        for path, value, rule, fix in breaches(Manifest, error):
            text = None if rule == "must be given" or isinstance(value, dict) else shown(value)
            problems.append(origins.problem(MANIFEST_FILE, None, path, text, rule, fix))
    kept = {name: value for name, value in raw.items() if name not in broken}
    stand_in = {name: value for name, value in STAND_IN.items() if name in broken}
    return Manifest.model_validate(kept | stand_in), frozenset(broken)


def _read_file(folder: Path, table: Table, problems: list[Problem]) -> TableRows:
    path = folder / table.file
    if not path.exists() and not path.is_symlink():
        if table.required:
            fix = f"Add it with the columns {', '.join(table.columns())}."
            problems.append(Problem(table.file, None, None, None, "is missing", fix))
        return TableRows(table, complete=not table.required, present=not table.required)
    text = read_text(path)
    if isinstance(text, Problem):
        problems.append(text)
        return TableRows(table, complete=False, present=False)
    return read_table(table.file, text, table, problems)


def _read_hourly_file(
    folder: Path, manifest: Manifest | None, problems: list[Problem]
) -> tuple[pd.DataFrame | None, bool]:
    """The hourly frame, and whether all of it could be read; no file is a frame without columns."""
    path = folder / HOURLY_FILE
    if not path.exists() and not path.is_symlink():
        return hourly_frame([], np.empty((manifest.series_hours if manifest else 0, 0))), True
    text = read_text(path)
    if isinstance(text, Problem):
        problems.append(text)
        return None, False
    before = len(problems)
    frame = read_hourly(text, problems)
    return frame, len(problems) == before


def _folder_problems(folder: Path) -> Iterable[Problem]:
    """CSV files that are no table: most likely a mistyped name."""
    known = [table.file for table in TABLES.values()] + [HOURLY_FILE]
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".csv" and path.name not in known and not path.name.startswith("."):
            yield Problem(path.name, None, None, None, "is not a table of an instance", suggestion(path.name, known))


def _present_files(folder: Path) -> set[str]:
    known = {table.file for table in TABLES.values()} | {HOURLY_FILE}
    return {name for name in known if (folder / name).exists()}


def _needed_files(tables: Mapping[str, TableRows], hourly: pd.DataFrame) -> set[str]:
    """Files that an instance in memory would be written to."""
    needed = {TABLES[name].file for name, rows in tables.items() if rows.rows or TABLES[name].required}
    return needed | ({HOURLY_FILE} if len(hourly.columns) else set())


def _note_problems(manifest: Manifest, needed: set[str], present: set[str] | None = None) -> Iterable[Problem]:
    """Every file needed has a note on source and licence, and every note a file that is present (None: all may be)."""
    known = {table.file for table in TABLES.values()} | {HOURLY_FILE, MANIFEST_FILE}
    for name in sorted(needed - set(manifest.files)):
        rule = "must say where this file comes from"
        fix = f'Add [files."{name}"] with source and licence.'
        yield Problem(MANIFEST_FILE, None, f'files."{name}"', None, rule, fix)
    for name in manifest.files:
        column = f'files."{shown(name)}"'
        if Path(name).is_absolute() or re.search(r"[/\\:]", name) or name in {"", ".", ".."}:
            rule = "must be the name of a file of this folder, without a path"
            yield Problem(MANIFEST_FILE, None, column, None, rule, "Write the bare file name.")
        elif name not in known:
            yield Problem(MANIFEST_FILE, None, column, None, "is not a file of an instance", suggestion(name, known))
        elif present is not None and name not in present and name != MANIFEST_FILE:
            rule = "names a file that is not in the folder"
            yield Problem(MANIFEST_FILE, None, column, None, rule, "Add the file, or delete the note.")


def _check_rows(
    table: Table, rows: Iterable[Row | Mapping[str, Any]], problems: list[Problem], origins: Origins
) -> TableRows:
    """Validate the rows of a table in memory."""
    result = TableRows(table)
    for position, row in enumerate(rows):
        values = row.model_dump() if isinstance(row, Row) else row
        result.cells.append({key: "" if values.get(key) is None else str(values[key]) for key in table.key})
        checked = make_row(table.row, values)
        if isinstance(checked, list):
            result.complete = False
            for column, value, rule, fix in checked:
                problems.append(origins.problem(table.file, position, column, shown(value), rule, fix))
        else:
            result.rows.append(checked)
            result.lines.append(position + 2)
            result.positions.append(position)
    return result


def _checked_hourly(hourly: pd.DataFrame, problems: list[Problem]) -> pd.DataFrame | None:
    """A frozen copy of the hourly series; None when they are no numbers, or two have one name."""
    names = [str(name) for name in hourly.columns]
    for name in {name for name in names if names.count(name) > 1}:
        problems.append(Problem(HOURLY_FILE, None, name, None, "stands twice", "Keep one of the two."))
    if len(set(names)) < len(names):
        return None
    try:
        return hourly_frame(names, hourly.to_numpy(dtype=np.float64))
    except (TypeError, ValueError) as error:
        problems.append(Problem(HOURLY_FILE, None, None, None, f"must hold numbers: {shown(error)}", ""))
        return None


def _instance(content: Content, path: Path | None) -> Instance:
    assert content.manifest is not None and content.hourly is not None
    tables: dict[str, Any] = {name: tuple(rows.rows) for name, rows in content.tables.items()}
    digest = _content_hash(content.manifest, tables, content.hourly)
    return Instance(manifest=content.manifest, hourly=content.hourly, path=path, content_hash=digest, **tables)


# Writing


def _content_hash(manifest: Manifest, tables: Mapping[str, tuple[Row, ...]], hourly: pd.DataFrame) -> str:
    """SHA-256 of manifest and filled tables (JSON, sorted names) and of the hourly columns (sorted, 8-byte floats)."""
    rows = {name: [row.model_dump(mode="json") for row in tables[name]] for name in TABLES if tables[name]}
    text = json.dumps({"manifest": manifest.model_dump(mode="json"), "tables": rows}, sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name in sorted(hourly.columns):
        digest.update(json.dumps(name).encode())
        digest.update(hourly[name].to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def _files(instance: Instance) -> dict[str, str]:
    """Text of every file of an instance."""
    files = {MANIFEST_FILE: tomli_w.dumps(instance.manifest.model_dump(exclude_none=True))}
    for table in TABLES.values():
        if instance.rows(table.name) or table.required or table.file in instance.manifest.files:
            files[table.file] = _table_text(table, instance.rows(table.name))
    if len(instance.hourly.columns) or HOURLY_FILE in instance.manifest.files:
        files[HOURLY_FILE] = instance.hourly.to_csv(lineterminator="\n")
    return files


def _table_text(table: Table, rows: Iterable[Row]) -> str:
    columns = list(table.columns())
    cells = [[_cell(getattr(row, column)) for column in columns] for row in rows]
    carriage_return = any("\r" in cell for row in cells for cell in row)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if carriage_return else csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows(cells)
    return text.getvalue()


def _cell(value: object) -> str:
    """Text of a cell; floats in full, so that reading gives the same number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
