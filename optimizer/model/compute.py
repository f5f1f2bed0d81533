r"""Compute: how much IT each site energises, and what part of its load may be curtailed, deferred or unserved.

Symbols
-------
``it_mw[s,y]`` energised IT; ``opened[s,y]`` is an optional site open; ``unmet_mw[y]`` demand without a site
``unserved[s,y,t]``, ``curtailed``, ``deferred``, ``recovered`` in MW; ``backlog`` deferred energy not yet
recovered, MWh, at the start of the step

Equations
---------
demand:      sum_s it_mw[s,y] + unmet_mw[y] >= D[y]
opening:     sum_s min(ceiling, need) * opened >= need over optional sites, need = D - most unmet - ceilings of the
             others: follows from demand and ceilings, and keeps the relaxation from opening a part of a site
ramp:        floor * opened <= it_mw <= ceiling * opened ; energised IT stays: it_mw[s,y] <= it_mw[s,y+1]
load:        load[s,y,t] = it_mw[s,y] * load_per_it[s,t]           (utilisation times PUE)
curtailment: curtailed <= share * load ; sum_t w curtailed <= energy share * sum_t w load
deferral:    backlog[next] = backlog + (deferred - recovered) * hours ;
             backlog[next] <= deferred energy of the last window (so all is recovered within it)
             load + recovered - deferred <= it_mw * PUE
unserved:    sum_t w unserved <= (1 - availability target) * sum_t w load

Costs: site_opening, unserved_penalty, curtailment_penalty, unmet_compute_penalty.
"""

from __future__ import annotations

import math

