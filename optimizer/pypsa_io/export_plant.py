"""Plant of an instance as PyPSA components: one for each year of service of an option, one for each asset."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.model.capital import wacc_of
from optimizer.model.data import MILLION, Resource
from optimizer.pypsa_io.draft import Draft
from optimizer.pypsa_io.terms import BUILD_LIMIT, MWH_PER_MMBTU, efficiency, vintage_name
from optimizer.schema import FundingOption


def add_plant(draft: Draft) -> None:
    """Add fuels, options and assets."""
    _add_fuels(draft)
    for resource in _once(draft):
        if _can_be_written(draft, resource):
            _add_resource(draft, resource)


def _once(draft: Draft) -> list[Resource]:
    """Every option in one funding mode (own, where it may be), and every asset."""
    chosen: dict[str, Resource] = {}
    for resource in draft.data.resources.values():
        key = f"option {resource.option.option}" if resource.option else f"asset {resource.name}"
        if key not in chosen or resource.mode == "own":
            chosen[key] = resource
    return list(chosen.values())


def _can_be_written(draft: Draft, resource: Resource) -> bool:
    name = _plain_name(resource)
    if resource.sized_apart:
        why = "a storage unit has one energy per power: storage sized apart is left out"
        draft.lose("funding_options", name, "", "", why)
        return False
    corridor = {row.corridor: row for row in draft.data.instance.corridors}.get(resource.corridor or "")
    if corridor is not None and corridor.loss_share > 0:
        why = "PyPSA would size the two directions of a corridor with losses apart: the option is left out"
        draft.lose("funding_options", name, "", "", why)
        return False
    if resource.option is not None and not resource.service_years:
        draft.lose("funding_options", name, "", "", "has no year of service within the horizon")
        return False
    return True


def _option(resource: Resource) -> FundingOption:
    assert resource.option is not None
    return resource.option


def _plain_name(resource: Resource) -> str:
    return resource.option.option if resource.option else resource.name


def _add_fuels(draft: Draft) -> None:
    d = draft.data
    for fuel in d.instance.fuels:
        draft.add_carrier(fuel.fuel, co2_t_per_mwh=fuel.co2_t_per_mmbtu / MWH_PER_MMBTU)
    for fuel_name, zone in dict.fromkeys((row.fuel, row.zone) for row in d.instance.fuel_prices):
        prices = [d.fuel_prices.get((fuel_name, zone, year)) for year in d.years]
        if None in prices:
            why = "no plant burns it there, and it has no price in some years"
            draft.lose("fuel_prices", f"{fuel_name}, {zone}", "", "", why)
            continue
        per_mwh = np.array([[float(price or 0.0) / MWH_PER_MMBTU] * len(d.steps) for price in prices])
        bus = _fuel_bus(fuel_name, zone)
        draft.add("Bus", bus, carrier=fuel_name, location=zone)
        cost = {"p_nom": np.inf, "marginal_cost": draft.series(per_mwh)}
        draft.add("Generator", bus, bus=bus, carrier=fuel_name, **cost)


def _fuel_bus(fuel: str, zone: str) -> str:
    return f"{fuel} in {zone}"


def _add_resource(draft: Draft, resource: Resource) -> None:
    component, attributes = _operation(draft, resource)
    per_mw = attributes["efficiency"] if resource.technology.fuel else 1.0
    name = _plain_name(resource)
    draft.add_carrier(name, technology=resource.technology.technology)
    attributes["carrier"] = name
    if resource.asset is not None:
        draft.add(component, name, **attributes, **_standing(draft, resource, per_mw))
        return
    option = _option(resource)
    for year in resource.service_years:
        size = _size(draft, resource, year, per_mw)
        draft.add(component, vintage_name(name, year), **attributes, **size, build_year=year)
    if len(resource.service_years) > 1 or _most_per_year(option) < option.max_blocks:
        limit = {"type": BUILD_LIMIT, "carrier_attribute": name, "sense": "<="}
        draft.add("GlobalConstraint", f"most {name}", constant=option.max_blocks * option.block_mw / per_mw, **limit)
    if not option.integer:
        draft.lose("funding_options", name, "block_mw", option.block_mw, "any size has no blocks: comes back in MW")


def _operation(draft: Draft, resource: Resource) -> tuple[str, dict[str, Any]]:
    """Component and attributes of operation."""
    technology, d = resource.technology, draft.data
    if technology.kind == "storage":
        return "StorageUnit", _storage(draft, resource)
    if resource.corridor is not None:
        row = next(row for row in d.instance.corridors if row.corridor == resource.corridor)
        return "Link", {"bus0": row.from_zone, "bus1": row.to_zone, "p_min_pu": -1.0}
    if technology.kind == "wires":
        site = d.sites[resource.place]
        return "Link", {"bus0": site.zone, "bus1": site.site, "p_min_pu": -1.0 if site.export_allowed else 0.0}
    running = {"p_max_pu": _availability(draft, resource), **_ramps(draft, resource)}
    variable = technology.variable_om_usd_per_mwh
    if technology.fuel is None:
        return "Generator", {"bus": resource.place, "marginal_cost": variable, **running}
    output = efficiency(technology.heat_rate_mmbtu_per_mwh)
    ends = {"bus0": _fuel_bus(technology.fuel, d.zone_of(resource)), "bus1": resource.place}
    return "Link", {**ends, "efficiency": output, "marginal_cost": variable * output, **running}


def _availability(draft: Draft, resource: Resource) -> Any:
    row = resource.option or resource.asset
    assert row is not None
    outage = resource.technology.forced_outage_rate
    if row.availability_series is None:
        return 1 - outage
    if outage > 0:
        why = f"{_plain_name(resource)} has an availability series, which stands in its place"
        draft.lose("technologies", resource.technology.technology, "forced_outage_rate", outage, why)
    return draft.yearly(draft.data.availability(resource))


def _ramps(draft: Draft, resource: Resource) -> dict[str, float]:
    share = resource.technology.ramp_share_per_hour * draft.data.step_hours[draft.data.steps[0]]
    if share >= 1:
        return {}
    why = "carried, but PyPSA does not tie the last hour of a period to its first"
    draft.lose("technologies", resource.technology.technology, "ramp_share_per_hour", share, why)
    return {"ramp_limit_up": share, "ramp_limit_down": share}


def _storage(draft: Draft, resource: Resource) -> dict[str, Any]:
    technology = resource.technology
    available = 1 - technology.forced_outage_rate
    if any((price < 0).any() for price in draft.data.prices.values()):
        why = "charging and discharging share the power here; PyPSA can do both, which pays at negative prices"
        draft.lose("technologies", technology.technology, "", "", why)
    return {
        "bus": resource.place,
        "max_hours": resource.hours_of_storage,
        "efficiency_store": technology.charge_efficiency,
        "efficiency_dispatch": technology.discharge_efficiency,
        "standing_loss": technology.self_discharge_per_hour,
        "marginal_cost": technology.variable_om_usd_per_mwh,
        "cyclic_state_of_charge": True,
        "cyclic_state_of_charge_per_period": True,
        "p_max_pu": available,
        "p_min_pu": -available,
    }


def _size(draft: Draft, resource: Resource, year: int, per_mw: float) -> dict[str, Any]:
    """Size and cost of a vintage, per MW that PyPSA counts (of fuel, for plant that burns one)."""
    option = _option(resource)
    capital = draft.data.block_capex(resource, year) * MILLION / option.block_mw
    return {
        "p_nom_extendable": True,
        "p_nom_mod": option.block_mw / per_mw if option.integer else 0.0,
        "p_nom_max": _most_per_year(option) * option.block_mw / per_mw,
        **_cost(draft, resource, capital, per_mw),
        "lifetime": float(resource.technology.life_years),
    }


def _most_per_year(option: FundingOption) -> float:
    yearly = option.max_blocks_per_year
    return option.max_blocks if yearly is None else min(option.max_blocks, yearly)


def _standing(draft: Draft, resource: Resource, per_mw: float) -> dict[str, Any]:
    """Size and cost of plant that stands already; PyPSA counts none of its fixed cost."""
    asset, technology = resource.asset, resource.technology
    assert asset is not None
    if technology.fixed_om_usd_per_kw_year > 0:
        why = f"carried, but PyPSA does not count it for plant that stands already ({asset.asset})"
        draft.lose("technologies", technology.technology, "fixed_om_usd_per_kw_year", "", why)
    years = asset.last_year - asset.first_year + 1
    shared = any(row.technology == technology.technology for row in draft.data.instance.funding_options)
    if technology.life_years != years and not shared:
        why = f"standing plant keeps its first and last year only ({asset.asset})"
        draft.lose("technologies", technology.technology, "life_years", technology.life_years, why)
    return {
        "p_nom": asset.unit_mw * asset.units / per_mw,
        "p_nom_mod": asset.unit_mw / per_mw,
        **_cost(draft, resource, 1000 * technology.capex_usd_per_kw, per_mw),
        "build_year": asset.first_year,
        "lifetime": float(years),
    }


def _cost(draft: Draft, resource: Resource, usd_per_mw: float, per_mw: float) -> dict[str, float]:
    return {
        "overnight_cost": usd_per_mw * per_mw,
        "discount_rate": wacc_of(draft.data, resource),
        "fom_cost": 1000 * resource.technology.fixed_om_usd_per_kw_year * per_mw,
    }
