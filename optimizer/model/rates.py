r"""Local rates: every class of every utility pays no more, in any year, than it would without the project.

Symbols
-------
``make_whole[u,c,y]`` paid by the sponsor to a class, M$ a year; sigma cost allocators; kappa bill-credit shares;
E0 (MWh) and r0 (US$/MWh) sales and rate of the frozen without-project case

Equation
--------
sum_pool sigma * dRR  -  kappa * sum_s bill  -  sigma_transmission * network charge
    + sum_t w (1 - hedged) * local load of the class * dlambda  + capacity obligation * (1 - hedged) * dpi
    - make_whole  <=  tolerance * r0 * E0                                      for every u, c, y

E0 and r0 are fixed, so the rate quotient is linear; sales that include the data centre never appear in it.
With ``rates.enforce = false`` the constraint (and make-whole) is left out: the price of the pledge is the difference.

Costs: make_whole; tie_break (a small weight on the cost caused to locals before bills, so that dispatch stays
economic where the constraint is slack).
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data
from optimizer.model.sparse import constrain, cost_term, group, series
from optimizer.schema import POOLS


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add the rate constraint to the model."""
    _parts(m, d)
    if d.instance.manifest.rates.enforce:
        _pledge(m, d)
    if d.instance.manifest.rates.tie_break > 0:
        _tie_break(m, d)


def _parts(m: pyo.ConcreteModel, d: Data) -> None:
    """Which local costs, bills and market effects each utility and year has."""
    index = list(m.UTILITY_YEARS)

    def present(members: pyo.Set) -> pyo.Set:
        return pyo.Set(m.UTILITY_YEARS, dimen=2, initialize={i: [i] if i in members else [] for i in index})

    plant = group(m.FINANCED, lambda i: (i[0], i[2]))
    upkeep = group(m.KEPT, lambda i: (i[0], i[2]))
    parts = group(m.RISE_PARTS, lambda p: (p[0], p[1]))
    m.PLANT_OF = pyo.Set(m.UTILITY_YEARS, dimen=3, initialize={i: plant.get(i, []) for i in index})
    m.UPKEEP_OF = pyo.Set(m.UTILITY_YEARS, dimen=3, initialize={i: upkeep.get(i, []) for i in index})
    m.VARIABLE_OF, m.PURCHASES_OF = present(m.RUN_BY_UTILITY), present(m.COST_OF_SERVICE)
    m.SUPPLY_OF, m.CAPACITY_OF = present(m.STACK_OWNERS), present(m.CAPACITY_BUYERS)
    m.NETWORK_OF = present(m.SHARED)
    bills = group(m.BILLED, lambda i: (d.sites[i[0]].utility, i[1]))
    m.BILLS_OF = pyo.Set(m.UTILITY_YEARS, dimen=2, initialize={i: bills.get(i, []) for i in index})
    rising = {(u, y): parts.get((d.utilities[u].zone, y), []) for u, y in index}
    m.RISES_OF = pyo.Set(m.UTILITY_YEARS, dimen=3, initialize=rising)
    bought = group(m.CAPACITY_PARTS, lambda p: (p[0], p[1]))
    m.CAPACITY_RISES_OF = pyo.Set(
        m.UTILITY_YEARS, dimen=3, initialize={(u, y): bought.get((d.utilities[u].zone, y), []) for u, y in index}
    )


def exposed_load(d: Data, utility: str, customer_class: str, year: int) -> np.ndarray:
    """Load of a class that pays the market price, by step, MW."""
    row = next(c for c in d.instance.customer_classes if (c.utility, c.customer_class) == (utility, customer_class))
    share = (1 - row.hedged_share) * row.local_load_share
    return share * d.local_load(d.utilities[utility].zone, year)


