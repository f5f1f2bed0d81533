"""Figures of a component: what it can do, how large it may be, how long it lives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optimizer.pypsa_io.import_places import IMPEDANCE, Places, Target, prefix
from optimizer.pypsa_io.settings import OPTIONS
from optimizer.pypsa_io.source import Part, Source
from optimizer.pypsa_io.terms import MWH_PER_MMBTU

#: Components that make or store power, as against wires.
RESOURCES = ("Generator", "StorageUnit")


@dataclass
class Plant:
    """What is read of the plant before technologies are named."""

    source: Source
    places: Places
    target: Target
    markets: set[str]
    #: (wanted name, name of the option or asset, columns, is an asset) with the row that refers to it
    technologies: list[tuple[str, str, dict[str, Any], bool, dict[str, Any]]] = field(default_factory=list)


def nominal(part: Part) -> str:
    return "p" if part.component in RESOURCES else prefix(part)


def delivered_per_mw(plant: Plant, part: Part) -> float:
    """MW delivered per MW that PyPSA counts."""
    is_link = part.component == "Link" and part.text("bus0") in plant.places.fuels
    return part.number("efficiency") if is_link else 1.0


def life_of(plant: Plant, part: Part) -> int | None:
    life = part.number("lifetime")
    if math.isinf(life):
        given = plant.source.settings.life_years
        if given is None:
            part.problem("lifetime", "inf", "must be finite for plant to be built", f"Say {OPTIONS['life_years']}.")
            return None
        part.lose("lifetime", "inf", f"a life of {given} years, as given")
        return given
    if life != round(life) or not 1 <= life <= 100:
        part.problem("lifetime", life, "must be a whole number of years from 1 to 100", "Correct it.")
        return None
    return round(life)


def technology_of(plant: Plant, part: Part) -> dict[str, Any]:
    """Columns of the technology that do not depend on the year of service."""
    if part.component == "StorageUnit":
        return _storage(part)
    if part.component == "Generator":
        part.get("efficiency")
        if part.number("sign") != 1:
            part.problem("sign", part.number("sign"), "must be 1", "Turn it into a load or a generator.")
        co2 = plant.source.carrier(part.text("carrier"), "co2_emissions", 0.0)
        if co2:
            why = f"its fuel has no price of its own ({co2:g} t/MWh of heat): it is in the marginal cost"
            part.lose("carrier", part.text("carrier"), why)
        return {"kind": "generator", "variable_om_usd_per_mwh": part.number("marginal_cost"), **_ramps(plant, part)}
    if part.text("bus0") in plant.places.fuels:
        per_mw = part.number("efficiency")
        return {
            "kind": "generator",
            "fuel": plant.places.fuels[part.text("bus0")],
            "heat_rate_mmbtu_per_mwh": clean(1 / (per_mw * MWH_PER_MMBTU)),
            "variable_om_usd_per_mwh": clean(part.number("marginal_cost") / per_mw),
            **_ramps(plant, part),
        }
    _note_wire(part)
    return {"kind": "wires"}


def _note_wire(part: Part) -> None:
    """What a wire has besides its capacity."""
    if part.component == "Link":
        part.get("p_min_pu")
        if part.number("efficiency") != 1:
            part.lose("efficiency", part.number("efficiency"), "a connection has no losses here")
        if part.number("marginal_cost") != 0:
            part.lose("marginal_cost", part.number("marginal_cost"), "flows over wires cost nothing here")
    for attribute in IMPEDANCE:
        if part.get(attribute):
            part.lose(attribute, part.number(attribute), "no power flow here: carried as a transport path")


def _ramps(plant: Plant, part: Part) -> dict[str, float]:
    up, down = part.number("ramp_limit_up"), part.number("ramp_limit_down")
    shares = {1.0 if math.isnan(limit) else limit for limit in (up, down)}
    if shares == {1.0}:
        return {}
    if len(shares) > 1:
        part.lose("ramp_limit_up, ramp_limit_down", f"{up:g}, {down:g}", "one limit holds for both ways")
        return {}
    return {"ramp_share_per_hour": clean(shares.pop() / plant.target.time.step_hours)}


def _storage(part: Part) -> dict[str, Any]:
    available, charging = part.number("p_max_pu"), -part.number("p_min_pu")
    if available != charging:
        part.lose("p_min_pu", -charging, "charging and discharging have one power")
    multi = len(part.source.years) > 1
    cycles = [part.get(f"cyclic_state_of_charge{end}") for end in ("", "_per_period")]
    if not (bool(cycles[1]) if multi else any(map(bool, cycles))):
        part.lose("cyclic_state_of_charge", False, "storage ends a period as it began")
    hours = part.number("max_hours")
    return {
        "kind": "storage",
        "variable_om_usd_per_mwh": part.number("marginal_cost"),
        "charge_efficiency": part.number("efficiency_store"),
        "discharge_efficiency": part.number("efficiency_dispatch"),
        "self_discharge_per_hour": part.number("standing_loss"),
        "min_duration_hours": hours,
        "max_duration_hours": hours,
        "forced_outage_rate": clean(1 - available),
    }


def availability_of(plant: Plant, part: Part, name: str, technology: dict[str, Any]) -> str | None:
    """Series of what is available; a constant is the outage rate of the technology."""
    if technology["kind"] != "generator":
        if technology["kind"] == "wires" and part.number(f"{nominal(part)}_max_pu") != 1:
            part.lose(f"{nominal(part)}_max_pu", part.number(f"{nominal(part)}_max_pu"), "wires carry what they can")
        return None
    values = part.one_year("p_max_pu")
    if np.allclose(values, values[0], rtol=1e-12) and not part.varies("p_max_pu"):
        technology["forced_outage_rate"] = clean(1 - float(values[0]))
        return None
    return plant.target.add_series(f"{name} availability", "availability", values, plant.source.settings.synthetic)


def size_of(plant: Plant, parts: list[Part], limit: float | None) -> dict[str, Any]:
    """Blocks: their size, how many over the horizon and in a year."""
    kind, per_mw = nominal(parts[0]), delivered_per_mw(plant, parts[0])
    block = parts[0].number(f"{kind}_nom_mod")
    for part in parts:
        if part.number(f"{kind}_nom_mod") != block:
            rule = "must be the same for all vintages of an option"
            part.problem(f"{kind}_nom_mod", part.number(f"{kind}_nom_mod"), rule, "Use one.")
    yearly = max(part.number(f"{kind}_nom_max") for part in parts)
    most = yearly * len(parts) if limit is None else limit
    if math.isinf(most):
        given = plant.source.settings.max_mw
        if given is None:
            rule = "must be finite: an option has a largest number of blocks"
            parts[0].problem(f"{kind}_nom_max", "inf", rule, f"Set it, or say {OPTIONS['max_mw']}.")
        most = (given or 1.0) / per_mw
        parts[0].lose(f"{kind}_nom_max", "inf", f"{given or 0:g} MW, as given")
    _standing_in(parts, kind)
    unit = block if block > 0 else 1 / per_mw
    size: dict[str, Any] = {
        "block_mw": clean(unit * per_mw),
        "integer": block > 0,
        "max_blocks": whole(most / unit),
    }
    if limit is not None and yearly < most * (1 - 1e-9):
        size["max_blocks_per_year"] = whole(yearly / unit)
    return size


def _standing_in(parts: list[Part], kind: str) -> None:
    """Capacity that an extendable component has already, which PyPSA's cost leaves out."""
    for part in parts:
        part.number(f"{kind}_nom_max")
        if part.number(f"{kind}_nom") > 0:
            part.lose(f"{kind}_nom", part.number(f"{kind}_nom"), "of extendable plant: what is built counts")


def clean(value: float) -> float:
    """A figure without the last digit's noise of a conversion of units.

    Examples
    --------
    >>> clean(0.30000000000000004)
    0.3
    """
    return float(f"{value:.14g}")


def whole(value: float) -> float:
    """A count, whole where it is so but for rounding."""
    return float(round(value)) if abs(value - round(value)) <= 1e-9 * max(1.0, abs(value)) else value
