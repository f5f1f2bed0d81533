"""Load that is curtailed, deferred or left unserved.

curtailed <= share * load, and over the year <= energy share * load
backlog[next] = backlog + (deferred - recovered) * hours, a ring in each period
backlog after a step <= what was deferred within the window that ends with it
load + recovered - deferred <= x * PUE[t]
unserved <= load, and over the year <= (1 - availability target) * load
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.check.books import Books, whole_ceiling
from optimizer.check.report import MW, MWH_OF_STORE, MWH_PER_YEAR, Array, Comparison, at_least, at_most, equal


def check_flexibility(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    load = books.site_flow["load_mw"]
    energy = books.per_year(load)
    step = _of_sites(books, "curtailable_share")[:, :, None] * load
    year = _of_sites(books, "curtailable_energy_share") * energy
    yield from _within(books, "curtailed", step, year)
    yield from _within(books, "unserved", load, (1 - _of_sites(books, "availability_target")) * energy)
    yield from _deferred(books)
    yield from _backlog(books)


def _of_sites(books: Books, column: str) -> Array:
    return np.array([[float(getattr(site, column))] for site in books.instance.sites])


def _within(books: Books, name: str, step: Array, year: Array) -> Iterator[Comparison]:
    """A flow at least 0, at most a limit in every step, and another over the year."""
    axes = list(books.sites), books.years
    flow, load = books.site_flow[f"{name}_mw"], books.site_flow["load_mw"]
    scale = np.fmax(MW, load)
    yield at_least(name, flow, 0, *axes, books.steps, scale=scale)
    yield at_most(name, flow, step, *axes, books.steps, scale=scale)
    yield at_most(name, books.per_year(flow), year, *axes, scale=np.fmax(MWH_PER_YEAR, books.per_year(load)))


def _deferred(books: Books) -> Iterator[Comparison]:
    """Deferral within its share; the halls cannot draw more than all their IT at work."""
    flow, axes = books.site_flow, (list(books.sites), books.years, books.steps)
    load, deferred, recovered = flow["load_mw"], flow["deferred_mw"], flow["recovered_mw"]
    scale = np.fmax(MW, load)
    yield at_least("deferred", deferred, 0, *axes, scale=scale)
    yield at_least("deferred", recovered, 0, *axes, scale=scale)
    yield at_most("deferred", deferred, _of_sites(books, "deferrable_share")[:, :, None] * load, *axes, scale=scale)
    most = books.by_site("it_mw")[:, :, None] * books.pue[:, None, :]
    yield at_most("recovered_within_halls", load + recovered - deferred, most, *axes, scale=scale)


def _backlog(books: Books) -> Iterator[Comparison]:
    """What is deferred and not yet recovered: its balance, and its age."""
    flow, axes = books.site_flow, (list(books.sites), books.years, books.steps)
    backlog, deferred = flow["backlog_mwh"], flow["deferred_mw"]
    after = backlog[:, :, books.following]
    scale = np.fmax(MWH_OF_STORE, backlog)
    change = (deferred - flow["recovered_mw"]) * books.hours
    yield equal("backlog", after, backlog + change, *axes, scale=scale)
    yield at_least("backlog", backlog, 0, *axes, scale=scale)
    within = np.stack(
        [
            _in_window(books, deferred[row] * books.hours, site.deferral_window_hours)
            for row, site in enumerate(books.instance.sites)
        ]
    )
    yield at_most("deferral_window", after, within, *axes, scale=scale)


def _in_window(books: Books, energy: Array, window: float) -> Array:
    """Sum of energy over the steps of the window that ends with each step, in the ring of its period; (Y, T)."""
    total = np.zeros_like(energy)
    for steps in books.periods.values():
        count = min(whole_ceiling(window / books.hours[0]), len(steps))
        for back in range(count):
            total[:, steps] += np.roll(energy[:, steps], back, axis=1)
    return total
