"""The same planning problem stated a second time, on PyPSA and linopy, from the instance alone.

PyPSA states the operation: buses, links with losses, generators, storage. What it does not know (funding by vintage,
budgets, availability targets, emissions of what is drawn, tariffs, local rates) is added to its linopy model with
formulas written here a second time. Nothing of ``optimizer.model`` is used.

Covered: sites in priced zones, POIs, corridors, generators, storage tied to its power, existing assets, several
planning years, whole blocks (``p_nom_mod``), yearly budgets, a cap on emissions, unserved load, and one utility with a
demand and an energy charge, a minimum demand, utility-financed POIs, class by class rate caps and make-whole.
"""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer import schema
from optimizer.instance import Instance

HOURS = 8760

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pypsa


@dataclass(frozen=True)
class Money:
    """Discounting of an instance whose spending falls into the year of service."""

    rate: float
    base: int
    years: tuple[int, ...]
    last: int

    @classmethod
    def of(cls, instance: Instance) -> Money:
        manifest = instance.manifest
        finance = manifest.finance
        return cls(
            finance.discount_rate, manifest.base_year, tuple(manifest.planning_years), manifest.last_year_represents
        )

    def factor(self, year: int) -> float:
        return (1 + self.rate) ** (self.base - year)

    def weight(self, year: int) -> float:
        """Sum of the discount factors of the calendar years that a planning year stands for."""
        after = [y for y in self.years if y > year]
        end = after[0] if after else year + self.last
        return sum(self.factor(y) for y in range(year, end))

    def capital(self, life: int, service: int) -> float:
        """Present value of a dollar of capital in a year of service, less the annuities after the horizon."""
        end = self.years[-1] + self.last
        annuity = 1 / life if self.rate == 0 else self.rate / (1 - (1 + self.rate) ** -life)
        return self.factor(service) - annuity * sum(self.factor(y) for y in range(end, service + life))


def _size(option: schema.FundingOption) -> dict[str, Any]:
    """Extendable, in whole modules of a block where the option is built in whole blocks."""
    return {"p_nom_extendable": True} | ({"p_nom_mod": option.block_mw} if option.integer else {})


