r"""Investment: what is funded, in which year and in which funding mode, and what is in service.

Symbols
-------
``build[r,y]``         blocks of resource r entering service in planning year y (whole, or any size)
``build_energy[r,y]``  energy blocks of storage sized apart
``retired[a,y]``       units of existing asset a retired from year y on
``capacity_mw[r,y]``   capacity in service, ``energy_mwh[r,y]`` energy capacity of storage in service

Equations
---------
capacity:   capacity_mw[r,y] = existing[r,y] - block_mw * retired + sum_{v <= y < v+life} block_mw * build[r,v]
limits:     sum_{modes, y} build <= max_blocks ;  sum_{modes} build[.,y] <= max_blocks_per_year
duration:   min_duration * capacity_mw <= energy_mwh <= max_duration * capacity_mw
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer.model.data import Data, Resource
from optimizer.model.sparse import constrain


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add investment to the model."""
    _variables(m, d)
    _capacity(m, d)
    _limits(m, d)
    _rules(m, d)


def _variables(m: pyo.ConcreteModel, d: Data) -> None:
    resources = d.resources
    m.BUILDS = pyo.Set(dimen=2, initialize=[(r.name, y) for r in resources.values() for y in r.service_years])
    m.ENERGY_BUILDS = pyo.Set(dimen=2, initialize=[(n, y) for n, y in m.BUILDS if resources[n].sized_apart])
    m.RESOURCE_YEARS = pyo.Set(
        dimen=2, initialize=[(r.name, y) for r in resources.values() for y in d.years if r.may_run(y)]
    )
    m.STORE_YEARS = pyo.Set(dimen=2, initialize=[(n, y) for n, y in m.RESOURCE_YEARS if resources[n].kind == "storage"])
    m.RETIRABLE = pyo.Set(
        dimen=2, initialize=[(r.name, y) for r in resources.values() for y in d.years if _can_retire(r, y)]
    )
    m.build = pyo.Var(
        m.BUILDS,
        domain=lambda m, r, y: _domain(resources[r]),
        bounds=lambda m, r, y: (0, _most_per_year(resources[r])),
        doc="blocks entering service",
    )
    m.build_energy = pyo.Var(
        m.ENERGY_BUILDS,
        domain=lambda m, r, y: _domain(resources[r]),
        bounds=lambda m, r, y: (0, max_energy_blocks(resources[r])),
        doc="energy blocks entering service",
    )
    m.retired = pyo.Var(
        m.RETIRABLE,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda m, a, y: (0, resources[a].existing_units(y)),
        doc="units of an existing asset retired",
    )
    m.capacity_mw = pyo.Var(m.RESOURCE_YEARS, bounds=lambda m, r, y: (0, resources[r].most_mw(y)), doc="MW in service")
    m.energy_mwh = pyo.Var(
        m.STORE_YEARS, bounds=lambda m, r, y: (0, most_mwh(resources[r], y)), doc="MWh of storage in service"
    )


def _domain(resource: Resource) -> object:
    whole = resource.option is not None and resource.option.integer
    return pyo.NonNegativeIntegers if whole else pyo.NonNegativeReals


def _can_retire(resource: Resource, year: int) -> bool:
    return resource.asset is not None and resource.asset.can_retire and resource.existing_units(year) > 0


def _most_per_year(resource: Resource) -> float:
    option = resource.option
    assert option is not None
    if option.max_blocks_per_year is None:
        return option.max_blocks
    return min(option.max_blocks, option.max_blocks_per_year)


def max_energy_blocks(resource: Resource) -> float:
    """Most energy blocks: as stated, and never above what the longest duration allows."""
    option = resource.option
    assert option is not None and option.energy_block_mwh is not None
    by_duration = -(
        -resource.technology.max_duration_hours * option.max_blocks * option.block_mw // option.energy_block_mwh
    )
    return by_duration if option.max_energy_blocks is None else min(by_duration, option.max_energy_blocks)


def most_mwh(resource: Resource, year: int) -> float:
    """Largest energy capacity the storage can have in a year: a bound from data."""
    if not resource.sized_apart:
        return resource.hours_of_storage * resource.most_mw(year)
    assert resource.option is not None and resource.option.energy_block_mwh is not None
    return max_energy_blocks(resource) * resource.option.energy_block_mwh


