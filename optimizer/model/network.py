r"""Network: points of interconnection, the balance of every site, corridors between zones, zones' net purchase.

Symbols
-------
``import_mw[s,y,t]``, ``export_mw`` through the POI; ``forward[l,y,t]``, ``backward`` sent over a corridor;
``net_mw[z,y,t]`` net purchase of the project in a zone (only where a limit, a price response or a balance needs it);
``supply[z,b,y,t]`` output of a stack zone's supply block

Equations
---------
POI:       import <= existing + funded ; export <= existing + funded
site:      output + discharge + import + unserved + curtailed + deferred
           = load + charge + export + recovered
corridor:  forward <= existing + funded ; backward likewise
zone:      net = sum sites (import - export) - zone resources (output + discharge - charge)
               + sent - arrived, arrived = sent * (1 - loss)
           stack zones: sum supply = local load + net ; zones without supply: net = 0
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from optimizer.model.data import Data
from optimizer.model.sparse import constrain, group, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add the network to the model."""
    _poi(m, d)
    _site_balance(m, d)
    _corridors(m, d)
    _zones(m, d)
    _stack(m, d)


def _poi(m: pyo.ConcreteModel, d: Data) -> None:
    wires = group(
        [i for i in m.RESOURCE_YEARS if d.resources[i[0]].kind == "wires" and d.resources[i[0]].site],
        lambda i: (d.resources[i[0]].site, i[1]),
    )
    grid = [(s, y) for s, y in m.SITE_YEARS if d.sites[s].existing_poi_mw > 0 or (s, y) in wires]
    m.GRID_SITE_YEARS = pyo.Set(dimen=2, initialize=grid)
    m.EXPORTING = pyo.Set(dimen=2, initialize=[(s, y) for s, y in grid if d.sites[s].export_allowed])
    m.POI_UPGRADES = pyo.Set(m.GRID_SITE_YEARS, dimen=2, initialize={i: wires.get(i, []) for i in grid})
    m.existing_poi_mw = pyo.Param(list(d.sites), initialize={s: site.existing_poi_mw for s, site in d.sites.items()})
    m.poi_mw = pyo.Var(
        m.GRID_SITE_YEARS, bounds=lambda m, s, y: (0, d.most_poi_mw(s, y)), doc="capacity of the POI, MW"
    )
    m.poi_capacity = constrain(
        m.GRID_SITE_YEARS,
        rule=lambda m, s, y: (
            m.poi_mw[s, y] == m.existing_poi_mw[s] + sum(m.capacity_mw[r, v] for r, v in m.POI_UPGRADES[s, y])
        ),
    )
    m.import_mw = hourly(
        m.GRID_SITE_YEARS, m.STEPS, bounds=lambda m, s, y: (0, d.most_poi_mw(s, y)), doc="drawn through the POI, MW"
    )
    m.export_mw = hourly(
        m.EXPORTING, m.STEPS, bounds=lambda m, s, y: (0, d.most_poi_mw(s, y)), doc="sent through the POI, MW"
    )
    upgradable = [i for i in grid if wires.get(i)]
    m.UPGRADABLE = pyo.Set(dimen=2, initialize=upgradable)
    m.UPGRADABLE_EXPORTING = pyo.Set(dimen=2, initialize=[i for i in upgradable if i in m.EXPORTING])
    m.import_within_poi = constrain(
        m.UPGRADABLE, m.STEPS, rule=lambda m, s, y, t: m.import_mw[s, y, t] <= m.poi_mw[s, y]
    )
    m.export_within_poi = constrain(
        m.UPGRADABLE_EXPORTING, m.STEPS, rule=lambda m, s, y, t: m.export_mw[s, y, t] <= m.poi_mw[s, y]
    )


