r"""Tariffs: what each site pays its utility, with the billing demand exactly as the tariff defines it.

Symbols
-------
``metered_peak[s,y,p]`` highest import in period p (a month of one that is longer), MW; ``annual_peak[s,y]``
of the year; ``billing_mw[s,y,b]`` billing demand of billing month b, MW; ``demand_bill``, ``energy_bill``,
``fixed_bill``, ``contract_bill`` [s,y] M$ a year

Equations
---------
billing:   billing_mw = max(metered peak of the month, ratchet * annual peak, minimum share * contract MW * opened)
demand:    sum_b months_b * demand rate * billing_mw
energy:    energy rate * sum_t w import (+ passed-through market price)
fixed:     12 * fixed charge * opened
contract:  contract share * revenue requirement of the bespoke assets (see local_costs)

A billing demand above the maximum would be a make-whole payment in disguise. Each dollar of it costs the sponsor
one dollar and gives every class its credit share, which is never better than make-whole payments of the same sum;
so the three lower bounds make it exact wherever make-whole is allowed (results trim a tie). Where make-whole is not
allowed, binaries choose the bound that holds with equality; their big-M is the largest POI capacity.

Cost: tariff_bills.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from optimizer import finance
from optimizer.model.data import MILLION, Data
from optimizer.model.sparse import constrain, cost_term, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add tariffs to the model."""
    billed = [(s, y) for s, y in m.GRID_SITE_YEARS if d.sites[s].utility]
    m.BILLED = pyo.Set(dimen=2, initialize=billed)
    m.demand_bill = pyo.Var(m.BILLED, bounds=(0, None), doc="M$ a year")
    m.energy_bill = pyo.Var(m.BILLED, doc="M$ a year (may be negative where a negative market price is passed through)")
    m.fixed_bill = pyo.Var(m.BILLED, bounds=(0, None), doc="M$ a year")
    m.contract_bill = pyo.Var(m.BILLED, bounds=(0, None), doc="M$ a year, for bespoke assets (see local_costs)")
    _billing_demand(m, d)
    _exact_billing(m, d)
    _charges(m, d)
    m.cost_tariff_bills = cost_term(
        m.BILLED,
        rule=lambda m, s, y: m.demand_bill[s, y] + m.energy_bill[s, y] + m.fixed_bill[s, y] + m.contract_bill[s, y],
    )


def charge(d: Data, site: str, year: int, column: str) -> float:
    """A charge of the site's tariff in a year, US$."""
    tariff = d.tariff_of(site)
    return finance.escalate(getattr(tariff, column), tariff.change_per_year, year, d.base_year)


def minimum_mw(d: Data, site: str, year: int) -> float:
    """Minimum take: billing demand owed on the contract, MW, if the site is open."""
    return d.tariff_of(site).minimum_demand_share * d.active_site_years[site, year].contract_mw


