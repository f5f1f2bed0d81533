"""What a check finds: residuals against a natural scale, findings above the tolerance, a readable report.

A *comparison* holds figures found in a plan's tables against what they must equal or must not exceed. Its violation
is the excess divided by a natural scale, never less than the floor of its unit: with a tolerance of 1e-6, the floors
below let pass 1e-4 MW, 1 US$, and what 1e-4 MW make in a year.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Axis = Sequence[Any]
#: A figure by key: names, then the year.
Figures = Mapping[Any, float]

#: Floors of the natural scale by unit.
MW = 100.0
MWH_OF_STORE = 100.0
MWH_PER_YEAR = MW * 8760
TONNES = MW * 8760
USD = 1e6
PER_MWH = 1.0
ONE = 1.0

#: Findings listed of one name; the rest are counted.
LISTED = 5


@dataclass(frozen=True)
class Finding:
    """A figure that breaks a check: where, what was found, what it must equal or not exceed, relative violation."""

    name: str
    where: str
    found: float
    limit: float
    violation: float

    def __str__(self) -> str:
        return f"{self.name}: {self.where}: {self.found:.10g}, against {self.limit:.10g} (off by {self.violation:.3g})"


@dataclass(frozen=True)
class Report:
    """Outcome of all checks.

    Attributes
    ----------
    residuals
        Worst relative violation by name of the check; 0 where nothing was to be checked.
    findings
        The worst violations above the tolerance, at most ``LISTED`` of one name.
    tolerance
        Largest relative violation that passes.
    """

    residuals: dict[str, float]
    findings: tuple[Finding, ...]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Did every check pass."""
        return not self.findings

    def as_dict(self) -> dict[str, float]:
        """Worst relative violation by name of the check."""
        return dict(self.residuals)

    def __str__(self) -> str:
        failed = sum(not value <= self.tolerance for value in self.residuals.values())
        head = f"{len(self.residuals)} checks, {failed} failed (tolerance {self.tolerance:g})"
        width = max(map(len, self.residuals), default=0)
        lines = [
            f"  {name:<{width}}  {value:9.2e}{'' if value <= self.tolerance else '  FAILED'}"
            for name, value in self.residuals.items()
        ]
        return "\n".join([head, *lines, *map(str, self.findings)])


class CheckError(RuntimeError):
    """A plan that does not hold; ``report`` says what was found."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__("the plan does not hold: " + "; ".join(map(str, report.findings)))


@dataclass(frozen=True)
class Comparison:
    """Figures found against their limits: excess over the limit, natural scale, and a name for each place."""

    name: str
    found: Array
    limit: Array
    excess: Array
    scale: Array
    place: Callable[[int], str]


def equal(name: str, found: ArrayLike, expected: ArrayLike, *axes: Axis, scale: ArrayLike = ONE) -> Comparison:
    """What must equal the expected; the axes name the places of the (broadcast) arrays."""
    return _comparison(name, found, expected, scale, axes, absolute=True)


def at_most(name: str, found: ArrayLike, limit: ArrayLike, *axes: Axis, scale: ArrayLike = ONE) -> Comparison:
    """What must not exceed the limit."""
    return _comparison(name, found, limit, scale, axes, absolute=False)


def at_least(name: str, found: ArrayLike, limit: ArrayLike, *axes: Axis, scale: ArrayLike = ONE) -> Comparison:
    """What must not fall below the limit."""
    below = at_most(name, limit, found, *axes, scale=scale)
    return Comparison(name, below.limit, below.found, below.excess, below.scale, below.place)


def same(name: str, found: Figures, expected: Figures, floor: float) -> Comparison:
    """Two tables by the same keys; a key missing in one counts as 0. The scale is the larger of the two figures."""
    keys = list({**found, **expected})
    left, right = (np.array([table.get(key, 0.0) for key in keys], dtype=float) for table in (found, expected))
    scale = np.fmax(np.fmax(np.abs(left), np.abs(right)), floor)
    return _comparison(name, left, right, scale, (keys,), absolute=True)


def no_more(name: str, found: Figures, limit: Figures, floor: float) -> Comparison:
    """Figures against limits by the same keys; a key without figure counts as 0, one without limit has none."""
    keys = list(limit)
    left, right = np.array([found.get(key, 0.0) for key in keys]), np.array(list(limit.values()), dtype=float)
    return at_most(name, left, right, keys, scale=np.fmax(np.abs(right), floor))


def _comparison(
    name: str, found: ArrayLike, limit: ArrayLike, scale: ArrayLike, axes: tuple[Axis, ...], *, absolute: bool
) -> Comparison:
    wide = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (found, limit, scale)))
    left, right, scales = wide
    excess = np.abs(left - right) if absolute else left - right
    return Comparison(name, left, right, excess, scales, lambda flat: _place(flat, left.shape, axes))


def _place(flat: int, shape: tuple[int, ...], axes: tuple[Axis, ...]) -> str:
    positions = np.unravel_index(flat, shape) if shape else ()
    parts = [axis[int(position)] for axis, position in zip(axes, positions, strict=False)]
    words = [word for part in parts for word in (part if isinstance(part, tuple) else (part,)) if word != ""]
    return ", ".join(map(str, words)) or "plan"


def judge(comparisons: Iterable[Comparison], tolerance: float) -> Report:
    """Worst violation by name, and the findings above the tolerance."""
    residuals: dict[str, float] = {}
    findings: dict[str, list[Finding]] = {}
    for comparison in comparisons:
        violation = _violation(comparison)
        worst = float(violation.max(initial=0.0))
        residuals[comparison.name] = max(residuals.get(comparison.name, 0.0), worst)
        if worst > tolerance:
            findings.setdefault(comparison.name, []).extend(_findings(comparison, violation, tolerance))
    listed = [
        finding for rows in findings.values() for finding in sorted(rows, key=lambda row: -row.violation)[:LISTED]
    ]
    return Report(residuals, tuple(listed), tolerance)


def _violation(comparison: Comparison) -> Array:
    """Relative violation, infinite where a figure is not a number."""
    with np.errstate(invalid="ignore"):
        relative = comparison.excess / comparison.scale
    return np.fmax(np.where(np.isnan(relative), math.inf, relative), 0.0).ravel()


def _findings(comparison: Comparison, violation: Array, tolerance: float) -> Iterable[Finding]:
    worst = np.argsort(-violation, kind="stable")[:LISTED]
    found, limit = comparison.found.ravel(), comparison.limit.ravel()
    for flat in map(int, worst):
        if violation[flat] > tolerance:
            place = comparison.place(flat)
            yield Finding(comparison.name, place, float(found[flat]), float(limit[flat]), float(violation[flat]))