def _capacity(m: pyo.ConcreteModel, d: Data) -> None:
    resources = d.resources
    m.block_mw = pyo.Param(list(resources), initialize={n: r.block_mw for n, r in resources.items()})
    m.existing_mw = pyo.Param(
        m.RESOURCE_YEARS,
        initialize={(n, y): resources[n].existing_units(y) * resources[n].block_mw for n, y in m.RESOURCE_YEARS},
    )
    m.VINTAGES = pyo.Set(
        m.RESOURCE_YEARS,
        dimen=2,
        initialize={(n, y): [(n, v) for v in resources[n].vintages(y)] for n, y in m.RESOURCE_YEARS},
    )
    m.RETIREMENTS = pyo.Set(
        m.RESOURCE_YEARS,
        dimen=2,
        initialize={(n, y): [(n, v) for v in d.years if v <= y and (n, v) in m.RETIRABLE] for n, y in m.RESOURCE_YEARS},
    )
    m.capacity_in_service = constrain(
        m.RESOURCE_YEARS,
        rule=lambda m, r, y: (
            m.capacity_mw[r, y]
            == m.existing_mw[r, y]
            + sum(m.block_mw[q] * m.build[q, v] for q, v in m.VINTAGES[r, y])
            - sum(m.block_mw[q] * m.retired[q, v] for q, v in m.RETIREMENTS[r, y])
        ),
        doc="capacity = existing + blocks of living vintages - retired units",
    )
    _energy_capacity(m, d)


def _energy_capacity(m: pyo.ConcreteModel, d: Data) -> None:
    apart = [(n, y) for n, y in m.STORE_YEARS if d.resources[n].sized_apart]
    tied = [(n, y) for n, y in m.STORE_YEARS if not d.resources[n].sized_apart]
    stores = {n: d.resources[n] for n, _ in apart}
    m.STORES_APART = pyo.Set(dimen=2, initialize=apart)
    m.STORES_TIED = pyo.Set(dimen=2, initialize=tied)
    m.hours_of_storage = pyo.Param(
        sorted({n for n, _ in tied}), initialize={n: d.resources[n].hours_of_storage for n, _ in tied}
    )
    m.energy_block_mwh = pyo.Param(
        list(stores), initialize={n: r.option.energy_block_mwh for n, r in stores.items() if r.option}
    )
    m.min_duration = pyo.Param(list(stores), initialize={n: r.technology.min_duration_hours for n, r in stores.items()})
    m.max_duration = pyo.Param(list(stores), initialize={n: r.technology.max_duration_hours for n, r in stores.items()})
    m.energy_follows_power = constrain(
        m.STORES_TIED, rule=lambda m, r, y: m.energy_mwh[r, y] == m.hours_of_storage[r] * m.capacity_mw[r, y]
    )
    m.energy_in_service = constrain(
        m.STORES_APART,
        rule=lambda m, r, y: (
            m.energy_mwh[r, y] == sum(m.energy_block_mwh[q] * m.build_energy[q, v] for q, v in m.VINTAGES[r, y])
        ),
    )
    m.energy_above_min_duration = constrain(
        m.STORES_APART, rule=lambda m, r, y: m.energy_mwh[r, y] >= m.min_duration[r] * m.capacity_mw[r, y]
    )
    m.energy_below_max_duration = constrain(
        m.STORES_APART, rule=lambda m, r, y: m.energy_mwh[r, y] <= m.max_duration[r] * m.capacity_mw[r, y]
    )


def _limits(m: pyo.ConcreteModel, d: Data) -> None:
    options = {o.option: o for o in d.instance.funding_options}
    builds: dict[str, list[tuple[str, int]]] = {name: [] for name in options}
    by_year: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for name, year in m.BUILDS:
        option = d.resources[name].option
        assert option is not None
        builds[option.option].append((name, year))
        by_year.setdefault((option.option, year), []).append((name, year))
    apart = [k for k, o in options.items() if o.energy_block_mwh is not None and builds[k]]
    per_year = [(k, y) for k, y in by_year if options[k].max_blocks_per_year is not None and len(by_year[k, y]) > 1]
    m.OPTIONS = pyo.Set(initialize=[k for k in options if builds[k]])
    m.OPTION_BUILDS = pyo.Set(m.OPTIONS, dimen=2, initialize={k: builds[k] for k in m.OPTIONS})
    m.OPTIONS_APART = pyo.Set(initialize=apart)
    m.LIMITED_PER_YEAR = pyo.Set(dimen=2, initialize=per_year)
    m.YEAR_BUILDS = pyo.Set(m.LIMITED_PER_YEAR, dimen=2, initialize={i: by_year[i] for i in per_year})
    m.max_blocks = pyo.Param(m.OPTIONS, initialize={k: options[k].max_blocks for k in m.OPTIONS})
    m.max_energy_blocks = pyo.Param(
        m.OPTIONS_APART, initialize={k: max_energy_blocks(d.resources[builds[k][0][0]]) for k in apart}
    )
    m.max_blocks_per_year = pyo.Param(
        m.LIMITED_PER_YEAR, initialize={i: options[i[0]].max_blocks_per_year for i in per_year}
    )
    m.build_within_total = constrain(
        m.OPTIONS, rule=lambda m, k: sum(m.build[r, y] for r, y in m.OPTION_BUILDS[k]) <= m.max_blocks[k]
    )
    m.energy_build_within_total = constrain(
        m.OPTIONS_APART,
        rule=lambda m, k: sum(m.build_energy[r, y] for r, y in m.OPTION_BUILDS[k]) <= m.max_energy_blocks[k],
    )
    m.build_within_year = constrain(
        m.LIMITED_PER_YEAR,
        rule=lambda m, k, y: sum(m.build[r, v] for r, v in m.YEAR_BUILDS[k, y]) <= m.max_blocks_per_year[k, y],
    )


