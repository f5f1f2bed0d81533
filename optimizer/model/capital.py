r"""Capital: what investment costs the sponsor, when the cash is due, and the budgets it must keep to.

Symbols
-------
``capital_cash[b,y]`` sponsor's capital cash of budget scope b in planning year y, M$: own plant and contributions
with their gross-up, by the spend curve

Equation
--------
budget:  capital_cash <= budget ; sum of capital_cash up to y <= cumulative budget

Costs (present value, M$)
-------------------------
own_capital            capex * PV of spending (cash view) or annuities in the horizon (annuity view)
tax_effects            (effective-cost factor - 1) * own capital
salvage                less the PV of annuities, due as years begin, that remain after the horizon (cash view)
contribution           capital paid to a utility up front; contribution_gross_up is the tax it owes on it
fixed_om               of plant the sponsor owns (yearly)
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer import finance
from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.sparse import constrain, cost_term, group


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add budgets and capital costs to the model."""
    _budgets(m, d)
    _costs(m, d)


def sponsor_capital_share(d: Data, resource: Resource) -> float:
    """Sponsor's capital cash per dollar of gross capital cost, by funding mode."""
    if resource.mode == "own":
        return 1.0
    if resource.mode == "contribution":
        assert resource.option is not None and resource.option.utility is not None
        return 1.0 + d.utilities[resource.option.utility].contribution_tax_gross_up
    return 0.0


def planning_year_of(d: Data, calendar_year: int) -> int:
    """Planning year whose budget a calendar year falls in; years before the first belong to it."""
    return max((y for y in d.years if y <= calendar_year), default=d.years[0])


def _budgets(m: pyo.ConcreteModel, d: Data) -> None:
    single = {
        (b.scope, b.year): b.max_capex_usd / MILLION
        for b in d.instance.budgets
        if b.max_capex_usd is not None and b.year in d.years
    }
    cumulative = {
        (b.scope, b.year): b.max_cumulative_capex_usd / MILLION
        for b in d.instance.budgets
        if b.max_cumulative_capex_usd is not None and b.year in d.years
    }
    spending = _spending(m, d)
    scopes = sorted({scope for scope, _ in [*single, *cumulative]})
    rows = {
        (scope, y): [(r, v) for r, v in m.BUILDS if spending.get((r, v, y), 0) and _in_scope(d.resources[r], scope)]
        for scope in scopes
        for y in d.years
    }
    used = sorted({(r, v, y) for (_, y), pairs in rows.items() for r, v in pairs})
    m.SCOPE_YEARS = pyo.Set(dimen=2, initialize=list(rows))
    m.SCOPE_BUILDS = pyo.Set(m.SCOPE_YEARS, dimen=2, initialize=rows)
    m.block_cash = pyo.Param(used, initialize={i: spending[i] * _sponsor_block(d, i, energy=False) for i in used})
    apart = [i for i in used if d.resources[i[0]].sized_apart]
    m.energy_block_cash = pyo.Param(
        apart, initialize={i: spending[i] * _sponsor_block(d, i, energy=True) for i in apart}
    )
    m.SCOPE_ENERGY_BUILDS = pyo.Set(
        m.SCOPE_YEARS, dimen=2, initialize={i: [b for b in pairs if b in m.ENERGY_BUILDS] for i, pairs in rows.items()}
    )
    m.capital_cash = pyo.Var(m.SCOPE_YEARS, bounds=(0, None), doc="sponsor's capital cash in the period, M$")
    m.capital_cash_spent = constrain(
        m.SCOPE_YEARS,
        rule=lambda m, b, y: (
            m.capital_cash[b, y]
            == sum(m.block_cash[r, v, y] * m.build[r, v] for r, v in m.SCOPE_BUILDS[b, y])
            + sum(m.energy_block_cash[r, v, y] * m.build_energy[r, v] for r, v in m.SCOPE_ENERGY_BUILDS[b, y])
        ),
    )
    m.BUDGETS = pyo.Set(dimen=2, initialize=list(single))
    m.CUMULATIVE_BUDGETS = pyo.Set(dimen=2, initialize=list(cumulative))
    m.budget = pyo.Param(m.BUDGETS, initialize=single)
    m.cumulative_budget = pyo.Param(m.CUMULATIVE_BUDGETS, initialize=cumulative)
    m.YEARS_UP_TO = pyo.Set(d.years, initialize={y: [v for v in d.years if v <= y] for y in d.years})
    m.capital_within_budget = constrain(m.BUDGETS, rule=lambda m, b, y: m.capital_cash[b, y] <= m.budget[b, y])
    m.capital_within_cumulative_budget = constrain(
        m.CUMULATIVE_BUDGETS,
        rule=lambda m, b, y: sum(m.capital_cash[b, v] for v in m.YEARS_UP_TO[y]) <= m.cumulative_budget[b, y],
    )


def _in_scope(resource: Resource, scope: str) -> bool:
    return scope == "portfolio" or resource.site == scope


def _spending(m: pyo.ConcreteModel, d: Data) -> dict[tuple[str, int, int], float]:
    """Share of capital that a build in service year v spends in planning year y: (r, v, y) -> share."""
    shares: dict[tuple[str, int, int], float] = {}
    for name, service in m.BUILDS:
        curve = d.spend_curve(d.resources[name].technology)
        for calendar, part in finance.spend_by_year(service, curve, d.base_year).items():
            key = (name, service, planning_year_of(d, calendar))
            shares[key] = shares.get(key, 0.0) + part
    return shares


def _sponsor_block(d: Data, index: tuple[str, int, int], *, energy: bool) -> float:
    resource, service = d.resources[index[0]], index[1]
    capex = d.energy_block_capex(resource, service) if energy else d.block_capex(resource, service)
    return capex * sponsor_capital_share(d, resource)