def _site_balance(m: pyo.ConcreteModel, d: Data) -> None:
    at_site = lambda i: (d.resources[i[0]].site, i[1])  # noqa: E731
    generators, stores = group(m.GENERATOR_YEARS, at_site), group(m.RUNNING_STORES, at_site)
    sites = list(m.SITE_YEARS)

    def present(members: pyo.Set) -> pyo.Set:
        return pyo.Set(m.SITE_YEARS, dimen=2, initialize={i: [i] if i in members else [] for i in sites})

    m.SITE_GENERATORS = pyo.Set(m.SITE_YEARS, dimen=2, initialize={i: generators.get(i, []) for i in sites})
    m.SITE_STORES = pyo.Set(m.SITE_YEARS, dimen=2, initialize={i: stores.get(i, []) for i in sites})
    m.SITE_IMPORTS, m.SITE_EXPORTS = present(m.GRID_SITE_YEARS), present(m.EXPORTING)
    m.SITE_CURTAILMENT, m.SITE_DEFERRAL = present(m.CURTAILABLE), present(m.DEFERRABLE)
    m.site_balance = constrain(
        m.SITE_YEARS,
        m.STEPS,
        rule=lambda m, s, y, t: (
            sum(m.output[r, v, t] for r, v in m.SITE_GENERATORS[s, y])
            + sum(m.discharge[r, v, t] - m.charge[r, v, t] for r, v in m.SITE_STORES[s, y])
            + sum(m.import_mw[q, v, t] for q, v in m.SITE_IMPORTS[s, y])
            - sum(m.export_mw[q, v, t] for q, v in m.SITE_EXPORTS[s, y])
            + m.unserved[s, y, t]
            + sum(m.curtailed[q, v, t] for q, v in m.SITE_CURTAILMENT[s, y])
            + sum(m.deferred[q, v, t] - m.recovered[q, v, t] for q, v in m.SITE_DEFERRAL[s, y])
            == m.load_per_it[s, t] * m.it_mw[s, y]
        ),
    )


def _corridors(m: pyo.ConcreteModel, d: Data) -> None:
    corridors = {row.corridor: row for row in d.instance.corridors}
    circuits = group(
        [i for i in m.RESOURCE_YEARS if d.resources[i[0]].corridor], lambda i: (d.resources[i[0]].corridor, i[1])
    )
    usable = [(c, y) for c, row in corridors.items() for y in d.operated if row.existing_mw > 0 or (c, y) in circuits]
    m.CORRIDOR_YEARS = pyo.Set(dimen=2, initialize=usable)
    m.CIRCUITS = pyo.Set(m.CORRIDOR_YEARS, dimen=2, initialize={i: circuits.get(i, []) for i in usable})
    m.existing_corridor_mw = pyo.Param(list(corridors), initialize={c: row.existing_mw for c, row in corridors.items()})
    m.arrives = pyo.Param(list(corridors), initialize={c: 1 - row.loss_share for c, row in corridors.items()})
    m.forward = hourly(m.CORRIDOR_YEARS, m.STEPS, bounds=(0, None), doc="sent from from_zone to to_zone, MW")
    m.backward = hourly(m.CORRIDOR_YEARS, m.STEPS, bounds=(0, None), doc="sent from to_zone to from_zone, MW")
    m.forward_within_corridor = constrain(
        m.CORRIDOR_YEARS,
        m.STEPS,
        rule=lambda m, c, y, t: (
            m.forward[c, y, t] - sum(m.capacity_mw[r, v] for r, v in m.CIRCUITS[c, y]) <= m.existing_corridor_mw[c]
        ),
    )
    m.backward_within_corridor = constrain(
        m.CORRIDOR_YEARS,
        m.STEPS,
        rule=lambda m, c, y, t: (
            m.backward[c, y, t] - sum(m.capacity_mw[r, v] for r, v in m.CIRCUITS[c, y]) <= m.existing_corridor_mw[c]
        ),
    )