def _rules(m: pyo.ConcreteModel, d: Data) -> None:
    """Rules that join options: at most one of, all or none of, one requires another."""
    rules = d.instance.option_rules
    exclusive = [r for r in rules if r.rule == "at_most_one" and r.option in m.OPTIONS]
    joint = [r for r in rules if r.rule == "all_or_none"]
    ruled = sorted({r.option for r in [*exclusive, *joint]} & set(m.OPTIONS))
    m.RULED = pyo.Set(initialize=ruled)
    m.ever_built = pyo.Var(m.RULED, domain=pyo.Binary, doc="is any block of the option built")
    m.built_needs_ever = constrain(
        m.RULED,
        rule=lambda m, k: sum(m.build[r, y] for r, y in m.OPTION_BUILDS[k]) <= m.max_blocks[k] * m.ever_built[k],
        doc="big-M is the option's own build limit",
    )
    groups: dict[str, list[str]] = {}
    for row in exclusive:
        groups.setdefault(row.group, []).append(row.option)
    m.EXCLUSIVE = pyo.Set(initialize=list(groups))
    m.EXCLUSIVE_OPTIONS = pyo.Set(m.EXCLUSIVE, initialize=groups)
    m.at_most_one_built = constrain(
        m.EXCLUSIVE, rule=lambda m, g: sum(m.ever_built[k] for k in m.EXCLUSIVE_OPTIONS[g]) <= 1
    )
    _all_or_none(m, [(r.group, r.option) for r in joint])
    _requires(m, d, [(r.option, r.requires_option) for r in rules if r.rule == "requires" and r.requires_option])


def _all_or_none(m: pyo.ConcreteModel, rows: list[tuple[str, str]]) -> None:
    groups: dict[str, list[str]] = {}
    for group, option in rows:
        groups.setdefault(group, []).append(option)
    possible = {g: [k for k in options if k in m.OPTIONS] for g, options in groups.items()}
    m.JOINT = pyo.Set(dimen=2, initialize=[(g, k) for g, options in possible.items() for k in options])
    m.joint_built = pyo.Var(sorted(groups), domain=pyo.Binary, doc="are all options of the group built")
    for group, options in groups.items():
        if len(possible[group]) < len(options):
            m.joint_built[group].setub(0)
    m.joint_options_built_together = constrain(m.JOINT, rule=lambda m, g, k: m.ever_built[k] == m.joint_built[g])
    m.joint_options_really_built = constrain(
        m.JOINT, rule=lambda m, g, k: sum(m.build[r, y] for r, y in m.OPTION_BUILDS[k]) >= m.joint_built[g]
    )


def _requires(m: pyo.ConcreteModel, d: Data, pairs: list[tuple[str, str]]) -> None:
    """An option is in service only in years in which the one it requires has a block in service."""
    in_service: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for name, year in m.RESOURCE_YEARS:
        option = d.resources[name].option
        if option is not None:
            in_service.setdefault((option.option, year), []).append((name, year))
    rows = [(k, q, y) for k, q in dict.fromkeys(pairs) for y in d.years if (k, y) in in_service]
    required = sorted({(q, y) for _, q, y in rows})
    m.REQUIRED = pyo.Set(dimen=2, initialize=required)
    m.REQUIRING = pyo.Set(dimen=3, initialize=rows)
    m.SERVING = pyo.Set(
        sorted({(k, y) for k, _, y in rows} | set(required)),
        dimen=2,
        initialize=lambda m, k, y: in_service.get((k, y), []),
    )
    m.most_mw = pyo.Param(
        m.REQUIRING,
        initialize={
            (k, q, y): d.resources[in_service[k, y][0][0]].max_blocks * d.resources[in_service[k, y][0][0]].block_mw
            for k, q, y in rows
        },
    )
    m.has_required = pyo.Var(m.REQUIRED, domain=pyo.Binary, doc="has the required option a block in service")
    m.required_in_service = constrain(
        m.REQUIRED,
        rule=lambda m, q, y: (
            m.has_required[q, y] <= sum((1 / m.block_mw[r]) * m.capacity_mw[r, v] for r, v in m.SERVING[q, y])
        ),
    )
    m.option_needs_required = constrain(
        m.REQUIRING,
        rule=lambda m, k, q, y: (
            sum(m.capacity_mw[r, v] for r, v in m.SERVING[k, y]) <= m.most_mw[k, q, y] * m.has_required[q, y]
        ),
        doc="big-M is the option's own build limit",
    )