def _billing_demand(m: pyo.ConcreteModel, d: Data) -> None:
    months = sorted({int(b) for b in d.grid.billing["billing_month"]})
    pairs = [(int(b), str(p)) for b, p in zip(d.grid.billing["billing_month"], d.grid.billing["part"], strict=True)]
    weights = dict(
        zip(d.grid.billing["billing_month"].astype(int), d.grid.billing["months"].astype(float), strict=True)
    )
    m.BILLING_MONTHS = pyo.Set(initialize=months)
    m.MONTH_PERIODS = pyo.Set(dimen=2, initialize=pairs)
    m.BILLED_PERIODS = pyo.Set(initialize=sorted({p for _, p in pairs}))
    m.billed_period = pyo.Param(
        m.STEPS, within=pyo.Any, initialize={int(t): p for p, steps in d.grid.parts.items() for t in steps}
    )
    m.months = pyo.Param(m.BILLING_MONTHS, initialize=weights)
    ratchets = [i for i in m.BILLED if d.tariff_of(i[0]).ratchet_share > 0]
    m.RATCHETED = pyo.Set(dimen=2, initialize=ratchets)
    m.metered_peak = pyo.Var(m.BILLED, m.BILLED_PERIODS, bounds=(0, None), doc="highest import of the period, MW")
    m.annual_peak = pyo.Var(m.RATCHETED, bounds=(0, None), doc="highest import of the year, MW")
    m.billing_mw = pyo.Var(m.BILLED, m.BILLING_MONTHS, bounds=(0, None), doc="billing demand, MW")
    m.minimum_mw = pyo.Param(m.BILLED, initialize={(s, y): minimum_mw(d, s, y) for s, y in m.BILLED})
    m.ratchet = pyo.Param(m.RATCHETED, initialize={(s, y): d.tariff_of(s).ratchet_share for s, y in ratchets})
    optional = [i for i in m.BILLED if i in m.OPTIONAL]
    m.BILLED_OPTIONAL = pyo.Set(dimen=2, initialize=optional)
    m.BILLED_REQUIRED = pyo.Set(dimen=2, initialize=[i for i in m.BILLED if i not in m.OPTIONAL])
    m.peak_above_import = constrain(
        m.BILLED, m.STEPS, rule=lambda m, s, y, t: m.metered_peak[s, y, m.billed_period[t]] >= m.import_mw[s, y, t]
    )
    m.annual_peak_above_peaks = constrain(
        m.RATCHETED, m.BILLED_PERIODS, rule=lambda m, s, y, p: m.annual_peak[s, y] >= m.metered_peak[s, y, p]
    )
    m.billing_above_peak = constrain(
        m.BILLED, m.MONTH_PERIODS, rule=lambda m, s, y, b, p: m.billing_mw[s, y, b] >= m.metered_peak[s, y, p]
    )
    m.billing_above_ratchet = constrain(
        m.RATCHETED,
        m.BILLING_MONTHS,
        rule=lambda m, s, y, b: m.billing_mw[s, y, b] >= m.ratchet[s, y] * m.annual_peak[s, y],
    )
    m.billing_above_minimum = constrain(
        m.BILLED_REQUIRED, m.BILLING_MONTHS, rule=lambda m, s, y, b: m.billing_mw[s, y, b] >= m.minimum_mw[s, y]
    )
    m.billing_above_minimum_if_open = constrain(
        m.BILLED_OPTIONAL,
        m.BILLING_MONTHS,
        rule=lambda m, s, y, b: m.billing_mw[s, y, b] >= m.minimum_mw[s, y] * m.opened[s, y],
    )


def _exact_billing(m: pyo.ConcreteModel, d: Data) -> None:
    """Binaries that choose which bound the billing demand meets, where make-whole is not allowed."""
    exact = [
        i
        for i in m.BILLED
        if d.instance.manifest.rates.enforce and not d.utilities[d.sites[i[0]].utility or ""].make_whole_allowed
    ]
    largest = {i: max(d.most_poi_mw(*i), m.minimum_mw[i]) for i in exact}
    m.EXACT = pyo.Set(dimen=2, initialize=exact)
    m.EXACT_RATCHETED = pyo.Set(dimen=2, initialize=[i for i in exact if i in m.RATCHETED])
    m.most_billing_mw = pyo.Param(m.EXACT, initialize=largest, doc="big-M: the largest POI capacity or minimum take")
    m.PERIOD_STEPS = pyo.Set(m.BILLED_PERIODS, initialize={p: d.grid.parts[p].tolist() for p in m.BILLED_PERIODS})
    m.PERIODS_OF_MONTH = pyo.Set(
        m.BILLING_MONTHS, initialize={b: [p for q, p in m.MONTH_PERIODS if q == b] for b in m.BILLING_MONTHS}
    )
    m.peak_at = hourly(m.EXACT, m.STEPS, domain=pyo.Binary, doc="is the period's peak in this step")
    m.annual_at = pyo.Var(
        m.EXACT_RATCHETED, m.BILLED_PERIODS, domain=pyo.Binary, doc="is the annual peak in this period"
    )
    m.billing_at_peak = pyo.Var(m.EXACT, m.MONTH_PERIODS, domain=pyo.Binary, doc="does this period's peak set the bill")
    m.billing_at_minimum = pyo.Var(
        m.EXACT, m.BILLING_MONTHS, domain=pyo.Binary, doc="does the minimum take set the bill"
    )
    m.billing_at_ratchet = pyo.Var(m.EXACT, m.BILLING_MONTHS, domain=pyo.Binary, doc="does the ratchet set the bill")
    for s, y in exact:
        if (s, y) not in m.RATCHETED:
            for b in m.BILLING_MONTHS:
                m.billing_at_ratchet[s, y, b].setub(0)
    m.one_peak_step = constrain(
        m.EXACT, m.BILLED_PERIODS, rule=lambda m, s, y, p: sum(m.peak_at[s, y, t] for t in m.PERIOD_STEPS[p]) == 1
    )
    m.peak_is_an_import = constrain(
        m.EXACT,
        m.STEPS,
        rule=lambda m, s, y, t: (
            m.metered_peak[s, y, m.billed_period[t]]
            <= m.import_mw[s, y, t] + m.most_billing_mw[s, y] * (1 - m.peak_at[s, y, t])
        ),
    )
    m.one_annual_peak = constrain(
        m.EXACT_RATCHETED, rule=lambda m, s, y: sum(m.annual_at[s, y, p] for p in m.BILLED_PERIODS) == 1
    )
    m.annual_peak_is_a_peak = constrain(
        m.EXACT_RATCHETED,
        m.BILLED_PERIODS,
        rule=lambda m, s, y, p: (
            m.annual_peak[s, y] <= m.metered_peak[s, y, p] + m.most_billing_mw[s, y] * (1 - m.annual_at[s, y, p])
        ),
    )
    m.one_billing_bound = constrain(
        m.EXACT,
        m.BILLING_MONTHS,
        rule=lambda m, s, y, b: (
            sum(m.billing_at_peak[s, y, b, p] for p in m.PERIODS_OF_MONTH[b])
            + m.billing_at_minimum[s, y, b]
            + m.billing_at_ratchet[s, y, b]
            == 1
        ),
    )
    m.billing_is_a_peak = constrain(
        m.EXACT,
        m.MONTH_PERIODS,
        rule=lambda m, s, y, b, p: (
            m.billing_mw[s, y, b]
            <= m.metered_peak[s, y, p] + m.most_billing_mw[s, y] * (1 - m.billing_at_peak[s, y, b, p])
        ),
    )
    m.billing_is_the_minimum = constrain(
        m.EXACT,
        m.BILLING_MONTHS,
        rule=lambda m, s, y, b: (
            m.billing_mw[s, y, b] <= m.minimum_mw[s, y] + m.most_billing_mw[s, y] * (1 - m.billing_at_minimum[s, y, b])
        ),
    )
    m.billing_is_the_ratchet = constrain(
        m.EXACT_RATCHETED,
        m.BILLING_MONTHS,
        rule=lambda m, s, y, b: (
            m.billing_mw[s, y, b]
            <= m.ratchet[s, y] * m.annual_peak[s, y] + m.most_billing_mw[s, y] * (1 - m.billing_at_ratchet[s, y, b])
        ),
    )