import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data
from optimizer.model.sparse import constrain, cost_term, group, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add compute to the model."""
    _placement(m, d)
    _opening(m, d)
    _load(m, d)
    _unserved(m, d)
    _curtailment(m, d)
    _deferral(m, d)


def _placement(m: pyo.ConcreteModel, d: Data) -> None:
    """IT is placed in all planning years, as investments are; what is operated is the part of it in SITE_YEARS."""
    rows = d.active_site_years
    active = list(rows)
    optional = [(s, y) for s, y in active if not d.sites[s].required]
    compute = d.instance.manifest.compute
    demand = {row.year: row.it_mw for row in d.instance.compute_demand}
    m.PLACED = pyo.Set(dimen=2, initialize=active)
    m.SITE_YEARS = pyo.Set(dimen=2, initialize=[i for i in active if i[1] in d.operated])
    m.OPTIONAL = pyo.Set(dimen=2, initialize=optional)
    m.floor_mw = pyo.Param(m.PLACED, initialize={i: rows[i].floor_mw for i in active})
    m.ceiling_mw = pyo.Param(m.PLACED, initialize={i: rows[i].ceiling_mw for i in active})
    m.compute_demand = pyo.Param(m.YEARS, initialize={y: demand[y] for y in d.years})
    m.it_mw = pyo.Var(
        m.PLACED,
        bounds=lambda m, s, y: (rows[s, y].floor_mw if d.sites[s].required else 0, rows[s, y].ceiling_mw),
        doc="energised IT",
    )
    m.unmet_mw = pyo.Var(
        m.YEARS, bounds=lambda m, y: (0, compute.max_unmet_share * demand[y]), doc="demand without a site"
    )
    m.SITES_IN = pyo.Set(m.YEARS, initialize={y: [s for s, v in active if v == y] for y in d.years})
    m.compute_demand_met = constrain(
        m.YEARS, rule=lambda m, y: sum(m.it_mw[s, y] for s in m.SITES_IN[y]) + m.unmet_mw[y] >= m.compute_demand[y]
    )
    if compute.energised_it_stays:
        pairs = [(s, y, v) for s in d.sites for y, v in zip(d.years, d.years[1:], strict=False) if (s, y) in rows]
        m.CONSECUTIVE = pyo.Set(dimen=3, initialize=[i for i in pairs if (i[0], i[2]) in rows])
        m.energised_it_stays = constrain(m.CONSECUTIVE, rule=lambda m, s, y, v: m.it_mw[s, y] <= m.it_mw[s, v])
    m.UNMET_YEARS = pyo.Set(initialize=list(d.years) if compute.max_unmet_share else [])
    m.cost_unmet_compute_penalty = cost_term(
        ["portfolio"],
        m.UNMET_YEARS,
        rule=lambda m, p, y: (8760 * compute.unmet_usd_per_mwh / MILLION) * m.unmet_mw[y],
    )


def _opening(m: pyo.ConcreteModel, d: Data) -> None:
    optional = list(m.OPTIONAL)
    m.opened = pyo.Var(m.OPTIONAL, domain=pyo.Binary, doc="is the optional site open")
    m.it_below_ceiling_if_open = constrain(
        m.OPTIONAL, rule=lambda m, s, y: m.it_mw[s, y] <= m.ceiling_mw[s, y] * m.opened[s, y]
    )
    m.it_above_floor_if_open = constrain(
        m.OPTIONAL, rule=lambda m, s, y: m.it_mw[s, y] >= m.floor_mw[s, y] * m.opened[s, y]
    )
    pairs = [(s, y, v) for s, y in optional for v in d.years if v > y and (s, v) in m.OPTIONAL]
    nearest = [i for i in pairs if not any(i[1] < w < i[2] for s, w in optional if s == i[0])]
    m.OPENINGS = pyo.Set(dimen=3, initialize=nearest)
    m.open_site_stays_open = constrain(m.OPENINGS, rule=lambda m, s, y, v: m.opened[s, y] <= m.opened[s, v])
    _open_sites_carry_demand(m, d)
    _opening_cost(m, d)


def needed_of_optional_sites(d: Data, year: int) -> float:
    """Demand of a year that required sites at their ceilings and the most unmet demand leave to optional sites, MW."""
    demand = next(row.it_mw for row in d.instance.compute_demand if row.year == year)
    required_sites = {row.site for row in d.portfolio.sites if row.required}
    rows = d.portfolio.site_years
    required = sum(row.ceiling_mw for row in rows if row.year == year and row.site in required_sites)
    return (1 - d.instance.manifest.compute.max_unmet_share) * demand - required


def _open_sites_carry_demand(m: pyo.ConcreteModel, d: Data) -> None:
    """A cover of the demand: with a ceiling above the need, a single site must be open as a whole."""
    optional = group(m.OPTIONAL, lambda i: i[1])
    need = {y: mw for y in optional if (mw := needed_of_optional_sites(d, y)) > 0}
    m.NEEDY_YEARS = pyo.Set(initialize=list(need))
    m.OPTIONAL_IN = pyo.Set(m.NEEDY_YEARS, dimen=2, initialize={y: optional[y] for y in need})
    m.needed_mw = pyo.Param(m.NEEDY_YEARS, initialize=need)
    m.useful_mw = pyo.Param(
        m.OPTIONAL,
        initialize={(s, y): min(m.ceiling_mw[s, y], need.get(y, 0.0)) for s, y in m.OPTIONAL},
        doc="big-M: the ceiling, or the need if that is less",
    )
    m.open_sites_carry_demand = constrain(
        m.NEEDY_YEARS,
        rule=lambda m, y: sum(m.useful_mw[s, v] * m.opened[s, v] for s, v in m.OPTIONAL_IN[y]) >= m.needed_mw[y],
        doc="optional sites that are open can carry what the others cannot",
    )


def _opening_cost(m: pyo.ConcreteModel, d: Data) -> None:
    """The cost falls due in the first open year: opened[y] less opened in the year before."""
    costly = [(s, y) for s, y in m.PLACED if d.sites[s].opening_cost_usd > 0]
    first = {s: min(y for q, y in costly if q == s) for s, _ in costly}
    before = {(s, v): y for s, y, v in m.OPENINGS}
    due = {i: d.sites[i[0]].opening_cost_usd / MILLION * (1 + d.discount_rate) ** (d.base_year - i[1]) for i in costly}

    always = {i: due[i] if d.sites[i[0]].required and i[1] == first[i[0]] else 0.0 for i in costly}
    m.OPENING_COSTS = pyo.Set(dimen=2, initialize=costly)
    m.OPENED = pyo.Set(m.OPENING_COSTS, dimen=2, initialize={i: [i] if i in m.OPTIONAL else [] for i in costly})
    m.OPENED_BEFORE = pyo.Set(
        m.OPENING_COSTS, dimen=2, initialize={i: [(i[0], before[i])] if i in before else [] for i in costly}
    )
    m.opening_cost = pyo.Param(m.OPENING_COSTS, initialize=due)
    m.certain_opening_cost = pyo.Param(m.OPENING_COSTS, initialize=always)
    m.cost_site_opening = cost_term(
        m.OPENING_COSTS,
        rule=lambda m, s, y: (
            m.certain_opening_cost[s, y]
            + sum(m.opening_cost[q, y] * m.opened[q, v] for q, v in m.OPENED[s, y])
            - sum(m.opening_cost[q, y] * m.opened[q, v] for q, v in m.OPENED_BEFORE[s, y])
        ),
    )


def _load(m: pyo.ConcreteModel, d: Data) -> None:
    shape = {s: d.grid.average(d.facility_load_per_it(site)) for s, site in d.sites.items()}
    m.load_per_it = series(list(d.sites), m.STEPS, values=shape)


def _unserved(m: pyo.ConcreteModel, d: Data) -> None:
    m.unserved = hourly(m.SITE_YEARS, m.STEPS, bounds=(0, None), doc="load not served, MW")
    m.unserved_share = pyo.Param(
        list(d.sites), initialize={s: 1 - site.availability_target for s, site in d.sites.items()}
    )
    m.yearly_load_per_it = pyo.Param(
        list(d.sites),
        initialize={s: d.yearly(m.load_per_it.series[s,]) for s in d.sites},
        doc="MWh a year per MW of energised IT",
    )
    m.unserved_within_load = constrain(
        m.SITE_YEARS, m.STEPS, rule=lambda m, s, y, t: m.unserved[s, y, t] <= m.load_per_it[s, t] * m.it_mw[s, y]
    )
    m.unserved_within_target = constrain(
        m.SITE_YEARS,
        rule=lambda m, s, y: (
            sum(m.weight_hours[t] * m.unserved[s, y, t] for t in m.STEPS)
            <= m.unserved_share[s] * m.yearly_load_per_it[s] * m.it_mw[s, y]
        ),
    )
    penalty = d.instance.manifest.compute.unserved_usd_per_mwh / MILLION
    m.cost_unserved_penalty = cost_term(
        m.SITE_YEARS,
        rule=lambda m, s, y: sum(penalty * m.weight_hours[t] * m.unserved[s, y, t] for t in m.STEPS),
    )


def _curtailment(m: pyo.ConcreteModel, d: Data) -> None:
    sites = {
        s: d.sites[s] for s in d.sites if d.sites[s].curtailable_share > 0 and d.sites[s].curtailable_energy_share > 0
    }
    m.CURTAILABLE = pyo.Set(dimen=2, initialize=[(s, y) for s, y in m.SITE_YEARS if s in sites])
    m.curtailable_share = pyo.Param(list(sites), initialize={s: site.curtailable_share for s, site in sites.items()})
    m.curtailable_energy = pyo.Param(
        list(sites), initialize={s: site.curtailable_energy_share for s, site in sites.items()}
    )
    m.curtailment_cost = pyo.Param(
        list(sites), initialize={s: site.curtailment_cost_usd_per_mwh / MILLION for s, site in sites.items()}
    )
    m.curtailed = hourly(m.CURTAILABLE, m.STEPS, bounds=(0, None), doc="load curtailed under contract, MW")
    m.curtailed_within_share = constrain(
        m.CURTAILABLE,
        m.STEPS,
        rule=lambda m, s, y, t: m.curtailed[s, y, t] <= m.curtailable_share[s] * m.load_per_it[s, t] * m.it_mw[s, y],
    )
    m.curtailed_within_energy = constrain(
        m.CURTAILABLE,
        rule=lambda m, s, y: (
            sum(m.weight_hours[t] * m.curtailed[s, y, t] for t in m.STEPS)
            <= m.curtailable_energy[s] * m.yearly_load_per_it[s] * m.it_mw[s, y]
        ),
    )
    m.cost_curtailment_penalty = cost_term(
        m.CURTAILABLE,
        rule=lambda m, s, y: sum(m.curtailment_cost[s] * m.weight_hours[t] * m.curtailed[s, y, t] for t in m.STEPS),
    )


def _deferral(m: pyo.ConcreteModel, d: Data) -> None:
    sites = {s: d.sites[s] for s in d.sites if d.sites[s].deferrable_share > 0 and d.sites[s].deferral_window_hours > 0}
    pue = {s: d.on_steps(site.pue_series, 1.0) for s, site in sites.items()}
    m.DEFERRABLE = pyo.Set(dimen=2, initialize=[(s, y) for s, y in m.SITE_YEARS if s in sites])
    m.deferrable_share = pyo.Param(list(sites), initialize={s: site.deferrable_share for s, site in sites.items()})
    m.pue = series(list(sites), m.STEPS, values=pue)
    m.WINDOW = pyo.Set(
        list(sites), m.STEPS, initialize=_windows(d, {s: x.deferral_window_hours for s, x in sites.items()})
    )
    m.deferred = hourly(m.DEFERRABLE, m.STEPS, bounds=(0, None), doc="load put off, MW")
    m.recovered = hourly(m.DEFERRABLE, m.STEPS, bounds=(0, None), doc="load made up for, MW")
    m.backlog = hourly(m.DEFERRABLE, m.STEPS, bounds=(0, None), doc="energy put off at the start of the step, MWh")
    m.deferred_within_share = constrain(
        m.DEFERRABLE,
        m.STEPS,
        rule=lambda m, s, y, t: m.deferred[s, y, t] <= m.deferrable_share[s] * m.load_per_it[s, t] * m.it_mw[s, y],
    )
    m.backlog_carried = constrain(
        m.DEFERRABLE,
        m.STEPS,
        rule=lambda m, s, y, t: (
            m.backlog[s, y, m.next_step[t]]
            == m.backlog[s, y, t] + m.step_hours[t] * m.deferred[s, y, t] - m.step_hours[t] * m.recovered[s, y, t]
        ),
    )
    m.backlog_within_window = constrain(
        m.DEFERRABLE,
        m.STEPS,
        rule=lambda m, s, y, t: (
            m.backlog[s, y, m.next_step[t]] <= sum(m.step_hours[q] * m.deferred[s, y, q] for q in m.WINDOW[s, t])
        ),
    )
    m.recovered_within_halls = constrain(
        m.DEFERRABLE,
        m.STEPS,
        rule=lambda m, s, y, t: (
            m.load_per_it[s, t] * m.it_mw[s, y] + m.recovered[s, y, t] - m.deferred[s, y, t]
            <= m.pue[s, t] * m.it_mw[s, y]
        ),
    )


def _windows(d: Data, hours: dict[str, float]) -> dict[tuple[str, int], list[int]]:
    """Steps of the deferral window that ends with a step, cyclic within its period."""
    windows: dict[tuple[str, int], list[int]] = {}
    for site, window in hours.items():
        for steps in d.period_steps.values():
            length = min(len(steps), math.ceil(window / d.step_hours[steps[0]] - 1e-9))
            for position, t in enumerate(steps):
                windows[site, t] = [steps[(position - back) % len(steps)] for back in range(length)]
    return windows
