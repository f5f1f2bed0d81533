"""Sites, zones, markets, loads and wires that stand already."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optimizer.problems import InstanceError, Problem, suggestion
from optimizer.pypsa_io.import_time import Time
from optimizer.pypsa_io.source import Part, Source
from optimizer.pypsa_io.terms import ELECTRICITY, UNSERVED

BRANCHES = ("Link", "Line", "Transformer")
#: Attributes of lines that only power flow uses.
IMPEDANCE = ("x", "r", "g", "b")
ONE_PORT = ("Generator", "StorageUnit", "Store", "Load")


@dataclass
class Target:
    """The tables being filled."""

    time: Time
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    hourly: dict[str, np.ndarray] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> dict[str, Any]:
        """Add a row."""
        self.tables[table].append(row)
        return row

    def add_series(self, name: str, kind: str, values: np.ndarray, synthetic: bool) -> str:
        """Add a series of the steps, or find one of the same kind and values; its name."""
        hours = self.time.hourly(values)
        for row in self.tables["series"]:
            if row["kind"] == kind and np.array_equal(self.hourly[row["series"]], hours):
                return str(row["series"])
        taken, number = name, 1
        while taken in self.hourly or taken == "hour":
            number += 1
            taken = f"{name} {number}"
        self.add("series", series=taken, kind=kind, synthetic=synthetic)
        self.hourly[taken] = hours
        return taken


@dataclass
class Places:
    """Which bus is what.

    Attributes
    ----------
    sites
        Bus of a site -> its zone.
    fuels
        Bus of a fuel -> its carrier.
    """

    sites: dict[str, str] = field(default_factory=dict)
    zones: list[str] = field(default_factory=list)
    fuels: dict[str, str] = field(default_factory=dict)

    def column(self, bus: str) -> str | None:
        """Column of the place that a bus is: site, zone or None."""
        return "site" if bus in self.sites else "zone" if bus in self.zones else None

    def zone_of(self, bus: str) -> str:
        return self.sites.get(bus, bus)


def read_places(source: Source) -> Places:
    """Tell sites, zones and fuels apart; what stands at another bus is left behind."""
    buses = {part.name: part for part in source.parts("Bus")}
    unknown = [name for name in source.settings.sites if name not in buses]
    if unknown:
        raise InstanceError(
            [Problem("settings", None, "sites", name, "must be a bus", suggestion(name, buses)) for name in unknown]
        )
    places = Places(fuels={name: bus.text("carrier") for name, bus in buses.items() if _is_fuel(source, bus)})
    for name, bus in buses.items():
        if name in source.settings.sites or name in places.fuels:
            continue
        if bus.text("carrier") in ELECTRICITY:
            places.zones.append(name)
        else:
            bus.leave(f"carries {bus.text('carrier')}, not electricity, and is no fuel that plant burns")
    _leave_strays(source, {*source.settings.sites, *places.zones, *places.fuels})
    for name in source.settings.sites:
        places.sites[name] = _zone_of(source, buses[name], places)
    return places


def _is_fuel(source: Source, bus: Part) -> bool:
    """A bus of another carrier that one generator feeds and only links leave."""
    if bus.text("carrier") in ELECTRICITY or bus.name in source.settings.sites:
        return False
    at = [part for kind in ONE_PORT for part in source.standing_at(kind, bus.name)]
    leaving = all(part.component == "Link" and part.text("bus0") == bus.name for part in _wires_at(source, bus.name))
    return len(at) == 1 and at[0].component == "Generator" and leaving


def _leave_strays(source: Source, known: set[str]) -> None:
    """What is tied to a bus that is left behind, or to more than two buses, is left behind too."""
    for kind in (*ONE_PORT, *BRANCHES):
        ends = ("bus",) if kind in ONE_PORT else ("bus0", "bus1")
        for part in source.parts(kind):
            lost = [part.text(end) for end in ends if part.text(end) not in known]
            if lost:
                part.leave(f"stands at bus {lost[0]}, which is left behind")
            elif kind == "Link" and part.text("bus2"):
                part.leave("has more than two buses")
    for part in source.parts("Store"):
        part.leave("energy sized apart from power by links: no counterpart as a unit")


def _zone_of(source: Source, bus: Part, places: Places) -> str:
    """Zone at the other end of a site's wires; without wires, its location."""
    ends = {end for part in _wires_at(source, bus.name) for end in _ends(part) if end in places.zones}
    if len(ends) == 1:
        return ends.pop()
    if len(ends) > 1:
        bus.problem("", "", f"must be joined to one zone, is joined to {', '.join(sorted(ends))}", "Keep one.")
    elif bus.text("location") in places.zones:
        return bus.text("location")
    else:
        rule = "must be joined to a zone by a link or line, or name one as its location"
        bus.problem("location", bus.text("location"), rule, suggestion(bus.text("location"), places.zones))
    return places.zones[0] if places.zones else bus.name


