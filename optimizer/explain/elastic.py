"""The model with its business limits made elastic: what may give way, by how much, at what penalty.

Each limit that people can change gets one slack by family, place and year, in the unit they would change it in. A slack
of MW (POI, plant, compute) holds in every hour of its year: hourly rows never get slacks of their own. Balances and
the physics of plant stay hard.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from optimizer.model.data import Data
from optimizer.model.matrix import Matrix

#: Rows that place compute; in all others energised IT stands for load to be served.
PLACEMENT = ("compute_demand_met", "energised_it_stays", "it_below_ceiling_if_open", "it_above_floor_if_open")
#: Upper bounds that only repeat what rows say; they would keep slacks from acting.
REPEATED = ("capacity_mw", "energy_mwh", "poi_mw", "import_mw", "export_mw")


@dataclass(frozen=True)
class Kind:
    """A family of limits: constraint, unit of its slack, M$ of penalty per unit (what giving way is taken to cost)."""

    family: str
    constraint: str
    unit: str
    penalty: float


#: Limits with one row by place and year. Penalties order what gives way first; they are not costs of a plan.
KINDS = (
    Kind("budget", "capital_within_budget", "M$", 1.0),
    Kind("budget", "capital_within_cumulative_budget", "M$", 1.0),
    Kind("rates", "class_rate_stays_flat", "M$ a year", 1.5),
    Kind("stranding", "stranded_value_covered", "M$", 0.2),
    Kind("adequacy", "firm_capacity_covers_peak", "MW firm", 1.0),
    Kind("adequacy", "firm_capacity_covers_peak_with_largest_out", "MW firm", 1.0),
    Kind("adequacy", "storage_smooths_load", "MW of storage", 1.0),
    Kind("capacity obligation", "capacity_owed", "MW", 1.0),
    Kind("carbon", "emissions_within_cap", "kt CO2", 0.1),
    Kind("clean energy", "clean_energy_matches_load", "GWh", 0.1),
    Kind("clean energy", "clean_energy_matches_load_hourly", "GWh", 0.1),
    Kind("availability", "unserved_within_target", "MWh", 0.01),
    Kind("option rules", "at_most_one_built", "options", 100.0),
)
#: M$ per MW of load left out, of POI and of plant beyond what can be built.
COMPUTE_PENALTY, POI_PENALTY, PLANT_PENALTY = 10.0, 1.0, 2.0
PORTFOLIO = "portfolio"


@dataclass(frozen=True)
class Slack:
    """One thing that may give way: family, place, year (None for the whole horizon), unit, penalty, coefficients."""

    family: str
    place: str
    year: int | None
    unit: str
    penalty: float
    rows: np.ndarray
    values: np.ndarray
    most: float = np.inf


def slacks(matrix: Matrix, data: Data) -> list[Slack]:
    """Everything that may give way in an instance."""
    rows = {name: at for at, name in enumerate(matrix.row_names)}
    found = [*_of_rows(matrix), *_compute(matrix), *_poi(matrix, rows), *_plant(matrix, data, rows)]
    return [slack for slack in found if len(slack.rows)]


def _of_rows(matrix: Matrix) -> Iterator[Slack]:
    kinds = {kind.constraint: kind for kind in KINDS}
    covers = {key: at for at, (name, key) in enumerate(matrix.row_names) if name == "open_sites_carry_demand"}
    for at, (name, key) in enumerate(matrix.row_names):
        if name == "compute_demand_met":
            both = [_eased(matrix, row) for row in (at, covers.get(key)) if row is not None]
            rows, values = (np.concatenate(part) for part in zip(*both, strict=True))
            yield Slack("compute", PORTFOLIO, int(key), "MW of IT", COMPUTE_PENALTY, rows, values)
        if name in kinds:
            kind, (place, year) = kinds[name], _place(key)
            yield Slack(kind.family, place, year, kind.unit, kind.penalty, *_eased(matrix, at))


def _place(key: object) -> tuple[str, int | None]:
    """Place and year of an index like (utility, class, year), (site, year), year or a group's name."""
    parts = key if isinstance(key, tuple) else (key,)
    year = next((part for part in reversed(parts) if isinstance(part, int)), None)
    return ", ".join(str(part) for part in parts if not isinstance(part, int)) or PORTFOLIO, year


