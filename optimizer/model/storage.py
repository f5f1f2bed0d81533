r"""Storage: charge, discharge and state of charge; cyclic in each period, or carried through the calendar.

Symbols
-------
``charge``, ``discharge`` MW; ``state[r,y,t]`` stored MWh at the start of the step (calendar-linked storage:
relative to the level at which the period opens, so it may be negative); ``level[r,y,d]`` stored MWh at the
opening of calendar slot d; ``change``, ``lowest``, ``highest`` of the relative state over a period, MWh

Equations
---------
power:      charge + discharge <= capacity_mw * (1 - forced outage rate)
carry:      state[next] = state * (1 - loss)^hours + eta_c * charge * hours - discharge * hours / eta_d
energy:     0 <= state <= energy_mwh
calendar (Kotzur et al. 2018, doi:10.1016/j.apenergy.2018.01.023):
            level[d+1] = level[d] * (1 - loss)^hours(period) + change[period of d]          (cyclic over the year)
            level[d] * (1 - loss)^hours + lowest >= 0 ;  level[d] + highest <= energy_mwh

Cost: variable_om per MWh discharged (joins the generators' term).
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import Data
from optimizer.model.sparse import constrain, cost_term, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add storage to the model."""
    running = [(n, y) for n, y in m.STORE_YEARS if d.runs(d.resources[n], y)]
    stores = {n: d.resources[n].technology for n in dict(running)}
    linked = [i for i in running if stores[i[0]].storage_linking == "calendar"]
    m.RUNNING_STORES = pyo.Set(dimen=2, initialize=running)
    m.CYCLIC_STORES = pyo.Set(dimen=2, initialize=[i for i in running if i not in set(linked)])
    m.LINKED_STORES = pyo.Set(dimen=2, initialize=linked)
    m.charge = hourly(m.RUNNING_STORES, m.STEPS, bounds=(0, None), doc="charging, MW")
    m.discharge = hourly(m.RUNNING_STORES, m.STEPS, bounds=(0, None), doc="discharging, MW")
    m.state = hourly(
        m.RUNNING_STORES,
        m.STEPS,
        bounds=lambda m, r, y: (None if stores[r].storage_linking == "calendar" else 0, None),
        doc="stored at the start of the step, MWh",
    )
    names = list(stores)
    m.storage_available = pyo.Param(names, initialize={n: 1 - x.forced_outage_rate for n, x in stores.items()})
    hours = d.grid.steps["duration_hours"].to_numpy(float)
    kept = {n: (1 - x.self_discharge_per_hour) ** hours for n, x in stores.items()}
    m.kept = series(names, m.STEPS, values=kept)
    m.stored_per_mw = series(names, m.STEPS, values={n: x.charge_efficiency * hours for n, x in stores.items()})
    m.drawn_per_mw = series(names, m.STEPS, values={n: hours / x.discharge_efficiency for n, x in stores.items()})
    m.storage_within_power = constrain(
        m.RUNNING_STORES,
        m.STEPS,
        rule=lambda m, r, y, t: (
            m.charge[r, y, t] + m.discharge[r, y, t] <= m.storage_available[r] * m.capacity_mw[r, y]
        ),
    )
    m.storage_carried = constrain(
        m.CYCLIC_STORES,
        m.STEPS,
        rule=lambda m, r, y, t: (
            m.state[r, y, m.next_step[t]]
            == m.kept[r, t] * m.state[r, y, t]
            + m.stored_per_mw[r, t] * m.charge[r, y, t]
            - m.drawn_per_mw[r, t] * m.discharge[r, y, t]
        ),
    )
    m.storage_within_energy = constrain(
        m.CYCLIC_STORES, m.STEPS, rule=lambda m, r, y, t: m.state[r, y, t] <= m.energy_mwh[r, y]
    )
    if linked:
        _calendar(m, d)
    _variable_om(m, d)