class Problem:
    """An instance as a PyPSA network with its linopy model."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.money = Money.of(instance)
        self.years = self.money.years
        self.hours = len(instance.hourly)
        self.weight = HOURS / self.hours
        self.technologies = {row.technology: row for row in instance.technologies}
        self.network = pypsa.Network()
        self.network.set_snapshots(pd.RangeIndex(self.hours, name="snapshot"))
        self.network.snapshot_weightings[:] = np.array([[self.weight, 1.0, self.weight]])
        #: option -> [(component, name, year)] whose p_nom its vintages make
        self.nominal: dict[tuple[str, str], list[tuple[str, str, int]]] = defaultdict(list)
        for year in self.years:
            self._zones(year)
            self._sites(year)
            self._plant(year)
            self._corridors(year)

    def cost(self, year: int) -> float:
        """Money of a year's operation: PyPSA weighs hours, this weighs years."""
        return self.money.weight(year)

    def _zones(self, year: int) -> None:
        for zone in self.instance.zones:
            bus = f"{zone.zone} {year}"
            self.network.add("Bus", bus, carrier="AC")
            if zone.supply == "price":
                price = self.instance.hourly[str(zone.price_series)].to_numpy() * self.factor_of(zone.zone, year)
                served = any(s.zone == zone.zone and s.utility is not None for s in self.instance.sites)
                cost = np.zeros(self.hours) if served else price * self.cost(year)
                self.network.add(
                    "Generator", f"market {bus}", bus=bus, p_nom=1e5, p_min_pu=-1.0,
                    marginal_cost=pd.Series(cost, self.network.snapshots), carrier="AC",
                )  # fmt: skip

    def factor_of(self, zone: str, year: int) -> float:
        rows = {(row.zone, row.year): row.price_factor for row in self.instance.zone_years}
        return rows.get((zone, year), 1.0)

    def load(self, site: schema.Site, year: int) -> np.ndarray:
        """Load of a site whose energised IT is given (floor = ceiling), MW."""
        row = next(r for r in self.instance.site_years if r.site == site.site and r.year == year)
        assert row.floor_mw == row.ceiling_mw
        shape = np.ones(self.hours)
        for series in (site.utilisation_series, site.pue_series):
            if series is not None:
                shape = shape * self.instance.hourly[series].to_numpy()
        return row.floor_mw * shape

    def _sites(self, year: int) -> None:
        n = self.network
        for site in self.instance.sites:
            bus = f"{site.site} {year}"
            n.add("Bus", bus, carrier="AC")
            n.add("Load", bus, bus=bus, p_set=pd.Series(self.load(site, year), n.snapshots))
            if site.availability_target < 1:
                unserved = self.instance.manifest.compute.unserved_usd_per_mwh * self.cost(year)
                n.add("Generator", f"unserved {bus}", bus=bus, p_nom=1e5, marginal_cost=unserved, carrier="AC")
            n.add("Link", f"poi {bus}", bus0=f"{site.zone} {year}", bus1=bus, p_nom=site.existing_poi_mw, carrier="AC")
            wires = [o for o in self.instance.funding_options if o.site == site.site and self.kind(o) == "wires"]
            for option, mode in ((o, mode) for o in wires for mode in o.funding_modes.split(";")):
                name = f"{option.option} {mode} {year}"
                ends = {"bus0": f"{site.zone} {year}", "bus1": bus}
                n.add("Link", name, carrier="AC", **ends, **_size(option))
                self.nominal[option.option, mode].append(("Link", name, year))

    def kind(self, row: schema.FundingOption | schema.ExistingAsset) -> str:
        return str(self.technologies[row.technology].kind)

    def _plant(self, year: int) -> None:
        for option in self.instance.funding_options:
            if self.kind(option) != "wires":
                name = f"{option.option} own {year}"
                place = f"{option.site or option.zone} {year}"
                component = self._resource(name, place, self.technologies[option.technology], option, year)
                self.nominal[option.option, "own"].append((component, name, year))
        for asset in self.instance.existing_assets:
            if asset.first_year <= year <= asset.last_year:
                technology = self.technologies[asset.technology]
                place = f"{asset.site or asset.zone} {year}"
                self._resource(f"{asset.asset} {year}", place, technology, None, year, asset.unit_mw * asset.units)

    def _resource(
        self, name: str, bus: str, technology: schema.Technology, option: schema.FundingOption | None, year: int,
        mw: float | None = None,
    ) -> str:  # fmt: skip
        size = _size(option) if option is not None else {"p_nom": mw}
        running = technology.variable_om_usd_per_mwh * self.cost(year)
        if technology.kind == "storage":
            self.network.add(
                "StorageUnit", name, bus=bus, max_hours=technology.max_duration_hours, cyclic_state_of_charge=True,
                efficiency_store=technology.charge_efficiency, efficiency_dispatch=technology.discharge_efficiency,
                marginal_cost=running, carrier="AC", **size,
            )  # fmt: skip
            return "StorageUnit"
        available = 1 - technology.forced_outage_rate
        if option is not None and option.availability_series is not None:
            available = pd.Series(self.instance.hourly[option.availability_series].to_numpy(), self.network.snapshots)
        self.network.add("Generator", name, bus=bus, marginal_cost=running, p_max_pu=available, carrier="AC", **size)
        return "Generator"

    def _corridors(self, year: int) -> None:
        for row in self.instance.corridors:
            options = [o for o in self.instance.funding_options if o.corridor == row.corridor]
            for way, (start, end) in {
                "there": (row.from_zone, row.to_zone),
                "back": (row.to_zone, row.from_zone),
            }.items():
                ends = {"bus0": f"{start} {year}", "bus1": f"{end} {year}", "efficiency": 1 - row.loss_share}
                self.network.add("Link", f"{row.corridor} {way} {year}", p_nom=row.existing_mw, carrier="AC", **ends)
                for option in options:
                    name = f"{option.option} {way} {year}"
                    self.network.add("Link", name, carrier="AC", **_size(option), **ends)
                    self.nominal[option.option, "own"].append(("Link", name, year))

    # -- on the linopy model ------------------------------------------------------------------------------

    def solve(self, gap: float) -> float:
        """Least cost, US$; infinite where there is no plan."""
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model = self.network.optimize.create_model(include_objective_constant=False)
                self.terms: list[Any] = [self.model.objective.expression]
                self.constant = 0.0
                self._vintages()
                self._shared_power()
                self._availability()
                self._emissions()
                self._rates()
                self.model.add_objective(sum(self.terms[1:], self.terms[0]), overwrite=True)
                options = {"output_flag": False, "mip_rel_gap": gap, "log_to_console": False}
                status, why = self.model.solve(solver_name="highs", io_api="direct", **options)
        finally:
            logging.disable(logging.NOTSET)
        if status != "ok":
            assert "infeasible" in why, why
            return float("inf")
        return float(self.model.objective.value) + self.constant

    def p(self, component: str, name: str) -> Any:
        return self.model.variables[f"{component}-p"].sel(name=name)

    def capex(self, option: schema.FundingOption) -> float:
        """US$ of a block."""
        technology = self.technologies[option.technology]
        energy = technology.max_duration_hours * technology.capex_usd_per_kwh if technology.kind == "storage" else 0.0
        return 1000 * option.block_mw * (technology.capex_usd_per_kw + energy)

    def _vintages(self) -> None:
        self.blocks: dict[tuple[str, str, int], Any] = {}
        spent: dict[int, list[Any]] = defaultdict(list)
        options = {row.option: row for row in self.instance.funding_options}
        gross_up = {row.utility: row.contribution_tax_gross_up for row in self.instance.utilities}
        for option in options.values():
            technology = self.technologies[option.technology]
            modes = [mode for name, mode in self.nominal if name == option.option]
            for mode in modes:
                for year in self.years:
                    # whole because every year's p_nom is a whole number of p_nom_mod
                    n = self.model.add_variables(
                        lower=0, upper=option.max_blocks, name=f"blocks {option.option} {mode} {year}"
                    )
                    self.blocks[option.option, mode, year] = n
                    paid = self._capital(option, mode, year, gross_up)
                    self.terms.append(paid * n)
                    if mode != "utility":
                        extra = gross_up[str(option.utility)] if mode == "contribution" else 0.0
                        spent[year].append(self.capex(option) * (1 + extra) * n)
                for component, name, year in self.nominal[option.option, mode]:
                    alive = [
                        self.blocks[option.option, mode, v] for v in self.years if v <= year < v + technology.life_years
                    ]
                    p_nom = self.model.variables[f"{component}-p_nom"].sel(name=name)
                    self.model.add_constraints(p_nom - option.block_mw * sum(alive[1:], 1 * alive[0]) == 0)
            total = [n for (name, _, _), n in self.blocks.items() if name == option.option]
            self.model.add_constraints(sum(total[1:], 1 * total[0]) <= option.max_blocks)
        for budget in self.instance.budgets:
            if budget.max_capex_usd is not None and spent[budget.year]:
                terms = spent[budget.year]
                self.model.add_constraints(sum(terms[1:], terms[0]) <= budget.max_capex_usd)

    def _capital(self, option: schema.FundingOption, mode: str, year: int, gross_up: dict[str, float]) -> float:
        """Present value that the sponsor pays for a block."""
        if mode == "utility":
            return 0.0
        if mode == "contribution":
            return self.capex(option) * (1 + gross_up[str(option.utility)]) * self.money.factor(year)
        return self.capex(option) * self.money.capital(self.technologies[option.technology].life_years, year)

    def _shared_power(self) -> None:
        """Charging and discharging share the power of a store."""
        if "StorageUnit-p_store" not in self.model.variables:
            return
        for name, row in self.network.storage_units.iterrows():
            used = self.model.variables["StorageUnit-p_store"].sel(name=name) + self.model.variables[
                "StorageUnit-p_dispatch"
            ].sel(name=name)
            if row.p_nom_extendable:
                self.model.add_constraints(used - self.model.variables["StorageUnit-p_nom"].sel(name=name) <= 0)
            else:
                self.model.add_constraints(used <= row.p_nom)

    def _availability(self) -> None:
        for site in self.instance.sites:
            for year in self.years:
                if site.availability_target < 1:
                    most = (1 - site.availability_target) * self.load(site, year).sum()
                    self.model.add_constraints(self.p("Generator", f"unserved {site.site} {year}").sum() <= most)

    def drawn(self, site: schema.Site, year: int) -> Any:
        """Import of a site through all its links, by hour."""
        links = self.network.links
        names = links.index[links.bus1 == f"{site.site} {year}"]
        flows = [self.p("Link", name) for name in names]
        return sum(flows[1:], 1 * flows[0])

    def _emissions(self) -> None:
        caps = {row.year: row.co2_cap_t for row in self.instance.policy if row.co2_cap_t is not None}
        rate = {row.zone: row.grid_co2_t_per_mwh for row in self.instance.zones}
        for year, cap in caps.items():
            terms = [rate[site.zone] * self.weight * self.drawn(site, year).sum() for site in self.instance.sites]
            self.model.add_constraints(sum(terms[1:], terms[0]) <= cap)

    # -- local rates --------------------------------------------------------------------------------------

    def _rates(self) -> None:
        for utility in self.instance.utilities:
            for year in self.years:
                self._rates_of(utility, year)

    def _rates_of(self, utility: schema.Utility, year: int) -> None:
        """Cost of service: what is bought, plant in rate base, bills; no class pays more unless it is made whole."""
        sites = [site for site in self.instance.sites if site.utility == utility.utility]
        tariffs = {row.tariff: row for row in self.instance.tariffs}
        bill = sum(self._bill(site, tariffs[str(site.tariff)], year) for site in sites)
        price = {z.zone: self.instance.hourly[str(z.price_series)].to_numpy() for z in self.instance.zones}
        bought = sum(
            (self.drawn(s, year) * (self.weight * self.factor_of(s.zone, year) * price[s.zone])).sum() for s in sites
        )
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
                name=f"make whole {row.customer_class} {year}",
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

    def _bill(self, site: schema.Site, tariff: schema.Tariff, year: int) -> Any:
        """Demand charge on the highest import of the (one) period, all twelve months; energy charge."""
        contract = next(r.contract_mw for r in self.instance.site_years if r.site == site.site and r.year == year)
        growth = (1 + tariff.change_per_year) ** (year - self.money.base)
        billed = self.model.add_variables(
            lower=tariff.minimum_demand_share * contract, name=f"billed {site.site} {year}"
        )
        drawn = self.drawn(site, year)
        self.model.add_constraints(drawn - billed <= 0)
        self._exactly_billed(site, year, billed, drawn, tariff.minimum_demand_share * contract)
        demand = 12 * 1000 * tariff.demand_usd_per_kw_month * growth
        energy = tariff.energy_usd_per_mwh * growth * self.weight
        return demand * billed + energy * drawn.sum()

    def _exactly_billed(self, site: schema.Site, year: int, billed: Any, drawn: Any, minimum: float) -> None:
        """Billing demand is the minimum or one of the imports: no bill is paid for more, in place of make-whole."""
        hours = self.network.snapshots
        most = site.existing_poi_mw + sum(
            option.block_mw * option.max_blocks for option in self.instance.funding_options if option.site == site.site
        )
        is_peak = self.model.add_variables(binary=True, coords=[hours], name=f"peak hour {site.site} {year}")
        is_minimum = self.model.add_variables(binary=True, name=f"minimum billed {site.site} {year}")
        self.model.add_constraints(billed - drawn + (most + minimum) * is_peak <= most + minimum)
        self.model.add_constraints(billed + most * is_minimum <= minimum + most)
        self.model.add_constraints(is_peak.sum() + is_minimum == 1)

    def _plant_in_rates(self, utility: schema.Utility, year: int) -> Any:
        """Revenue requirement of utility-financed blocks: return and taxes on net plant, depreciation, property tax."""
        terms = []
        for (name, mode, service), n in self.blocks.items():
            option = next(o for o in self.instance.funding_options if o.option == name)
            if mode != "utility" or option.utility != utility.utility or not service <= year:
                continue
            life = self.technologies[option.technology].life_years
            age = year - service
            if age >= life:
                continue
            equity = utility.equity_share * utility.return_on_equity_nominal / (1 - utility.tax_rate)
            debt = (1 - utility.equity_share) * utility.debt_rate_nominal
            due = (1 - age / life) * (equity + debt) + 1 / life + utility.property_tax_and_insurance_share
            due /= (1 + self.instance.manifest.finance.inflation) ** age
            terms.append(self.capex(option) * due * n)
        return sum(terms[1:], terms[0]) if terms else None