def _eased(matrix: Matrix, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient of a slack that widens a one-sided row."""
    return np.array([at]), np.array([-1.0 if np.isfinite(matrix.row_upper[at]) else 1.0])


def _column(matrix: Matrix, position: int) -> tuple[np.ndarray, np.ndarray]:
    span = slice(matrix.a.indptr[position], matrix.a.indptr[position + 1])
    return matrix.a.indices[span], matrix.a.data[span]


def _members(matrix: Matrix, name: str) -> Iterable[tuple[int, Any]]:
    if name in matrix.names:
        yield from zip(matrix.names[name], matrix.keys[name], strict=True)


def _compute(matrix: Matrix) -> Iterator[Slack]:
    """IT that a site energises on paper and cannot serve: it is taken out of every row of load."""
    for position, (site, year) in _members(matrix, "it_mw"):
        rows, values = _column(matrix, position)
        load = np.array([matrix.row_names[at][0] not in PLACEMENT for at in rows], bool)
        most = float(matrix.upper[position])
        yield Slack("compute", site, year, "MW of IT", COMPUTE_PENALTY, rows[load], -values[load], most)


def _poi(matrix: Matrix, rows: dict[tuple[str, object], int]) -> Iterator[Slack]:
    for position, key in _members(matrix, "poi_mw"):
        at = rows["poi_capacity", key]
        yield Slack("POI", key[0], key[1], "MW", POI_PENALTY, *_against(matrix, at, position))


def _plant(matrix: Matrix, data: Data, rows: dict[tuple[str, object], int]) -> Iterator[Slack]:
    """MW of an option beyond its build limits, from its first possible year on; in its first funding mode."""
    first: dict[str, str] = {}
    for position, (name, year) in _members(matrix, "capacity_mw"):
        option = data.resources[name].option
        if option is None or first.setdefault(option.option, name) != name:
            continue
        at = rows.get(("capacity_in_service", (name, year)))
        if at is not None:
            yield Slack("build limits", option.option, year, "MW", PLANT_PENALTY, *_against(matrix, at, position))


def _against(matrix: Matrix, at: int, position: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient of a slack that adds to what a column is set to by a row."""
    rows, values = _column(matrix, position)
    return np.array([at]), -values[rows == at]


def elastic(matrix: Matrix, chosen: list[Slack]) -> Matrix:
    """The model with slacks, at least penalty; the cost of a plan plays no part."""
    wide = without_repeated_bounds(matrix)
    count, (height, width) = len(chosen), wide.a.shape
    columns = np.repeat(np.arange(count), [len(slack.rows) for slack in chosen])
    heights = np.concatenate([slack.rows for slack in chosen]) if chosen else np.zeros(0, int)
    values = np.concatenate([slack.values for slack in chosen]) if chosen else np.zeros(0)
    block = sparse.csc_array((values, (heights, columns)), shape=(height, count))
    penalties = np.concatenate([np.zeros(width), [slack.penalty for slack in chosen]])
    return dataclasses.replace(
        wide,
        a=sparse.csc_array(sparse.hstack([wide.a, block])),
        cost_rows=sparse.csr_array(penalties[None, :]),
        cost_offset=np.zeros(1),
        cost_keys=[("penalty", PORTFOLIO, 0)],
        lower=np.concatenate([wide.lower, np.zeros(count)]),
        upper=np.concatenate([wide.upper, [slack.most for slack in chosen]]),
        integer=np.concatenate([wide.integer, np.zeros(count, bool)]),
    )


def without_repeated_bounds(matrix: Matrix) -> Matrix:
    """Bounds that rows imply are lifted; where a POI has a bound and no row, it gets the row."""
    upper = matrix.upper.copy()
    for name in REPEATED:
        if name in matrix.names:
            upper[matrix.names[name]] = np.inf
    poi = dict(zip(matrix.keys.get("poi_mw", []), matrix.names.get("poi_mw", []), strict=True))
    held = {key for name, key in matrix.row_names if name in ("import_within_poi", "export_within_poi")}
    pairs = [
        (position, poi[key[:2]])
        for name in ("import_mw", "export_mw")
        for position, key in _members(matrix, name)
        if key not in held
    ]
    rows = np.repeat(np.arange(len(pairs)), 2)
    values = np.tile([1.0, -1.0], len(pairs))
    extra = sparse.csc_array((values, (rows, np.array(pairs, int).ravel())), shape=(len(pairs), matrix.a.shape[1]))
    return dataclasses.replace(
        matrix,
        a=sparse.csc_array(sparse.vstack([matrix.a, extra])),
        row_lower=np.concatenate([matrix.row_lower, np.full(len(pairs), -np.inf)]),
        row_upper=np.concatenate([matrix.row_upper, np.zeros(len(pairs))]),
        row_names=[*matrix.row_names, *[("import_within_poi", None)] * len(pairs)],
        upper=upper,
    )
