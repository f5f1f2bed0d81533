r"""Piecewise-linear functions that start at (0, 0): segments, and binaries that keep their order where needed.

A function through points (x_0=0, 0), (x_1, f_1), ... is written with one variable per segment,
``0 <= part[j] <= width[j]``, x = sum part, f = sum slope[j] * part[j]. When the slopes never fall (convex) and f
is a cost, cheap segments fill first by themselves. Otherwise binaries ``full[j]`` keep the order:
part[j] >= width[j] * full[j] and part[j+1] <= width[j+1] * full[j].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Curve:
    """Widths of the segments and the slopes of one or more functions over them."""

    widths: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]

    @property
    def convex(self) -> bool:
        """Do all functions have slopes that never fall."""
        return all(b >= a - 1e-12 for slopes in self.slopes for a, b in pairwise(slopes))


def curve(points: Sequence[float], *functions: Sequence[float]) -> Curve:
    """Segments of functions given at common points, the first of which is 0.

    >>> curve([0, 10, 30], [0, 20, 80])
    Curve(widths=(10, 20), slopes=((2.0, 3.0),))
    """
    widths = tuple(b - a for a, b in pairwise(points))
    slopes = tuple(
        tuple((b - a) / w for a, b, w in zip(values, values[1:], widths, strict=False)) for values in functions
    )
    return Curve(widths, slopes)
