"""Storage: power, the balance of stored energy, and its capacity.

With e the energy stored at the start of a step, L the self-discharge per hour and h the hours of a step:

    charge + discharge <= MW * (1 - forced outage rate)
    e[next] = e * (1 - L)**h + charge efficiency * charge * h - discharge * h / discharge efficiency
    linked by period: a ring in each period, 0 <= e <= MWh
    linked by calendar: e starts each period at 0 and is relative to the level of the slot;
        level[d+1] = level[d] * (1 - L)**hours + change over the period, a ring over the year
        level * (1 - L)**hours + least e >= 0;  level + largest e <= MWh
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.check.books import Books, Resource
from optimizer.check.report import MW, MWH_OF_STORE, Array, Comparison, at_least, at_most, equal


def check_storage(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    yield from _power(books)
    yield from _dynamics(books)
    linked = [row for row, r in enumerate(books.plants) if _by_calendar(r)]
    if linked:
        yield from _levels(books, linked)


def _by_calendar(resource: Resource) -> bool:
    return resource.kind == "storage" and resource.technology.storage_linking == "calendar"


def _power(books: Books) -> Iterator[Comparison]:
    """Charge and discharge share the power in service; nothing but storage has any."""
    axes = list(books.resources), books.years, books.steps
    stores = books.select(lambda r: r.kind == "storage")
    kept = stores * np.array([1 - r.technology.forced_outage_rate for r in books.plants])
    scale = np.fmax(MW, books.mw[:, :, None])
    charge, discharge = books.resource_flow["charge_mw"], books.resource_flow["discharge_mw"]
    yield at_most("storage_power", charge + discharge, (kept[:, None] * books.mw)[:, :, None], *axes, scale=scale)
    yield at_least("storage_power", np.minimum(charge, discharge), 0, *axes, scale=scale)


def energy_after(books: Books) -> Array:
    """Energy stored at the end of each step; shape (R, Y, T)."""
    flow, hours = books.resource_flow, books.hours
    technologies = [r.technology for r in books.plants]
    kept = np.array([1 - t.self_discharge_per_hour for t in technologies])[:, None, None] ** hours
    charged = np.array([t.charge_efficiency for t in technologies])[:, None, None] * flow["charge_mw"]
    drawn = flow["discharge_mw"] / np.array([t.discharge_efficiency for t in technologies])[:, None, None]
    stored: Array = flow["state_of_charge_mwh"] * kept + (charged - drawn) * hours
    return stored


def _dynamics(books: Books) -> Iterator[Comparison]:
    """Stored energy from step to step; within a period, its capacity too."""
    axes = list(books.resources), books.years, books.steps
    stored, after = books.resource_flow["state_of_charge_mwh"], energy_after(books)
    linked = books.select(_by_calendar)[:, None, None]
    first = (books.grid.steps["step_in_period"] == 0).to_numpy()
    start = np.empty_like(stored)
    start[:, :, books.following] = after
    expected = np.where(linked * first > 0, 0.0, start)
    scale = np.fmax(MWH_OF_STORE, books.mwh[:, :, None])
    yield equal("storage_balance", stored, expected, *axes, scale=scale)
    yield at_least("storage_energy", np.where(linked > 0, 0, stored), 0, *axes, scale=scale)
    yield at_most("storage_energy", np.where(linked > 0, 0, stored), books.mwh[:, :, None], *axes, scale=scale)


def _levels(books: Books, linked: list[int]) -> Iterator[Comparison]:
    """Opening levels of the calendar slots."""
    names = [books.plants[row].name for row in linked]
    slots = range(len(books.grid.slots))
    level = books.array("slot_levels", "level_mwh", ("resource", names), ("year", books.years), ("slot", slots))
    order = [list(books.periods).index(period) for period in books.grid.slots]
    stored, after = books.resource_flow["state_of_charge_mwh"][linked], energy_after(books)[linked]
    periods = list(books.periods.values())
    least, most = (
        np.stack([f(stored[:, :, p], axis=2) for p in periods], axis=2)[:, :, order] for f in (np.min, np.max)
    )
    change = np.stack([after[:, :, p[-1]] for p in periods], axis=2)[:, :, order]
    hours = np.array([books.hours[p].sum() for p in periods])[order]
    kept = np.array([1 - books.plants[row].technology.self_discharge_per_hour for row in linked])
    carried = level * kept[:, None, None] ** hours
    axes, capacity = (names, books.years, slots), books.mwh[linked][:, :, None]
    scale = np.fmax(MWH_OF_STORE, capacity)
    yield equal("slot_levels", np.roll(level, -1, axis=2), carried + change, *axes, scale=scale)
    yield at_least("slot_levels", carried + least, 0, *axes, scale=scale)
    yield at_least("slot_levels", level, 0, *axes, scale=scale)
    yield at_most("slot_levels", level + most, capacity, *axes, scale=scale)
