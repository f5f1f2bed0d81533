"""A PyPSA network as an instance."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from optimizer.instance import Instance, make_instance
from optimizer.problems import InstanceError
from optimizer.pypsa_io.import_places import Places, Target, add_sites, add_wires, add_zones, read_places
from optimizer.pypsa_io.import_plant import add_plant
from optimizer.pypsa_io.import_time import RESOLUTION, read_time
from optimizer.pypsa_io.losses import Loss
from optimizer.pypsa_io.settings import Settings
from optimizer.pypsa_io.source import Part, Source
from optimizer.schema import HOURLY_FILE, MANIFEST_FILE, TABLES


def from_network(network: Any, settings: Settings, origin: str = "a PyPSA network") -> tuple[Instance, list[Loss]]:
    """Build an instance from a PyPSA network.

    Parameters
    ----------
    network : pypsa.Network
        It is not changed.
    settings
        What PyPSA has no attribute for.
    origin
        Where the network comes from, for the notes on the files.

    Returns
    -------
    instance : Instance
        In the annuity view of capital, with one resolution: the network's snapshots.
    losses : list of Loss
        What could not be carried.

    Raises
    ------
    InstanceError
        With every figure that is needed and has no counterpart.
    MissingSettings
        When the network has no investment periods and the settings no year.
    """
    source = Source(network, settings)
    time = read_time(source)
    if time is None:
        raise InstanceError(source.problems)
    target = Target(time)
    places = read_places(source)
    markets = add_zones(source, places, target)
    add_sites(source, places, target)
    add_wires(source, places, target)
    add_plant(source, places, target, markets)
    _add_caps(source, places, target, markets)
    source.finish()
    for row in time.periods:
        target.add("periods", **row)
    manifest = _manifest(source, target, origin)
    hourly = pd.DataFrame(target.hourly, index=pd.RangeIndex(time.series_hours))
    return make_instance(manifest, target.tables, hourly), list(dict.fromkeys(source.losses))


def _add_caps(source: Source, places: Places, target: Target, markets: set[str]) -> None:
    """Emissions caps, where all that PyPSA counts is carried."""
    lost = [part for part in _emitting(source) if part.name not in markets and part.text("bus") not in places.fuels]
    weights = source.network.investment_period_weightings
    for part in source.parts("GlobalConstraint"):
        if part.text("type") != "primary_energy":
            continue
        period, sense = part.number("investment_period"), part.text("sense")
        year = source.years[0] if period != period and len(source.years) == 1 else period
        plain = part.text("carrier_attribute") == "co2_emissions" and sense == "<=" and year in source.years
        if not plain or lost:
            part.leave("counts emissions of plant that is not carried" if plain else "no counterpart here")
            continue
        years = 1.0 if source.flat else float(weights.at[int(year), "years"])
        target.add("policy", year=int(year), co2_cap_t=part.number("constant") / years)


def _emitting(source: Source) -> list[Part]:
    """Plant whose emissions PyPSA counts, whether or not it is carried."""
    found = [part for kind in ("Generator", "StorageUnit") for part in source.parts(kind, with_left=True)]
    return [part for part in found if source.carrier(part.text("carrier"), "co2_emissions", 0.0)]


def _manifest(source: Source, target: Target, origin: str) -> dict[str, Any]:
    settings, time = source.settings, target.time
    needed = [table.file for table in TABLES.values() if table.required or target.tables.get(table.name)]
    note = {"source": f"imported from {origin}"[:2000], "licence": settings.licence}
    files = [MANIFEST_FILE, *needed, *([HOURLY_FILE] if target.hourly else [])]
    return {
        "schema_version": 1,
        "name": _name(str(source.network.name)),
        "description": f"Imported from {origin}"[:2000],
        "currency": settings.currency,
        "price_year": settings.price_year,
        "base_year": settings.base_year,
        "planning_years": list(time.years),
        "last_year_represents": time.last_represents,
        "series_hours": time.series_hours,
        "finance": {"discount_rate": settings.discount_rate, "capital_view": "annuity"},
        "options": {"resolution": RESOLUTION},
        "resolutions": {RESOLUTION: {"step_hours": time.step_hours, "description": "snapshots of the network"}},
        "files": dict.fromkeys(files, note),
        **target.manifest,
    }


def _name(text: str) -> str:
    """Name of the network as a key: printable, one line, at most 80 characters.

    Examples
    --------
    >>> _name(" two\\nlines "), _name("")
    ('two lines', 'network')
    """
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())[:80].strip() or "network"
