"""A number and the formula that gives it: written together, so that a workbook shows what its formulas say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A value and its Excel formula, without the leading equals sign.

    Arithmetic works on both at once. ``whole`` is True where the formula needs no brackets as part of another.

    Examples
    --------
    >>> price, sales = Figure(0.25, "A1"), Figure(8.0, "A2")
    >>> price * sales - 1
    Figure(value=1.0, formula='A1*A2-1', whole=False)
    >>> ((price + 1) / sales).formula
    '(A1+1)/A2'
    """

    value: float
    formula: str
    whole: bool = True

    def __add__(self, other: Figure | float) -> Figure:
        term = _figure(other)
        return Figure(self.value + term.value, f"{self.formula}+{term.formula}", whole=False)

    def __sub__(self, other: Figure | float) -> Figure:
        term = _figure(other)
        return Figure(self.value - term.value, f"{self.formula}-{_part(term)}", whole=False)

    def __mul__(self, other: Figure | float) -> Figure:
        factor = _figure(other)
        return Figure(self.value * factor.value, f"{_part(self)}*{_part(factor)}", whole=False)

    def __truediv__(self, other: Figure | float) -> Figure:
        divisor = _figure(other)
        return Figure(self.value / divisor.value, f"{_part(self)}/{_part(divisor)}", whole=False)

    def rounded(self, digits: int) -> Figure:
        """The figure to so many decimals: what is rounding noise becomes 0."""
        return Figure(round(self.value, digits) + 0.0, f"ROUND({self.formula},{digits})")


@dataclass(frozen=True)
class Answer:
    """A formula whose value may be words instead of a number."""

    value: float | str
    formula: str


def total(figures: list[Figure]) -> Figure:
    """Sum of figures; 0 of none."""
    if not figures:
        return Figure(0.0, "0")
    return Figure(sum(f.value for f in figures), "+".join(f.formula for f in figures), whole=len(figures) == 1)


def _figure(value: Figure | float) -> Figure:
    return (
        value if isinstance(value, Figure) else Figure(value, repr(float(value)).removesuffix(".0"), whole=value >= 0)
    )


def _part(figure: Figure) -> str:
    return figure.formula if figure.whole else f"({figure.formula})"
