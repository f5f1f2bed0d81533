"""The same planning problem stated a second time, on PyPSA and linopy, from the instance alone.

PyPSA states the operation (``pypsa_network``). What it does not know (funding by vintage, budgets, availability
targets, emissions of what is drawn, tariffs, local rates) is added to its linopy model with formulas written here a
second time: a constraint of many rows is added once, over its dimensions. Nothing of ``optimizer.model`` is used.

Covered: sites in priced zones, POIs, corridors, generators, storage tied to its power, existing assets, several
planning years, whole blocks (``p_nom_mod``), yearly budgets, a cap on emissions, unserved load, and one utility with a
demand and an energy charge, a minimum demand, utility-financed POIs, class by class rate caps and make-whole.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from equivalence.pypsa_network import Built, Operation
from optimizer import schema
from optimizer.instance import Instance


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log of other packages."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def over(dimension: str, names: Sequence[Any], values: Any) -> xr.DataArray:
    """An array of one dimension."""
    return xr.DataArray(np.asarray(values), {dimension: list(names)}, [dimension])


class Problem:
    """An instance as a PyPSA network with its linopy model."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        with quiet():
            self.operation = Operation(instance)
        self.network = self.operation.network
        self.money, self.years = self.operation.money, self.operation.years
        self.technologies = self.operation.technologies
        self.options = {row.option: row for row in instance.funding_options}
        self.gross_up = {row.utility: row.contribution_tax_gross_up for row in instance.utilities}

    def solve(self, gap: float, **options: float) -> float:
        """Least cost, US$; infinite where there is no plan."""
        self.state()
        return self.optimise(gap, **options)

    def state(self) -> None:
        """Make the linopy model."""
        with quiet():
            self.model = self.network.optimize.create_model(include_objective_constant=False)
            self.terms: list[Any] = [self.model.objective.expression]
            if self.operation.built:
                self._vintages()
            self._shared_power()
            self._availability()
            self._emissions()
            self._rates()
            self.model.add_objective(sum(self.terms[1:], self.terms[0]), overwrite=True)

    def optimise(self, gap: float, **options: float) -> float:
        """Least cost of the model, US$; infinite where there is no plan."""
        options = {"output_flag": False, "mip_rel_gap": gap, "log_to_console": False, **options}
        with quiet():
            status, why = self.model.solve(solver_name="highs", io_api="direct", **options)
        if status != "ok":
            assert "infeasible" in why, why
            return float("inf")
        return float(self.model.objective.value)

    def read(self) -> None:
        """Write the solution into the tables of the network, as ``network.optimize()`` does after solving."""
        with quiet():
            self.network.optimize.assign_solution()
            self.network.optimize.post_processing()

    # -- funding ------------------------------------------------------------------------------------------

    def _vintages(self) -> None:
        """Blocks by investment (an option in a mode) and year of service, whole where p_nom_mod makes p_nom whole."""
        self.investments = list(dict.fromkeys((row.option, row.mode) for row in self.operation.built))
        names = [" ".join(investment) for investment in self.investments]
        rows = [self.options[option] for option, _ in self.investments]
        most = over("investment", names, [row.max_blocks for row in rows])
        blocks = self.blocks = self.model.add_variables(
            lower=0,
            upper=most,
            name="blocks",
            coords=[most.indexes["investment"], pd.Index(self.years, name="service")],
        )
        paid = [[self._capital(option, mode, year) for year in self.years] for option, mode in self.investments]
        self.terms.append((blocks * self._funded(paid)).sum())
        for component in dict.fromkeys(row.component for row in self.operation.built):
            self._nominal(component, [row for row in self.operation.built if row.component == component])
        option = over("investment", names, [row.option for row in rows]).rename("option")
        limit = over("option", self.options, [row.max_blocks for row in self.options.values()])
        limit = limit.sel(option=sorted(set(option.values)))
        self.model.add_constraints(blocks.sum("service").groupby(option).sum() <= limit)
        self._budgets()

    def _funded(self, values: Any) -> xr.DataArray:
        return xr.DataArray(np.asarray(values, float), self.blocks.coords, ["investment", "service"])

    def _nominal(self, component: str, built: list[Built]) -> None:
        """p_nom of a year: the blocks that are in service and not yet at the end of their life."""
        names = [row.name for row in built]
        alive = [
            [
                self.options[row.option].block_mw * (service <= row.year < service + self._life(row.option))
                for service in self.years
            ]
            for row in built
        ]
        mw = xr.DataArray(alive, {"name": names, "service": list(self.years)}, ["name", "service"])
        blocks = self.blocks.sel(investment=over("name", names, [f"{row.option} {row.mode}" for row in built]))
        p_nom = self.model.variables[f"{component}-p_nom"].sel(name=names)
        self.model.add_constraints(p_nom - (blocks * mw).sum("service") == 0)

    def _life(self, option: str) -> int:
        return int(self.technologies[self.options[option].technology].life_years)

    def capex(self, option: schema.FundingOption) -> float:
        """US$ of a block."""
        technology = self.technologies[option.technology]
        energy = technology.max_duration_hours * technology.capex_usd_per_kwh if technology.kind == "storage" else 0.0
        return 1000 * option.block_mw * (technology.capex_usd_per_kw + energy)

    def _spent(self, name: str, mode: str) -> float:
        """US$ that the sponsor spends on a block."""
        option = self.options[name]
        if mode == "utility":
            return 0.0
        return self.capex(option) * (1 + (self.gross_up[str(option.utility)] if mode == "contribution" else 0.0))

    def _capital(self, name: str, mode: str, year: int) -> float:
        """Present value that the sponsor pays for a block."""
        kept = self.money.capital(self._life(name), year) if mode == "own" else self.money.factor(year)
        return self._spent(name, mode) * kept

    def _budgets(self) -> None:
        most = {row.year: row.max_capex_usd for row in self.instance.budgets if row.max_capex_usd is not None}
        if most:
            spent = over("investment", self.blocks.indexes["investment"], [self._spent(*i) for i in self.investments])
            yearly = (self.blocks.sel(service=list(most)) * spent).sum("investment")
            self.model.add_constraints(yearly <= over("service", list(most), list(most.values())))

    # -- operation ----------------------------------------------------------------------------------------

    def p(self, component: str, names: Sequence[str]) -> Any:
        return self.model.variables[f"{component}-p"].sel(name=list(names))

    def _shared_power(self) -> None:
        """Charging and discharging share the power of a store."""
        stores = self.network.storage_units
        if not len(stores):
            return
        variables = self.model.variables
        used = variables["StorageUnit-p_store"] + variables["StorageUnit-p_dispatch"]
        extended = list(stores.index[stores.p_nom_extendable])
        fixed = list(stores.index[~stores.p_nom_extendable])
        if extended:
            p_nom = variables["StorageUnit-p_nom"].sel(name=extended)
            self.model.add_constraints(used.sel(name=extended) - p_nom <= 0)
        if fixed:
            self.model.add_constraints(used.sel(name=fixed) <= over("name", fixed, stores.p_nom[fixed]))

    def _availability(self) -> None:
        most = {
            f"unserved {site.site} {year}": (1 - site.availability_target) * self.operation.load(site, year).sum()
            for site in self.instance.sites
            for year in self.years
            if site.availability_target < 1
        }
        if most:
            unserved = self.p("Generator", list(most)).sum("snapshot")
            self.model.add_constraints(unserved <= over("name", list(most), list(most.values())))

    def drawn(self, places: Sequence[tuple[schema.Site, int]]) -> Any:
        """Import of sites through all their links, by place (site and year) and hour."""
        links = self.network.links
        names = [f"{site.site} {year}" for site, year in places]
        ends = links.bus1[links.bus1.isin(names)]
        return self.p("Link", ends.index).groupby(over("name", ends.index, ends).rename("place")).sum().sel(place=names)

    def _emissions(self) -> None:
        rate = {row.zone: row.grid_co2_t_per_mwh for row in self.instance.zones}
        for row in self.instance.policy:
            if row.co2_cap_t is not None:
                places = [(site, row.year) for site in self.instance.sites]
                drawn = self.drawn(places).sum("snapshot")
                rates = over("place", drawn.indexes["place"], [rate[site.zone] for site, _ in places])
                self.model.add_constraints((drawn * (self.operation.weight * rates)).sum() <= row.co2_cap_t)

    # -- local rates --------------------------------------------------------------------------------------

    def _rates(self) -> None:
        for utility in self.instance.utilities:
            for year in self.years:
                self._rates_of(utility, year)

    def _rates_of(self, utility: schema.Utility, year: int) -> None:
        """Cost of service: what is bought, plant in rate base, bills; no class pays more unless it is made whole."""
        places = [(site, year) for site in self.instance.sites if site.utility == utility.utility]
        drawn = self.drawn(places)
        bill = self._bills(drawn, places)
        names = {"snapshot": self.operation.hours, "place": drawn.indexes["place"]}
        price = np.column_stack([self.operation.price(site.zone, year) for site, _ in places])
        bought = (drawn * xr.DataArray(self.operation.weight * price, names, list(names))).sum()
        plant = self._plant_in_rates(utility, year)
        weight = self.money.weight(year)
        self.terms.append(weight * bill)
        shares = {
            (r.customer_class, r.pool): r.share for r in self.instance.cost_allocators if r.utility == utility.utility
        }
        for row in (r for r in self.instance.customer_classes if r.utility == utility.utility):
            whole = self.model.add_variables(
                lower=0,
                upper=np.inf if utility.make_whole_allowed else 0,
                name=f"make whole {utility.utility} {row.customer_class} {year}",
            )
            change = shares[row.customer_class, "fuel"] * bought - row.bill_credit_share * bill - 1 * whole
            if plant is not None:
                change = change + shares[row.customer_class, "transmission"] * plant
            if self.instance.manifest.rates.enforce:
                self.model.add_constraints(change <= row.rate_tolerance_share * self._paid_without(row, year))
            self.terms.append(weight * whole)

    def _paid_without(self, row: schema.CustomerClass, year: int) -> float:
        return next(
            r.sales_mwh * r.rate_usd_per_mwh
            for r in self.instance.class_years
            if (r.utility, r.customer_class, r.year) == (row.utility, row.customer_class, year)
        )

    def _bills(self, drawn: Any, places: Sequence[tuple[schema.Site, int]]) -> Any:
        """Demand charge on the highest import of the (one) period, all twelve months; energy charge."""
        index = drawn.indexes["place"]
        tariffs = {row.tariff: row for row in self.instance.tariffs}
        contract = {(row.site, row.year): row.contract_mw for row in self.instance.site_years}
        rows = [(tariffs[str(site.tariff)], site, year) for site, year in places]
        growth = [(1 + tariff.change_per_year) ** (year - self.money.base) for tariff, _, year in rows]
        minimum = over("place", index, [t.minimum_demand_share * contract[s.site, y] for t, s, y in rows])
        billed = self.model.add_variables(lower=minimum, name=f"billed {index[0]}", coords=[index])
        self.model.add_constraints(drawn - billed <= 0)
        self._exactly_billed(drawn, billed, minimum, over("place", index, [self._most(site) for site, _ in places]))
        demand = [12 * 1000 * row[0].demand_usd_per_kw_month * grown for row, grown in zip(rows, growth, strict=True)]
        energy = [
            row[0].energy_usd_per_mwh * grown * self.operation.weight for row, grown in zip(rows, growth, strict=True)
        ]
        charged = billed * over("place", index, demand) + drawn.sum("snapshot") * over("place", index, energy)
        return charged.sum()

    def _most(self, site: schema.Site) -> float:
        """The largest import that could be, MW."""
        added = [o.block_mw * o.max_blocks for o in self.options.values() if o.site == site.site]
        return float(site.existing_poi_mw + sum(added))

    def _exactly_billed(self, drawn: Any, billed: Any, minimum: xr.DataArray, most: xr.DataArray) -> None:
        """Billing demand is the minimum or one of the imports: no bill is paid for more, in place of make-whole."""
        index = drawn.indexes["place"]
        is_peak = self.model.add_variables(
            binary=True, coords=[self.operation.hours, index], name=f"peak hour {index[0]}"
        )
        is_minimum = self.model.add_variables(binary=True, coords=[index], name=f"minimum billed {index[0]}")
        self.model.add_constraints(billed - drawn + is_peak * (most + minimum) <= most + minimum)
        self.model.add_constraints(billed + is_minimum * most <= minimum + most)
        self.model.add_constraints(is_peak.sum("snapshot") + is_minimum == 1)

    def _plant_in_rates(self, utility: schema.Utility, year: int) -> Any:
        """Revenue requirement of utility-financed blocks: return and taxes on net plant, depreciation, property tax."""
        financed = [
            at for at, (option, mode) in enumerate(getattr(self, "investments", []))
            if mode == "utility" and self.options[option].utility == utility.utility
        ]  # fmt: skip
        if not financed:
            return None
        due = np.zeros(self.blocks.shape)
        for at in financed:
            option = self.options[self.investments[at][0]]
            for position, service in enumerate(self.years):
                due[at, position] = self.capex(option) * self._due(utility, self._life(option.option), year - service)
        return (self.blocks * self._funded(due)).sum()

    def _due(self, utility: schema.Utility, life: int, age: int) -> float:
        """Revenue requirement of a dollar of plant at an age."""
        if not 0 <= age < life:
            return 0.0
        equity = utility.equity_share * utility.return_on_equity_nominal / (1 - utility.tax_rate)
        debt = (1 - utility.equity_share) * utility.debt_rate_nominal
        due = (1 - age / life) * (equity + debt) + 1 / life + utility.property_tax_and_insurance_share
        return float(due / (1 + self.instance.manifest.finance.inflation) ** age)
