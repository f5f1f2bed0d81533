"""What the project costs each utility: revenue requirement by pool, shared network, stranded plant.

plant       utility-financed builds * revenue requirement of their age, in the technology's pool
fixed_om    of contributed and utility-financed plant, in the same pool
variable    O&M, fuel and startup of that plant, in the fuel pool
purchases   fuel pool: market price * (import - export) of the sites, export payments, the rise of the price,
            less what that plant sells; corridor energy of a stack; buy-back of the sponsor's plant there
supply      fuel pool: cost of the supply blocks with the project less without it
capacity    generation pool: capacity bought for a cost-of-service utility
network     cost * D / (local peak + D) by chords between 5 equally spaced points from 0 to the largest D
                that the connections of the year allow
stranding   (1 - salvage) * book value <= exit fee + collateral, in every exit year
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from optimizer import schema
from optimizer.check.books import Books, Build, Resource, once
from optimizer.check.capacity_market import capacity_payment
from optimizer.check.compute import site_years
from optimizer.check.investment import earliest_year
from optimizer.check.operating import fixed_om, fuel_cost, startup_cost, variable_om
from optimizer.check.report import MW, USD, Array, Comparison, at_least, at_most, no_more, same
from optimizer.check.tariffs import charge, contract_charge, plant_requirement
from optimizer.check.zones import price_rise_payment
from optimizer.finance import net_book_value

#: Points between which the charge for a shared network is linear.
NETWORK_POINTS = 5

Requirement = dict[tuple[str, str, str], Array]


def check_utilities(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    found = books.money("revenue_requirement", "usd", "utility", "pool", "component", "year")
    yield same("revenue_requirement", found, _figures(books, requirement(books)), USD)
    network = {"coincident_mw": (coincident(books), MW), "charge_usd": (network_charge(books), USD)}
    for column, (values, floor) in network.items():
        yield same(
            "network_charges", books.money("network_charges", column, "utility", "year"), _figures(books, values), floor
        )
    yield from _stranding(books)


def _figures(books: Books, values: Mapping[Any, Array]) -> dict[Any, float]:
    """Arrays over the planning years as figures, the year last in their keys."""
    names = {key: key if isinstance(key, tuple) else (key,) for key in values}
    return {
        (*names[key], year): usd
        for key, array in values.items()
        for year, usd in zip(books.years, array.tolist(), strict=True)
    }


# Revenue requirement


@once
def requirement(books: Books) -> Requirement:
    """Yearly cost to each utility by (utility, pool, component); shape (Y,) each."""
    total: Requirement = defaultdict(lambda: np.zeros(len(books.years)))
    _add_plant(books, total)
    _add_site_purchases(books, total)
    _add_zone_purchases(books, total)
    _add_corridors(books, total)
    _add_supply(books, total)
    for zone, amount in capacity_payment(books).items():
        buyer = books.buyer(zone)
        if buyer is not None:
            total[buyer, "generation", "capacity"] += amount
    return dict(total)


def _add_plant(books: Books, total: Requirement) -> None:
    """Capital and O&M of plant that the utility holds."""
    for build in books.builds:
        if build.resource.mode == "utility":
            total[_holder(build.resource), build.resource.technology.cost_pool, "plant"] += plant_requirement(
                books, build
            )
    upkeep, variable = fixed_om(books), variable_om(books) + fuel_cost(books) + startup_cost(books)
    for row, resource in enumerate(books.plants):
        if not resource.sponsored:
            total[_holder(resource), resource.technology.cost_pool, "fixed_om"] += upkeep[row]
            total[_holder(resource), "fuel", "variable"] += variable[row]


def _holder(resource: Resource) -> str:
    assert resource.utility is not None
    return resource.utility


def _add_site_purchases(books: Books, total: Requirement) -> None:
    """Energy bought for, and from, the sites of cost-of-service utilities."""
    zones = list(books.zones)
    for row, site in enumerate(books.instance.sites):
        tariff = books.tariff(site.site)
        if site.utility is None or tariff is None or not books.regulated(site.site):
            continue
        imports, exports = books.site_flow["import_mw"][row], books.site_flow["export_mw"][row]
        price = books.price[zones.index(site.zone)] * (books.zones[site.zone].supply == "price")
        total[site.utility, "fuel", "purchases"] += books.per_year(price * (imports - exports))
        total[site.utility, "fuel", "purchases"] += export_rate(books, tariff) * books.per_year(exports)


def export_rate(books: Books, tariff: schema.Tariff) -> Array:
    """What the utility pays for metered export, by year."""
    return charge(tariff, books, "export_usd_per_mwh")


def _add_zone_purchases(books: Books, total: Requirement) -> None:
    """Sales of the utility's zone plant, the price rise it pays, the sponsor's zone plant it buys from."""
    payment = books.per_year(price_rise_payment(books))
    for row, zone in enumerate(books.instance.zones):
        buyer = books.buyer(zone.zone)
        if zone.supply == "price" and buyer is not None:
            total[buyer, "fuel", "purchases"] += payment[row]
    value = zone_plant_value(books)
    for row, resource in enumerate(books.plants):
        if resource.plant.zone is None:
            continue
        home = books.zones[resource.plant.zone]
        if home.supply == "price" and not resource.sponsored:
            total[_holder(resource), "fuel", "purchases"] -= value[row]
        if home.supply == "stack" and resource.sponsored and home.utility is not None:
            total[home.utility, "fuel", "purchases"] += value[row]


@once
def zone_plant_value(books: Books) -> Array:
    """Net output of zone plant at the market price, or at the buy-back price of a stack; shape (R, Y)."""
    zones = list(books.zones)
    value = np.zeros_like(books.mw)
    for row, resource in enumerate(books.plants):
        zone = books.zones.get(resource.plant.zone or "")
        if zone is not None and zone.supply == "price":
            value[row] = books.per_year(books.price[zones.index(zone.zone)] * books.net_output[row])
        elif zone is not None and zone.supply == "stack":
            value[row] = zone.buyback_usd_per_mwh * books.per_year(books.net_output[row])
    return value


def corridor_cost(books: Books) -> Array:
    """What the energy on corridors costs at market prices: sent is bought, arrived is sold; shape (C, Y)."""
    zones = list(books.zones)
    total = np.zeros((len(books.corridors), len(books.years)))
    for row, corridor in enumerate(books.instance.corridors):
        start, end = (books.price[zones.index(name)] for name in (corridor.from_zone, corridor.to_zone))
        forward, backward = books.corridor_flow["forward_mw"][row], books.corridor_flow["backward_mw"][row]
        kept = 1 - corridor.loss_share
        total[row] = books.per_year(forward * (start - kept * end) + backward * (end - kept * start))
    return total


def corridor_buyer(books: Books, corridor: schema.Corridor) -> str | None:
    """Utility of the stack at an end, which trades on the corridor; None where the sponsor does."""
    ends = (books.zones[corridor.from_zone], books.zones[corridor.to_zone])
    stacks = [zone.utility for zone in ends if zone.supply == "stack"]
    return stacks[0] if stacks else None


def corridor_cost_name(books: Books, corridor: schema.Corridor) -> str:
    """Rent between two priced zones is revenue; energy for a zone without supply is bought."""
    supplies = {books.zones[end].supply for end in (corridor.from_zone, corridor.to_zone)}
    return "market_purchases" if "none" in supplies else "market_revenue"


def _add_corridors(books: Books, total: Requirement) -> None:
    for corridor, cost in zip(books.instance.corridors, corridor_cost(books), strict=True):
        buyer = corridor_buyer(books, corridor)
        if buyer is not None:
            total[buyer, "fuel", "purchases"] += cost


def _add_supply(books: Books, total: Requirement) -> None:
    """Cost of a stack with the project less without it."""
    change = supply_change(books, "marginal_cost_usd_per_mwh")
    for zone, amount in change.items():
        utility = books.zones[zone].utility
        assert utility is not None
        total[utility, "fuel", "supply"] += amount


def supply_change(books: Books, column: str) -> dict[str, Array]:
    """Yearly output of a stack's blocks times a column of them, with the project less without; by zone, (Y,)."""
    change = {}
    for row, zone in enumerate(books.instance.zones):
        if zone.supply == "stack":
            chosen = [position for position, block in enumerate(books.blocks.values()) if block.zone == zone.zone]
            blocks = [list(books.blocks.values())[position] for position in chosen]
            more = books.supply[chosen] - merit_order(blocks, books.local_load[row])
            factor = np.array([float(getattr(block, column)) for block in blocks])
            change[zone.zone] = factor @ books.per_year(more)
    return change


