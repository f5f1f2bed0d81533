r"""Markets: energy settled at the hourly price, the price rise the project causes, and capacity owed to the zone.

Symbols
-------
``rise_part[z,y,t,j]`` net purchase in segment j of the price response; ``capacity_part[z,y,j]`` capacity bought in
segment j of the capacity-price curve; lambda the market price without the project

Equations
---------
settlement:  the sponsor pays lambda * import and earns lambda * export at sites that buy at market; its zone
             resources earn lambda (stack zones: the buyback rate); between two price zones it earns the rent
price rise:  net <= sum_j part[j] ; dlambda = sum_j slope_j part[j] ; payment = sum_j payment_slope_j part[j]
             (payment interpolates net * dlambda between the points)
capacity:    (1 + margin) * peak load - accredited - headroom <= bought,  bought = sum_j part[j] (0 without a curve)
             price of what is bought = price without the project + the curve's rise

Costs: market_purchases, market_revenue (negative), market_price_rise, capacity_purchases.
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import MILLION, Data
from optimizer.model.piecewise import Curve, curve
from optimizer.model.sparse import constrain, cost_term, group, hourly, series


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add markets to the model."""
    m.price = series(
        sorted({z for z, _ in d.prices}),
        m.YEARS,
        m.STEPS,
        values={i: price / MILLION for i, price in d.prices.items()},
        doc="market price, M$ per MWh",
    )
    m.site_zone = pyo.Param(list(d.sites), within=pyo.Any, initialize={s: site.zone for s, site in d.sites.items()})
    _site_settlement(m, d)
    _zone_revenue(m, d)
    _corridor_settlement(m, d)
    _price_rise(m, d)
    _capacity(m, d)


def _site_settlement(m: pyo.ConcreteModel, d: Data) -> None:
    buying = [(s, y) for s, y in m.GRID_SITE_YEARS if d.buys_at_market(d.sites[s])]
    selling = [i for i in buying if i in m.EXPORTING]
    paid = [(s, y) for s, y in m.EXPORTING if d.export_credit(s, y) > 0]
    m.BUYING = pyo.Set(dimen=2, initialize=buying)
    m.SELLING = pyo.Set(dimen=2, initialize=selling)
    m.CREDITED_EXPORT = pyo.Set(dimen=2, initialize=paid)
    m.export_credit = pyo.Param(
        m.CREDITED_EXPORT, initialize={(s, y): d.export_credit(s, y) / MILLION for s, y in paid}, doc="M$ per MWh"
    )
    m.cost_market_purchases = cost_term(
        m.BUYING,
        rule=lambda m, s, y: sum(
            m.weight_hours[t] * m.price[m.site_zone[s], y, t] * m.import_mw[s, y, t] for t in m.STEPS
        ),
    )
    m.cost_market_revenue = cost_term(
        m.SELLING,
        rule=lambda m, s, y: sum(
            -m.weight_hours[t] * m.price[m.site_zone[s], y, t] * m.export_mw[s, y, t] for t in m.STEPS
        ),
    )
    m.cost_market_revenue__credited = cost_term(
        m.CREDITED_EXPORT,
        rule=lambda m, s, y: sum(-m.export_credit[s, y] * m.weight_hours[t] * m.export_mw[s, y, t] for t in m.STEPS),
    )


def _zone_revenue(m: pyo.ConcreteModel, d: Data) -> None:
    """Revenue of the sponsor's own zone resources."""
    own = lambda i: d.resources[i[0]].zone is not None and d.resources[i[0]].sponsor_pays  # noqa: E731
    zone_year = lambda i: (d.resources[i[0]].place, i[1])  # noqa: E731
    generators = group(filter(own, m.GENERATOR_YEARS), zone_year)
    stores = group(filter(own, m.RUNNING_STORES), zone_year)
    places = list(dict.fromkeys([*generators, *stores]))
    earns = {(z, y): d.zone_resource_price(z, y) / MILLION for z, y in places}
    m.EARNING = pyo.Set(dimen=2, initialize=places)
    m.EARNING_GENERATORS = pyo.Set(m.EARNING, dimen=2, initialize={i: generators.get(i, []) for i in places})
    m.EARNING_STORES = pyo.Set(m.EARNING, dimen=2, initialize={i: stores.get(i, []) for i in places})
    m.zone_earning = series(m.EARNING, m.STEPS, values=earns, doc="M$ per MWh")
    m.cost_market_revenue__zone = cost_term(
        m.EARNING,
        rule=lambda m, z, y: (
            sum(
                -m.weight_hours[t] * m.zone_earning[z, y, t] * m.output[r, v, t]
                for r, v in m.EARNING_GENERATORS[z, y]
                for t in m.STEPS
            )
            + sum(
                m.weight_hours[t] * m.zone_earning[z, y, t] * (m.charge[r, v, t] - m.discharge[r, v, t])
                for r, v in m.EARNING_STORES[z, y]
                for t in m.STEPS
            )
        ),
    )


