"""One row of every constraint and cost term, concern by concern, as text that a person can check.

The rows stand in ``golden/CONCERN.txt``. A row that changes on purpose is renewed with
``python tests/test_golden_rows.py``; the difference then shows in review. Some rows are also worked out by hand here.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from small_instance import small_instance_folder

from optimizer import apply_overrides, read_instance
from optimizer.instance import Instance
from optimizer.model.build import CONCERNS
from optimizer.model.build import build as build_model
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix, compile_matrix

GOLDEN = Path(__file__).parent / "golden"

#: Rules that the small instance leaves off.
ALL_RULES = [
    "sites.Lima.adequacy_margin=0.1",
    "sites.Lima.n_minus_1=true",
    "sites.Lima.smoothing_storage_share=0.05",
    "sites.Lima.firm_poi_share=0.9",
    "technologies.turbine.ramp_share_per_hour=0.1",
    "technologies.turbine.commitment=integer",
    "technologies.turbine.min_stable_share=0.4",
    "technologies.turbine.startup_cost_usd_per_mw=50",
    "finance.tax_view=true",
]


@functools.cache
def instance() -> Instance:
    with tempfile.TemporaryDirectory() as folder:
        return apply_overrides(read_instance(small_instance_folder(Path(folder))), ALL_RULES)


@functools.cache
def matrix() -> Matrix:
    return compile_matrix(build_model(instance()))


@functools.cache
def concern_of() -> dict[str, str]:
    """Component of the model -> the concern that adds it."""
    model, found = pyo.ConcreteModel(), {}
    model.data = Data.of(instance())
    for concern in CONCERNS:
        concern.add(model, model.data)
        for component in model.component_objects((pyo.Constraint, pyo.Objective)):
            found.setdefault(component.name, concern.__name__.rpartition(".")[2])
    return found


@functools.cache
def columns() -> list[str]:
    m = matrix()
    names = [""] * m.a.shape[1]
    for name, positions in m.names.items():
        for position, key in zip(positions, m.keys[name], strict=True):
            names[position] = label(name, key)
    return names


def label(name: str, key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return f"{name}[{', '.join(map(str, parts))}]" if parts != (None,) else name


def terms(row: Any) -> dict[str, float]:
    """Coefficients of a sparse row by column."""
    return {columns()[j]: float(v) for j, v in zip(row.indices, row.data, strict=True) if v != 0}


def text(coefficients: dict[str, float]) -> str:
    return "".join(f"\n    {value:+.9g} {name}" for name, value in sorted(coefficients.items()))


def sides(lower: float, upper: float) -> str:
    if lower == upper:
        return f"= {upper:.9g}"
    return " ".join(f"{sign} {side:.9g}" for sign, side in ((">=", lower), ("<=", upper)) if np.isfinite(side))


def row(name: str, key: Any) -> tuple[dict[str, float], str]:
    """Coefficients and sides of a constraint's row."""
    m = matrix()
    at = m.row_names.index((name, key))
    return terms(m.a.tocsr()[[at], :]), sides(m.row_lower[at], m.row_upper[at])


def lines(concern: str) -> Iterator[str]:
    """The last row of every constraint of a concern, and of every cost term."""
    last = {name: key for name, key in matrix().row_names if concern_of()[name] == concern}
    for name, key in last.items():
        coefficients, limits = row(name, key)
        yield f"{label(name, key)}: {limits}{text(coefficients)}"
    names = {name.removeprefix("cost_").split("__")[0] for name, found in concern_of().items() if found == concern}
    costs = {key[0]: (at, key) for at, key in enumerate(matrix().cost_keys) if key[0] in names}
    for name, (at, key) in costs.items():
        offset = f"\n    {matrix().cost_offset[at]:+.9g}" if matrix().cost_offset[at] else ""
        yield f"cost {label(name, key[1:])}: M$ of present value{offset}{text(terms(matrix().cost_rows[[at], :]))}"


def golden(concern: str) -> str:
    return "\n".join(lines(concern)) + "\n"


WITH_ROWS = sorted(set(concern_of().values()))


@pytest.mark.parametrize("concern", WITH_ROWS)
def test_rows_are_as_they_were(concern: str) -> None:
    expected = (GOLDEN / f"{concern}.txt").read_text(encoding="utf-8")
    assert golden(concern) == expected, "meant? then: python tests/test_golden_rows.py"


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == WITH_ROWS


# -- by hand ----------------------------------------------------------------------------------------------


