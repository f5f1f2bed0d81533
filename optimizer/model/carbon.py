r"""Carbon and clean energy: price on emissions, yearly cap, annual and hourly clean matching.

Symbols
-------
``matched[z,y,t]`` clean energy matched to load within a zone in a step, MW

Equations
---------
emissions:  project resources: output * heat rate * fuel factor; grid: factor * (imports + flow sent to a zone
            without a price); stack: supply with the project less without
cap:        sum of emissions <= cap
annual:     sum w * clean output >= share * sum w * load
hourly:     matched <= clean output in the zone ; matched <= load in the zone ; sum w * matched >= share * sum w * load

Cost: carbon.
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data
from optimizer.model.sparse import constrain, cost_term, group, hourly


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add carbon and clean-energy rules to the model."""
    policy = {row.year: row for row in d.instance.policy if row.year in d.operated}
    _emissions(m, d)
    m.CAPPED_YEARS = pyo.Set(initialize=[y for y, row in policy.items() if row.co2_cap_t is not None])
    m.co2_cap = pyo.Param(m.CAPPED_YEARS, initialize={y: policy[y].co2_cap_t for y in m.CAPPED_YEARS})
    m.PRICED_YEARS = pyo.Set(initialize=[y for y, row in policy.items() if row.carbon_price_usd_per_t > 0])
    m.carbon_price = pyo.Param(
        m.PRICED_YEARS, initialize={y: policy[y].carbon_price_usd_per_t / MILLION for y in m.PRICED_YEARS}
    )
    m.emissions_within_cap = constrain(
        m.CAPPED_YEARS, rule=lambda m, y: sum(m.emissions_kt[p, v] for p, v in m.EMITTED_IN[y]) <= m.co2_cap[y] / 1000
    )
    m.PRICED = pyo.Set(dimen=2, initialize=[(p, y) for p, y in m.EMITTERS if y in m.PRICED_YEARS])
    m.cost_carbon = cost_term(m.PRICED, rule=lambda m, p, y: 1000 * m.carbon_price[y] * m.emissions_kt[p, y])
    _annual_matching(m, d, {y: row.clean_share_annual for y, row in policy.items() if row.clean_share_annual > 0})
    _hourly_matching(m, d, {y: row.clean_share_hourly for y, row in policy.items() if row.clean_share_hourly > 0})


def _emissions(m: pyo.ConcreteModel, d: Data) -> None:
    """Emissions by place and year, only in years in which a price or a cap looks at them."""
    watched = {row.year for row in d.instance.policy if row.carbon_price_usd_per_t > 0 or row.co2_cap_t is not None}

    def seen(rows: pyo.Set) -> list[tuple[str, int]]:
        return [i for i in rows if i[1] in watched]

    grid = {
        z: zone.grid_co2_t_per_mwh
        for z, zone in d.zones.items()
        if zone.supply == "price" and zone.grid_co2_t_per_mwh > 0
    }
    plant = group(
        [i for i in seen(m.GENERATOR_YEARS) if d.co2_per_mwh(d.resources[i[0]]) > 0],
        lambda i: (d.resources[i[0]].place, i[1]),
    )
    drawn = group([i for i in seen(m.GRID_SITE_YEARS) if d.sites[i[0]].zone in grid], lambda i: i)
    corridors = {c.corridor: c for c in d.instance.corridors}
    sends = {(c, False): d.corridor_emissions(row) for c, row in corridors.items()}
    sends |= {(c, True): d.corridor_emissions(row, reverse=True) for c, row in corridors.items()}
    sent = group([i for i in seen(m.CORRIDOR_YEARS) if sends[i[0], False] + sends[i[0], True] > 0], lambda i: i)
    stacks = group(seen(m.STACK_ZONES), lambda i: i)
    index = list(dict.fromkeys([*plant, *drawn, *sent, *stacks]))
    m.EMITTERS = pyo.Set(dimen=2, initialize=index)
    m.EMITTED_IN = pyo.Set(m.YEARS, dimen=2, initialize={y: [i for i in index if i[1] == y] for y in d.years})
    for name, rows in (("EMITTING_PLANT", plant), ("EMITTING_IMPORTS", drawn), ("EMITTING_FLOWS", sent)):
        m.add_component(name, pyo.Set(m.EMITTERS, dimen=2, initialize={i: rows.get(i, []) for i in index}))
    emitted = {i: [(z, b, y) for z, y in rows for b in m.ZONE_BLOCKS[z, y]] for i, rows in stacks.items()}
    m.EMITTING_BLOCKS = pyo.Set(m.EMITTERS, dimen=3, initialize={i: emitted.get(i, []) for i in index})
    emitting = sorted({n for rows in plant.values() for n, _ in rows})
    m.co2_per_mwh = pyo.Param(
        emitting, initialize={n: d.co2_per_mwh(d.resources[n]) / 1000 for n in emitting}, doc="kt per MWh"
    )
    m.grid_co2 = pyo.Param(list(grid), initialize={z: f / 1000 for z, f in grid.items()}, doc="kt per MWh")
    m.forward_co2 = pyo.Param(list(corridors), initialize={c: sends[c, False] / 1000 for c in corridors})
    m.backward_co2 = pyo.Param(list(corridors), initialize={c: sends[c, True] / 1000 for c in corridors})
    blocks = {(b.zone, b.block): b.co2_t_per_mwh / 1000 for b in d.instance.supply_blocks}
    m.block_co2 = pyo.Param(list(blocks), initialize=blocks)
    m.stack_co2_without = pyo.Param(
        m.EMITTERS,
        initialize={
            i: sum(d.stack_emissions_without_project(z, y) for z, y in stacks.get(i, [])) / 1000 for i in index
        },
    )
    m.emissions_kt = pyo.Var(m.EMITTERS, doc="emissions of the year, kt CO2")
    m.emissions_counted = constrain(
        m.EMITTERS,
        rule=lambda m, p, y: (
            m.emissions_kt[p, y]
            == sum(
                m.co2_per_mwh[r] * m.weight_hours[t] * m.output[r, v, t]
                for r, v in m.EMITTING_PLANT[p, y]
                for t in m.STEPS
            )
            + sum(
                m.grid_co2[m.site_zone[s]] * m.weight_hours[t] * m.import_mw[s, v, t]
                for s, v in m.EMITTING_IMPORTS[p, y]
                for t in m.STEPS
            )
            + sum(
                m.weight_hours[t] * (m.forward_co2[c] * m.forward[c, v, t] + m.backward_co2[c] * m.backward[c, v, t])
                for c, v in m.EMITTING_FLOWS[p, y]
                for t in m.STEPS
            )
            + sum(
                m.block_co2[z, b] * m.weight_hours[t] * m.supply[z, b, v, t]
                for z, b, v in m.EMITTING_BLOCKS[p, y]
                for t in m.STEPS
            )
            - m.stack_co2_without[p, y]
        ),
    )