def _wires(source: Source) -> list[Part]:
    return [part for kind in BRANCHES for part in source.parts(kind)]


def _wires_at(source: Source, bus: str) -> list[Part]:
    return [part for kind in BRANCHES for end in ("bus0", "bus1") for part in source.standing_at(kind, bus, end)]


def _ends(part: Part) -> tuple[str, str]:
    return part.text("bus0"), part.text("bus1")


def add_zones(source: Source, places: Places, target: Target) -> set[str]:
    """Zones with their market; the names of the generators that are one."""
    markets: set[str] = set()
    for name in places.zones:
        at = [part for part in source.standing_at("Generator", name) if not bool(part.get("p_nom_extendable"))]
        trading = {part.text("carrier") for part in at if (part.series("p_min_pu") < 0).any()}
        market = [part for part in at if part.text("carrier") in trading and trading]
        markets |= {part.name for part in market}
        zone = target.add("zones", zone=name, supply="none")
        if market:
            _add_market(source, target, zone, market)
        elif source.settings.prices_from_solution:
            _add_solved_price(source, target, zone)
        else:
            _require_no_load(source, name)
        for part in source.standing_at("Load", name):
            part.leave("load of others: the price stands for it")
    return markets


def _require_no_load(source: Source, zone: str) -> None:
    for part in source.standing_at("Load", zone)[:1]:
        rule = "stands in a zone without a market: who serves it at what rates is not known"
        fix = "Add a generator with p_min_pu = -1 at the market price, or solve it and use --prices-from-solution."
        part.problem("bus", zone, rule, fix)


def _add_market(source: Source, target: Target, zone: dict[str, Any], market: list[Part]) -> None:
    price = market[0].series("marginal_cost")
    if any(not np.array_equal(part.series("marginal_cost"), price) for part in market):
        market[1].problem("marginal_cost", "", "must be one price for buying and selling", "Use one series.")
    bought = sum((_limit(part, "p_max_pu", 1.0) for part in market), 0.0)
    sold = sum((_limit(part, "p_min_pu", -1.0) for part in market), 0.0)
    zone["max_net_purchase_mw"] = None if np.isinf(bought) else bought
    zone["max_net_sale_mw"] = None if np.isinf(sold) else sold
    zone["grid_co2_t_per_mwh"] = float(source.carrier(market[0].text("carrier"), "co2_emissions", 0.0))
    _set_price(source, target, zone, price, market[0])


def _limit(part: Part, attribute: str, sign: float) -> float:
    share = max(0.0, sign * part.number(attribute))
    return part.number("p_nom") * share if share > 0 else 0.0


def _add_solved_price(source: Source, target: Target, zone: dict[str, Any]) -> None:
    bus = source.bus(zone["zone"])
    if not bus.varies("marginal_price"):
        bus.problem("marginal_price", "", "must be there for --prices-from-solution", "Solve the network and save it.")
        return
    bus.lose("marginal_price", "series", "carried: the price of the last solution, whatever the project does")
    _set_price(source, target, zone, bus.series("marginal_price"), bus)


