"""Where a problem stands in the workbook: its file becomes a sheet, its line and column a cell."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

from optimizer.problems import Problem
from optimizer.schema import MANIFEST_FILE
from optimizer.workbook_in.cells import address
from optimizer.workbook_in.layout import HEADER_ROW, SETTINGS, SHEETS, path_of

#: Names of files inside a rule or a fix; those in quotes are paths of settings and stay.
_FILES = re.compile(r'(?<!")\b(' + "|".join(re.escape(name) for name in SHEETS) + r")\b")
_NOTE = re.compile(r'Add \[(files\."[^"]+")\] with source and licence\.')


@dataclass
class Places:
    """Columns of every sheet and rows of every setting, as far as they were found.

    Attributes
    ----------
    columns
        File -> name of a column -> its number, counted from 1.
    settings
        Path of a setting -> line of its first value. Paths are written as messages write them.
    value_column
        Column of the values in the sheet of settings.
    """

    columns: dict[str, dict[str, int]] = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)
    value_column: int = 2

    def add_setting(self, parts: list[str], line: int, position: int | None) -> None:
        """Remember where a setting stands (``position``: which value of a list)."""
        for path in {path_of(parts), ".".join(parts), ".".join(f'"{part}"' if "." in part else part for part in parts)}:
            self.settings.setdefault(path, line)
            if position is not None:
                self.settings.setdefault(f"{path}.{position}", line)

    def located(self, problem: Problem) -> Problem:
        """The problem at its sheet and cell, in the words of a workbook."""
        if problem.cell is not None or problem.file not in SHEETS:
            return problem
        rule, fix = _in_words(problem.rule), _in_words(problem.fix)
        if problem.file == MANIFEST_FILE and problem.row is None:
            row, cell = self._setting(problem)
        else:
            row, cell = self._cell(problem)
        file = SHEETS[problem.file]
        return dataclasses.replace(problem, file=file, row=row, cell=cell, rule=rule, fix=fix)

    def _cell(self, problem: Problem) -> tuple[int | None, str | None]:
        if problem.row is None:
            return None, None
        column = self.columns.get(problem.file, {}).get(problem.column or "", 1)
        return problem.row + HEADER_ROW - 1, address(problem.row, column)

    def _setting(self, problem: Problem) -> tuple[int | None, str | None]:
        path = problem.column or ""
        line = self.settings.get(path) or next(
            (line for known, line in self.settings.items() if known.startswith(f"{path}.")), None
        )
        if not path or line is None:
            return None, None
        return line + HEADER_ROW - 1, address(line, self.value_column)


def at_cell(file: str, line: int, column: int, name: str | None, value: str | None, rule: str, fix: str) -> Problem:
    """Problem with a cell whose place is known."""
    cell = address(line, column)
    return Problem(SHEETS[file], line + HEADER_ROW - 1, name, value, rule, fix, cell=cell)


def _in_words(text: str) -> str:
    """A rule or fix about files, said about sheets."""
    text = re.sub(
        r"^stands already in row (\d+)", lambda row: f"stands already in row {int(row[1]) + HEADER_ROW - 1}", text
    )
    text = _NOTE.sub(rf"Add {SETTINGS} rows \1.source and \1.licence.", text)
    return _FILES.sub(lambda name: f"sheet {SHEETS[name[1]]}", text)