def _clean(m: pyo.ConcreteModel, d: Data) -> list[tuple[str, int]]:
    return [i for i in m.GENERATOR_YEARS if d.resources[i[0]].technology.clean and d.resources[i[0]].additional]


def _annual_matching(m: pyo.ConcreteModel, d: Data, shares: dict[int, float]) -> None:
    clean = group(_clean(m, d), lambda i: i[1])
    sites = group(m.SITE_YEARS, lambda i: i[1])
    m.MATCHED_YEARS = pyo.Set(initialize=list(shares))
    m.CLEAN_IN = pyo.Set(m.MATCHED_YEARS, dimen=2, initialize={y: clean.get(y, []) for y in shares})
    m.LOADS_IN = pyo.Set(m.MATCHED_YEARS, dimen=2, initialize={y: sites.get(y, []) for y in shares})
    m.clean_share = pyo.Param(m.MATCHED_YEARS, initialize=shares)
    m.clean_energy_matches_load = constrain(
        m.MATCHED_YEARS,
        rule=lambda m, y: (
            sum(m.weight_hours[t] / 1000 * m.output[r, v, t] for r, v in m.CLEAN_IN[y] for t in m.STEPS)
            >= sum(m.clean_share[v] * m.yearly_load_per_it[s] / 1000 * m.it_mw[s, v] for s, v in m.LOADS_IN[y])
        ),
        doc="in GWh",
    )


def _hourly_matching(m: pyo.ConcreteModel, d: Data, shares: dict[int, float]) -> None:
    clean = group([i for i in _clean(m, d) if i[1] in shares], lambda i: (d.zone_of(d.resources[i[0]]), i[1]))
    loads = group([i for i in m.SITE_YEARS if i[1] in shares], lambda i: (d.sites[i[0]].zone, i[1]))
    both = [i for i in loads if i in clean]
    m.HOURLY_YEARS = pyo.Set(initialize=list(shares))
    m.MATCHED = pyo.Set(dimen=2, initialize=both)
    m.MATCHED_CLEAN = pyo.Set(m.MATCHED, dimen=2, initialize={i: clean[i] for i in both})
    m.MATCHED_LOADS = pyo.Set(m.MATCHED, dimen=2, initialize={i: loads[i] for i in both})
    m.MATCHED_IN = pyo.Set(m.HOURLY_YEARS, dimen=2, initialize={y: [i for i in both if i[1] == y] for y in shares})
    m.ALL_LOADS_IN = pyo.Set(
        m.HOURLY_YEARS, dimen=2, initialize={y: [i for i in m.SITE_YEARS if i[1] == y] for y in shares}
    )
    m.hourly_share = pyo.Param(m.HOURLY_YEARS, initialize=shares)
    m.matched = hourly(m.MATCHED, m.STEPS, bounds=(0, None), doc="clean energy matched to load, MW")
    m.matched_within_clean = constrain(
        m.MATCHED,
        m.STEPS,
        rule=lambda m, z, y, t: m.matched[z, y, t] <= sum(m.output[r, v, t] for r, v in m.MATCHED_CLEAN[z, y]),
    )
    m.matched_within_load = constrain(
        m.MATCHED,
        m.STEPS,
        rule=lambda m, z, y, t: (
            m.matched[z, y, t] <= sum(m.load_per_it[s, t] * m.it_mw[s, v] for s, v in m.MATCHED_LOADS[z, y])
        ),
    )
    m.clean_energy_matches_load_hourly = constrain(
        m.HOURLY_YEARS,
        rule=lambda m, y: (
            sum(m.weight_hours[t] / 1000 * m.matched[z, v, t] for z, v in m.MATCHED_IN[y] for t in m.STEPS)
            >= sum(m.hourly_share[v] * m.yearly_load_per_it[s] / 1000 * m.it_mw[s, v] for s, v in m.ALL_LOADS_IN[y])
        ),
        doc="in GWh",
    )
