r"""Generation: output of generators every step, with ramps and on-line units where the technology asks for them.

Symbols
-------
``output[r,y,t]`` MW; ``online[r,y,t]`` blocks on line; ``started[r,y,t]`` blocks started at the beginning of the step
``credited_gwh[r,y]`` energy that earns a production tax credit

Equations
---------
limit:       output <= capacity_mw * availability
ramp:        |output[next] - output| <= ramp_share * hours * capacity_mw           (cyclic in each period)
commitment:  online <= capacity_mw / block_mw ; min_stable * block_mw * online <= output <= block_mw * avail * online
             started[next] >= online[next] - online
credit:      credited <= sum_t w output ; credited <= eligible MW * sum_t w availability

Costs: variable_om, fuel, startup (of plant the sponsor runs), production_tax_credits (negative).
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.sparse import constrain, cost_term, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add generation to the model."""
    _output(m, d)
    _ramps(m, d)
    _commitment(m, d)
    _running_costs(m, d)
    _production_credit(m, d)


def _output(m: pyo.ConcreteModel, d: Data) -> None:
    generators = {r.name: r for r in d.of_kind("generator")}
    shape = {n: d.availability(r) for n, r in generators.items()}
    m.GENERATOR_YEARS = pyo.Set(
        dimen=2, initialize=[(n, y) for n, y in m.RESOURCE_YEARS if n in generators and d.runs(generators[n], y)]
    )
    m.availability = series(list(generators), m.STEPS, values=shape)
    m.output = hourly(m.GENERATOR_YEARS, m.STEPS, bounds=(0, None), doc="output, MW")
    m.output_within_capacity = constrain(
        m.GENERATOR_YEARS,
        m.STEPS,
        rule=lambda m, r, y, t: m.output[r, y, t] <= m.availability[r, t] * m.capacity_mw[r, y],
    )


def _ramps(m: pyo.ConcreteModel, d: Data) -> None:
    limited = [(n, y) for n, y in m.GENERATOR_YEARS if d.resources[n].technology.ramp_share_per_hour < 1]
    names = sorted({n for n, _ in limited})
    m.RAMPING = pyo.Set(dimen=2, initialize=limited)
    m.ramp_share = pyo.Param(
        names,
        m.STEPS,
        initialize={
            (n, t): d.resources[n].technology.ramp_share_per_hour * d.step_hours[t] for n in names for t in d.steps
        },
    )
    m.ramp_up_limited = constrain(
        m.RAMPING,
        m.STEPS,
        rule=lambda m, r, y, t: (
            m.output[r, y, m.next_step[t]] - m.output[r, y, t] <= m.ramp_share[r, t] * m.capacity_mw[r, y]
        ),
    )
    m.ramp_down_limited = constrain(
        m.RAMPING,
        m.STEPS,
        rule=lambda m, r, y, t: (
            m.output[r, y, t] - m.output[r, y, m.next_step[t]] <= m.ramp_share[r, t] * m.capacity_mw[r, y]
        ),
    )