def _corridor_settlement(m: pyo.ConcreteModel, d: Data) -> None:
    """Rent between two price zones (revenue), and purchases for zones without supply of their own."""
    rows = {row.corridor: row for row in d.instance.corridors}
    supply = {c: (d.zones[row.from_zone].supply, d.zones[row.to_zone].supply) for c, row in rows.items()}
    rent = [i for i in m.CORRIDOR_YEARS if supply[i[0]] == ("price", "price")]
    bought = [i for i in m.CORRIDOR_YEARS if set(supply[i[0]]) == {"price", "none"}]
    m.RENT = pyo.Set(dimen=2, initialize=rent)
    m.CORRIDOR_PURCHASES = pyo.Set(dimen=2, initialize=bought)
    index = [*rent, *bought]
    forward = {(c, y): d.corridor_margin(rows[c], y) / MILLION for c, y in index}
    backward = {(c, y): d.corridor_margin(rows[c], y, reverse=True) / MILLION for c, y in index}
    m.forward_margin = series(list(forward), m.STEPS, values=forward, doc="earned per MWh sent, M$")
    m.backward_margin = series(list(backward), m.STEPS, values=backward, doc="earned per MWh sent, M$")

    def earned(m: pyo.ConcreteModel, c: str, y: int) -> object:
        return sum(
            -m.weight_hours[t] * m.forward_margin[c, y, t] * m.forward[c, y, t]
            - m.weight_hours[t] * m.backward_margin[c, y, t] * m.backward[c, y, t]
            for t in m.STEPS
        )

    m.cost_market_revenue__rent = cost_term(m.RENT, rule=earned)
    m.cost_market_purchases__corridor = cost_term(m.CORRIDOR_PURCHASES, rule=earned)


def price_curve(d: Data, zone: str) -> Curve:
    """Price rise (US$/MWh) and payment (US$/h) over net purchase, by segment."""
    points = d.price_response[zone]
    return curve([q for q, _ in points], [p for _, p in points], [q * p for q, p in points])


def capacity_curve(d: Data, zone: str) -> Curve:
    """Price rise (US$/kW-year) and payment (US$ a year) over the capacity bought, by segment."""
    points = d.capacity_curves[zone]
    return curve([q for q, _ in points], [p for _, p in points], [1000 * q * p for q, p in points])


