"""Years and steps: the sets and parameters that every other concern uses.

``YEARS`` planning years, ``STEPS`` time steps of all representative periods (the same in each year),
``weight_hours[t]`` hours of the year that step t stands for (they sum to 8760), ``step_hours[t]`` its length,
``next_step[t]`` the step after it, the last of a period being followed by the first (each period repeats itself).
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import Data


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add years and steps to the model."""
    m.YEARS = pyo.Set(initialize=list(d.years))
    m.OPERATED = pyo.Set(initialize=list(d.operated))
    m.STEPS = pyo.Set(initialize=d.steps)
    m.weight_hours = pyo.Param(m.STEPS, initialize=d.weight_hours)
    m.step_hours = pyo.Param(m.STEPS, initialize=d.step_hours)
    m.next_step = pyo.Param(m.STEPS, initialize=d.next_step)