def _commitment(m: pyo.ConcreteModel, d: Data) -> None:
    committed = [(n, y) for n, y in m.GENERATOR_YEARS if d.resources[n].technology.commitment != "none"]
    names = sorted({n for n, _ in committed})
    m.COMMITTED = pyo.Set(dimen=2, initialize=committed)
    m.online = hourly(
        m.COMMITTED,
        m.STEPS,
        domain=lambda m, r, y: _online_domain(d.resources[r]),
        bounds=lambda m, r, y: (0, d.resources[r].max_blocks),
        doc="blocks on line",
    )
    m.started = hourly(m.COMMITTED, m.STEPS, bounds=(0, None), doc="blocks started at the beginning of the step")
    available = {n: d.availability(d.resources[n]) for n in names}
    m.online_output = series(names, m.STEPS, values={n: d.resources[n].block_mw * available[n] for n in names})
    m.least_output = series(names, m.STEPS, values={n: _least_output(d.resources[n], available[n]) for n in names})
    m.online_within_capacity = constrain(
        m.COMMITTED, m.STEPS, rule=lambda m, r, y, t: m.block_mw[r] * m.online[r, y, t] <= m.capacity_mw[r, y]
    )
    m.output_within_online = constrain(
        m.COMMITTED, m.STEPS, rule=lambda m, r, y, t: m.output[r, y, t] <= m.online_output[r, t] * m.online[r, y, t]
    )
    m.output_above_min_stable = constrain(
        m.COMMITTED, m.STEPS, rule=lambda m, r, y, t: m.output[r, y, t] >= m.least_output[r, t] * m.online[r, y, t]
    )
    m.started_when_more_online = constrain(
        m.COMMITTED,
        m.STEPS,
        rule=lambda m, r, y, t: m.started[r, y, m.next_step[t]] >= m.online[r, y, m.next_step[t]] - m.online[r, y, t],
    )


def _online_domain(resource: Resource) -> object:
    return pyo.NonNegativeIntegers if resource.technology.commitment == "integer" else pyo.NonNegativeReals


def _least_output(resource: Resource, available: np.ndarray) -> np.ndarray:
    """Minimum stable output of a block by step, never above what is available."""
    least: np.ndarray = resource.block_mw * np.minimum(resource.technology.min_stable_share, available)
    return least


def startup_cost(resource: Resource) -> float:
    """Cost of starting one block, M$."""
    return resource.technology.startup_cost_usd_per_mw * resource.block_mw / MILLION


def _running_costs(m: pyo.ConcreteModel, d: Data) -> None:
    m.fuel_cost = pyo.Param(
        m.GENERATOR_YEARS, initialize={(n, y): d.fuel_cost(d.resources[n], y) / MILLION for n, y in m.GENERATOR_YEARS}
    )
    names = [n for n, r in d.resources.items() if r.kind != "wires"]
    m.variable_om = pyo.Param(
        names,
        initialize={n: d.resources[n].technology.variable_om_usd_per_mwh / MILLION for n in names},
        doc="M$ per MWh",
    )
    m.startup_cost = pyo.Param(names, initialize={n: startup_cost(d.resources[n]) for n in names}, doc="M$ per block")
    m.occurrences = pyo.Param(
        m.STEPS,
        initialize={t: d.weight_hours[t] / d.step_hours[t] for t in d.steps},
        doc="times a year the step occurs",
    )
    fuel = _by_place(d, [i for i in m.GENERATOR_YEARS if d.resources[i[0]].technology.fuel])
    m.FUEL_PLACES = pyo.Set(dimen=2, initialize=list(fuel))
    m.FUEL_RESOURCES = pyo.Set(m.FUEL_PLACES, initialize=fuel)
    m.cost_fuel = cost_term(
        m.FUEL_PLACES,
        rule=lambda m, p, y: sum(
            m.fuel_cost[r, y] * m.weight_hours[t] * m.output[r, y, t] for r in m.FUEL_RESOURCES[p, y] for t in m.STEPS
        ),
    )
    variable = _by_place(d, [i for i in m.GENERATOR_YEARS if m.variable_om[i[0]] > 0])
    m.VARIABLE_OM_PLACES = pyo.Set(dimen=2, initialize=list(variable))
    m.VARIABLE_OM_RESOURCES = pyo.Set(m.VARIABLE_OM_PLACES, initialize=variable)
    m.cost_variable_om = cost_term(
        m.VARIABLE_OM_PLACES,
        rule=lambda m, p, y: sum(
            m.variable_om[r] * m.weight_hours[t] * m.output[r, y, t]
            for r in m.VARIABLE_OM_RESOURCES[p, y]
            for t in m.STEPS
        ),
    )
    starting = _by_place(d, [i for i in m.COMMITTED if m.startup_cost[i[0]] > 0])
    m.STARTUP_PLACES = pyo.Set(dimen=2, initialize=list(starting))
    m.STARTUP_RESOURCES = pyo.Set(m.STARTUP_PLACES, initialize=starting)
    m.cost_startup = cost_term(
        m.STARTUP_PLACES,
        rule=lambda m, p, y: sum(
            m.startup_cost[r] * m.occurrences[t] * m.started[r, y, t]
            for r in m.STARTUP_RESOURCES[p, y]
            for t in m.STEPS
        ),
    )


