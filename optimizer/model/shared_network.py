r"""Shared network: an existing network cost that all load shares by coincident peak (postage stamp).

Symbols
-------
``network_part[u,y,j]`` the sites' import in the step of highest local load, MW by segment;
``network_charge[u,y]`` what they pay, M$ a year

Equation
--------
charge = G * D / (L + D), D the sites' coincident demand, L the locals': concave in D, so it is interpolated between
five points of D, with binaries that keep the segments in order. Interpolation lies below the true curve: the locals
are credited with no more than the sites pay. The charge lowers the locals' cost by the same dollars (see rates).

Cost: shared_network_charges.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data
from optimizer.model.piecewise import Curve, curve
from optimizer.model.sparse import constrain, cost_term, group

SEGMENTS = 4


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add shared network charges to the model."""
    served = group([i for i in m.GRID_SITE_YEARS if d.sites[i[0]].utility], lambda i: (d.sites[i[0]].utility, i[1]))
    costs = {(r.utility, r.year): r for r in d.instance.shared_network_costs}
    shared = [i for i in costs if i[1] in d.years and i in served and most_demand_mw(d, *i) > 0]
    curves = {i: charge_curve(d, *i) for i in shared}
    peak_step = {u: highest_load_step(d, u) for u, _ in shared}
    parts = [(u, y, j) for u, y in shared for j in range(SEGMENTS)]
    m.SHARED = pyo.Set(dimen=2, initialize=shared)
    m.SHARING_SITES = pyo.Set(
        m.SHARED, dimen=3, initialize={i: [(s, y, peak_step[i[0]]) for s, y in served[i]] for i in shared}
    )
    m.NETWORK_PARTS = pyo.Set(dimen=3, initialize=parts)
    m.PARTS_OF_NETWORK = pyo.Set(m.SHARED, dimen=3, initialize={i: [p for p in parts if p[:2] == i] for i in shared})
    m.network_width = pyo.Param(m.NETWORK_PARTS, initialize={(u, y, j): curves[u, y].widths[j] for u, y, j in parts})
    m.network_slope = pyo.Param(m.NETWORK_PARTS, initialize={(u, y, j): curves[u, y].slopes[0][j] for u, y, j in parts})
    m.network_part = pyo.Var(
        m.NETWORK_PARTS,
        bounds=lambda m, u, y, j: (0, curves[u, y].widths[j]),
        doc="coincident demand in the segment, MW",
    )
    m.network_charge = pyo.Var(m.SHARED, bounds=(0, None), doc="M$ a year")
    m.coincident_demand = constrain(
        m.SHARED,
        rule=lambda m, u, y: (
            sum(m.network_part[q, v, j] for q, v, j in m.PARTS_OF_NETWORK[u, y])
            == sum(m.import_mw[s, v, t] for s, v, t in m.SHARING_SITES[u, y])
        ),
    )
    m.network_charged = constrain(
        m.SHARED,
        rule=lambda m, u, y: (
            m.network_charge[u, y]
            == sum(m.network_slope[q, v, j] * m.network_part[q, v, j] for q, v, j in m.PARTS_OF_NETWORK[u, y])
        ),
    )
    _keep_order(m, [p for p in parts if p[2] + 1 < SEGMENTS])
    m.cost_shared_network_charges = cost_term(m.SHARED, rule=lambda m, u, y: m.network_charge[u, y])


def _keep_order(m: pyo.ConcreteModel, ordered: list[tuple[str, int, int]]) -> None:
    m.NETWORK_ORDERED = pyo.Set(dimen=3, initialize=ordered)
    m.next_network_segment = pyo.Param(range(SEGMENTS - 1), initialize={j: j + 1 for j in range(SEGMENTS - 1)})
    m.network_full = pyo.Var(m.NETWORK_ORDERED, domain=pyo.Binary, doc="is the segment full")
    m.network_segment_full_before_next = constrain(
        m.NETWORK_ORDERED,
        rule=lambda m, u, y, j: m.network_part[u, y, j] >= m.network_width[u, y, j] * m.network_full[u, y, j],
    )
    m.next_network_segment_needs_full = constrain(
        m.NETWORK_ORDERED,
        rule=lambda m, u, y, j: (
            m.network_part[u, y, m.next_network_segment[j]]
            <= m.network_width[u, y, m.next_network_segment[j]] * m.network_full[u, y, j]
        ),
    )


def most_demand_mw(d: Data, utility: str, year: int) -> float:
    """Largest coincident demand the utility's sites can have: all their POI capacity."""
    return sum(d.most_poi_mw(s, year) for s, site in d.sites.items() if site.utility == utility)


def charge_curve(d: Data, utility: str, year: int) -> Curve:
    """Charge (M$ a year) over coincident demand (MW), by segment."""
    row = next(r for r in d.instance.shared_network_costs if (r.utility, r.year) == (utility, year))
    demand = np.linspace(0, most_demand_mw(d, utility, year), SEGMENTS + 1)
    charge = row.cost_usd / MILLION * demand / (row.local_coincident_peak_mw + demand)
    return curve(demand.tolist(), charge.tolist())


def highest_load_step(d: Data, utility: str) -> int:
    """Step with the highest local load of the utility's zone (the first on ties)."""
    zone = d.zones[d.utilities[utility].zone]
    return int(np.argmax(d.on_steps(zone.local_load_series, 0.0)))
