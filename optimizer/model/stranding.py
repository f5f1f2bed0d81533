r"""Stranding: if the load leaves in any year, exit fees and collateral cover what locals would be left with.

Symbols
-------
``collateral[u,y]`` posted by the sponsor, M$

Equation
--------
(1 - salvage) * sum utility-financed capex * net book value(y - v)
    <= sum_s exit years[s,y] * (12 * demand rate * minimum share * contract MW * opened + contract_bill) + collateral
exit years = min(exit fee years of the tariff, years left of the contract)

Left out with ``rates.enforce = false``, as it is part of the pledge. Cost: collateral_carry.
"""

from __future__ import annotations

import pyomo.environ as pyo

from optimizer import finance
from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.sparse import constrain, cost_term, group


def add(m: pyo.ConcreteModel, d: Data) -> None:
    """Add the stranding limit to the model."""
    if not d.instance.manifest.rates.enforce:
        return
    financed = group(
        [i for i in m.RESOURCE_YEARS if d.resources[i[0]].mode == "utility"], lambda i: (_owner(d, i[0]), i[1])
    )
    limited = [i for i in financed if d.utilities[i[0]].stranding_limit and i[1] in d.operated]
    vintages = {i: [(n, v, y) for n, y in financed[i] for v in d.resources[n].vintages(y)] for i in limited}
    blocks = list(dict.fromkeys(b for rows in vintages.values() for b in rows))
    apart = [b for b in blocks if d.resources[b[0]].sized_apart]
    m.STRANDED = pyo.Set(dimen=2, initialize=limited)
    m.STRANDED_BLOCKS = pyo.Set(m.STRANDED, dimen=3, initialize=vintages)
    m.STRANDED_ENERGY = pyo.Set(
        m.STRANDED, dimen=3, initialize={i: [b for b in rows if b in set(apart)] for i, rows in vintages.items()}
    )
    m.stranded_block = pyo.Param(
        blocks, initialize={b: stranded_value(d, d.resources[b[0]], b[1], b[2], energy=False) for b in blocks}
    )
    m.stranded_energy_block = pyo.Param(
        apart, initialize={b: stranded_value(d, d.resources[b[0]], b[1], b[2], energy=True) for b in apart}
    )
    m.collateral = pyo.Var(
        m.STRANDED,
        bounds=lambda m, u, y: (0, d.utilities[u].max_collateral_usd / MILLION),
        doc="posted by the sponsor, M$",
    )
    _exit_fees(m, d, limited)
    m.stranded_value_covered = constrain(
        m.STRANDED,
        rule=lambda m, u, y: (
            sum(m.stranded_block[r, v, q] * m.build[r, v] for r, v, q in m.STRANDED_BLOCKS[u, y])
            + sum(m.stranded_energy_block[r, v, q] * m.build_energy[r, v] for r, v, q in m.STRANDED_ENERGY[u, y])
            - sum(m.exit_years[s, v] * m.contract_bill[s, v] for s, v in m.LEAVING[u, y])
            - sum(m.exit_years[s, v] * m.minimum_bill[s, v] * m.opened[s, v] for s, v in m.LEAVING_OPTIONAL[u, y])
            - m.collateral[u, y]
            <= m.certain_exit_fee[u, y]
        ),
    )
    carry = {i: d.utilities[i[0]].collateral_carry_share for i in limited}
    m.collateral_carry = pyo.Param(m.STRANDED, initialize=carry)
    m.cost_collateral_carry = cost_term(m.STRANDED, rule=lambda m, u, y: m.collateral_carry[u, y] * m.collateral[u, y])


def _owner(d: Data, name: str) -> str:
    option = d.resources[name].option
    assert option is not None and option.utility is not None
    return option.utility


def stranded_value(d: Data, resource: Resource, service: int, year: int, *, energy: bool) -> float:
    """Net book value less salvage of one block at the start of a year, M$."""
    utility = d.utilities[_owner(d, resource.name)]
    capex = d.energy_block_capex(resource, service) if energy else d.block_capex(resource, service)
    life, inflation = resource.technology.life_years, d.instance.manifest.finance.inflation
    return (1 - utility.salvage_share) * capex * finance.net_book_value(year - service, life, inflation)


def exit_years(d: Data, site: str, year: int) -> float:
    """Years of minimum bills due if the site leaves in a year."""
    end = d.sites[site].contract_end_year
    if end is None:
        return 0.0
    return max(0.0, min(d.tariff_of(site).exit_fee_years, end - year + 1))


def minimum_bill(d: Data, site: str, year: int) -> float:
    """A year's minimum demand charge, M$."""
    tariff = d.tariff_of(site)
    rate = finance.escalate(tariff.demand_usd_per_kw_month, tariff.change_per_year, year, d.base_year)
    contract = d.active_site_years[site, year].contract_mw
    return 12 * rate * 1000 * tariff.minimum_demand_share * contract / MILLION


def _exit_fees(m: pyo.ConcreteModel, d: Data, limited: list[tuple[str, int]]) -> None:
    billed = group(m.BILLED, lambda i: (d.sites[i[0]].utility, i[1]))
    leaving = {i: billed.get(i, []) for i in limited}
    sites = [i for rows in leaving.values() for i in rows]
    m.LEAVING = pyo.Set(m.STRANDED, dimen=2, initialize=leaving)
    m.LEAVING_OPTIONAL = pyo.Set(
        m.STRANDED, dimen=2, initialize={i: [s for s in rows if s in m.OPTIONAL] for i, rows in leaving.items()}
    )
    m.exit_years = pyo.Param(sites, initialize={i: exit_years(d, *i) for i in sites})
    m.minimum_bill = pyo.Param(sites, initialize={i: minimum_bill(d, *i) for i in sites})
    certain = {
        i: sum(exit_years(d, *s) * minimum_bill(d, *s) for s in rows if s not in m.OPTIONAL)
        for i, rows in leaving.items()
    }
    m.certain_exit_fee = pyo.Param(m.STRANDED, initialize=certain)
