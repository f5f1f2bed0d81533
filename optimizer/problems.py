"""What is wrong with an input: where, what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

#: Alike problems listed one by one before the rest are counted.
LISTED_ALIKE = 20
#: Characters of a cell shown in a message.
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input.

    Parameters
    ----------
    file
        File (or override) it was found in.
    row
        Line of the file, counted from 1 with the header, so the first data row is 2; None: the whole file.
    column
        Column, or dotted path in ``instance.toml``; None: the whole row.
    value
        Text found there; None where there is none to show.
    rule
        What must hold, in field terms with its unit.
    fix
        What to do.
    count
        How many alike problems it stands for; more than 1: only counted, not listed.
    cell
        Cell of a workbook; the file is then its sheet, and the row that of the sheet.

    Examples
    --------
    >>> print(Problem("sites.csv", 7, "existing_poi_mw", "-40", "must be >= 0 MW", "For an island write 0."))
    sites.csv row 7, existing_poi_mw = -40: must be >= 0 MW. For an island write 0.
    >>> print(Problem("Site years", 7, "floor_mw", "-40", "must be >= 0 MW", cell="C7"))
    'Site years'!C7, floor_mw = -40: must be >= 0 MW.
    """

    file: str
    row: int | None
    column: str | None
    value: str | None
    rule: str
    fix: str = ""
    count: int = 1
    cell: str | None = None

    def __str__(self) -> str:
        return f"{self._where()}: {_sentence(self.rule)} {self.fix}".rstrip()

    def _where(self) -> str:
        place = self._place()
        if self.column is None:
            return place
        if self.value is None:
            return f"{place}, {self.column}"
        return f"{place}, {self.column} = {self.value or '(blank)'}"

    def _place(self) -> str:
        if self.cell is not None:
            sheet = self.file if re.fullmatch(r"\w+", self.file) else f"'{self.file}'"
            return f"{sheet}!{self.cell}"
        return self.file if self.row is None else f"{self.file} row {self.row}"


class MissingPackageError(ImportError):
    """A package that an optional part needs is not installed."""

    @classmethod
    def of(cls, error: ModuleNotFoundError, what: str, extra: str) -> MissingPackageError:
        """What needs the package, and how to install it."""
        return cls(f"{what} needs {error.name}: pip install 'community-plan-optimizer[{extra}]'")


class InstanceError(ValueError):
    """An input that breaks rules; lists every problem found.

    Attributes
    ----------
    problems
        All problems; runs of alike ones end with "... and N more like it".
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = summarise(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InstanceError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


def summarise(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """List at most `LISTED_ALIKE` problems of a file that break the same rule, then count the rest."""
    found: Counter[tuple[str, str]] = Counter()
    listed: Counter[tuple[str, str]] = Counter()
    kept = []
    for problem in dict.fromkeys(problems):
        kind = problem.file, problem.rule
        found[kind] += problem.count
        if problem.count == 1 and listed[kind] < LISTED_ALIKE:
            listed[kind] += 1
            kept.append(problem)
    for kind, number_found in found.items():
        rest = number_found - listed[kind]
        if rest:
            kept.append(Problem(kind[0], None, None, None, f"... and {rest} more like it: {kind[1]}", count=rest))
    return tuple(kept)


def shown(value: object) -> str:
    """Text of a value for a message: one line, control characters escaped, cut where long.

    Examples
    --------
    >>> shown(-40.0), shown(True), shown("a\\nb")
    ('-40', 'true', 'a\\\\nb')
    """
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float):
        text = number(value)
    else:
        text = "" if value is None else str(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def number(value: float) -> str:
    """Write a number without a needless fraction or exponent.

    Examples
    --------
    >>> number(1e6), number(0.25), number(1e13), number(8760.000000000002)
    ('1000000', '0.25', '1e+13', '8760')
    """
    return f"{value:.9g}" if abs(value) < 1e9 else f"{value:g}"


def suggestion(found: str, known: Iterable[str]) -> str:
    """Name the known word nearest to the one found, or list what there is.

    Examples
    --------
    >>> suggestion("Salin", ["Saline", "Lima"])
    "Did you mean 'Saline'?"
    >>> suggestion("x", [])
    'There is none.'
    """
    words = sorted(set(known))
    if not words:
        return "There is none."
    lower = {word.lower(): word for word in reversed(words)}
    near = difflib.get_close_matches(found.lower(), list(lower), n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{lower[near[0]]}'?"
    listed = ", ".join(words[:12]) + (f", ... ({len(words)} in all)" if len(words) > 12 else "")
    return f"Known: {listed}."


def _sentence(text: str) -> str:
    """End with a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