def merit_order(blocks: list[schema.SupplyBlock], load: Array) -> Array:
    """Output of blocks that serve a load, the cheapest first; (Y, T) to (B, Y, T)."""
    output = np.zeros((len(blocks), *load.shape))
    rest = load.copy()
    for row in sorted(range(len(blocks)), key=lambda row: blocks[row].marginal_cost_usd_per_mwh):
        output[row] = np.minimum(rest, blocks[row].capacity_mw)
        rest -= output[row]
    return output


# Shared network


def coincident(books: Books) -> dict[str, Array]:
    """Import of a utility's sites in the step of the zone's highest local load, by utility; shape (Y,)."""
    zones, total = list(books.zones), {}
    for name in sorted({row.utility for row in books.instance.shared_network_costs}):
        steps = books.local_load[zones.index(books.utilities[name].zone)].argmax(axis=1)
        served = [row for row, site in enumerate(books.instance.sites) if site.utility == name]
        imports = books.site_flow["import_mw"][served].sum(axis=0)
        total[name] = imports[np.arange(len(steps)), steps]
    return total


@once
def network_charge(books: Books) -> dict[str, Array]:
    """Share of the network cost that the sites pay, by utility; shape (Y,)."""
    rows = {(row.utility, row.year): row for row in books.instance.shared_network_costs}
    total = {}
    for name, drawn in coincident(books).items():
        most = largest_import(books, name)
        charges = [_chords(rows[name, y], d, m) for y, d, m in zip(books.years, drawn, most, strict=True)]
        total[name] = np.array(charges)
    return total


