r"""Forced outages of units and circuits at random: expected unserved energy, loss-of-load hours, availability in nines.

Every unit and circuit behind a site's meter fails and is repaired by itself (a two-state chain with exponential times;
mean time to repair r, mean time to failure r (1 - f) / f for an outage rate f). In every hour of a year a site has

    available = units in service + plant with its own availability series + POI circuits in service

and storage that covers what is short, charged from what is spare, hour after hour. What is still short is unserved.
The grid beyond the POI is taken to deliver; storage is derated instead of failing; load is neither curtailed nor
deferred, and each site stands alone. So units are sampled where the plan's model derates them: the average hour is the
same, the bad ones are not.

Expected values come with the half-width of their 95 % confidence interval, 1.96 s / sqrt(draws).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.model.data import Data, Resource
from optimizer.replay.run import Replay
from optimizer.results import rows_of

#: Two-sided 95 % of a normal distribution.
NORMAL_95 = 1.96
#: Unserved load below this is rounding, MW.
ROUNDING_MW = 1e-6


@dataclass(frozen=True)
class Draws:
    """How outages are drawn.

    Attributes
    ----------
    number
        Years drawn per site and planning year.
    seed
        Seed of the random numbers.
    repair_hours
        Mean time to repair of any unit or circuit.
    circuit_outage_rate
        Share of time that a POI circuit is out of service unplanned, where its technology states none.
    """

    number: int = 200
    seed: int = 0
    repair_hours: float = 48.0
    circuit_outage_rate: float = 0.001

    def __post_init__(self) -> None:
        if self.number < 2 or self.repair_hours <= 0 or not 0 <= self.circuit_outage_rate < 1:
            raise ValueError("draws must be at least 2, repair hours above 0, the circuit outage rate in 0..1")


@dataclass(frozen=True)
class Fleet:
    """Equal units: how many, of what size (MW), out of service for what share of time."""

    units: int
    mw: float
    outage_rate: float


@dataclass(frozen=True)
class Store:
    """Storage of a site together: MW, MWh, one-way efficiencies."""

    mw: float = 0.0
    mwh: float = 0.0
    charging: float = 1.0
    discharging: float = 1.0


def outages(replay: Replay, draws: Draws | None = None) -> pd.DataFrame:
    """Draw forced outages in every replayed year of every site.

    Parameters
    ----------
    replay
        A replayed plan.
    draws
        How outages are drawn; equal draws give equal results.

    Returns
    -------
    DataFrame
        site, year, load_mwh, eue_mwh and eue_half_width_mwh (expected unserved energy a year), lolh and lolh_half_width
        (hours a year with load unserved), availability, nines (-log10 of the unserved share; infinite when no draw had
        any), target (the site's availability target), worst_hour (with the most unserved energy; -1: none).
    """
    draws = draws or Draws()
    data = Data.of(replay.replayed.instance)
    hours = replay.replayed.operation.pivot(index=["site", "year"], columns="step", values="load_mw")
    capacity = {(r.resource, r.year): r for r in rows_of(replay.replayed.tables["capacity"])}
    rows = []
    for number, (key, load) in enumerate(zip(hours.index, hours.to_numpy(float), strict=True)):
        if load.max() > 0:
            site, year = key
            random = np.random.default_rng([draws.seed, number])
            present = {r: c for r in data.resources.values() if r.site == site and (c := capacity.get((r.name, year)))}
            rows.append(_drawn(data, site, year, load, present, draws, random))
    columns = ["site", "year", "load_mwh", "eue_mwh", "eue_half_width_mwh", "lolh", "lolh_half_width"]
    return pd.DataFrame(rows, columns=[*columns, "availability", "nines", "target", "worst_hour"])


def _drawn(
    data: Data,
    site: str,
    year: int,
    load: np.ndarray,
    present: dict[Resource, Any],
    draws: Draws,
    random: np.random.Generator,
) -> dict[str, object]:
    """One row of `outages`."""
    available = np.broadcast_to(_certain(data, present, len(load)), (draws.number, len(load))).copy()
    for fleet in _fleets(data, site, present, draws):
        available += fleet.mw * _in_service(fleet, draws, len(load), random)
    short = unserved(load, available, _store(present))
    weight = 8760 / len(load)
    energy, lost = weight * short.sum(axis=1), weight * (short > ROUNDING_MW).sum(axis=1)
    yearly = weight * float(load.sum())
    share = float(energy.mean()) / yearly
    return {
        "site": site,
        "year": year,
        "load_mwh": yearly,
        "eue_mwh": float(energy.mean()),
        "eue_half_width_mwh": _half_width(energy),
        "lolh": float(lost.mean()),
        "lolh_half_width": _half_width(lost),
        "availability": 1 - share,
        "nines": -math.log10(share) if share > 0 else math.inf,
        "target": data.sites[site].availability_target,
        "worst_hour": int(short.sum(axis=0).argmax()) if share > 0 else -1,
    }


def _half_width(sample: np.ndarray) -> float:
    return NORMAL_95 * float(sample.std(ddof=1)) / math.sqrt(len(sample))


def _mw(row: Any) -> float:
    return float(row.mw)


def _sampled(resource: Resource) -> bool:
    """Units whose outages are drawn: generators without a series that says what they deliver."""
    row = resource.option or resource.asset
    return resource.kind == "generator" and row is not None and row.availability_series is None


def _certain(data: Data, present: dict[Resource, Any], hours: int) -> np.ndarray:
    """Output available whatever fails: plant with an availability series, MW by hour."""
    plant = {r: c for r, c in present.items() if r.kind == "generator" and not _sampled(r)}
    return sum((_mw(c) * data.availability(r) for r, c in plant.items()), np.zeros(hours))


def _fleets(data: Data, site: str, present: dict[Resource, Any], draws: Draws) -> list[Fleet]:
    row = data.sites[site]
    fleets = []
    if row.existing_poi_mw > 0:
        fleets += _equal_units(row.existing_poi_mw, row.poi_circuit_mw, draws.circuit_outage_rate)
    for resource, capacity in present.items():
        rate = resource.technology.forced_outage_rate
        if resource.kind == "wires":
            fleets += _equal_units(_mw(capacity), resource.block_mw, rate or draws.circuit_outage_rate)
        elif _sampled(resource):
            fleets += _equal_units(_mw(capacity), resource.block_mw, rate)
    return fleets


def _equal_units(total_mw: float, unit_mw: float, rate: float) -> list[Fleet]:
    """Whole units of a size, and the rest as one more; without a size all is one unit.

    >>> _equal_units(250.0, 100.0, 0.05)
    [Fleet(units=2, mw=100.0, outage_rate=0.05), Fleet(units=1, mw=50.0, outage_rate=0.05)]
    """
    if unit_mw <= 0:
        return [Fleet(1, total_mw, rate)]
    whole = math.floor(total_mw / unit_mw + 1e-9)
    rest = total_mw - whole * unit_mw
    fleets = [Fleet(whole, unit_mw, rate)] if whole else []
    return [*fleets, Fleet(1, rest, rate)] if rest > ROUNDING_MW else fleets


def _in_service(fleet: Fleet, draws: Draws, hours: int, random: np.random.Generator) -> np.ndarray:
    """Units in service by draw and hour, shape (draws, hours)."""
    if fleet.outage_rate == 0:
        return np.full((draws.number, hours), float(fleet.units))
    count = draws.number * fleet.units
    uptime = draws.repair_hours * (1 - fleet.outage_rate) / fleet.outage_rate
    cycles = math.ceil(2 * hours / (uptime + draws.repair_hours)) + 12
    up, down = random.exponential(uptime, (count, cycles)), random.exponential(draws.repair_hours, (count, cycles))
    up[random.random(count) < fleet.outage_rate, 0] = 0.0  # out of service when the year begins
    ends = np.cumsum(up + down, axis=1)
    begin, end = (np.clip(np.round(x), 0, hours).astype(int) for x in (ends - down, ends))
    draw = np.repeat(np.arange(count) // fleet.units, cycles)
    change = np.zeros((draws.number, hours + 1))
    np.add.at(change, (draw, begin.ravel()), 1.0)
    np.add.at(change, (draw, end.ravel()), -1.0)
    out: np.ndarray = np.cumsum(change, axis=1)[:, :hours]
    return fleet.units - out


def _store(present: dict[Resource, Any]) -> Store:
    """All storage of the site as one, efficiencies weighed by power."""
    stores = {r: c for r, c in present.items() if r.kind == "storage" and _mw(c) > 0}
    power = {r: _mw(c) * (1 - r.technology.forced_outage_rate) for r, c in stores.items()}
    total = sum(power.values())
    if not total:
        return Store()
    charging = sum(r.technology.charge_efficiency * mw for r, mw in power.items()) / total
    discharging = sum(r.technology.discharge_efficiency * mw for r, mw in power.items()) / total
    energy = sum((float(c.mwh) for c in stores.values()), 0.0)
    return Store(total, energy, charging, discharging)


def unserved(load: np.ndarray, available: np.ndarray, store: Store) -> np.ndarray:
    """Load not served, hour after hour, storage full at first; shapes (hours,), (draws, hours) -> (draws, hours), MW.

    >>> unserved(np.array([1.0, 3.0]), np.array([[2.0, 2.0]]), Store(0.5, 4.0)).tolist()
    [[0.0, 0.5]]
    """
    short: np.ndarray = np.maximum(load - available, 0.0)
    if store.mw == 0 or not short.any():
        return short
    spare = np.maximum(available - load, 0.0)
    stored = np.full(len(available), store.mwh)
    for hour in range(len(load)):
        given = np.minimum(np.minimum(short[:, hour], store.mw), stored * store.discharging)
        taken = np.minimum(np.minimum(spare[:, hour], store.mw), (store.mwh - stored) / store.charging)
        short[:, hour] -= given
        stored += taken * store.charging - given / store.discharging
    return short