def _by_place(d: Data, rows: list[tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
    """Resources whose running costs the sponsor pays, by place and year."""
    places: dict[tuple[str, int], list[str]] = {}
    for name, year in rows:
        if d.resources[name].sponsor_pays:
            places.setdefault((d.resources[name].place, year), []).append(name)
    return places


def _production_credit(m: pyo.ConcreteModel, d: Data) -> None:
    money = d.instance.manifest.finance
    eligible = {i: _eligible_vintages(d, *i) for i in m.GENERATOR_YEARS} if money.tax_view else {}
    rows = {i: found for i, found in eligible.items() if found}
    yearly = {n: d.yearly(m.availability.series[n,]) for n, _ in rows}
    m.CREDITED = pyo.Set(dimen=2, initialize=list(rows))
    m.CREDITED_VINTAGES = pyo.Set(
        m.CREDITED, dimen=2, initialize={(n, y): [(n, v) for v in found] for (n, y), found in rows.items()}
    )
    m.block_credit_gwh = pyo.Param(
        sorted(yearly),
        initialize={n: d.resources[n].block_mw * hours / 1000 for n, hours in yearly.items()},
        doc="GWh a year per block",
    )
    m.credited_gwh = pyo.Var(m.CREDITED, bounds=(0, None), doc="energy that earns a production tax credit")
    m.credited_within_output = constrain(
        m.CREDITED,
        rule=lambda m, r, y: m.credited_gwh[r, y] <= sum(m.weight_hours[t] / 1000 * m.output[r, y, t] for t in m.STEPS),
    )
    m.credited_within_eligible = constrain(
        m.CREDITED,
        rule=lambda m, r, y: (
            m.credited_gwh[r, y] <= sum(m.block_credit_gwh[q] * m.build[q, v] for q, v in m.CREDITED_VINTAGES[r, y])
        ),
    )
    credit = {
        i: _credit_per_mwh(d, i[0], found[0]) / (1 - money.tax_rate) * 1000 / MILLION for i, found in rows.items()
    }
    m.credit_per_mwh = pyo.Param(m.CREDITED, initialize=credit)
    places: dict[tuple[str, int], list[str]] = {}
    for name, year in rows:
        places.setdefault((d.resources[name].place, year), []).append(name)
    m.CREDIT_PLACES = pyo.Set(dimen=2, initialize=list(places))
    m.CREDIT_RESOURCES = pyo.Set(m.CREDIT_PLACES, initialize=places)
    m.cost_production_tax_credits = cost_term(
        m.CREDIT_PLACES,
        rule=lambda m, p, y: sum(-m.credit_per_mwh[r, y] * m.credited_gwh[r, y] for r in m.CREDIT_RESOURCES[p, y]),
    )


def _credit_per_mwh(d: Data, name: str, service: int) -> float:
    technology = d.resources[name].technology.technology
    rows = [c for c in d.instance.tax_credits if c.technology == technology and c.first_year <= service <= c.last_year]
    return rows[0].ptc_usd_per_mwh if rows else 0.0


def _eligible_vintages(d: Data, name: str, year: int) -> list[int]:
    """Service years whose output earns the credit in ``year``."""
    resource = d.resources[name]
    if resource.mode != "own":
        return []
    return [
        v
        for credit in d.instance.tax_credits
        if credit.technology == resource.technology.technology and credit.ptc_usd_per_mwh > 0
        for v in resource.vintages(year)
        if credit.first_year <= v <= credit.last_year and year < v + credit.ptc_years
    ]
