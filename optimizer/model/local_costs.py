r"""Local costs: what the project adds to each utility's yearly cost, and the contract charge for bespoke assets.

Symbols
-------
``plant_cost[u,g,y]``    revenue requirement of utility-financed plant in cost pool g, M$ a year
``upkeep_cost[u,g,y]``   fixed O&M of contributed and utility-financed plant
``variable_cost[u,y]``   their variable O&M, fuel and start-ups (pool fuel)
``purchase_cost[u,y]``   energy bought for the sites, less energy sold, at the market price (pool fuel)
``supply_cost[u,y]``     stack zones: cost of supply with the project less without (pool fuel)
``capacity_cost[u,y]``   capacity bought for the sites (pool generation)

Equations
---------
plant:     sum over living vintages v of capex * phi(y - v), phi the revenue requirement per dollar of gross plant
contract:  contract_bill[s,y] = sum over bespoke assets of contract share * (plant + fixed O&M)
dRR[u,g,y] = sum of the above in pool g

None of this enters the sponsor's objective: it acts through the rate constraint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from optimizer import finance
from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.sparse import constrain, group, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add local costs to the model."""
    m.UTILITY_YEARS = pyo.Set(dimen=2, initialize=[(u, y) for u in d.utilities for y in d.operated])
    _plant(m, d)
    _contract(m, d)
    _variable(m, d)
    _purchases(m, d)
    _supply(m, d)
    _capacity(m, d)


def revenue_requirement_per_block(d: Data, resource: Resource, service: int, year: int, *, energy: bool) -> float:
    """Revenue requirement in a year of one utility-financed block that entered service in ``service``, M$."""
    assert resource.option is not None and resource.option.utility is not None
    utility = d.utilities[resource.option.utility]
    capex = d.energy_block_capex(resource, service) if energy else d.block_capex(resource, service)
    return capex * finance.revenue_requirement(
        year - service,
        resource.technology.life_years,
        utility.equity_share,
        utility.return_on_equity_nominal,
        utility.debt_rate_nominal,
        utility.tax_rate,
        utility.property_tax_and_insurance_share,
        d.instance.manifest.finance.inflation,
    )


def _plant(m: pyo.ConcreteModel, d: Data) -> None:
    """Plant and its upkeep, by utility, pool and year."""

    def owner(i: tuple[str, int]) -> tuple[str | None, str, int]:
        resource = d.resources[i[0]]
        return (resource.option.utility if resource.option else None, resource.technology.cost_pool, i[1])

    paid = [i for i in m.RESOURCE_YEARS if not d.resources[i[0]].sponsor_pays]
    financed = group([i for i in paid if d.resources[i[0]].mode == "utility"], owner)
    kept = group([i for i in paid if d.resources[i[0]].technology.fixed_om_usd_per_kw_year > 0], owner)
    vintages = {k: [(n, v, y) for n, y in rows for v in d.resources[n].vintages(y)] for k, rows in financed.items()}
    blocks = list(dict.fromkeys(i for rows in vintages.values() for i in rows))
    apart = [i for i in blocks if d.resources[i[0]].sized_apart]
    m.FINANCED = pyo.Set(dimen=3, initialize=list(financed))
    m.FINANCED_BLOCKS = pyo.Set(m.FINANCED, dimen=3, initialize=vintages)
    m.FINANCED_ENERGY = pyo.Set(
        m.FINANCED, dimen=3, initialize={k: [i for i in rows if i in set(apart)] for k, rows in vintages.items()}
    )
    m.KEPT = pyo.Set(dimen=3, initialize=list(kept))
    m.KEPT_RESOURCES = pyo.Set(m.KEPT, dimen=2, initialize=kept)
    m.block_requirement = pyo.Param(
        blocks,
        initialize={
            (n, v, y): revenue_requirement_per_block(d, d.resources[n], v, y, energy=False) for n, v, y in blocks
        },
    )
    m.energy_requirement = pyo.Param(
        apart,
        initialize={
            (n, v, y): revenue_requirement_per_block(d, d.resources[n], v, y, energy=True) for n, v, y in apart
        },
    )
    m.plant_cost = pyo.Var(m.FINANCED, bounds=(0, None), doc="revenue requirement, M$ a year")
    m.upkeep_cost = pyo.Var(m.KEPT, bounds=(0, None), doc="fixed O&M, M$ a year")
    m.plant_recovered = constrain(
        m.FINANCED,
        rule=lambda m, u, g, y: (
            m.plant_cost[u, g, y]
            == sum(m.block_requirement[r, v, q] * m.build[r, v] for r, v, q in m.FINANCED_BLOCKS[u, g, y])
            + sum(m.energy_requirement[r, v, q] * m.build_energy[r, v] for r, v, q in m.FINANCED_ENERGY[u, g, y])
        ),
    )
    m.upkeep_recovered = constrain(
        m.KEPT,
        rule=lambda m, u, g, y: (
            m.upkeep_cost[u, g, y] == sum(m.fixed_om[r] * m.capacity_mw[r, v] for r, v in m.KEPT_RESOURCES[u, g, y])
        ),
    )