def _zones(m: pyo.ConcreteModel, d: Data) -> None:
    ends = {row.corridor: (row.from_zone, row.to_zone) for row in d.instance.corridors}
    at_zone = lambda i: (d.resources[i[0]].zone, i[1])  # noqa: E731
    sites = group(m.GRID_SITE_YEARS, lambda i: (d.sites[i[0]].zone, i[1]))
    exporting = group(m.EXPORTING, lambda i: (d.sites[i[0]].zone, i[1]))
    generators, stores = group(m.GENERATOR_YEARS, at_zone), group(m.RUNNING_STORES, at_zone)
    leaving = group(m.CORRIDOR_YEARS, lambda i: (ends[i[0]][0], i[1]))
    arriving = group(m.CORRIDOR_YEARS, lambda i: (ends[i[0]][1], i[1]))
    touched: list[dict[Any, Any]] = [sites, generators, stores, leaving, arriving]
    needed = [
        (z, y)
        for z in d.zones
        for y in d.operated
        if d.needs_net_purchase(z) and (d.zones[z].supply == "stack" or any((z, y) in x for x in touched))
    ]
    m.NET_ZONES = pyo.Set(dimen=2, initialize=needed)

    def members(groups: dict[Any, Any]) -> pyo.Set:
        return pyo.Set(m.NET_ZONES, dimen=2, initialize={i: groups.get(i, []) for i in needed})

    m.ZONE_SITES, m.ZONE_EXPORTS = members(sites), members(exporting)
    m.ZONE_GENERATORS, m.ZONE_STORES = members(generators), members(stores)
    m.ZONE_LEAVING, m.ZONE_ARRIVING = members(leaving), members(arriving)
    m.net_mw = hourly(m.NET_ZONES, m.STEPS, bounds=lambda m, z, y: d.net_purchase_bounds(z), doc="net purchase, MW")
    m.zone_net_purchase = constrain(
        m.NET_ZONES,
        m.STEPS,
        rule=lambda m, z, y, t: (
            m.net_mw[z, y, t]
            == sum(m.import_mw[s, v, t] for s, v in m.ZONE_SITES[z, y])
            - sum(m.export_mw[s, v, t] for s, v in m.ZONE_EXPORTS[z, y])
            - sum(m.output[r, v, t] for r, v in m.ZONE_GENERATORS[z, y])
            + sum(m.charge[r, v, t] - m.discharge[r, v, t] for r, v in m.ZONE_STORES[z, y])
            + sum(m.forward[c, v, t] - m.arrives[c] * m.backward[c, v, t] for c, v in m.ZONE_LEAVING[z, y])
            + sum(m.backward[c, v, t] - m.arrives[c] * m.forward[c, v, t] for c, v in m.ZONE_ARRIVING[z, y])
        ),
    )


def _stack(m: pyo.ConcreteModel, d: Data) -> None:
    stacks = [(z, y) for z, y in m.NET_ZONES if d.zones[z].supply == "stack"]
    blocks = {(row.zone, row.block): row for row in d.instance.supply_blocks}
    names = {z: [b for q, b in blocks if q == z] for z, _ in stacks}
    load = {(z, y): d.local_load(z, y) for z, y in stacks}
    m.STACK_ZONES = pyo.Set(dimen=2, initialize=stacks)
    m.BLOCKS = pyo.Set(dimen=3, initialize=[(z, b, y) for z, y in stacks for b in names[z]])
    m.ZONE_BLOCKS = pyo.Set(m.STACK_ZONES, initialize={(z, y): names[z] for z, y in stacks})
    m.local_load = series(m.STACK_ZONES, m.STEPS, values=load)
    m.supply = hourly(
        m.BLOCKS,
        m.STEPS,
        bounds=lambda m, z, b, y: (0, blocks[z, b].capacity_mw),
        doc="output of a supply block, MW",
    )
    m.stack_balance = constrain(
        m.STACK_ZONES,
        m.STEPS,
        rule=lambda m, z, y, t: (
            sum(m.supply[z, b, y, t] for b in m.ZONE_BLOCKS[z, y]) == m.local_load[z, y, t] + m.net_mw[z, y, t]
        ),
    )