def capital_factors(d: Data, resource: Resource, service: int) -> dict[str, float]:
    """Present value per dollar of gross capital cost, by cost name, for blocks entering service in a year."""
    if resource.mode == "utility":
        return {}
    spending = _present_value_of_capital(d, resource, service)
    if resource.mode == "contribution":
        assert resource.option is not None and resource.option.utility is not None
        gross_up = d.utilities[resource.option.utility].contribution_tax_gross_up
        return {"contribution": spending, "contribution_gross_up": gross_up * spending}
    factor = effective_cost_factor(d, resource, service)
    factors = {"own_capital": spending, "tax_effects": (factor - 1) * spending}
    if d.instance.manifest.finance.capital_view == "cash":
        factors["salvage"] = -factor * _remaining(d, resource, service)
    return factors


def _present_value_of_capital(d: Data, resource: Resource, service: int) -> float:
    technology = resource.technology
    if d.instance.manifest.finance.capital_view == "cash":
        return finance.present_value_of_spend(service, d.spend_curve(technology), d.base_year, d.discount_rate)
    annuity = finance.capital_recovery_factor(wacc_of(d, resource), technology.life_years)
    return annuity * sum(d.discount[y] for y in d.years if service <= y < service + technology.life_years)


def wacc_of(d: Data, resource: Resource) -> float:
    """Real cost of capital of a resource's technology."""
    wacc = resource.technology.wacc
    return d.discount_rate if wacc is None else wacc


def _remaining(d: Data, resource: Resource, service: int) -> float:
    horizon_end = d.years[-1] + d.grid.years_represented[d.years[-1]]
    life = resource.technology.life_years
    return finance.remaining_annuities(service, life, horizon_end, wacc_of(d, resource), d.base_year, d.discount_rate)


def effective_cost_factor(d: Data, resource: Resource, service: int) -> float:
    """Capital cost after credits and depreciation, in pre-tax dollars, per dollar of gross cost."""
    money, technology = d.instance.manifest.finance, resource.technology
    if not money.tax_view:
        return 1.0
    rate = finance.nominal_rate(money.discount_rate, money.inflation)
    depreciation = finance.depreciation_present_value(technology.macrs_years, technology.bonus_depreciation_share, rate)
    return finance.effective_cost_factor(
        investment_credit(d, technology.technology, service), money.tax_rate, depreciation
    )


def investment_credit(d: Data, technology: str, service: int) -> float:
    """Investment tax credit of plant entering service in a year."""
    rows = [c for c in d.instance.tax_credits if c.technology == technology and c.first_year <= service <= c.last_year]
    return rows[0].itc_share if rows else 0.0


def _costs(m: pyo.ConcreteModel, d: Data) -> None:
    power: dict[str, dict[tuple[str, int], float]] = {}
    energy: dict[str, dict[tuple[str, int], float]] = {}
    for name, year in m.BUILDS:
        resource = d.resources[name]
        for cost, factor in capital_factors(d, resource, year).items():
            power.setdefault(cost, {})[name, year] = factor * d.block_capex(resource, year)
            if resource.sized_apart:
                energy.setdefault(cost, {})[name, year] = factor * d.energy_block_capex(resource, year)
    for cost, coefficients in power.items():
        _capital_cost(m, d, cost, coefficients, energy.get(cost, {}))
    _fixed_om(m, d)


def _capital_cost(
    m: pyo.ConcreteModel,
    d: Data,
    cost: str,
    power: dict[tuple[str, int], float],
    energy: dict[tuple[str, int], float],
) -> None:
    place = lambda i: (d.resources[i[0]].place, i[1])  # noqa: E731
    places, energy_places = group(power, place), group(energy, place)
    index = pyo.Set(dimen=2, initialize=list(places))
    builds = pyo.Set(index, dimen=2, initialize=places)
    energy_builds = pyo.Set(index, dimen=2, initialize=lambda _, p, y: energy_places.get((p, y), []))
    block = pyo.Param(list(power), initialize=power)
    energy_block = pyo.Param(list(energy), initialize=energy)
    for suffix, component in (("PLACES", index), ("BUILDS", builds), ("ENERGY", energy_builds)):
        m.add_component(f"{cost}_{suffix}", component)
    m.add_component(f"{cost}_block", block)
    m.add_component(f"{cost}_energy_block", energy_block)

    def rule(_: pyo.ConcreteModel, place: str, year: int) -> object:
        return sum(block[r, v] * m.build[r, v] for r, v in builds[place, year]) + sum(
            energy_block[r, v] * m.build_energy[r, v] for r, v in energy_builds[place, year]
        )

    m.add_component(f"cost_{cost}", cost_term(index, rule=rule))


def _fixed_om(m: pyo.ConcreteModel, d: Data) -> None:
    paid = [
        i
        for i in m.RESOURCE_YEARS
        if d.resources[i[0]].sponsor_pays and d.resources[i[0]].technology.fixed_om_usd_per_kw_year
    ]
    rows = group(paid, lambda i: (d.resources[i[0]].place, i[1]))
    m.FIXED_OM = pyo.Set(dimen=2, initialize=list(rows))
    m.FIXED_OM_RESOURCES = pyo.Set(m.FIXED_OM, dimen=2, initialize=rows)
    m.fixed_om = pyo.Param(
        list(d.resources),
        initialize={n: r.technology.fixed_om_usd_per_kw_year * 1000 / MILLION for n, r in d.resources.items()},
        doc="M$ per MW and year",
    )
    m.cost_fixed_om = cost_term(
        m.FIXED_OM,
        rule=lambda m, p, y: sum(m.fixed_om[r] * m.capacity_mw[r, v] for r, v in m.FIXED_OM_RESOURCES[p, y]),
    )