def _contract(m: pyo.ConcreteModel, d: Data) -> None:
    """Contract charge: the share of a bespoke asset's cost that a site has agreed to pay."""
    bespoke = [
        (n, y)
        for n, y in m.RESOURCE_YEARS
        if (o := d.resources[n].option) and d.resources[n].mode == "utility" and o.contract_share > 0
    ]
    bill = group(
        [i for i in bespoke if (d.contract_site(i[0]), i[1]) in m.BILLED], lambda i: (d.contract_site(i[0]), i[1])
    )
    vintages = {k: [(n, v, y) for n, y in rows for v in d.resources[n].vintages(y)] for k, rows in bill.items()}
    energy = {k: [i for i in rows if d.resources[i[0]].sized_apart] for k, rows in vintages.items()}
    billed = list(m.BILLED)
    m.BESPOKE = pyo.Set(m.BILLED, dimen=2, initialize={i: bill.get(i, []) for i in billed})
    m.BESPOKE_BLOCKS = pyo.Set(m.BILLED, dimen=3, initialize={i: vintages.get(i, []) for i in billed})
    m.BESPOKE_ENERGY = pyo.Set(m.BILLED, dimen=3, initialize={i: energy.get(i, []) for i in billed})
    names = sorted({n for n, _ in bespoke})
    m.contract_share = pyo.Param(names, initialize={n: d.resources[n].option.contract_share for n in names})  # type: ignore[union-attr]
    m.contract_billed = constrain(
        m.BILLED,
        rule=lambda m, s, y: (
            m.contract_bill[s, y]
            == sum(
                m.contract_share[r] * m.block_requirement[r, v, q] * m.build[r, v] for r, v, q in m.BESPOKE_BLOCKS[s, y]
            )
            + sum(
                m.contract_share[r] * m.energy_requirement[r, v, q] * m.build_energy[r, v]
                for r, v, q in m.BESPOKE_ENERGY[s, y]
            )
            + sum(m.contract_share[r] * m.fixed_om[r] * m.capacity_mw[r, v] for r, v in m.BESPOKE[s, y])
        ),
    )


def _variable(m: pyo.ConcreteModel, d: Data) -> None:
    """Running costs of plant that a utility runs."""

    def owner(i: tuple[str, int]) -> tuple[str | None, int]:
        option = d.resources[i[0]].option
        return (option.utility if option else None, i[1])

    generators = group([i for i in m.GENERATOR_YEARS if not d.resources[i[0]].sponsor_pays], owner)
    stores = group([i for i in m.RUNNING_STORES if not d.resources[i[0]].sponsor_pays], owner)
    committed = {k: [i for i in rows if i in m.COMMITTED] for k, rows in generators.items()}
    index = list(dict.fromkeys([*generators, *stores]))
    m.RUN_BY_UTILITY = pyo.Set(dimen=2, initialize=index)
    m.UTILITY_GENERATORS = pyo.Set(m.RUN_BY_UTILITY, dimen=2, initialize={i: generators.get(i, []) for i in index})
    m.UTILITY_COMMITTED = pyo.Set(m.RUN_BY_UTILITY, dimen=2, initialize={i: committed.get(i, []) for i in index})
    m.UTILITY_STORES = pyo.Set(m.RUN_BY_UTILITY, dimen=2, initialize={i: stores.get(i, []) for i in index})
    m.variable_cost = pyo.Var(m.RUN_BY_UTILITY, bounds=(0, None), doc="variable O&M, fuel and start-ups, M$ a year")
    m.variable_recovered = constrain(
        m.RUN_BY_UTILITY,
        rule=lambda m, u, y: (
            m.variable_cost[u, y]
            == sum(
                (m.fuel_cost[r, v] + m.variable_om[r]) * m.weight_hours[t] * m.output[r, v, t]
                for r, v in m.UTILITY_GENERATORS[u, y]
                for t in m.STEPS
            )
            + sum(
                m.variable_om[r] * m.weight_hours[t] * m.discharge[r, v, t]
                for r, v in m.UTILITY_STORES[u, y]
                for t in m.STEPS
            )
            + sum(
                m.startup_cost[r] * m.occurrences[t] * m.started[r, v, t]
                for r, v in m.UTILITY_COMMITTED[u, y]
                for t in m.STEPS
            )
        ),
    )