def _calendar(m: pyo.ConcreteModel, d: Data) -> None:
    slots, periods = list(enumerate(d.grid.slots)), d.period_steps
    names = sorted({n for n, _ in m.LINKED_STORES})
    last = {t: p for p, steps in periods.items() for t in steps[-1:]}
    m.PERIODS = pyo.Set(initialize=list(periods))
    m.SLOTS = pyo.Set(initialize=[k for k, _ in slots])
    m.FIRST_STEPS = pyo.Set(initialize=[steps[0] for steps in periods.values()])
    m.LAST_STEPS = pyo.Set(initialize=list(last))
    m.INNER_STEPS = pyo.Set(initialize=[t for t in d.steps if t not in last])
    m.slot_period = pyo.Param(m.SLOTS, within=pyo.Any, initialize=dict(slots))
    m.next_slot = pyo.Param(m.SLOTS, initialize={k: (k + 1) % len(slots) for k, _ in slots})
    m.step_period = pyo.Param(m.STEPS, within=pyo.Any, initialize={t: p for p, steps in periods.items() for t in steps})
    m.kept_over_slot = pyo.Param(
        names,
        m.SLOTS,
        initialize={
            (n, k): (1 - d.resources[n].technology.self_discharge_per_hour) ** sum(d.step_hours[t] for t in periods[p])
            for n in names
            for k, p in slots
        },
    )
    m.level = pyo.Var(m.LINKED_STORES, m.SLOTS, bounds=(0, None), doc="stored at the opening of the slot, MWh")
    m.change = pyo.Var(m.LINKED_STORES, m.PERIODS, doc="change of the stored energy over the period, MWh")
    m.lowest = pyo.Var(m.LINKED_STORES, m.PERIODS, bounds=(None, 0), doc="lowest relative state in the period, MWh")
    m.highest = pyo.Var(m.LINKED_STORES, m.PERIODS, bounds=(0, None), doc="highest relative state in the period, MWh")
    _relative_state(m)
    m.level_carried = constrain(
        m.LINKED_STORES,
        m.SLOTS,
        rule=lambda m, r, y, k: (
            m.level[r, y, m.next_slot[k]]
            == m.kept_over_slot[r, k] * m.level[r, y, k] + m.change[r, y, m.slot_period[k]]
        ),
    )
    m.level_never_negative = constrain(
        m.LINKED_STORES,
        m.SLOTS,
        rule=lambda m, r, y, k: m.kept_over_slot[r, k] * m.level[r, y, k] + m.lowest[r, y, m.slot_period[k]] >= 0,
    )
    m.level_within_energy = constrain(
        m.LINKED_STORES,
        m.SLOTS,
        rule=lambda m, r, y, k: m.level[r, y, k] + m.highest[r, y, m.slot_period[k]] <= m.energy_mwh[r, y],
    )


def _relative_state(m: pyo.ConcreteModel) -> None:
    """Within a period the state of calendar-linked storage is relative to the period's opening level."""
    m.relative_state_opens_at_zero = constrain(
        m.LINKED_STORES, m.FIRST_STEPS, rule=lambda m, r, y, t: m.state[r, y, t] == 0
    )
    m.relative_state_carried = constrain(
        m.LINKED_STORES,
        m.INNER_STEPS,
        rule=lambda m, r, y, t: (
            m.state[r, y, m.next_step[t]]
            == m.kept[r, t] * m.state[r, y, t]
            + m.stored_per_mw[r, t] * m.charge[r, y, t]
            - m.drawn_per_mw[r, t] * m.discharge[r, y, t]
        ),
    )
    m.change_over_period = constrain(
        m.LINKED_STORES,
        m.LAST_STEPS,
        rule=lambda m, r, y, t: (
            m.change[r, y, m.step_period[t]]
            == m.kept[r, t] * m.state[r, y, t]
            + m.stored_per_mw[r, t] * m.charge[r, y, t]
            - m.drawn_per_mw[r, t] * m.discharge[r, y, t]
        ),
    )
    m.lowest_below_state = constrain(
        m.LINKED_STORES, m.STEPS, rule=lambda m, r, y, t: m.lowest[r, y, m.step_period[t]] <= m.state[r, y, t]
    )
    m.highest_above_state = constrain(
        m.LINKED_STORES, m.STEPS, rule=lambda m, r, y, t: m.highest[r, y, m.step_period[t]] >= m.state[r, y, t]
    )


def _variable_om(m: pyo.ConcreteModel, d: Data) -> None:
    places: dict[tuple[str, int], list[str]] = {}
    for name, year in m.RUNNING_STORES:
        if d.resources[name].sponsor_pays and m.variable_om[name] > 0:
            places.setdefault((d.resources[name].place, year), []).append(name)
    m.STORAGE_OM_PLACES = pyo.Set(dimen=2, initialize=list(places))
    m.STORAGE_OM_RESOURCES = pyo.Set(m.STORAGE_OM_PLACES, initialize=places)
    m.cost_variable_om__storage = cost_term(
        m.STORAGE_OM_PLACES,
        rule=lambda m, p, y: sum(
            m.variable_om[r] * m.weight_hours[t] * m.discharge[r, y, t]
            for r in m.STORAGE_OM_RESOURCES[p, y]
            for t in m.STEPS
        ),
    )