def _set_price(source: Source, target: Target, zone: dict[str, Any], price: np.ndarray, part: Part) -> None:
    """One series, and a factor for each year."""
    zone["supply"] = "price"
    hour = int(np.abs(price[0]).argmax())
    scale = price[0, hour]
    factors = price[:, hour] / scale if scale else np.ones(len(price))
    if not np.allclose(price, np.outer(factors, price[0]), rtol=1e-9, atol=1e-9):
        rule = "must have one shape in all investment periods: a zone has one price series and a factor for each year"
        part.problem("marginal_cost", "", rule, "Use one shape.")
    first = source.settings.price_factor.get(zone["zone"], 1.0)
    first, factors = (first, factors * first) if first > 0 else (1.0, factors)
    name = f"{zone['zone']} price"
    zone["price_series"] = target.add_series(name, "price", price[0] / first, source.settings.synthetic)
    for year, factor in zip(source.years, factors, strict=True):
        if abs(factor - 1) > 1e-12:
            target.add("zone_years", zone=zone["zone"], year=year, price_factor=float(factor))


def add_sites(source: Source, places: Places, target: Target) -> None:
    """Sites with their load and what of it may stay unserved."""
    total = np.zeros(len(source.years))
    falls = False
    for name, zone in places.sites.items():
        bus = source.bus(name)
        row = target.add("sites", site=name, zone=zone, existing_poi_mw=0.0, export_allowed=False)
        if (bus.number("x"), bus.number("y")) != (0.0, 0.0):
            row |= {"longitude": bus.number("x"), "latitude": bus.number("y")}
        load = np.zeros(source.shape)
        for part in source.standing_at("Load", name):
            load = load - part.number("sign") * part.series("p_set")
        it = _energised(source, name, load)
        _set_shape(source, target, row, bus, load, it)
        row["availability_target"] = _availability_target(source, target, name, load)
        for year, mw in zip(source.years, it, strict=True):
            target.add("site_years", site=name, year=year, floor_mw=float(mw), ceiling_mw=float(mw))
        total += it
        falls |= bool((np.diff(it) < 0).any())
    if falls:
        target.manifest.setdefault("compute", {})["energised_it_stays"] = False
    for year, mw in zip(source.years, total, strict=True):
        target.add("compute_demand", year=year, it_mw=float(mw))


def _energised(source: Source, site: str, load: np.ndarray) -> np.ndarray:
    """Energised IT by year, MW: as the meta says, else the peak load at the PUE given."""
    stored = source.settings.it_mw.get(site, {})
    peak = load.max(axis=1) / source.settings.pue
    return np.array([stored.get(year, float(mw)) for year, mw in zip(source.years, peak, strict=True)])


def _set_shape(
    source: Source, target: Target, row: dict[str, Any], bus: Part, load: np.ndarray, it: np.ndarray
) -> None:
    pue = source.settings.pue
    used = [(mw, year) for mw, year in zip(load, it, strict=True) if year > 0]
    if pue != 1:
        constant = np.full(source.shape[1], pue)
        row["pue_series"] = target.add_series("power usage effectiveness", "pue", constant, source.settings.synthetic)
    if not used:
        return
    shapes = [mw / (year * pue) for mw, year in used]
    if not all(np.allclose(shape, shapes[0], rtol=1e-9, atol=1e-12) for shape in shapes):
        bus.problem("", "", "must have one shape of load in all investment periods", "Scale one series by year.")
    if not np.allclose(shapes[0], 1.0, rtol=1e-12):
        use = np.minimum(shapes[0], 1.0) if shapes[0].max() < 1 + 1e-9 else shapes[0]
        row["utilisation_series"] = target.add_series(f"{bus.name} use", "utilisation", use, source.settings.synthetic)