def _purchases(m: pyo.ConcreteModel, d: Data) -> None:
    """Energy that a cost-of-service utility buys for the sites and sells from its plant, at the market price."""
    cost_of_service = [u for u, row in d.utilities.items() if row.regime == "cost_of_service"]
    m.COST_OF_SERVICE = pyo.Set(dimen=2, initialize=[(u, y) for u in cost_of_service for y in d.operated])
    index = list(m.COST_OF_SERVICE)

    def members(rows: list[Any], utility: Callable[[str], str | None], dimen: int = 2) -> pyo.Set:
        groups = group(rows, lambda i: (utility(i[0]), i[1]))
        return pyo.Set(m.COST_OF_SERVICE, dimen=dimen, initialize={i: groups.get(i, []) for i in index})

    priced = {z for z, zone in d.zones.items() if zone.supply == "price"}
    served = [i for i in m.GRID_SITE_YEARS if d.sites[i[0]].utility in cost_of_service]
    m.BOUGHT_FOR = members([i for i in served if d.sites[i[0]].zone in priced], lambda s: d.sites[s].utility)
    m.SOLD_BY = members(
        [i for i in m.EXPORTING if i in set(served) and d.sites[i[0]].zone in priced], lambda s: d.sites[s].utility
    )
    m.PAID_EXPORTS = members(list(m.CREDITED_EXPORT), lambda s: d.sites[s].utility)
    plant = [i for i in m.GENERATOR_YEARS if not d.resources[i[0]].sponsor_pays and d.resources[i[0]].zone in priced]
    store = [i for i in m.RUNNING_STORES if not d.resources[i[0]].sponsor_pays and d.resources[i[0]].zone in priced]
    m.SELLING_GENERATORS = members(plant, lambda n: d.resources[n].option.utility)  # type: ignore[union-attr]
    m.SELLING_STORES = members(store, lambda n: d.resources[n].option.utility)  # type: ignore[union-attr]
    m.resource_zone = pyo.Param(
        sorted({n for n, _ in [*plant, *store]}),
        within=pyo.Any,
        initialize={n: d.resources[n].zone for n, _ in [*plant, *store]},
    )

    def stacked(zone: str) -> str | None:
        return d.zones[zone].utility if d.zones[zone].supply == "stack" else None

    sold = [i for i in m.EARNING if stacked(i[0])]
    m.BUYBACK_GENERATORS = members([(z, y, n) for z, y in sold for n, _ in m.EARNING_GENERATORS[z, y]], stacked, 3)
    m.BUYBACK_STORES = members([(z, y, n) for z, y in sold for n, _ in m.EARNING_STORES[z, y]], stacked, 3)
    m.RISE_PAID = members([i for i in m.RISE_PARTS if d.paying_utility(i[0])], d.paying_utility, 3)
    _corridor_purchases(m, d)
    m.purchase_cost = pyo.Var(m.COST_OF_SERVICE, doc="energy bought less energy sold, M$ a year")
    m.purchases_recovered = constrain(
        m.COST_OF_SERVICE,
        rule=lambda m, u, y: (
            m.purchase_cost[u, y]
            == sum(
                m.weight_hours[t] * m.price[m.site_zone[s], v, t] * m.import_mw[s, v, t]
                for s, v in m.BOUGHT_FOR[u, y]
                for t in m.STEPS
            )
            - sum(
                m.weight_hours[t] * m.price[m.site_zone[s], v, t] * m.export_mw[s, v, t]
                for s, v in m.SOLD_BY[u, y]
                for t in m.STEPS
            )
            + sum(
                m.export_credit[s, v] * m.weight_hours[t] * m.export_mw[s, v, t]
                for s, v in m.PAID_EXPORTS[u, y]
                for t in m.STEPS
            )
            - sum(
                m.weight_hours[t] * m.price[m.resource_zone[r], v, t] * m.output[r, v, t]
                for r, v in m.SELLING_GENERATORS[u, y]
                for t in m.STEPS
            )
            - sum(
                m.weight_hours[t] * m.price[m.resource_zone[r], v, t] * (m.discharge[r, v, t] - m.charge[r, v, t])
                for r, v in m.SELLING_STORES[u, y]
                for t in m.STEPS
            )
            + sum(
                m.weight_hours[t] * m.zone_earning[z, v, t] * m.output[r, v, t]
                for z, v, r in m.BUYBACK_GENERATORS[u, y]
                for t in m.STEPS
            )
            + sum(
                m.weight_hours[t] * m.zone_earning[z, v, t] * (m.discharge[r, v, t] - m.charge[r, v, t])
                for z, v, r in m.BUYBACK_STORES[u, y]
                for t in m.STEPS
            )
            + sum(
                m.weight_hours[t] * m.payment_slope[z, j] * m.rise_part[z, v, j, t]
                for z, v, j in m.RISE_PAID[u, y]
                for t in m.STEPS
            )
            - sum(
                m.weight_hours[t]
                * (
                    m.stack_forward_margin[c, v, t] * m.forward[c, v, t]
                    + m.stack_backward_margin[c, v, t] * m.backward[c, v, t]
                )
                for c, v in m.STACK_CORRIDORS[u, y]
                for t in m.STEPS
            )
        ),
    )


