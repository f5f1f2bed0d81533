r"""Adequacy: firm capacity at a site covers its peak load with a margin, and with its largest unit out.

Symbols
-------
``largest_mw[s,y]`` firm capacity lost with the largest unit or circuit; ``has_unit[r,y]`` is any block of r in service

Equations
---------
margin:     sum firm credit * capacity_mw + firm POI share * poi_mw >= (1 + margin) * peak load per IT * it_mw
N-1:        the same sum less largest_mw >= peak load per IT * it_mw
            largest_mw >= firm capacity of one block of every resource in service (and of the existing POI circuit)
smoothing:  storage power at the site >= share * it_mw      (for load swings that an hourly model cannot see)
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import Data, Resource
from optimizer.model.sparse import constrain, group


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add adequacy to the model."""
    plant = group(
        [i for i in m.RESOURCE_YEARS if d.resources[i[0]].site and d.resources[i[0]].kind != "wires"],
        lambda i: (d.resources[i[0]].site, i[1]),
    )
    firm = [i for i in m.SITE_YEARS if d.sites[i[0]].adequacy_margin is not None]
    m.FIRM_SITES = pyo.Set(dimen=2, initialize=firm)
    m.FIRM_PLANT = pyo.Set(m.FIRM_SITES, dimen=2, initialize={i: plant.get(i, []) for i in firm})
    m.FIRM_POI = pyo.Set(m.FIRM_SITES, dimen=2, initialize={i: [i] if i in m.GRID_SITE_YEARS else [] for i in firm})
    m.firm_poi_share = pyo.Param(list(d.sites), initialize={s: site.firm_poi_share for s, site in d.sites.items()})
    m.peak_load_per_it = pyo.Param(list(d.sites), initialize=d.peak_load_per_it)
    m.margin_per_it = pyo.Param(
        list(d.sites),
        initialize={s: (1 + (site.adequacy_margin or 0)) * d.peak_load_per_it[s] for s, site in d.sites.items()},
    )
    m.firm_capacity_covers_peak = constrain(
        m.FIRM_SITES,
        rule=lambda m, s, y: (
            sum(m.firm_credit[r] * m.capacity_mw[r, v] for r, v in m.FIRM_PLANT[s, y])
            + sum(m.firm_poi_share[q] * m.poi_mw[q, v] for q, v in m.FIRM_POI[s, y])
            >= m.margin_per_it[s] * m.it_mw[s, y]
        ),
    )
    _largest_out(m, d, [i for i in firm if d.sites[i[0]].n_minus_1])
    _smoothing(m, d, plant)


def firm_block_mw(d: Data, resource: Resource) -> float:
    """Firm capacity lost with one block of a resource, MW."""
    share = (
        d.sites[resource.site or ""].firm_poi_share
        if resource.kind == "wires"
        else resource.technology.firm_credit_share
    )
    return share * resource.block_mw


def _largest_out(m: pyo.ConcreteModel, d: Data, secure: list[tuple[str, int]]) -> None:
    at_site = [i for i in m.RESOURCE_YEARS if (d.resources[i[0]].site, i[1]) in set(secure)]
    units = [i for i in at_site if firm_block_mw(d, d.resources[i[0]]) > 0]
    m.SECURE_SITES = pyo.Set(dimen=2, initialize=secure)
    m.UNITS = pyo.Set(dimen=2, initialize=units)
    m.unit_site = pyo.Param(
        sorted({n for n, _ in units}), within=pyo.Any, initialize={n: d.resources[n].site for n, _ in units}
    )
    m.unit_firm_mw = pyo.Param(
        sorted({n for n, _ in units}), initialize={n: firm_block_mw(d, d.resources[n]) for n, _ in units}
    )
    m.unit_most_mw = pyo.Param(
        m.UNITS, initialize={(n, y): d.resources[n].most_mw(y) for n, y in units}, doc="big-M: the build limit"
    )
    circuit = {(s, y): _circuit_mw(d, s) for s, y in secure}
    m.largest_mw = pyo.Var(
        m.SECURE_SITES, bounds=lambda m, s, y: (circuit[s, y], None), doc="firm capacity lost with the largest unit"
    )
    m.has_unit = pyo.Var(m.UNITS, domain=pyo.Binary, doc="is any block in service")
    m.capacity_needs_unit = constrain(
        m.UNITS, rule=lambda m, r, y: m.capacity_mw[r, y] <= m.unit_most_mw[r, y] * m.has_unit[r, y]
    )
    m.largest_above_units = constrain(
        m.UNITS, rule=lambda m, r, y: m.largest_mw[m.unit_site[r], y] >= m.unit_firm_mw[r] * m.has_unit[r, y]
    )
    m.firm_capacity_covers_peak_with_largest_out = constrain(
        m.SECURE_SITES,
        rule=lambda m, s, y: (
            sum(m.firm_credit[r] * m.capacity_mw[r, v] for r, v in m.FIRM_PLANT[s, y])
            + sum(m.firm_poi_share[q] * m.poi_mw[q, v] for q, v in m.FIRM_POI[s, y])
            - m.largest_mw[s, y]
            >= m.peak_load_per_it[s] * m.it_mw[s, y]
        ),
    )


def _circuit_mw(d: Data, site: str) -> float:
    row = d.sites[site]
    return row.firm_poi_share * row.poi_circuit_mw


def _smoothing(m: pyo.ConcreteModel, d: Data, plant: dict[tuple[str | None, int], list[tuple[str, int]]]) -> None:
    smooth = [i for i in m.SITE_YEARS if d.sites[i[0]].smoothing_storage_share > 0]
    stores = {i: [r for r in plant.get(i, []) if d.resources[r[0]].kind == "storage"] for i in smooth}
    m.SMOOTHED = pyo.Set(dimen=2, initialize=smooth)
    m.SMOOTHING_STORES = pyo.Set(m.SMOOTHED, dimen=2, initialize=stores)
    m.smoothing_share = pyo.Param(
        list(d.sites), initialize={s: site.smoothing_storage_share for s, site in d.sites.items()}
    )
    m.storage_smooths_load = constrain(
        m.SMOOTHED,
        rule=lambda m, s, y: (
            sum(m.capacity_mw[r, v] for r, v in m.SMOOTHING_STORES[s, y]) >= m.smoothing_share[s] * m.it_mw[s, y]
        ),
    )