def _chords(row: schema.SharedNetworkCost, drawn: float, most: float) -> float:
    """Charge at a coincident demand, linear between the points."""
    points = np.linspace(0, most, NETWORK_POINTS)
    share = points / (row.local_coincident_peak_mw + points)
    return row.cost_usd * float(np.interp(drawn, points, share))


def largest_import(books: Books, utility: str) -> Array:
    """POI capacity of a utility's sites with all that could be in service by then; shape (Y,)."""
    served = {site.site: site.existing_poi_mw for site in books.instance.sites if site.utility == utility}
    options = [row for row in books.instance.funding_options if row.site in served]
    wires = [row for row in options if books.technologies[row.technology].kind == "wires"]
    return sum(served.values()) + sum((possible_mw(books, row) for row in wires), np.zeros(len(books.years)))


def possible_mw(books: Books, option: schema.FundingOption) -> Array:
    """Most of an option that its limits and years allow in service; shape (Y,)."""
    life = books.technologies[option.technology].life_years
    first, last = earliest_year(books, option), option.last_year or math.inf
    yearly = option.max_blocks if option.max_blocks_per_year is None else option.max_blocks_per_year
    open_years = [[first <= v <= last and v <= y < v + life for v in books.years] for y in books.years]
    return option.block_mw * np.minimum(option.max_blocks, yearly * np.sum(open_years, axis=1))  # type: ignore[no-any-return]


# Stranding


def _stranding(books: Books) -> Iterator[Comparison]:
    """Exposure, exit fees, collateral within its limit, and the pledge that they cover it."""
    key = ("utility", "exit_year")
    found = {
        name: books.money("stranding", f"{name}_usd", *key)
        for name in ("exposure", "exit_fee", "collateral", "headroom")
    }
    exposure, fee = _figures(books, exposures(books)), _figures(books, exit_fees(books))
    listed = found["exposure"]
    due = {key: usd for key, usd in exposure.items() if key in listed or usd > 0}
    yield same("stranding_exposure", listed, due, USD)
    yield same("stranding_exit_fee", found["exit_fee"], {key: fee[key] for key in listed if key in fee}, USD)
    covered = {key: usd + found["collateral"].get(key, 0.0) for key, usd in fee.items()}
    left = {key: covered[key] - exposure[key] for key in listed if key in covered}
    yield same("stranding_headroom", found["headroom"], left, USD)
    most = {(name, year): row.max_collateral_usd for name, row in books.utilities.items() for year in books.years}
    yield no_more("collateral", found["collateral"], most, USD)
    yield at_least("collateral", list(found["collateral"].values()), 0, list(listed), scale=USD)
    if books.instance.manifest.rates.enforce:
        bound = [key for key in exposure if books.utilities[key[0]].stranding_limit]
        lost = np.array([exposure[key] for key in bound])
        yield at_most("stranding", lost, [covered[key] for key in bound], bound, scale=np.fmax(USD, lost))


def _financed(books: Books, utility: str) -> list[Build]:
    return [b for b in books.builds if b.resource.mode == "utility" and b.resource.utility == utility]


def exposures(books: Books) -> dict[str, Array]:
    """Book value of utility-financed plant that would be lost, by utility; shape (Y,)."""
    inflation = books.instance.manifest.finance.inflation
    total = {}
    for name, utility in books.utilities.items():
        value = np.zeros(len(books.years))
        for build in _financed(books, name):
            life = build.resource.technology.life_years
            value += build.capex_usd * np.array([net_book_value(y - build.year, life, inflation) for y in books.years])
        total[name] = (1 - utility.salvage_share) * value
    return total


def exit_fees(books: Books) -> dict[str, Array]:
    """Minimum bills due on leaving, by utility; shape (Y,)."""
    total = {name: np.zeros(len(books.years)) for name in books.utilities}
    contract, opened = site_years(books, "contract_mw"), books.by_site("open")
    for row, site in enumerate(books.instance.sites):
        tariff = books.tariff(site.site)
        if site.utility is None or tariff is None or site.contract_end_year is None:
            continue
        left = site.contract_end_year - np.array(books.years) + 1
        years = np.clip(left, 0, tariff.exit_fee_years)
        demand = 12 * 1000 * charge(tariff, books, "demand_usd_per_kw_month") * tariff.minimum_demand_share
        yearly = demand * contract[row] * opened[row] + contract_charge(books, site.site)
        total[site.utility] += years * yearly
    return total