def _availability_target(source: Source, target: Target, site: str, load: np.ndarray) -> float:
    """Share of the load that must be served: 1 without a generator for load not served."""
    targets: set[float] = set()
    for part in source.standing_at("Generator", site):
        if part.text("carrier") != UNSERVED:
            continue
        part.seen |= {"p_nom", "p_max_pu", "lifetime"}
        first, most = int(part.number("build_year")), part.number("e_sum_max")
        year = source.years.index(first) if first in source.years else 0
        energy = float(target.time.weights @ load[year])
        targets.add(round(1 - most / energy, 12) if energy > 0 else 1.0)
        penalty = target.manifest.setdefault("compute", {})
        cost = part.number("marginal_cost")
        if penalty.setdefault("unserved_usd_per_mwh", cost) != cost:
            part.problem("marginal_cost", cost, "must be the same for all load not served", "Use one penalty.")
        if len(targets) > 1 or not 0 < max(targets) <= 1:
            rule = "must leave the same share of the load unserved in every year, below 1"
            part.problem("e_sum_max", most, rule, "Set it to (1 - target) times the energy of the year.")
    return targets.pop() if targets else 1.0


def add_wires(source: Source, places: Places, target: Target) -> None:
    """Connections and corridors that stand already."""
    rows = {row["site"]: row for row in target.tables["sites"]}
    between: list[Part] = []
    for part in _wires(source):
        if _extendable(part) or part.text("bus0") in places.fuels:
            continue
        start, end = part.text("bus0"), part.text("bus1")
        if start in places.zones and end in places.zones:
            between.append(part)
        elif end in places.sites and start == places.sites[end]:
            _add_poi(part, rows[end])
        elif start in places.sites and end == places.sites[start] and _reverses(part):
            _add_poi(part, rows[start])
        else:
            part.leave("runs from a site to a zone only, or between sites")
    _add_corridors(between, target)


def _extendable(part: Part) -> bool:
    return bool(part.get(f"{prefix(part)}_nom_extendable"))


def prefix(part: Part) -> str:
    """``p`` of power, or ``s`` of apparent power for lines and transformers."""
    return "p" if part.component == "Link" else "s"


def _both_ways(part: Part) -> bool:
    if part.component != "Link":
        return True
    least = part.number("p_min_pu")
    if least not in (0.0, -1.0):
        part.lose("p_min_pu", least, "a wire goes one way or both, in full")
    return least < 0


def _reverses(part: Part) -> bool:
    """Does a wire from a site to its zone serve the site as well."""
    return part.component != "Link" or (_both_ways(part) and _arrives(part) == 1)


def _arrives(part: Part) -> float:
    return part.number("efficiency") if part.component == "Link" else 1.0


def _capacity(part: Part) -> float:
    """MW of a wire, with its part of it that may be used."""
    kind = prefix(part)
    if part.component != "Link":
        for attribute in IMPEDANCE:
            if value := part.get(attribute):
                part.lose(attribute, float(value), "no power flow here: carried as a transport path")
    return part.number(f"{kind}_nom") * part.number(f"{kind}_max_pu")


def _add_poi(part: Part, site: dict[str, Any]) -> None:
    site["existing_poi_mw"] += _capacity(part)
    site["export_allowed"] = site["export_allowed"] or _both_ways(part)
    if _arrives(part) != 1:
        part.lose("efficiency", _arrives(part), "a connection has no losses here")


def _add_corridors(parts: list[Part], target: Target) -> None:
    """A path both ways, or two links of one size and loss that run opposite ways."""
    waiting: list[Part] = []
    for part in parts:
        start, end = part.text("bus0"), part.text("bus1")
        if _both_ways(part) and _arrives(part) == 1:
            target.add("corridors", corridor=part.name, from_zone=start, to_zone=end, existing_mw=_capacity(part))
            continue
        pair = next((other for other in waiting if _opposite(part, other)), None)
        if pair is None:
            waiting.append(part)
            continue
        waiting.remove(pair)
        ends = {"from_zone": end, "to_zone": start}
        loss = round(1 - _arrives(pair), 12)
        target.add("corridors", corridor=pair.name, **ends, existing_mw=_capacity(pair), loss_share=loss)
    for part in waiting:
        part.leave("runs one way: a corridor runs both ways with one capacity and loss")


def _opposite(part: Part, other: Part) -> bool:
    crossed = (part.text("bus0"), part.text("bus1")) == (other.text("bus1"), other.text("bus0"))
    return crossed and _capacity(part) == _capacity(other) and _arrives(part) == _arrives(other)
