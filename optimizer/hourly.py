"""The hourly file: column ``hour`` counting 0, 1, 2, ... and one column of numbers per series.

The bounds of each kind of series are tested with the other rules, in ``consistency.py``.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

import numpy as np
import pandas as pd

from optimizer.problems import Problem, shown
from optimizer.schema import HOURLY_FILE
from optimizer.tables import DECIMAL, MAX_PROBLEMS, Unreadable, number_fix, read_header, read_lines, stopped

#: Most rows of the hourly file read.
MAX_HOURS = 1_000_000


def hourly_frame(names: list[str], values: np.ndarray) -> pd.DataFrame:
    """Hourly series as a frame: index ``hour``, float64 columns, values that cannot be written to.

    Parameters
    ----------
    names
        Names of the series.
    values
        Array (hours, series).
    """
    frozen = np.array(values, dtype=np.float64, order="F")
    frozen.setflags(write=False)
    hours = pd.RangeIndex(len(frozen), name="hour")
    return pd.DataFrame(frozen, index=hours, columns=pd.Index(names, dtype=object), copy=False)


def read_hourly(text: str, problems: list[Problem]) -> pd.DataFrame | None:
    """Read the hourly file; cells that are not finite numbers are added to ``problems`` and left NaN.

    Returns
    -------
    DataFrame or None
        None when the file has no usable table.
    """
    try:
        lines = read_lines(HOURLY_FILE, text)
        header = read_header(HOURLY_FILE, lines)
        need_hour(header)
        values = _values(header, lines, problems)
    except Unreadable as stop:
        problems.append(stop.problem)
        return None
    return hourly_columns(header, values, problems)


def hourly_columns(header: list[str], values: np.ndarray, problems: list[Problem]) -> pd.DataFrame:
    """The frame of a table of numbers with its column ``hour``, whose gaps are added to ``problems``."""
    position = header.index("hour")
    problems.extend(_hour_problems(values[:, position]))
    names = [name for name in header if name != "hour"]
    return hourly_frame(names, np.delete(values, position, axis=1))


def need_hour(header: list[str]) -> None:
    """Raise Unreadable without a column ``hour``."""
    if "hour" not in header:
        raise Unreadable(HOURLY_FILE, 1, "column hour is missing", "Add it: 0, 1, 2, ...")


def _values(header: list[str], lines: Iterator[tuple[int, list[str]]], problems: list[Problem]) -> np.ndarray:
    """Numbers of the rows, one array row per line."""
    width = len(header)
    before = len(problems)
    numbers = array("d")
    for row, (line, cells) in enumerate(lines):
        if row >= MAX_HOURS:
            raise Unreadable(HOURLY_FILE, line, f"must have at most {MAX_HOURS:,} rows", "Shorten it.")
        if len(problems) > before + MAX_PROBLEMS:
            raise stopped(HOURLY_FILE, line)
        if len(cells) != width:
            rule = f"row has {len(cells)} cells, the header has {width}"
            problems.append(Problem(HOURLY_FILE, line, None, None, rule, "Check its commas and quotes."))
            numbers.extend([math.nan] * width)
            continue
        try:
            found = [float(cell) for cell in cells]
        except ValueError:
            found = [math.nan]
        if not math.isfinite(math.fsum(map(abs, found))) or "_" in "".join(cells):
            found = _slow_row(header, line, cells, problems)
        numbers.extend(found)
    return np.frombuffer(numbers, dtype=np.float64).reshape(-1, width)


def _slow_row(header: list[str], line: int, cells: list[str], problems: list[Problem]) -> list[float]:
    """Read a row cell by cell, telling which cells are not finite numbers."""
    found = []
    for column, cell in zip(header, cells, strict=True):
        value = float(cell) if DECIMAL.fullmatch(cell.strip()) else math.nan
        if not math.isfinite(value):
            rule = "must be filled" if not cell.strip() else "must be a finite number"
            problems.append(Problem(HOURLY_FILE, line, column, shown(cell), rule, number_fix(cell.strip())))
        found.append(value)
    return found


def _hour_problems(hours: np.ndarray) -> Iterator[Problem]:
    """Hours that do not count 0, 1, 2, ..."""
    expected = np.arange(len(hours))
    for row in np.flatnonzero((hours != expected) & ~np.isnan(hours)):
        rule = "must count 0, 1, 2, ... without gap"
        yield Problem(HOURLY_FILE, int(row) + 2, "hour", shown(float(hours[row])), rule, f"Expected {row} here.")