def _price_rise(m: pyo.ConcreteModel, d: Data) -> None:
    curves = {z: price_curve(d, z) for z in d.price_response}
    rising = [(z, y) for z, y in m.NET_ZONES if z in curves]
    segments = {z: range(len(c.widths)) for z, c in curves.items()}
    flat = [(z, j) for z in curves for j in segments[z]]
    m.RISING = pyo.Set(dimen=2, initialize=rising)
    m.RISE_SEGMENTS = pyo.Set(list(curves), initialize={z: list(segments[z]) for z in curves})
    m.RISE_PARTS = pyo.Set(dimen=3, initialize=[(z, y, j) for z, y in rising for j in segments[z]])
    m.rise_width = pyo.Param(flat, initialize={(z, j): curves[z].widths[j] for z, j in flat})
    m.rise_slope = pyo.Param(
        flat, initialize={(z, j): curves[z].slopes[0][j] / MILLION for z, j in flat}, doc="M$/MWh per MW"
    )
    m.payment_slope = pyo.Param(
        flat, initialize={(z, j): curves[z].slopes[1][j] / MILLION for z, j in flat}, doc="M$/h per MW"
    )
    m.rise_part = hourly(
        m.RISE_PARTS,
        m.STEPS,
        bounds=lambda m, z, y, j: (0, curves[z].widths[j]),
        doc="net purchase in the segment, MW",
    )
    m.net_purchase_in_segments = constrain(
        m.RISING,
        m.STEPS,
        rule=lambda m, z, y, t: m.net_mw[z, y, t] <= sum(m.rise_part[z, y, j, t] for j in m.RISE_SEGMENTS[z]),
    )
    ordered = [(z, y, j) for z, y, j in m.RISE_PARTS if not curves[z].convex and j + 1 in segments[z]]
    m.RISE_ORDERED = pyo.Set(dimen=3, initialize=ordered)
    m.next_rise_segment = pyo.Param(sorted({j for _, _, j in ordered}), initialize={j: j + 1 for _, _, j in ordered})
    m.rise_full = hourly(m.RISE_ORDERED, m.STEPS, domain=pyo.Binary, doc="is the segment full")
    m.rise_segment_full_before_next = constrain(
        m.RISE_ORDERED,
        m.STEPS,
        rule=lambda m, z, y, j, t: m.rise_part[z, y, j, t] >= m.rise_width[z, j] * m.rise_full[z, y, j, t],
    )
    m.next_rise_segment_needs_full = constrain(
        m.RISE_ORDERED,
        m.STEPS,
        rule=lambda m, z, y, j, t: (
            m.rise_part[z, y, m.next_rise_segment[j], t]
            <= m.rise_width[z, m.next_rise_segment[j]] * m.rise_full[z, y, j, t]
        ),
    )
    m.SPONSOR_RISE = pyo.Set(dimen=2, initialize=[i for i in rising if d.paying_utility(i[0]) is None])
    m.cost_market_price_rise = cost_term(
        m.SPONSOR_RISE,
        rule=lambda m, z, y: sum(
            m.weight_hours[t] * m.payment_slope[z, j] * m.rise_part[z, y, j, t]
            for j in m.RISE_SEGMENTS[z]
            for t in m.STEPS
        ),
    )


def _capacity(m: pyo.ConcreteModel, d: Data) -> None:
    obliged = [(z, y) for z, zone in d.zones.items() if zone.capacity_obligation for y in d.operated]
    plant = [i for i in m.RESOURCE_YEARS if d.resources[i[0]].kind != "wires" and d.resources[i[0]].additional]
    accredited = group(plant, lambda i: (d.zone_of(d.resources[i[0]]), i[1]))
    loads = group([i for i in m.SITE_YEARS if d.grid_connected(i[0])], lambda i: (d.sites[i[0]].zone, i[1]))
    m.OBLIGED = pyo.Set(dimen=2, initialize=obliged)
    m.ACCREDITED = pyo.Set(m.OBLIGED, dimen=2, initialize={i: accredited.get(i, []) for i in obliged})
    m.OBLIGED_SITES = pyo.Set(m.OBLIGED, dimen=2, initialize={i: loads.get(i, []) for i in obliged})
    m.firm_credit = pyo.Param(
        list(d.resources), initialize={n: r.technology.firm_credit_share for n, r in d.resources.items()}
    )
    m.obligation_per_it = pyo.Param(
        list(d.sites),
        initialize={s: (1 + d.zones[site.zone].reserve_margin) * d.peak_load_per_it[s] for s, site in d.sites.items()},
    )
    m.capacity_headroom = pyo.Param(
        m.OBLIGED, initialize={(z, y): d.zone_year(z, y, "capacity_headroom_mw", 0.0) for z, y in obliged}
    )
    curves = {z: capacity_curve(d, z) for z in d.capacity_curves if d.zones[z].capacity_obligation}
    _capacity_parts(m, d, curves)
    m.capacity_owed = constrain(m.OBLIGED, rule=lambda m, z, y: _not_bought(m, z, y) <= m.capacity_headroom[z, y])
    _no_more_than_owed(m, d)


def _not_bought(m: pyo.ConcreteModel, zone: str, year: int) -> object:
    """MW owed less what is accredited and bought."""
    return (
        sum(m.obligation_per_it[s] * m.it_mw[s, v] for s, v in m.OBLIGED_SITES[zone, year])
        - sum(m.firm_credit[r] * m.capacity_mw[r, v] for r, v in m.ACCREDITED[zone, year])
        - sum(m.capacity_part[q, v, j] for q, v, j in m.BOUGHT[zone, year])
    )


