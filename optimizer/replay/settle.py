"""The year's account: bills, local costs, rates and make-whole of a year whose every hour is known.

The planning model of the whole year has the hours, the investments and the IT fixed; what is left are the sums over
the year, which it determines. Make-whole payments are then what each class needs to be at its limit, where the
utility's rules allow them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from optimizer import highs
from optimizer.accounts import Accounts
from optimizer.decisions import Values, hold
from optimizer.instance import Instance
from optimizer.model.build import build, hourly_variables
from optimizer.model.data import MILLION, Data
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.model.solution import Solution
from optimizer.plan import TABLES
from optimizer.replay.windows import MET_BY_PLAN, PRICED, Hourly, ReplayError
from optimizer.results import Reading, operating_tables

#: Column of the year, where a table has one.
YEAR_OF = {"stranding": "exit_year"}
#: What investments determine: rows that hold hours against these alone were kept hour by hour.
CAPACITIES = ("capacity_mw", "energy_mwh", "poi_mw")
#: Rows that determine them.
DETERMINING = ("capacity_in_service", "energy_in_service", "energy_follows_power", "poi_capacity")


def settle(instance: Instance, year: int, values: Values, hourly: Hourly) -> dict[str, pd.DataFrame]:
    """Tables of a plan for one year, from its hours.

    Parameters
    ----------
    instance
        The instance with every hour of its series as one period.
    values
        What the plan has decided.
    hourly
        Hourly values of the operating variables.

    Raises
    ------
    ReplayError
        If the hours do not fit the plan.
    """
    model = build(_without_exact_billing(instance), operated=(year,))
    matrix = hold(compile_matrix(model), values)
    x = _remainder(_hours_fixed(matrix, hourly_variables(model), hourly), year)
    pay = _make_whole(Accounts(Reading(Solution.of(model.data, matrix, x))), model.data, instance)
    for column, (utility, customer_class, of) in zip(
        matrix.names.get("make_whole", ()), matrix.keys.get("make_whole", ()), strict=True
    ):
        x[column] = pay.get((utility, customer_class, of), 0.0) / MILLION
    reading = Reading(Solution.of(model.data, matrix, x))
    tables = operating_tables(reading) | Accounts(reading).tables()
    return {name: _of_year(name, tables[name], year) for name in TABLES}


def _of_year(name: str, table: pd.DataFrame, year: int) -> pd.DataFrame:
    column = YEAR_OF.get(name, "year")
    return table[table[column] == year] if column in table else table


def _without_exact_billing(instance: Instance) -> Instance:
    """Billing demand follows from metered imports here; the binaries that choose its bound are not needed."""
    utilities = tuple(row.model_copy(update={"make_whole_allowed": True}) for row in instance.utilities)
    return dataclasses.replace(instance, utilities=utilities)


def _hours_fixed(matrix: Matrix, names: tuple[str, ...], hourly: Hourly) -> Matrix:
    lower, upper = matrix.lower.copy(), matrix.upper.copy()
    known = np.zeros(len(lower), bool)
    for name in names:
        for column, key in zip(matrix.names.get(name, ()), matrix.keys.get(name, ()), strict=True):
            lower[column] = upper[column] = hourly[name, key[:-1]][key[-1]]
            known[column] = True
    for column in matrix.names.get("make_whole", ()):
        lower[column] = upper[column] = 0.0
    free = _rows_to_free(matrix, lower == upper)
    return dataclasses.replace(
        matrix,
        lower=lower,
        upper=upper,
        row_lower=np.where(free, -np.inf, matrix.row_lower),
        row_upper=np.where(free, np.inf, matrix.row_upper),
    )


def _rows_to_free(matrix: Matrix, fixed: np.ndarray) -> np.ndarray:
    """Rows that hold no unknown but capacities, and limits that the report looks at."""
    unknown = ~fixed
    for name in CAPACITIES:
        unknown[matrix.names.get(name, np.zeros(0, int))] = False
    rows = np.asarray(abs(matrix.a) @ unknown.astype(float)) == 0
    freed: np.ndarray = (rows & ~matrix.rows_named(*DETERMINING)) | matrix.rows_named(*PRICED, *MET_BY_PLAN)
    return freed


def _remainder(matrix: Matrix, year: int) -> np.ndarray:
    solver = highs.hand_off(matrix, highs.Options(gap=1e-9, threads=1))
    answer = highs.run(solver, matrix, highs.Interrupt())
    if answer.x is None:
        raise ReplayError(f"the accounts of {year} do not close ({answer.status}): was the run changed?")
    return answer.x.copy()


def _make_whole(accounts: Accounts, data: Data, instance: Instance) -> Mapping[tuple[str, str, int], float]:
    """What every class needs to be at its limit, US$ a year; nothing where it is not allowed."""
    if not instance.manifest.rates.enforce:
        return {}
    allowed = {row.utility for row in instance.utilities if row.make_whole_allowed}
    tolerance = {(row.utility, row.customer_class): row.rate_tolerance_share for row in instance.customer_classes}
    return {
        (row["utility"], row["customer_class"], row["year"]): max(
            0.0,
            row["local_cost_change_usd"]
            - tolerance[row["utility"], row["customer_class"]] * row["without_project_usd_per_mwh"] * row["sales_mwh"],
        )
        for row in accounts.rates
        if row["utility"] in allowed
    }
