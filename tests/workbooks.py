"""Workbooks changed by hand, cell by cell or part by part, and what is wrong with them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from small_instance import small_instance_folder

from optimizer.instance import InstanceError, read_instance
from optimizer.template import write_template

Change = Callable[[Any], object]


def small_book(folder: Path) -> Path:
    """The small instance as a workbook; tests change copies of it."""
    file = folder / "case.xlsx"
    write_template(file, read_instance(small_instance_folder(folder)))
    return file


@cache
def without_comments(case: Path) -> Path:
    """A copy without what is told at the heads of columns: openpyxl reads and writes it in two thirds of the time."""
    book = openpyxl.load_workbook(case)
    for cell in (cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.comment):
        cell.comment = None
    file = case.with_name(f"{case.stem}-without-comments.xlsx")
    book.save(file)
    return file


def changed(case: Path, folder: Path, change: Change) -> Path:
    """A copy of a workbook, changed as a person would."""
    book = openpyxl.load_workbook(without_comments(case))
    change(book)
    file = folder / "changed.xlsx"
    book.save(file)
    return file


def cell(sheet: str, address: str, value: Any) -> Change:
    """Write one cell."""

    def change(book: Any) -> None:
        book[sheet][address] = value

    return change


def text_cell(sheet: str, address: str, value: str) -> Change:
    """Write text that looks like something else."""

    def change(book: Any) -> None:
        book[sheet][address].value = value
        book[sheet][address].data_type = "s"

    return change


def every(*changes: Change) -> Change:
    def change(book: Any) -> None:
        for one in changes:
            one(book)

    return change


def repacked(case: Path, folder: Path, parts: Mapping[str, bytes | Callable[[bytes], bytes]]) -> Path:
    """A copy of a workbook with parts replaced, changed or added."""
    file = folder / "repacked.xlsx"
    with zipfile.ZipFile(case) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            change = parts.get(name, old.read(name))
            new.writestr(name, change(old.read(name)) if callable(change) else change)
        for name in set(parts) - set(old.namelist()):
            added = parts[name]
            assert isinstance(added, bytes)
            new.writestr(name, added)
    return file


def part_of(case: Path, sheet: str) -> str:
    """Part that holds a sheet."""
    position = openpyxl.load_workbook(case, read_only=True).sheetnames.index(sheet) + 1
    return f"xl/worksheets/sheet{position}.xml"


def problems_of(file: Path) -> list[str]:
    with pytest.raises(InstanceError) as caught:
        read_instance(file)
    return [str(problem) for problem in caught.value.problems]


def the_problem(file: Path) -> str:
    found = problems_of(file)
    assert len(found) == 1, found
    return found[0]
