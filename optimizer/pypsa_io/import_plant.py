"""Plant: extendable components are options, those of the sponsor that stand already are assets."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from optimizer.pypsa_io.import_costs import capital_of
from optimizer.pypsa_io.import_figures import (
    RESOURCES,
    Plant,
    availability_of,
    clean,
    delivered_per_mw,
    life_of,
    nominal,
    size_of,
    technology_of,
)
from optimizer.pypsa_io.import_places import Places, Target
from optimizer.pypsa_io.source import Part, Source
from optimizer.pypsa_io.terms import BUILD_LIMIT, MWH_PER_MMBTU, UNSERVED, vintage_name

#: Attributes that vintages of one option share.
ALIKE = (
    *("marginal_cost", "efficiency", "max_hours", "efficiency_store", "efficiency_dispatch", "standing_loss"),
    *("p_min_pu", "p_max_pu", "p_nom_mod", "lifetime", "fom_cost", "discount_rate"),
)
#: Columns of a technology that an asset says nothing about.
NOT_OF_ASSETS = ("life_years",)


def add_plant(source: Source, places: Places, target: Target, markets: set[str]) -> None:
    """Fill fuels, technologies, funding options and existing assets."""
    plant = Plant(source, places, target, markets)
    limits = _limits(source)
    groups: dict[Any, list[Part]] = defaultdict(list)
    for part in _candidates(plant):
        if bool(part.get(f"{nominal(part)}_nom_extendable")):
            groups[_group(part, limits)].append(part)
        elif _is_plant(plant, part):
            _add_asset(plant, part)
    places_of = Counter(carrier for _, carrier, *_ in groups)
    for (_, carrier, *_), parts in groups.items():
        limit = limits.get(carrier) if places_of[carrier] == 1 else None
        _add_option(plant, sorted(parts, key=_built), limit)
    for part in source.parts("GlobalConstraint"):
        if part.text("type") == BUILD_LIMIT and places_of[part.text("carrier_attribute")] != 1:
            part.leave("limits no single option")
    _name_technologies(plant)
    _add_fuels(plant)


def _candidates(plant: Plant) -> list[Part]:
    one_port = [
        part
        for kind in RESOURCES
        for part in plant.source.parts(kind)
        if part.name not in plant.markets
        and part.text("carrier") != UNSERVED
        and part.text("bus") not in plant.places.fuels
    ]
    return one_port + [part for kind in ("Link", "Line", "Transformer") for part in plant.source.parts(kind)]


def _is_plant(plant: Plant, part: Part) -> bool:
    """Does plant that stands already belong to the sponsor; wires that stand are read with the places."""
    if part.component not in RESOURCES and part.text("bus0") not in plant.places.fuels:
        return False
    bus = part.text("bus") if part.component in RESOURCES else part.text("bus1")
    if bus in plant.places.sites or part.name in plant.source.settings.own:
        return True
    part.leave("plant in a zone, not known whose: --own NAME takes it as the sponsor's; a market has p_min_pu < 0")
    return False


def _limits(source: Source) -> dict[str, float]:
    """Most MW of a carrier over the horizon, where the network limits them."""
    found: dict[str, float] = {}
    for part in source.parts("GlobalConstraint"):
        plain = math.isnan(part.number("investment_period")) and not part.text("bus")
        if part.text("type") == BUILD_LIMIT and plain and part.text("sense") == "<=":
            found[part.text("carrier_attribute")] = part.number("constant")
        elif part.text("type") != "primary_energy":
            part.leave("no counterpart here")
    return found


def _group(part: Part, limits: dict[str, float]) -> tuple[Any, ...]:
    """Components that are vintages of one option share a limited carrier and their place."""
    carrier = part.text("carrier")
    ends = tuple(part.text(end) for end in ("bus", "bus0", "bus1") if part.get(end) is not None)
    return (part.component, carrier, ends) if carrier in limits else (part.component, carrier, ends, part.name)


def _built(part: Part) -> float:
    return part.number("build_year")


def _place(plant: Plant, part: Part) -> dict[str, Any] | None:
    """Column and name of the place; None where no option can stand."""
    places = plant.places
    if part.component in RESOURCES:
        bus = part.text("bus")
        return {str(places.column(bus)): bus}
    start, end = part.text("bus0"), part.text("bus1")
    if start in places.fuels:
        return {str(places.column(end)): end} if places.column(end) else None
    for site, zone in ((end, start), (start, end)):
        if places.sites.get(site) == zone:
            return {"site": site}
    for row in plant.target.tables["corridors"]:
        if {row["from_zone"], row["to_zone"]} == {start, end}:
            return {"corridor": row["corridor"]}
    if start in places.zones and end in places.zones:
        plant.target.add("corridors", corridor=part.name, from_zone=start, to_zone=end, existing_mw=0.0)
        return {"corridor": part.name}
    return None


def _add_option(plant: Plant, parts: list[Part], limit: float | None) -> None:
    first = parts[0]
    place = _place(plant, first)
    service = [_service_year(plant, part) for part in parts]
    if place is None or not _fits_wires(first, place) or None in service:
        why = "stands where no option can" if None not in service else "its years of service are no planning year's"
        for part in parts:
            part.leave(why)
        return
    name = _option_name(parts)
    technology = technology_of(plant, first)
    years = [year for year in service if year is not None]
    row = plant.target.add("funding_options", option=name, **place, **size_of(plant, parts, limit))
    technology |= capital_of(plant, parts, years, row)
    planning = plant.source.years
    row["first_year"] = years[0] if years[0] != planning[0] else None
    row["last_year"] = years[-1] if years[-1] != planning[-1] else None
    row["availability_series"] = availability_of(plant, first, name, technology)
    _same_operation(parts)
    wanted = str(plant.source.carrier(first.text("carrier"), "nice_name", first.text("carrier") or name))
    plant.technologies.append((wanted, name, technology, False, row))


def _option_name(parts: list[Part]) -> str:
    """Name without the year of service, where all vintages end with it."""
    stems = {part.name.removesuffix(vintage_name("", int(_built(part)))) for part in parts}
    return stems.pop() if len(stems) == 1 else parts[0].name


def _fits_wires(part: Part, place: dict[str, Any]) -> bool:
    """Wires that can be widened: both ways between zones, without losses."""
    if part.component != "Link" or part.text("bus0") == "" or "corridor" not in place:
        return True
    return part.number("p_min_pu") == -1 and part.number("efficiency") == 1


def _service_year(plant: Plant, part: Part) -> int | None:
    """Planning year from which a component is there as PyPSA has it; None where none is."""
    years = plant.source.years
    built, life = _built(part), life_of(plant, part)
    if plant.source.flat:
        return years[0]
    lasts = part.number("lifetime")
    there = [year for year in years if built <= year < built + lasts]
    if not there or life is None:
        return there[0] if there else None
    return there[0] if there == [year for year in years if there[0] <= year < there[0] + life] else None


def _same_operation(parts: list[Part]) -> None:
    """Vintages of an option must run alike."""
    first = parts[0]
    for part in parts[1:]:
        part.seen |= first.seen
        for attribute in ALIKE:
            if first.get(attribute) is None:
                continue
            if not np.array_equal(part.series(attribute), first.series(attribute), equal_nan=True):
                rule = f"must be that of {first.name}, an earlier vintage of the same option"
                part.problem(attribute, part.get(attribute), rule, "Give it a carrier of its own.")


def _add_asset(plant: Plant, part: Part) -> None:
    per_mw, place, kind = delivered_per_mw(plant, part), _place(plant, part), nominal(part)
    if place is None:
        part.leave("stands where no plant can")
        return
    size, block = part.number(f"{kind}_nom") * per_mw, part.number(f"{kind}_nom_mod") * per_mw
    if size <= 0:
        part.leave("has no capacity")
        return
    units = round(size / block) if block > 0 and abs(size / block - round(size / block)) < 1e-9 else 1
    first, last = _span(plant, part)
    technology = technology_of(plant, part)
    rate = part.number("discount_rate")
    cost = part.number("overnight_cost")
    technology |= {
        "capex_usd_per_kw": 0.0 if math.isnan(cost) else clean(cost / per_mw / 1000),
        "capex_change_per_year": 0.0,
        "fixed_om_usd_per_kw_year": clean(part.number("fom_cost") / per_mw / 1000),
        "life_years": min(100, last - first + 1),
        "wacc": None if math.isnan(rate) or rate == plant.source.settings.discount_rate else rate,
    }
    years = {"first_year": first, "last_year": last}
    row = plant.target.add("existing_assets", asset=part.name, **place, unit_mw=clean(size / units), units=units)
    row |= years
    if technology["kind"] == "storage":
        row["energy_mwh"] = size * part.number("max_hours")
    row["availability_series"] = availability_of(plant, part, part.name, technology)
    wanted = str(plant.source.carrier(part.text("carrier"), "nice_name", part.text("carrier") or part.name))
    plant.technologies.append((wanted, part.name, technology, True, row))


def _span(plant: Plant, part: Part) -> tuple[int, int]:
    """First and last year in service; within the horizon where PyPSA has none."""
    years, time = plant.source.years, plant.target.time
    end = years[-1] + time.last_represents - 1
    built, life = part.number("build_year"), part.number("lifetime")
    if plant.source.flat:
        return years[0], end
    first = int(built) if built >= 1900 else years[0]
    if math.isinf(life):
        return first, max(first, end)
    return first, math.ceil(built + life) - 1


def _name_technologies(plant: Plant) -> None:
    """One technology for a name, where all its figures agree; else one for each option or asset."""
    known: dict[str, dict[str, Any]] = {}
    for wanted, owner, columns, is_asset, row in sorted(plant.technologies, key=lambda item: item[3]):
        free = NOT_OF_ASSETS if is_asset else ()
        name = next((n for n in (wanted, owner) if n not in known or _agree(known[n], columns, free)), None)
        number = 1
        while name is None:
            number += 1
            candidate = f"{owner} {number}"
            name = candidate if candidate not in known else None
        known.setdefault(name, columns)
        row["technology"] = name
    for name, columns in known.items():
        plant.target.add("technologies", technology=name, **columns)


def _agree(left: dict[str, Any], right: dict[str, Any], free: tuple[str, ...]) -> bool:
    if left["kind"] != right["kind"]:
        return False
    for column in (left.keys() | right.keys()) - set(free):
        a, b = left.get(column), right.get(column)
        if isinstance(a, float) and isinstance(b, float):
            if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
                return False
        elif (a or None) != (b or None):
            return False
    return True


def _add_fuels(plant: Plant) -> None:
    """Fuels with their emissions, and their prices in the zones of their plant (or where their bus lies)."""
    source, places = plant.source, plant.places
    zones: dict[str, set[str]] = defaultdict(set)
    for part in source.parts("Link"):
        if part.text("bus0") in places.fuels and ("Link", part.name) not in source.left:
            zones[part.text("bus0")].add(places.zone_of(part.text("bus1")))
    for part in source.parts("Generator"):
        bus = part.text("bus")
        if bus in places.fuels:
            if source.bus(bus).text("location") in places.zones:
                zones[bus].add(source.bus(bus).text("location"))
            _add_price(plant, part, places.fuels[bus], sorted(zones[bus]))
    for fuel in dict.fromkeys(places.fuels.values()):
        heat = float(source.carrier(fuel, "co2_emissions", 0.0))
        plant.target.add("fuels", fuel=fuel, co2_t_per_mmbtu=clean(heat * MWH_PER_MMBTU))


def _add_price(plant: Plant, part: Part, fuel: str, zones: list[str]) -> None:
    prices = part.series("marginal_cost")
    if not math.isinf(part.number("p_nom")):
        part.lose("p_nom", part.number("p_nom"), "a fuel is there at its price without limit")
    if not np.allclose(prices, prices[:, :1], rtol=1e-9):
        part.problem("marginal_cost", "series", "must be one price a year for a fuel", "Give its mean.")
    for zone in zones:
        for year, row in zip(plant.source.years, prices, strict=True):
            plant.target.add(
                "fuel_prices", fuel=fuel, zone=zone, year=year, usd_per_mmbtu=clean(float(row[0]) * MWH_PER_MMBTU)
            )
