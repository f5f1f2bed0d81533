"""Compile a model whose rows are expressions, one by one, with Pyomo's own compiler."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.errors import InfeasibleConstraintException
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse

from optimizer.model.form import Contradiction, Form


def row_by_row(model: pyo.ConcreteModel) -> Form:
    """Compile a built model.

    Raises
    ------
    Contradiction
        If a row cannot hold whatever the variables are.
    """
    logging.getLogger("pyomo").setLevel(logging.ERROR)  # a deprecation note inside Pyomo's own compiler
    try:
        form = LinearStandardFormCompiler().write(model, mixed_form=True)
    except InfeasibleConstraintException as error:
        raise Contradiction(str(error)) from None
    rhs = np.asarray(form.rhs, float)
    kind = np.fromiter((row.bound_type for row in form.rows), np.int8, len(form.rows))
    names, keys = _columns(form.columns)
    return Form(
        a=sparse.csc_array(form.A),
        row_lower=np.where(kind == 1, -np.inf, rhs),
        row_upper=np.where(kind == -1, np.inf, rhs),
        row_names=[(row.constraint.parent_component().name, row.constraint.index()) for row in form.rows],
        costs=sparse.csc_array(form.c),
        cost_offset=np.asarray(form.c_offset, float),
        cost_names=[(term.parent_component().name, term.index()) for term in form.objectives],
        lower=np.array([-np.inf if v.lb is None else v.lb for v in form.columns], float),
        upper=np.array([np.inf if v.ub is None else v.ub for v in form.columns], float),
        integer=np.array([v.is_integer() or v.is_binary() for v in form.columns], bool),
        names=names,
        keys=keys,
    )


def _columns(columns: list[Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    positions: dict[int, list[int]] = {}
    keys: dict[int, list[tuple[Any, ...]]] = {}
    components: dict[int, Any] = {}
    for position, column in enumerate(columns):
        component = column.parent_component()
        components[id(component)] = component
        positions.setdefault(id(component), []).append(position)
        index = column.index()
        keys.setdefault(id(component), []).append(index if isinstance(index, tuple) else (index,))
    named = {i: component.name for i, component in components.items()}
    return {named[i]: np.array(p) for i, p in positions.items()}, {named[i]: k for i, k in keys.items()}