def _pledge(m: pyo.ConcreteModel, d: Data) -> None:
    classes = {(c.utility, c.customer_class): c for c in d.instance.customer_classes}
    cases = {(r.utility, r.customer_class, r.year): r for r in d.instance.class_years if r.year in d.operated}
    index = [(u, c, y) for u, c in classes for y in d.operated]
    allocators = {(a.utility, a.customer_class, a.pool): a.share for a in d.instance.cost_allocators}
    m.CLASS_YEARS = pyo.Set(dimen=3, initialize=index)
    m.CLASSES_OF = pyo.Set(
        m.UTILITY_YEARS, dimen=3, initialize=lambda m, u, y: [i for i in index if i[0] == u and i[2] == y]
    )
    m.allocator = pyo.Param(
        list(classes),
        list(POOLS),
        initialize={(u, c, g): allocators.get((u, c, g), 0.0) for u, c in classes for g in POOLS},
    )
    for pool in ("generation", "transmission", "fuel"):
        values = {(u, c): allocators.get((u, c, pool), 0.0) for u, c in classes}
        m.add_component(f"{pool}_allocator", pyo.Param(list(classes), initialize=values))
    m.bill_credit = pyo.Param(list(classes), initialize={k: row.bill_credit_share for k, row in classes.items()})
    m.permitted_rise = pyo.Param(
        m.CLASS_YEARS,
        initialize={
            (u, c, y): classes[u, c].rate_tolerance_share
            * cases[u, c, y].rate_usd_per_mwh
            * cases[u, c, y].sales_mwh
            / MILLION
            for u, c, y in index
        },
        doc="M$ a year",
    )
    exposed = [(u, c, y) for u, c, y in index if m.RISES_OF[u, y] and classes[u, c].hedged_share < 1]
    load = {i: exposed_load(d, *i) for i in exposed}
    m.EXPOSED = pyo.Set(dimen=3, initialize=exposed)
    m.exposed_load = series(m.EXPOSED, m.STEPS, values=load)
    m.EXPOSED_RISES = pyo.Set(
        m.CLASS_YEARS,
        dimen=3,
        initialize={(u, c, y): list(m.RISES_OF[u, y]) if (u, c, y) in m.EXPOSED else [] for u, c, y in index},
    )
    m.exposed_capacity = pyo.Param(
        list(classes), initialize={k: row.capacity_obligation_mw * (1 - row.hedged_share) for k, row in classes.items()}
    )
    m.make_whole = pyo.Var(
        m.CLASS_YEARS,
        bounds=lambda m, u, c, y: (0, None if d.utilities[u].make_whole_allowed else 0),
        doc="paid by the sponsor to a class, M$ a year",
    )
    m.class_rate_stays_flat = constrain(
        m.CLASS_YEARS,
        rule=lambda m, u, c, y: (
            sum(m.allocator[u, c, g] * m.plant_cost[q, g, v] for q, g, v in m.PLANT_OF[u, y])
            + sum(m.allocator[u, c, g] * m.upkeep_cost[q, g, v] for q, g, v in m.UPKEEP_OF[u, y])
            + sum(m.fuel_allocator[u, c] * m.variable_cost[q, v] for q, v in m.VARIABLE_OF[u, y])
            + sum(m.fuel_allocator[u, c] * m.purchase_cost[q, v] for q, v in m.PURCHASES_OF[u, y])
            + sum(m.fuel_allocator[u, c] * m.supply_cost[q, v] for q, v in m.SUPPLY_OF[u, y])
            + sum(m.generation_allocator[u, c] * m.capacity_cost[q, v] for q, v in m.CAPACITY_OF[u, y])
            - sum(
                m.bill_credit[u, c] * m.demand_bill[s, v]
                + m.bill_credit[u, c] * m.energy_bill[s, v]
                + m.bill_credit[u, c] * m.fixed_bill[s, v]
                + m.bill_credit[u, c] * m.contract_bill[s, v]
                for s, v in m.BILLS_OF[u, y]
            )
            - sum(m.transmission_allocator[u, c] * m.network_charge[q, v] for q, v in m.NETWORK_OF[u, y])
            + sum(
                m.weight_hours[t] * m.exposed_load[u, c, y, t] * m.rise_slope[z, j] * m.rise_part[z, v, j, t]
                for z, v, j in m.EXPOSED_RISES[u, c, y]
                for t in m.STEPS
            )
            + sum(
                m.exposed_capacity[u, c] * m.capacity_rise_slope[z, v, j] * m.capacity_part[z, v, j]
                for z, v, j in m.CAPACITY_RISES_OF[u, y]
            )
            - m.make_whole[u, c, y]
            <= m.permitted_rise[u, c, y]
        ),
        doc="cost change of the class <= permitted rise",
    )
    m.cost_make_whole = cost_term(
        m.UTILITY_YEARS,
        rule=lambda m, u, y: sum(m.make_whole[q, c, v] for q, c, v in m.CLASSES_OF[u, y]),
    )


def _tie_break(m: pyo.ConcreteModel, d: Data) -> None:
    """Weight on dRR and on the market effects on locals, before bills and make-whole."""
    weight = d.instance.manifest.rates.tie_break
    load = {(u, y): _all_exposed_load(d, u, y) for u, y in m.UTILITY_YEARS if m.RISES_OF[u, y]}
    capacity = {
        u: sum(c.capacity_obligation_mw * (1 - c.hedged_share) for c in d.instance.customer_classes if c.utility == u)
        for u in d.utilities
    }
    m.RISES = pyo.Set(dimen=2, initialize=list(load))
    m.all_exposed_load = series(m.RISES, m.STEPS, values=load)
    m.all_exposed_capacity = pyo.Param(list(d.utilities), initialize=capacity)
    m.cost_tie_break = cost_term(
        m.UTILITY_YEARS,
        rule=lambda m, u, y: (
            sum(weight * m.plant_cost[q, g, v] for q, g, v in m.PLANT_OF[u, y])
            + sum(weight * m.upkeep_cost[q, g, v] for q, g, v in m.UPKEEP_OF[u, y])
            + sum(weight * m.variable_cost[q, v] for q, v in m.VARIABLE_OF[u, y])
            + sum(weight * m.purchase_cost[q, v] for q, v in m.PURCHASES_OF[u, y])
            + sum(weight * m.supply_cost[q, v] for q, v in m.SUPPLY_OF[u, y])
            + sum(weight * m.capacity_cost[q, v] for q, v in m.CAPACITY_OF[u, y])
            + sum(
                weight * m.weight_hours[t] * m.all_exposed_load[u, y, t] * m.rise_slope[z, j] * m.rise_part[z, v, j, t]
                for z, v, j in m.RISES_OF[u, y]
                for t in m.STEPS
            )
            + sum(
                weight * m.all_exposed_capacity[u] * m.capacity_rise_slope[z, v, j] * m.capacity_part[z, v, j]
                for z, v, j in m.CAPACITY_RISES_OF[u, y]
            )
        ),
    )


def _all_exposed_load(d: Data, utility: str, year: int) -> np.ndarray:
    classes = [row.customer_class for row in d.instance.customer_classes if row.utility == utility]
    return sum((exposed_load(d, utility, name, year) for name in classes), np.zeros(len(d.steps)))
