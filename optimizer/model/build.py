"""Build the model: the ordered list of concerns, and their named cost terms.

Every concern adds its variables, constraints and cost terms to one Pyomo model. A cost term is an indexed
``pyomo.Objective`` called ``cost_<name>`` (or ``cost_<name>__<part>``) over (place, year), in M$: yearly costs are
discounted when the matrix is compiled, capital costs are present values already. The objective of the MILP is the
sum of all of them, so the same rows give the costs of a solution by name.

Rules are written over Sets and Params only, so that Pyomo can turn each into a template once instead of
building an expression per row; ``templates=False`` takes the plain route, and both give the same matrix.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pyomo.environ as pyo
from pyomo.core.base import constraint, objective

from optimizer.instance import Instance
from optimizer.model import (
    adequacy,
    capital,
    carbon,
    clock,
    compute,
    generation,
    investment,
    local_costs,
    market,
    network,
    rates,
    shared_network,
    storage,
    stranding,
    tariff,
)
from optimizer.model.data import Data

CONCERNS = (
    clock,
    investment,
    capital,
    compute,
    generation,
    storage,
    network,
    market,
    tariff,
    local_costs,
    shared_network,
    rates,
    stranding,
    adequacy,
    carbon,
)


def build(
    instance: Instance,
    *,
    templates: bool = True,
    operated: tuple[int, ...] | None = None,
    portfolio: Instance | None = None,
) -> pyo.ConcreteModel:
    """Build the MILP of an instance at its chosen resolution.

    Parameters
    ----------
    instance
        A validated instance.
    templates
        Let Pyomo turn rules into templates (fast); False builds every row as an expression.
    operated
        Planning years whose operation is modelled; None for all. Investments are modelled in all of them.
    portfolio
        The instance that this one was cut from; None if it is the whole.

    Returns
    -------
    ConcreteModel with the concerns' components and ``data``, the instance on its time grid.
    """
    model = pyo.ConcreteModel(name=instance.manifest.name)
    model.data = Data.of(instance, operated, portfolio)
    with _templates(templates), _no_garbage_collection():
        for concern in CONCERNS:
            concern.add(model, model.data)
    return model


def hourly_variables(model: pyo.ConcreteModel) -> tuple[str, ...]:
    """Names of the variables that have a value in every time step, their last index."""
    return tuple(
        variable.name
        for variable in model.component_objects(pyo.Var)
        if any(part is model.STEPS for part in variable.index_set().subsets())
    )


@contextmanager
def _templates(on: bool) -> Iterator[None]:
    before = constraint.TEMPLATIZE_CONSTRAINTS, objective.TEMPLATIZE_OBJECTIVES
    constraint.TEMPLATIZE_CONSTRAINTS = objective.TEMPLATIZE_OBJECTIVES = on
    try:
        yield
    finally:
        constraint.TEMPLATIZE_CONSTRAINTS, objective.TEMPLATIZE_OBJECTIVES = before


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Building makes millions of objects and no garbage: collecting only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