def _no_more_than_owed(m: pyo.ConcreteModel, d: Data) -> None:
    """A full first segment may not be bought for its own sake: binaries of a plan within the gap could ask for it."""
    first = [i for i in m.CAPACITY_ORDERED if i[2] == 0]
    most_accredited = {
        i: sum(m.firm_credit[r] * d.resources[r].most_mw(y) for r, y in m.ACCREDITED[i]) for i in m.OBLIGED
    }
    m.CAPACITY_FIRST = pyo.Set(dimen=3, initialize=first)
    m.most_bought_in_excess = pyo.Param(
        m.CAPACITY_FIRST,
        initialize={
            (z, y, j): m.capacity_headroom[z, y] + most_accredited[z, y] + m.capacity_width[z, y, j]
            for z, y, j in first
        },
    )
    m.no_more_capacity_than_owed = constrain(
        m.CAPACITY_FIRST,
        rule=lambda m, z, y, j: (
            _not_bought(m, z, y) + m.most_bought_in_excess[z, y, j] * (1 - m.capacity_full[z, y, j])
            >= m.capacity_headroom[z, y]
        ),
    )


def _capacity_parts(m: pyo.ConcreteModel, d: Data, curves: dict[str, Curve]) -> None:
    parts = [(z, y, j) for z, y in m.OBLIGED if z in curves for j in range(len(curves[z].widths))]
    base = {(z, y): d.zone_year(z, y, "capacity_price_usd_per_kw_year", 0.0) * 1000 for z, y, _ in parts}
    m.CAPACITY_PARTS = pyo.Set(dimen=3, initialize=parts)
    m.BOUGHT = pyo.Set(m.OBLIGED, dimen=3, initialize={i: [p for p in parts if p[:2] == i] for i in m.OBLIGED})
    m.capacity_width = pyo.Param(m.CAPACITY_PARTS, initialize={(z, y, j): curves[z].widths[j] for z, y, j in parts})
    m.capacity_price = pyo.Param(
        m.CAPACITY_PARTS,
        initialize={(z, y, j): (base[z, y] + curves[z].slopes[1][j]) / MILLION for z, y, j in parts},
        doc="M$ a year per MW bought",
    )
    m.capacity_rise_slope = pyo.Param(
        m.CAPACITY_PARTS,
        initialize={(z, y, j): curves[z].slopes[0][j] * 1000 / MILLION for z, y, j in parts},
        doc="M$ a year per MW of local obligation, per MW bought",
    )
    m.capacity_part = pyo.Var(
        m.CAPACITY_PARTS, bounds=lambda m, z, y, j: (0, curves[z].widths[j]), doc="capacity bought in the segment, MW"
    )
    ordered = [(z, y, j) for z, y, j in parts if not curves[z].convex and (z, y, j + 1) in m.CAPACITY_PARTS]
    m.CAPACITY_ORDERED = pyo.Set(dimen=3, initialize=ordered)
    m.next_capacity_segment = pyo.Param(
        sorted({j for _, _, j in ordered}), initialize={j: j + 1 for _, _, j in ordered}
    )
    m.capacity_full = pyo.Var(m.CAPACITY_ORDERED, domain=pyo.Binary, doc="is the segment full")
    m.capacity_segment_full_before_next = constrain(
        m.CAPACITY_ORDERED,
        rule=lambda m, z, y, j: m.capacity_part[z, y, j] >= m.capacity_width[z, y, j] * m.capacity_full[z, y, j],
    )
    m.next_capacity_segment_needs_full = constrain(
        m.CAPACITY_ORDERED,
        rule=lambda m, z, y, j: (
            m.capacity_part[z, y, m.next_capacity_segment[j]]
            <= m.capacity_width[z, y, m.next_capacity_segment[j]] * m.capacity_full[z, y, j]
        ),
    )
    m.SPONSOR_CAPACITY = pyo.Set(
        dimen=2, initialize=list(dict.fromkeys((z, y) for z, y, _ in parts if d.paying_utility(z) is None))
    )
    m.cost_capacity_purchases = cost_term(
        m.SPONSOR_CAPACITY,
        rule=lambda m, z, y: sum(m.capacity_price[q, v, j] * m.capacity_part[q, v, j] for q, v, j in m.BOUGHT[z, y]),
    )