def _charges(m: pyo.ConcreteModel, d: Data) -> None:
    billed = list(m.BILLED)
    m.demand_rate = pyo.Param(
        m.BILLED,
        initialize={(s, y): charge(d, s, y, "demand_usd_per_kw_month") * 1000 / MILLION for s, y in billed},
        doc="M$ per MW-month",
    )
    m.energy_rate = series(
        m.BILLED, m.STEPS, values={i: energy_rate(d, *i) / MILLION for i in billed}, doc="M$ per MWh"
    )
    m.fixed_charge = pyo.Param(
        m.BILLED, initialize={(s, y): 12 * charge(d, s, y, "fixed_usd_per_month") / MILLION for s, y in billed}
    )
    m.demand_billed = constrain(
        m.BILLED,
        rule=lambda m, s, y: (
            m.demand_bill[s, y]
            == sum(m.demand_rate[s, y] * m.months[b] * m.billing_mw[s, y, b] for b in m.BILLING_MONTHS)
        ),
    )
    m.energy_billed = constrain(
        m.BILLED,
        rule=lambda m, s, y: (
            m.energy_bill[s, y]
            == sum(m.weight_hours[t] * m.energy_rate[s, y, t] * m.import_mw[s, y, t] for t in m.STEPS)
        ),
    )
    m.fixed_billed = constrain(m.BILLED_REQUIRED, rule=lambda m, s, y: m.fixed_bill[s, y] == m.fixed_charge[s, y])
    m.fixed_billed_if_open = constrain(
        m.BILLED_OPTIONAL, rule=lambda m, s, y: m.fixed_bill[s, y] == m.fixed_charge[s, y] * m.opened[s, y]
    )


def energy_rate(d: Data, site: str, year: int) -> np.ndarray:
    """Energy charge per MWh imported, by step, with the market price passed through where the tariff says so, US$."""
    rate = np.full(len(d.steps), charge(d, site, year, "energy_usd_per_mwh"))
    zone, tariff = d.sites[site].zone, d.tariff_of(site)
    if d.buys_at_market(d.sites[site]) or d.zones[zone].supply != "price":
        return rate
    return rate + tariff.market_energy_share * d.prices[zone, year]
