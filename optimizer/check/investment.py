"""What is built: whole blocks, in their years and limits, joined by their rules, and what is then in service.

For an option k in funding mode f, blocks n[k,f,v] entering service in year v:

    in service  N[k,f,y] = sum of n[k,f,v] over v <= y < v + life
    MW = N * block_mw;  MWh = energy blocks * energy_block_mwh, or duration * MW where tied
    earliest service = max(first_year, base year + lead time, rounded up)
    sum of n over f, y <= max_blocks;  over f in one year <= max_blocks_per_year
    capex = 1000 * price(v) * (MW, MWh) * capex_factor + 1000 * interconnection * MW
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from optimizer.check.books import EXISTING, Books, Build, whole_ceiling
from optimizer.check.report import MW, MWH_OF_STORE, USD, Comparison, at_least, at_most, equal
from optimizer.schema import FundingOption

#: Blocks below this are none, where a rule asks whether anything is built.
ANY = 1e-6


def check_investment(books: Books) -> Iterator[Comparison]:
    """All identities of this module."""
    yield from _allocation(books)
    yield from _whole(books)
    yield from _years(books)
    yield from _limits(books)
    yield from _rules(books)
    yield from _retirements(books)
    yield from _capacity(books)
    yield from _durations(books)


def _keys(builds: tuple[Build, ...]) -> list[tuple[str, int]]:
    return [(build.resource.name, build.year) for build in builds]


def _allocation(books: Books) -> Iterator[Comparison]:
    """Rows of the allocation: a mode the option allows, its facts, and MW, MWh and US$ by its blocks."""
    table, builds, keys = books.tables["allocation"], books.builds, _keys(books.builds)
    foreign = {"allocation": len(table) - len(builds)}
    for name in ("capacity", "resource_operation", "slot_levels", "credited_energy"):
        foreign[name] = int(np.count_nonzero(books.tables[name].positions("resource", books.resources) < 0))
    yield equal("funding_modes", list(foreign.values()), 0, list(foreign))
    own = np.array([name in books.resources for name in books.funded], dtype=bool)
    rows = zip(
        *(table[fact][own] for fact in ("site", "zone", "corridor", "technology", "kind", "utility")), strict=True
    )
    wrong = [_strayed(row, _facts(b.option, b.resource.kind)) for row, b in zip(rows, builds, strict=True)]
    yield equal("allocation_facts", wrong, 0, keys)
    mw, mwh, capex = (table[column][own] for column in ("mw", "mwh", "capex_usd"))
    yield equal("allocation_mw", mw, [b.mw for b in builds], keys, scale=np.fmax(MW, mw))
    yield equal("allocation_mwh", mwh, [b.mwh for b in builds], keys, scale=np.fmax(MWH_OF_STORE, mwh))
    expected = np.array([b.capex_usd for b in builds])
    yield equal("capex", capex, expected, keys, scale=np.fmax(USD, expected))


def _facts(option: FundingOption, kind: str) -> tuple[str, ...]:
    names = (option.site, option.zone, option.corridor, option.technology, kind, option.utility)
    return tuple(name or "" for name in names)


def _strayed(found: tuple[Any, ...], expected: tuple[str, ...]) -> int:
    return sum(left != right for left, right in zip(found, expected, strict=True))


def _whole(books: Books) -> Iterator[Comparison]:
    """Blocks of whole-block options and retired units are whole, and none is negative."""
    whole = tuple(build for build in books.builds if build.option.integer)
    blocks = np.array([(build.blocks, build.energy_blocks) for build in whole]).reshape(len(whole), 2)
    yield equal("whole_blocks", blocks, np.round(blocks), _keys(whole), ("power", "energy"))
    every = np.array([(build.blocks, build.energy_blocks) for build in books.builds]).reshape(len(books.builds), 2)
    yield at_least("whole_blocks", every, 0, _keys(books.builds), ("power", "energy"))
    units = books.tables["retirements"]["units"]
    yield equal("whole_units", units, units.round(), books.tables["retirements"]["asset"].tolist())


def _years(books: Books) -> Iterator[Comparison]:
    """Service from the earliest year, not after the last."""
    years = np.array([build.year for build in books.builds], dtype=float)
    keys = _keys(books.builds)
    yield at_least("build_years", years, [earliest_year(books, build.option) for build in books.builds], keys)
    last = [np.inf if build.option.last_year is None else build.option.last_year for build in books.builds]
    yield at_most("build_years", years, last, keys)


def earliest_year(books: Books, option: FundingOption) -> int:
    """First year of service that the lead time and the option allow."""
    technology = books.technologies[option.technology]
    lead = technology.lead_time_years if option.lead_time_years is None else option.lead_time_years
    ready = whole_ceiling(books.base_year + lead)
    return max(ready, option.first_year or ready)


def _limits(books: Books) -> Iterator[Comparison]:
    """Blocks over the horizon, in one year, and energy blocks."""
    yearly: defaultdict[tuple[str, int], float] = defaultdict(float)
    for build in books.builds:
        yearly[build.option.option, build.year] += build.blocks
    options = {row.option: row for row in books.instance.funding_options}
    ceilings = [options[name].max_blocks_per_year for name, _ in yearly]
    yield at_most(
        "build_limits", list(yearly.values()), [np.inf if c is None else c for c in ceilings], list(yearly), scale=1
    )
    totals = built_blocks(books)
    yield at_most("build_limits", list(totals.values()), [options[name].max_blocks for name in totals], list(totals))
    sized = {name: row.max_energy_blocks for name, row in options.items() if row.max_energy_blocks is not None}
    energy = [sum(b.energy_blocks for b in books.builds if b.option.option == name) for name in sized]
    tied = [build for build in books.builds if build.option.energy_block_mwh is None]
    yield equal("allocation_mwh", [build.energy_blocks for build in tied], 0, _keys(tuple(tied)))
    yield at_most("build_limits", energy, list(sized.values()), list(sized))


def built_blocks(books: Books) -> dict[str, float]:
    """Blocks of each option over all modes and years."""
    totals = {row.option: 0.0 for row in books.instance.funding_options}
    for build in books.builds:
        totals[build.option.option] += build.blocks
    return totals


def _rules(books: Books) -> Iterator[Comparison]:
    """At most one, all or none of a group; an option only with the one it requires."""
    built = {name: total > ANY for name, total in built_blocks(books).items()}
    rows = sorted(books.instance.option_rules, key=lambda row: (row.rule, row.group))
    for (rule, group), members in groupby(rows, key=lambda row: (row.rule, row.group)):
        if rule == "requires":
            continue
        options = {row.option for row in members}
        count = sum(built[option] for option in options)
        allowed = count <= 1 if rule == "at_most_one" else count in (0, len(options))
        yield equal("option_rules", 0 if allowed else count, 0, [f"{rule} {group}"])
    for row in (row for row in rows if row.rule == "requires"):
        option, required = _blocks_in_service(books, row.option), _blocks_in_service(books, row.requires_option)
        least = np.where(option > ANY, 1.0, 0.0)
        yield at_least("option_rules", required, least, [(row.option, row.requires_option, y) for y in books.years])


def _blocks_in_service(books: Books, option: str | None) -> np.ndarray:
    members = books.select(lambda r: r.option is not None and r.option.option == option)
    return np.asarray(members @ books.units)


def _retirements(books: Books) -> Iterator[Comparison]:
    """Only assets that can retire do, and no unit twice."""
    for asset in books.instance.existing_assets:
        most = asset.units if asset.can_retire else 0
        yield at_most("retirements", books.retired[asset.asset], most, [(asset.asset, year) for year in books.years])
    yield at_least(
        "retirements", books.tables["retirements"]["units"], 0, books.tables["retirements"]["asset"].tolist()
    )


def _capacity(books: Books) -> Iterator[Comparison]:
    """The capacity table is what builds, lives and retirements leave in service."""
    served = {"blocks": (books.units, 1.0), "mw": (books.mw, MW), "mwh": (books.mwh, MWH_OF_STORE)}
    axes = ("resource", books.resources), ("year", books.years)
    for column, (expected, floor) in served.items():
        found = books.array("capacity", column, *axes)
        yield equal(
            f"capacity_{column}", found, expected, list(books.resources), books.years, scale=np.fmax(floor, expected)
        )
    table = books.tables["capacity"]
    facts = ("option", "funding_mode", "site", "zone", "corridor", "technology", "kind")
    rows = zip(table["resource"], table.rows(*facts), strict=True)
    wrong = [_strayed(row, _resource_facts(books, name)) for name, row in rows]
    yield equal("capacity_facts", wrong, 0, list(table.rows("resource", "year")))


def _resource_facts(books: Books, name: str) -> tuple[str, ...]:
    if name not in books.resources:
        return ("",) * 7
    resource = books.resources[name]
    option = "" if resource.mode == EXISTING else getattr(resource.plant, "option", "")
    place = (resource.plant.site or "", resource.plant.zone or "", resource.corridor or "")
    return (option, resource.mode, *place, resource.technology.technology, resource.kind)


def _durations(books: Books) -> Iterator[Comparison]:
    """Energy of storage sized apart lies between its least and largest duration."""
    apart = books.select(lambda r: r.option is not None and r.option.energy_block_mwh is not None) > 0
    names = [r.name for r, chosen in zip(books.plants, apart, strict=True) if chosen]
    technologies = [r.technology for r, chosen in zip(books.plants, apart, strict=True) if chosen]
    mw, mwh = books.mw[apart], books.mwh[apart]
    scale = np.fmax(MWH_OF_STORE, mwh)
    shortest = np.array([[t.min_duration_hours] for t in technologies]).reshape(-1, 1)
    longest = np.array([[t.max_duration_hours] for t in technologies]).reshape(-1, 1)
    yield at_least("storage_durations", mwh, shortest * mw, names, books.years, scale=scale)
    yield at_most("storage_durations", mwh, longest * mw, names, books.years, scale=scale)