def test_site_balance_by_hand() -> None:
    # load is 0.9-ish of utilisation times PUE, averaged over the step's six hours; both sides in MW
    hours = instance().hourly.iloc[0:6]
    load = float((hours["use"] * hours["cooling"]).mean())
    coefficients, limits = row("site_balance", ("Lima", 2028, 0))
    assert limits == "= 0"
    scale = coefficients["import_mw[Lima, 2028, 0]"]
    wanted = {
        "import_mw[Lima, 2028, 0]": 1,
        "output[lima turbine [own], 2028, 0]": 1,
        "output[lima solar [own], 2028, 0]": 1,
        "discharge[lima battery [own], 2028, 0]": 1,
        "charge[lima battery [own], 2028, 0]": -1,
        "discharge[old battery, 2028, 0]": 1,
        "charge[old battery, 2028, 0]": -1,
        "unserved[Lima, 2028, 0]": 1,
        "curtailed[Lima, 2028, 0]": 1,
        "deferred[Lima, 2028, 0]": 1,
        "recovered[Lima, 2028, 0]": -1,
        "it_mw[Lima, 2028]": -load,
    }
    assert {name: value / scale for name, value in coefficients.items()} == pytest.approx(wanted)


def test_minimum_of_billing_demand_by_hand() -> None:
    # Lima 2028: at least 0.8 of the 160 MW contracted
    coefficients, limits = row("billing_above_minimum", ("Lima", 2028, 1))
    assert (coefficients, limits) == ({"billing_mw[Lima, 2028, 1]": 1.0}, ">= 128")


def test_firm_capacity_by_hand() -> None:
    # 1.1 times the peak load of IT, PUE and utilisation at their worst hour, from what is firm of each MW
    peak = float((instance().hourly["use"] * instance().hourly["cooling"]).max())
    wanted = {
        "it_mw[Lima, 2030]": 1.1 * peak,
        "capacity_mw[lima turbine [own], 2030]": -0.93,
        "capacity_mw[lima battery [own], 2030]": -0.6,
        "capacity_mw[lima solar [own], 2030]": -0.2,
        "capacity_mw[old battery, 2030]": -0.55,
        "poi_mw[Lima, 2030]": -0.9,
    }
    assert row("firm_capacity_covers_peak", ("Lima", 2030)) == (pytest.approx(wanted), "<= 0")


def test_ramp_by_hand() -> None:
    # a tenth of capacity an hour, six hours a step
    wanted = {
        "output[old turbine, 2030, 5]": 1.0,
        "output[old turbine, 2030, 4]": -1.0,
        "capacity_mw[old turbine, 2030]": -0.6,
    }
    assert row("ramp_up_limited", ("old turbine", 2030, 4)) == (pytest.approx(wanted), "<= 0")


def test_rate_cap_by_hand() -> None:
    # trade bears 0.48 of generation, 0.47 of transmission, 0.46 of fuel, is credited half of the bills, may pay no more
    coefficients, limits = row("class_rate_stays_flat", ("Home Power", "trade", 2030))
    assert limits == "<= 0"
    assert coefficients["plant_cost[Home Power, generation, 2030]"] == 0.48
    assert coefficients["plant_cost[Home Power, transmission, 2030]"] == 0.47
    assert coefficients["supply_cost[Home Power, 2030]"] == 0.46
    assert coefficients["demand_bill[Saline, 2030]"] == -0.5
    assert coefficients["make_whole[Home Power, trade, 2030]"] == -1


def test_demand_charge_by_hand() -> None:
    # 11 US$/kW a month are 0.011 M$ per MW, in each of twelve months
    coefficients, _ = row("demand_billed", ("Saline", 2030))
    months = {f"billing_mw[Saline, 2030, {month}]": -0.011 for month in range(1, 13)}
    assert coefficients == pytest.approx({"demand_bill[Saline, 2030]": 1.0, **months})


def test_carbon_price_by_hand() -> None:
    # 20 US$/t are 0.02 M$ per kt, in 2030 and the two years after it, discounted at 5 % to 2026
    m = matrix()
    weight = sum(1.05 ** -(year - 2026) for year in (2030, 2031, 2032))
    found = terms(m.cost_rows[[m.cost_keys.index(("carbon", "Lima", 2030))], :])
    assert found == pytest.approx({"emissions_kt[Lima, 2030]": 0.02 * weight})


def renew() -> None:
    """Write the golden files again."""
    GOLDEN.mkdir(exist_ok=True)
    for file in GOLDEN.glob("*.txt"):
        file.unlink()
    for concern in WITH_ROWS:
        (GOLDEN / f"{concern}.txt").write_text(golden(concern), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(renew())
