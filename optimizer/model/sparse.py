"""Small helpers to group index tuples, so that rules can sum over exactly the members that exist."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from inspect import isfunction
from typing import Any, TypeVar
from weakref import ref

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base import constraint
from pyomo.core.expr.template_expr import TemplateExpressionError, templatize_constraint

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def group(rows: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    """Group rows by a key, keeping their order.

    >>> group([1, 2, 3, 4], lambda i: i % 2)
    {1: [1, 3], 0: [2, 4]}
    """
    groups: dict[K, list[V]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def hourly(*index: Any, bounds: Any = (None, None), domain: Any = pyo.Reals, doc: str = "") -> pyo.Var:
    """A variable over steps, its last index.

    Members are made when something asks for one, and templates do not.

    Parameters
    ----------
    bounds, domain
        Of all steps alike: a pair and a domain, or functions of the model and the index without the step.
    """
    variable = pyo.Var(*index, bounds=_whatever_step(bounds), domain=_whatever_step(domain), dense=False, doc=doc)
    variable.is_hourly = True
    return variable


def _whatever_step(rule: Any) -> Any:
    return (lambda m, *key: rule(m, *key[:-1])) if isfunction(rule) else rule


def series(*index: Any, values: Mapping[Any, np.ndarray], doc: str = "") -> pyo.Param:
    """A parameter over steps, its last index.

    Parameters
    ----------
    values
        Index without the step -> array over steps; kept as it is, not one entry per figure.
    """
    arrays = {key if isinstance(key, tuple) else (key,): array for key, array in values.items()}
    parameter = pyo.Param(*index, default=lambda m, *key: float(arrays[key[:-1]][key[-1]]), doc=doc)
    parameter.series = arrays
    return parameter


def constrain(*index: pyo.Set, rule: Callable[..., object], doc: str = "") -> pyo.Constraint:
    """An indexed constraint; without a rule where an index set is empty, as Pyomo cannot make a template then."""
    return Alike(*index, rule=_tolerant(rule) if _filled(index) else None, doc=doc)


class Alike(constraint.IndexedConstraint):  # type: ignore[misc]
    """A constraint that keeps one member of its template, as all are alike; the others are made when asked for.

    Pyomo makes one for every row, which takes longer than all else of building.
    """

    _template: object = None

    def construct(self, data: object = None) -> None:
        """Make the template, or all members where templates are off.

        Raises
        ------
        TypeError
            If Pyomo cannot make a template of the rule.
        """
        if self.is_constructed() or self._rule is None or not constraint.TEMPLATIZE_CONSTRAINTS:
            super().construct(data)
            return
        for members in self._anonymous_sets or ():
            members.construct()
        try:
            self._template = templatize_constraint(self)
        except TemplateExpressionError as error:
            raise TypeError(f"the rule of '{self.name}' cannot be made a template: {error}") from error
        self._constructed = True
        self._getitem_when_not_present(next(iter(self.index_set())))

    def representative(self) -> Any:
        """A member that has the template; None where there is none."""
        return None if self._template is None else self._member(next(iter(self.index_set())))

    def _member(self, index: object) -> Any:
        return constraint.TemplateConstraintData(self._template, ref(self), index)

    def _getitem_when_not_present(self, index: object) -> Any:
        if self._template is None:
            return super()._getitem_when_not_present(index)
        self._data[index] = self._member(index)
        return self._data[index]


def _tolerant(rule: Callable[..., object]) -> Callable[..., object]:
    """The plain route evaluates a row without variables to True or False; say so in Pyomo's words."""

    def checked(*arguments: object) -> object:
        row = rule(*arguments)
        if row is True:
            return pyo.Constraint.Feasible
        return pyo.Constraint.Infeasible if row is False else row

    return checked


def cost_term(*index: pyo.Set, rule: Callable[..., object]) -> pyo.Objective:
    """A named cost term over (place, year), M$ a year (capital terms: present value; see build).

    Write a multiplier inside the sum, ``sum(a * x[i] for i in S)``: Pyomo 6.10 drops it from a template whose whole
    body is ``a * sum(...)`` or ``-sum(...)``.
    """
    return pyo.Objective(*index, rule=rule if _filled(index) else None)


def _filled(index: tuple[pyo.Set, ...]) -> bool:
    return all(len(members) > 0 for members in index)