def _corridor_purchases(m: pyo.ConcreteModel, d: Data) -> None:
    """Corridors between a price zone and a stack zone: the stack's utility buys and sells at the price end."""
    rows = {row.corridor: row for row in d.instance.corridors}

    def buyer(corridor: str) -> str | None:
        ends = [d.zones[rows[corridor].from_zone], d.zones[rows[corridor].to_zone]]
        if {zone.supply for zone in ends} != {"price", "stack"}:
            return None
        return next(zone.utility for zone in ends if zone.supply == "stack")

    stacked = [i for i in m.CORRIDOR_YEARS if buyer(i[0])]
    by_utility = group(stacked, lambda i: (buyer(i[0]), i[1]))
    margin = {(c, y): d.corridor_margin(rows[c], y) / MILLION for c, y in stacked}
    back = {(c, y): d.corridor_margin(rows[c], y, reverse=True) / MILLION for c, y in stacked}
    m.STACK_CORRIDORS = pyo.Set(
        m.COST_OF_SERVICE, dimen=2, initialize={i: by_utility.get(i, []) for i in m.COST_OF_SERVICE}
    )
    m.stack_forward_margin = series(stacked, m.STEPS, values=margin)
    m.stack_backward_margin = series(stacked, m.STEPS, values=back)


def _supply(m: pyo.ConcreteModel, d: Data) -> None:
    cost = {(b.zone, b.block): b.marginal_cost_usd_per_mwh / MILLION for b in d.instance.supply_blocks}
    owned = group(m.STACK_ZONES, lambda i: (d.zones[i[0]].utility, i[1]))
    m.STACK_OWNERS = pyo.Set(dimen=2, initialize=list(owned))
    blocks = {i: [(z, b, y) for z, y in zones for b in m.ZONE_BLOCKS[z, y]] for i, zones in owned.items()}
    m.OWNED_BLOCKS = pyo.Set(m.STACK_OWNERS, dimen=3, initialize=blocks)
    m.supply_marginal_cost = pyo.Param(list(cost), initialize=cost, doc="M$ per MWh")
    m.supply_without_project = pyo.Param(
        m.STACK_OWNERS,
        initialize={
            i: sum(d.stack_total(z, y, "marginal_cost_usd_per_mwh") for z, y in owned[i]) / MILLION for i in owned
        },
    )
    m.supply_cost = pyo.Var(m.STACK_OWNERS, doc="cost of supply with the project less without, M$ a year")
    m.supply_recovered = constrain(
        m.STACK_OWNERS,
        rule=lambda m, u, y: (
            m.supply_cost[u, y]
            == sum(
                m.weight_hours[t] * m.supply_marginal_cost[z, b] * m.supply[z, b, v, t]
                for z, b, v in m.OWNED_BLOCKS[u, y]
                for t in m.STEPS
            )
            - m.supply_without_project[u, y]
        ),
    )


def _capacity(m: pyo.ConcreteModel, d: Data) -> None:
    paid = [(z, y) for z, y in dict.fromkeys((z, y) for z, y, _ in m.CAPACITY_PARTS) if d.paying_utility(z)]
    rows = group(paid, lambda i: (d.paying_utility(i[0]), i[1]))
    parts = {k: [p for i in zones for p in m.CAPACITY_PARTS if p[:2] == i] for k, zones in rows.items()}
    m.CAPACITY_BUYERS = pyo.Set(dimen=2, initialize=list(rows))
    m.BOUGHT_BY_UTILITY = pyo.Set(m.CAPACITY_BUYERS, dimen=3, initialize=parts)
    m.capacity_cost = pyo.Var(m.CAPACITY_BUYERS, bounds=(0, None), doc="capacity bought for the sites, M$ a year")
    m.capacity_recovered = constrain(
        m.CAPACITY_BUYERS,
        rule=lambda m, u, y: (
            m.capacity_cost[u, y]
            == sum(m.capacity_price[z, v, j] * m.capacity_part[z, v, j] for z, v, j in m.BOUGHT_BY_UTILITY[u, y])
        ),
    )
