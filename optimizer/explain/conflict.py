"""Why there is no plan: the cheapest relaxations, what would do alone, and the requirements that contradict each other.

The cheapest set comes from the elastic MILP. The requirements in conflict come from its linear relaxation: rows with
a non-zero dual there prove the infeasibility (Farkas); grouped by family, place and year, groups are dropped one by
one as long as the rest still has no solution, so that what is left is irreducible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.explain.elastic import Slack, elastic, slacks
from optimizer.explain.words import in_words
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Contradiction, Matrix, compile_matrix

#: Slacks below this, in their own unit, are the solver's noise.
NOISE = 1e-4
#: Gap at which a set of relaxations is good enough, and seconds for it and for each alternative.
GAP, SECONDS, SECONDS_EACH = 0.01, 120.0, 20.0
COLUMNS = ["family", "place", "year", "amount", "unit", "text"]

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Explanation:
    """Why an instance has no plan.

    Attributes
    ----------
    feasible
        True if a plan exists; the tables are empty then.
    relaxations
        The cheapest set of limits that would have to give way: family, place, year, amount, unit, text.
    alternatives
        Families that would do alone: family, amount (sum over places and years), unit, places.
    conflict
        Requirements that together have no solution while without any one of them the rest has: family, place, year.
    note
        What the tables cannot say.
    """

    feasible: bool
    relaxations: pd.DataFrame
    alternatives: pd.DataFrame
    conflict: pd.DataFrame
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for other programs."""
        tables = {name: getattr(self, name).to_dict("records") for name in ("relaxations", "alternatives", "conflict")}
        return {"feasible": self.feasible, **tables, "note": self.note}


def explain_infeasible(
    instance: Instance, *, threads: int | None = None, seconds: float = SECONDS, progress: Progress | None = None
) -> Explanation:
    """Find out why an instance has no plan.

    Parameters
    ----------
    instance
        A validated instance.
    threads
        Threads of the solver.
    seconds
        Time limit of the search for the cheapest set; alternatives get up to 20 s each.
    progress
        Called with ``{"stage": ...}``.
    """
    tell = progress or (lambda _: None)
    tell({"stage": "build"})
    model = build(instance)
    try:
        matrix = compile_matrix(model)
    except Contradiction as error:
        return Explanation(False, *_nothing(), f"a limit contradicts the data by itself: {error}")
    everything = slacks(matrix, model.data)
    tell({"stage": "relax"})
    amounts = _amounts(matrix, everything, _options(seconds, threads))
    if amounts is None:
        return Explanation(
            False, *_nothing(), "no set of relaxations was found: the conflict lies in balances or plant"
        )
    if not (amounts > NOISE).any():
        return Explanation(True, *_nothing())
    tell({"stage": "conflict"})
    conflict = _conflict(matrix, everything, threads)
    tell({"stage": "other ways"})
    other = _alternatives(matrix, everything, _options(min(seconds, SECONDS_EACH), threads))
    note = "" if len(conflict) else "every limit can be met by fractions of blocks: whole blocks make it infeasible"
    return Explanation(False, _table(instance, everything, amounts), other, conflict, note)


def _options(seconds: float, threads: int | None) -> highs.Options:
    return highs.Options(gap=GAP, time_limit=seconds, threads=threads)


def _nothing() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    alternatives = pd.DataFrame(columns=["family", "amount", "unit", "places"])
    return pd.DataFrame(columns=COLUMNS), alternatives, pd.DataFrame(columns=["family", "place", "year"])


def _amounts(matrix: Matrix, chosen: list[Slack], options: highs.Options) -> np.ndarray | None:
    """How far each slack gives way at least penalty; None if even that is infeasible or the time was too short."""
    relaxed = elastic(matrix, chosen)
    answer = highs.run(highs.hand_off(relaxed, options), relaxed, highs.Interrupt())
    return None if answer.x is None else answer.x[len(answer.x) - len(chosen) :]


def _table(instance: Instance, chosen: list[Slack], amounts: np.ndarray) -> pd.DataFrame:
    rows = [
        (slack.family, slack.place, slack.year, float(amount), slack.unit, in_words(instance, slack, float(amount)))
        for slack, amount in zip(chosen, amounts, strict=True)
        if amount > NOISE
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _alternatives(matrix: Matrix, everything: list[Slack], options: highs.Options) -> pd.DataFrame:
    """Each family on its own."""
    rows = []
    for family in dict.fromkeys(slack.family for slack in everything):
        own = [slack for slack in everything if slack.family == family]
        amounts = _amounts(matrix, own, options)
        if amounts is not None:
            where = [_where(slack) for slack, amount in zip(own, amounts, strict=True) if amount > NOISE]
            units = " or ".join(dict.fromkeys(slack.unit for slack in own))
            rows.append((family, float(amounts.sum()), units, ", ".join(where)))
    return pd.DataFrame(rows, columns=["family", "amount", "unit", "places"])


def _where(slack: Slack) -> str:
    return slack.place if slack.year is None else f"{slack.place} {slack.year}"


def _conflict(matrix: Matrix, everything: list[Slack], threads: int | None) -> pd.DataFrame:
    """Irreducible set of requirements, of those that the linear relaxation proves infeasible."""
    linear = dataclasses.replace(matrix, integer=np.zeros(len(matrix.integer), bool))
    options = highs.Options(threads=threads)
    kept = _proof(linear, everything, options)
    for slack in list(kept):
        rest = [other for other in kept if other is not slack]
        if not _solvable(linear, everything, rest, options):
            kept = rest
    rows = [(slack.family, slack.place, slack.year) for slack in kept]
    return pd.DataFrame(rows, columns=["family", "place", "year"])


def _proof(linear: Matrix, everything: list[Slack], options: highs.Options) -> list[Slack]:
    """Slacks whose price counts at the least penalty: those that act on a row with a non-zero dual."""
    relaxed = elastic(linear, everything)
    solver = highs.hand_off(relaxed, options)
    answer = highs.run(solver, relaxed, highs.Interrupt())
    if answer.x is None or answer.objective < NOISE:
        return []
    dual = np.asarray(solver.getSolution().row_dual)
    return [slack for slack in everything if np.abs(dual[slack.rows] * slack.values).sum() > NOISE]


def _solvable(linear: Matrix, everything: list[Slack], hard: list[Slack], options: highs.Options) -> bool:
    """Is there a solution if only these requirements hold and all others give way."""
    held = {id(slack) for slack in hard}
    free = [slack for slack in everything if id(slack) not in held]
    relaxed = elastic(linear, [dataclasses.replace(slack, penalty=0.0) for slack in free])
    return highs.run(highs.hand_off(relaxed, options), relaxed, highs.Interrupt()).x is not None
