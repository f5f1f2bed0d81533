"""Both ways of building, through Pyomo's templates and row by row, give the same matrix."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyomo.core.base.constraint import TemplateConstraintData
from pyomo.core.base.objective import TemplateObjectiveData
from small_instance import small_instance_folder
from toy import plant, toy

from optimizer import apply_overrides, read_instance, solve
from optimizer.instance import Instance
from optimizer.model.build import build
from optimizer.model.matrix import Matrix, compile_matrix
from optimizer.synthetic import synthetic

INSTANCES = Path(__file__).parents[1] / "instances"


def small(folder: Path) -> Instance:
    return read_instance(small_instance_folder(folder))


CASES: dict[str, Callable[[Path], Instance]] = {
    "one-site": lambda _: read_instance(INSTANCES / "one-site"),
    "small, a period of two days": small,
    "small, periods on a calendar": lambda folder: apply_overrides(small(folder), ["options.resolution=coarse"]),
    "small, without the pledge": lambda folder: apply_overrides(small(folder), ["rates.enforce=false"]),
    "synthetic": lambda _: synthetic(2, 2, 24),
    "stargate-us, coarse": lambda _: apply_overrides(
        read_instance(INSTANCES / "stargate-us"),
        ["options.resolution=coarse", "resolutions.coarse.planning_years=[2026, 2028, 2030]"],
    ),
    "one site, nothing else": lambda _: toy(plant("engine", variable_om_usd_per_mwh=30)),
}


def by_name(matrix: Matrix) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    """Rows, cost rows and columns of a matrix by their names, whatever their order."""
    columns = {
        position: (name, key)
        for name, found in matrix.names.items()
        for position, key in zip(found, matrix.keys[name], strict=True)
    }
    sides = list(zip(matrix.row_lower, matrix.row_upper, strict=True))
    rows = _rows(matrix.a.tocsr(), matrix.row_names, sides, columns)
    costs = _rows(matrix.cost_rows, matrix.cost_keys, [(offset,) for offset in matrix.cost_offset], columns)
    bounds = {columns[j]: (matrix.lower[j], matrix.upper[j], matrix.integer[j]) for j in columns}
    return rows, costs, bounds


def _rows(a: Any, names: list[Any], sides: list[Any], columns: dict[int, Any]) -> dict[Any, Any]:
    rows: dict[Any, Any] = {}
    for row, name in enumerate(names):
        entries: dict[Any, float] = {}
        for position in range(a.indptr[row], a.indptr[row + 1]):
            column = columns[a.indices[position]]
            entries[column] = entries.get(column, 0.0) + a.data[position]
        rows.setdefault(name, []).append((sides[row], {c: v for c, v in entries.items() if v != 0}))
    return rows


def assert_same(found: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, rows in found.items():
        for (side, entries), (other_side, other_entries) in zip(rows, expected[name], strict=True):
            assert entries.keys() == other_entries.keys(), name
            np.testing.assert_allclose(side, other_side, rtol=1e-12, err_msg=str(name))
            values = [entries[c] for c in entries], [other_entries[c] for c in entries]
            np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-15, err_msg=str(name))


@pytest.mark.parametrize("case", CASES)
def test_both_routes_give_the_same_matrix(case: str, tmp_path: Path) -> None:
    instance = CASES[case](tmp_path)
    rows, costs, columns = by_name(compile_matrix(build(instance, templates=True)))
    plain_rows, plain_costs, plain_columns = by_name(compile_matrix(build(instance, templates=False)))
    assert_same(rows, plain_rows)
    assert_same(costs, plain_costs)
    assert columns == plain_columns


@pytest.mark.parametrize("case", ["small, a period of two days", "small, periods on a calendar", "synthetic"])
def test_every_row_is_a_template(case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Pyomo falls back to building row by row, with a warning, where the rule of a cost cannot be made a template
    import pyomo.environ as pyo

    with caplog.at_level(logging.WARNING, logger="pyomo"):
        model = build(CASES[case](tmp_path))
    kinds = {pyo.Constraint: TemplateConstraintData, pyo.Objective: TemplateObjectiveData}
    for kind, template in kinds.items():
        for component in model.component_objects(kind):
            plain = [index for index in component if not isinstance(component[index], template)]
            assert not plain, f"{component.name} is built row by row"
    # a cluster of another test may log too
    assert not [record for record in caplog.records if record.name.startswith("pyomo")]


def test_members_of_a_template_are_made_when_asked_for() -> None:
    instance = synthetic(2, 2, 24, 1)
    one, all_of_them = (build(instance, templates=templates).site_balance for templates in (True, False))
    key = ("site 1", 2027, 5)
    assert key not in one and key in all_of_them
    assert str(one[key].expr) == str(all_of_them[key].expr)
    assert len(all_of_them) > len(one)
    with pytest.raises(KeyError):
        one["site 1", 2099, 5]


@pytest.mark.parametrize("templates", [True, False])
def test_rows_are_found_by_name(templates: bool) -> None:
    matrix = compile_matrix(build(synthetic(2, 2, 24, 1), templates=templates))
    names = ("site_balance", "no such row", "capacity_in_service")
    np.testing.assert_array_equal(matrix.rows_named(*names), [name in names for name, _ in matrix.row_names])
    assert not matrix.rows_named().any()


def test_both_routes_give_the_same_plan() -> None:
    instance = read_instance(INSTANCES / "one-site")
    plans = [solve(instance, gap=1e-6, templates=templates) for templates in (True, False)]
    assert plans[0].objective_usd == pytest.approx(plans[1].objective_usd, rel=1e-6)
