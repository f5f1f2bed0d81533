"""Zones: what the project draws, what supplies it, what passes between them, and what it does to prices.

net purchase q = imports - exports of sites - net output of zone plant + sent - arrived on corridors
price zone: -max sale <= q <= max purchase;  no supply: q = 0
stack zone: sum of supply blocks = local load + q
corridor: 0 <= flow <= existing + funded, each way
price change: linear between the points of the price response, at max(q, 0); q within the last point
payment of the rise: linear between the points (q, q * price change)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from optimizer.check.books import Books, once
from optimizer.check.report import MW, PER_MWH, USD, Array, Comparison, at_least, at_most, equal


def check_zones(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    axes = list(books.zones), books.years, books.steps
    flow, purchase = books.zone_flow, books.net_purchase
    scale = np.fmax(MW, np.abs(purchase))
    yield equal("net_purchase", flow["net_purchase_mw"], purchase, *axes, scale=scale)
    local = books.local_load
    yield equal("local_load", flow["local_load_mw"], local, *axes, scale=np.fmax(MW, local))
    yield from _limits(books, purchase, scale)
    yield from _supply(books)
    yield from _corridors(books)
    yield from _prices(books)


def _limits(books: Books, purchase: Array, scale: Array) -> Iterator[Comparison]:
    """Net purchases of price zones within their limits; none where there is no supply."""
    axes = list(books.zones), books.years, books.steps
    highest = [_limit(zone.supply, zone.max_net_purchase_mw) for zone in books.instance.zones]
    lowest = [-_limit(zone.supply, zone.max_net_sale_mw) for zone in books.instance.zones]
    yield at_most("zone_limits", purchase, np.array(highest)[:, None, None], *axes, scale=scale)
    yield at_least("zone_limits", purchase, np.array(lowest)[:, None, None], *axes, scale=scale)


def _limit(supply: str, most: float | None) -> float:
    if supply == "none":
        return 0.0
    return np.inf if supply == "stack" or most is None else most


def _supply(books: Books) -> Iterator[Comparison]:
    """Blocks of a stack serve local load and the project, each within its capacity."""
    if not books.blocks:
        return
    axes = books.years, books.steps
    supply, names = books.supply, list(books.blocks)
    capacity = np.array([block.capacity_mw for block in books.blocks.values()])[:, None, None]
    scale = np.fmax(MW, capacity)
    yield at_most("supply_capacity", supply, capacity, names, *axes, scale=scale)
    yield at_least("supply_capacity", supply, 0, names, *axes, scale=scale)
    for row, zone in enumerate(books.instance.zones):
        if zone.supply == "stack":
            need = books.local_load[row] + books.net_purchase[row]
            total = supply[[block.zone == zone.zone for block in books.blocks.values()]].sum(axis=0)
            yield equal(
                "supply_balance",
                total,
                need,
                [(zone.zone, year) for year in books.years],
                axes[1],
                scale=np.fmax(MW, need),
            )


def _corridors(books: Books) -> Iterator[Comparison]:
    """Flows within the circuits."""
    names = list(books.corridors)
    existing = np.array([corridor.existing_mw for corridor in books.corridors.values()]).reshape(-1, 1)
    funded = books.members(lambda r: r.corridor, names) @ books.mw
    capacity = (existing + funded)[:, :, None]
    for name in ("forward_mw", "backward_mw"):
        flow, axes = books.corridor_flow[name], (names, books.years, books.steps)
        yield at_most("corridor_limits", flow, capacity, *axes, scale=np.fmax(MW, capacity))
        yield at_least("corridor_limits", flow, 0, *axes, scale=np.fmax(MW, capacity))


def _prices(books: Books) -> Iterator[Comparison]:
    """Market price, its change, and what the change costs on the project's own purchases."""
    axes = list(books.zones), books.years, books.steps
    flow, price, payment = books.zone_flow, books.price, price_rise_payment(books)
    priced = np.array([zone.supply == "price" for zone in books.instance.zones])[:, None, None]
    yield equal(
        "price", np.where(priced, flow["price_usd_per_mwh"], price), price, *axes, scale=np.fmax(PER_MWH, np.abs(price))
    )
    change = price_change(books)
    yield equal("price_change", flow["price_change_usd_per_mwh"], change, *axes, scale=np.fmax(PER_MWH, change))
    found = flow["price_rise_payment_usd_per_hour"]
    yield equal("price_rise_payment", found, payment, *axes, scale=np.fmax(USD / 8760, payment))
    for row, zone in enumerate(books.zones):
        curve = books.curve(zone)
        if curve is not None:
            yield at_most(
                "price_response_range",
                books.net_purchase[row],
                curve[0][-1],
                [(zone, y) for y in books.years],
                axes[2],
                scale=MW,
            )


@once
def price_change(books: Books) -> Array:
    """Rise of the market price by the project; shape (Z, Y, T)."""
    return _read_off(books, lambda quantity, change: change)


@once
def price_rise_payment(books: Books) -> Array:
    """What the rise costs on the project's net purchase, US$ per hour; shape (Z, Y, T)."""
    return _read_off(books, lambda quantity, change: quantity * change)


def _read_off(books: Books, height: Callable[[Array, Array], Array]) -> Array:
    """Linear interpolation at the net purchase, per zone with a price response."""
    total = np.zeros_like(books.net_purchase)
    for row, zone in enumerate(books.zones):
        curve = books.curve(zone)
        if curve is not None:
            total[row] = np.interp(np.maximum(books.net_purchase[row], 0), curve[0], height(*curve))
    return total
