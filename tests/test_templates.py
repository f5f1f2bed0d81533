"""Rows of templates on arrays: look-up in index sets, ragged sums, and what is refused."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest

from optimizer.model.build import _templates
from optimizer.model.form import Contradiction, Form
from optimizer.model.index import Index, Keys, Labels, RowNames
from optimizer.model.sparse import constrain, hourly, series
from optimizer.model.templates import expand, is_template


def index() -> tuple[Index, Labels]:
    model, labels = pyo.ConcreteModel(), Labels()
    model.PLANT = pyo.Set(dimen=2, initialize=[("sun", 2030), ("gas", 2028), ("sun", 2028)])
    model.STEPS = pyo.Set(initialize=[0, 1])
    return Index.of(model.PLANT * model.STEPS, labels), labels


def test_members_are_found_where_pyomo_lists_them() -> None:
    found, labels = index()
    keys = list(Keys(found.columns(), labels))
    assert keys == [
        ("sun", 2030, 0), ("sun", 2030, 1), ("gas", 2028, 0), ("gas", 2028, 1), ("sun", 2028, 0), ("sun", 2028, 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(found.positions(labels.columns(keys[::-1], 3)), [5, 4, 3, 2, 1, 0])


@pytest.mark.parametrize("key", [("gas", 2030, 0), ("sun", 2028, 2), ("wind", 2028, 0), (2028, "sun", 0)])
def test_what_is_no_member_is_not_found(key: tuple[object, ...]) -> None:
    found, labels = index()
    assert found.positions(labels.columns([key], 3))[0] < 0


def test_names_of_rows_are_those_of_their_blocks() -> None:
    found, labels = index()
    alone = Keys([labels.code(["a", "b"])], labels)
    names = RowNames([("one", alone), ("three", Keys(found.columns(), labels))])
    assert len(names) == 8
    assert names[1] == ("one", "b")
    assert names[2] == ("three", ("sun", 2030, 0))
    assert names[-1] == list(names)[-1] == ("three", ("sun", 2028, 1))


def toy(most: float = 9.0) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.SITES, m.STEPS = pyo.Set(initialize=["a", "b"]), pyo.Set(initialize=[0, 1, 2])
    m.UNITS = pyo.Set(initialize=["u", "v"])
    m.UNITS_AT = pyo.Set(m.SITES, initialize={"a": ["u", "v"], "b": []})
    m.price = series(m.UNITS, m.STEPS, values={"v": np.array([4.0, 5, 6]), "u": np.array([1.0, 2, 3])})
    m.after = pyo.Param(m.STEPS, initialize={0: 1, 1: 2, 2: 0})
    m.limit = pyo.Param(m.SITES, initialize={"a": 7.0, "b": most})
    m.run = hourly(m.UNITS, m.STEPS, bounds=lambda m, u: (0, 2 if u == "u" else None))
    m.spare = pyo.Var(m.SITES, bounds=(-1, 1), domain=pyo.Integers)
    m.ring = constrain(m.UNITS, m.STEPS, rule=lambda m, u, t: m.run[u, m.after[t]] == 2 * m.run[u, t])
    m.spent = constrain(
        m.SITES,
        rule=lambda m, s: sum(m.price[u, t] * m.run[u, t] for u in m.UNITS_AT[s] for t in m.STEPS) <= m.limit[s],
    )
    m.spared = constrain(m.SITES, rule=lambda m, s: 3 - m.spare[s] >= 1)
    return m


def expanded(most: float = 9.0) -> Form:
    with _templates(True):
        return expand(toy(most))


def test_ragged_sums_rings_and_sides() -> None:
    form = expanded()
    rows, a = list(form.row_names), form.a.toarray()
    # columns: run[u, 0..2], run[v, 0..2], spare[a], spare[b]
    assert {name: list(at) for name, at in form.names.items()} == {"run": [0, 1, 2, 3, 4, 5], "spare": [6, 7]}
    np.testing.assert_array_equal(a[rows.index(("ring", ("v", 2)))], [0, 0, 0, 1, 0, -2, 0, 0])
    spent = rows.index(("spent", "a"))
    np.testing.assert_array_equal(a[spent], [1, 2, 3, 4, 5, 6, 0, 0])
    assert (form.row_lower[spent], form.row_upper[spent]) == (-np.inf, 7)
    assert ("spent", "b") not in rows  # 0 <= 9 holds whatever is decided
    np.testing.assert_array_equal(form.upper, [2, 2, 2, np.inf, np.inf, np.inf, 1, 1])
    np.testing.assert_array_equal(form.integer, [False] * 6 + [True] * 2)


def test_a_row_that_nothing_can_mend_is_named() -> None:
    with pytest.raises(Contradiction, match=r"spent\[b\]"):
        expanded(most=-1.0)


def test_a_product_of_variables_is_refused() -> None:
    with _templates(True):
        model = toy()
        model.twice = constrain(model.SITES, rule=lambda m, s: m.spare[s] * m.spare[s] <= 1)
    with pytest.raises(TypeError, match="product of variables"):
        expand(model)


def test_a_member_that_does_not_exist_is_an_error() -> None:
    with _templates(True):
        model = toy()
        model.far = pyo.Param(model.STEPS, initialize={0: 7, 1: 7, 2: 7})
        model.astray = constrain(model.UNITS, model.STEPS, rule=lambda m, u, t: m.run[u, m.far[t]] <= 1)
    with pytest.raises(KeyError, match="run"):
        expand(model)


def test_a_member_that_was_looked_at_leaves_the_others_templates() -> None:
    with _templates(True):
        model = toy()
        looked_at = str(model.ring["u", 0].expr)
    assert "run[u,1]" in looked_at.replace("'", "")
    assert is_template(model)
    np.testing.assert_array_equal(expand(model).a.toarray(), expanded().a.toarray())


def test_a_rule_that_is_no_template_is_an_error_that_names_it() -> None:
    with _templates(True):
        model = toy()
        with pytest.raises(TypeError, match="'at_random' cannot be made a template"):
            model.at_random = constrain(
                model.SITES,
                rule=lambda m, s: sum([m.run[u, 0] for u in m.UNITS_AT[s]]) <= 1,
            )


def test_rows_of_both_kinds_are_an_error_that_names_one() -> None:
    with _templates(True):
        model = toy()
    model.plain = pyo.Constraint(model.SITES, rule=lambda m, s: m.spare[s] <= 1)
    with pytest.raises(TypeError, match="'plain' is built row by row"):
        expand(model)
