"""Site balances and the output of plant, in every step.

generation + discharge + import + unserved + curtailed + deferred = load + charge + export + recovered
import, export <= POI; export only where allowed; nothing at a site without POI
generation <= MW * availability
|generation[next] - generation| <= ramp share * hours * MW, a ring in each period
committed plant: online <= blocks in service, online * block * (min_stable where available) <= generation
    <= online * block * availability, started[next] >= online[next] - online
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.check.books import Books, gather
from optimizer.check.report import MW, Array, Comparison, at_least, at_most, equal


def check_dispatch(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    yield from _balance(books)
    yield from _connection(books)
    yield from _plant(books)
    yield from _ramps(books)
    yield from _commitment(books)


def _balance(books: Books) -> Iterator[Comparison]:
    """Sources meet uses; plant rows of the site are the sums of its resources."""
    flow = {name.removesuffix("_mw"): values for name, values in books.site_flow.items()}
    axes = list(books.sites), books.years, books.steps
    sources = sum(flow[n] for n in ("generation", "discharge", "import", "unserved", "curtailed", "deferred"))
    uses = sum(flow[n] for n in ("load", "charge", "export", "recovered"))
    yield equal("site_balance", sources, uses, *axes, scale=np.fmax(MW, uses))
    for name in ("generation", "discharge", "charge"):
        plant = gather(books.at_sites, books.resource_flow[f"{name}_mw"])
        yield equal("site_plant", flow[name], plant, *axes, scale=np.fmax(MW, plant))


def _connection(books: Books) -> Iterator[Comparison]:
    """Imports and exports within the POI."""
    axes = list(books.sites), books.years, books.steps
    capacity = books.site_capacity[:, :, None]
    exporting = np.array([float(site.export_allowed) for site in books.instance.sites])[:, None, None]
    scale = np.fmax(MW, capacity)
    for name, most in (("import", capacity), ("export", capacity * exporting)):
        flow = books.site_flow[f"{name}_mw"]
        yield at_most("poi_limits", flow, most, *axes, scale=scale)
        yield at_least("poi_limits", flow, 0, *axes, scale=scale)


def _plant(books: Books) -> Iterator[Comparison]:
    """Generators produce what is available, and nothing else does."""
    axes = list(books.resources), books.years, books.steps
    most = _generators(books)[:, None, None] * books.mw[:, :, None] * books.availability[:, None, :]
    output, scale = books.resource_flow["generation_mw"], np.fmax(MW, books.mw[:, :, None])
    yield at_most("generator_output", output, most, *axes, scale=scale)
    yield at_least("generator_output", output, 0, *axes, scale=scale)


def _generators(books: Books) -> Array:
    return books.select(lambda r: r.kind == "generator")


def _ramps(books: Books) -> Iterator[Comparison]:
    """Change of output from step to step."""
    share = np.array([r.technology.ramp_share_per_hour for r in books.plants])
    slow = (share < 1) & (_generators(books) > 0)
    names = [r.name for r, chosen in zip(books.plants, slow, strict=True) if chosen]
    output, mw = books.resource_flow["generation_mw"][slow], books.mw[slow][:, :, None]
    change = np.abs(output[:, :, books.following] - output)
    most = share[slow][:, None, None] * books.hours * mw
    yield at_most("ramps", change, most, names, books.years, books.steps, scale=np.fmax(MW, mw))


def _commitment(books: Books) -> Iterator[Comparison]:
    """On-line units bound output between least and available, and starts count; without commitment there are none."""
    chosen = [r for r in books.plants if r.kind == "generator" and r.technology.commitment != "none"]
    rows = [list(books.resources).index(r.name) for r in chosen]
    axes = [r.name for r in chosen], books.years, books.steps
    output, online, started = (
        books.resource_flow[name][rows] for name in ("generation_mw", "online_blocks", "started_blocks")
    )
    available = books.availability[rows][:, None, :]
    block, least = (
        _column(values) for values in ([r.block_mw for r in chosen], [r.technology.min_stable_share for r in chosen])
    )
    units, scale = books.units[rows][:, :, None], np.fmax(MW, books.mw[rows][:, :, None])
    yield at_most("commitment", online, units, *axes)
    yield at_least("commitment", online, 0, *axes)
    yield at_most("commitment", output, online * block * available, *axes, scale=scale)
    yield at_least("commitment", output, online * block * least * (available > 0), *axes, scale=scale)
    after = books.following
    yield at_least("commitment", started[:, :, after], online[:, :, after] - online, *axes)
    yield at_least("commitment", started, 0, *axes)
    whole = _column([float(r.technology.commitment == "integer") for r in chosen])
    yield equal("commitment", online * whole, np.round(online) * whole, *axes)
    others = [row for row in range(len(books.resources)) if row not in rows]
    names = [name for row, name in enumerate(books.resources) if row not in rows]
    for name in ("online_blocks", "started_blocks"):
        yield equal("commitment", books.resource_flow[name][others], 0, names, books.years, books.steps)


def _column(values: list[float]) -> Array:
    return np.array(values, dtype=float).reshape(-1, 1, 1)
