"""What another unit of a limit is worth in a plan: duals of the LP that is left when its whole numbers are fixed.

They are conditional on this plan: true for changes so small that no block more or less would be built.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.decisions import hold, investments
from optimizer.explain.elastic import without_repeated_bounds
from optimizer.model.build import build
from optimizer.model.data import MILLION
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.plan import Plan

#: (constraint, family, unit of the limit, units of the limit per unit of the row).
LIMITS = (
    ("compute_demand_met", "compute demand", "MW of IT", 1.0),
    ("poi_capacity", "POI", "MW", 1.0),
    ("capital_within_budget", "budget of the year", "US$", MILLION),
    ("capital_within_cumulative_budget", "budget so far", "US$", MILLION),
    ("class_rate_stays_flat", "rate cap", "US$ of the class's cost", MILLION),
    ("emissions_within_cap", "carbon cap", "t CO2", 1000.0),
    ("firm_capacity_covers_peak", "adequacy", "MW firm", 1.0),
    ("capacity_owed", "capacity obligation", "MW", 1.0),
    ("stranded_value_covered", "stranding", "US$", MILLION),
)
#: Present values below this per unit are the solver's noise, US$.
NOISE_USD = 1e-6


def marginal_values(plan: Plan, *, threads: int | None = None, gap: float = 1e-4) -> pd.DataFrame:
    """Present value of one more unit of each limit, conditional on the plan's investments.

    Parameters
    ----------
    plan
        A solved plan.
    threads
        Threads of the solver.
    gap
        Gap of the search for the whole numbers that the tables do not hold (auxiliary ones), at fixed investments.

    Returns
    -------
    DataFrame
        family, place, year, unit, usd_per_unit: by how much the plan's cost would rise (positive) or fall (negative)
        if the limit were one unit higher. IT at a site is a floor (``compute at site``): one more MW to serve there.
    """
    matrix, row_dual, column_dual = prices(plan, threads=threads, gap=gap)
    rows = [*_of_rows(matrix, row_dual), *_of_sites(matrix, column_dual)]
    return pd.DataFrame(rows, columns=["family", "place", "year", "unit", "usd_per_unit"])


def prices(plan: Plan, *, threads: int | None = None, gap: float = 1e-4) -> tuple[Matrix, np.ndarray, np.ndarray]:
    """The model of a plan, and the marginal values of its rows and columns with the plan's investments fixed, M$.

    Raises
    ------
    ValueError
        If the plan's investments do not solve its own instance.
    """
    matrix = hold(without_repeated_bounds(compile_matrix(build(plan.instance))), investments(plan))
    options = highs.Options(gap=gap, threads=threads)
    answer = highs.run(highs.hand_off(matrix, options), matrix, highs.Interrupt())
    if answer.x is None:
        raise ValueError("the plan's investments do not solve its own instance: was the run changed?")
    fixed = highs.fixed_lp(matrix, answer.x, options)
    fixed.run()
    solution = fixed.getSolution()
    return matrix, np.asarray(solution.row_dual), np.asarray(solution.col_dual)


def _of_rows(matrix: Matrix, dual: np.ndarray) -> list[tuple[str, str, int, str, float]]:
    limits = {name: (family, unit, per_row) for name, family, unit, per_row in LIMITS}
    rows = []
    for at, (name, key) in enumerate(matrix.row_names):
        value = dual[at] * MILLION
        if name in limits and abs(value) > NOISE_USD:
            family, unit, per_row = limits[name]
            parts = key if isinstance(key, tuple) else (key,)
            rows.append((family, ", ".join(map(str, parts[:-1])) or "portfolio", parts[-1], unit, value / per_row))
    return rows


def _of_sites(matrix: Matrix, dual: np.ndarray) -> list[tuple[str, str, int, str, float]]:
    """Reduced cost of energised IT at a floor or a ceiling."""
    places = zip(matrix.names["it_mw"], matrix.keys["it_mw"], strict=True)
    found = [("compute at site", site, year, "MW of IT", dual[at] * MILLION) for at, (site, year) in places]
    return [row for row in found if abs(row[-1]) > NOISE_USD]
