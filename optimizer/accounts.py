"""The money of a solved model: costs, cash, bills, the utilities' added costs, and every class's rate.

Billing demand is recomputed here as the tariff defines it. Where the model paid a higher one (a tie with make-whole
payments, see ``model/tariff.py``) the excess is booked as what it is: make-whole. Price rises are interpolated
exactly from the net purchase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import pandas as pd

from optimizer import finance
from optimizer.model import capital, stranding
from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.matrix import CAPITAL_COSTS
from optimizer.model.rates import exposed_load
from optimizer.model.shared_network import highest_load_step
from optimizer.model.tariff import charge, energy_rate, minimum_mw
from optimizer.plan import NOT_CASH
from optimizer.results import Reading, capacity_payment, capacity_rise, price_change, table, totals
from optimizer.schema import POOLS, CustomerClass

#: A billing demand this many dollars a year above the tariff's is rounding, not a payment.
ROUNDING_USD = 1.0


#: Rows of a table: values by column.
Rows = list[dict[str, Any]]


class Accounts:
    """Money of a reading, worked out once as rows, and laid out as tables."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.data: Data = reading.data
        self.years = reading.years

    # -- bills --------------------------------------------------------------------------------------------
    @cached_property
    def billed(self) -> list[tuple[str, int]]:
        """Sites and years with a tariff bill."""
        return [(s, y) for s, y in self.reading.imports if self.data.sites[str(s)].utility]  # type: ignore[misc]

    @cached_property
    def tariff_bills(self) -> Rows:
        return [row for key in self.billed for row in self._months(*key)]

    @cached_property
    def _billing(self) -> dict[int, tuple[float, list[str]]]:
        """Months of the year that each billing month stands for, and the parts over which it is metered."""
        months: dict[int, tuple[float, list[str]]] = {}
        for month, part, weight in self.data.grid.billing.itertuples(index=False):
            months.setdefault(int(month), (float(weight), []))[1].append(str(part))
        return dict(sorted(months.items()))

    def _months(self, site: str, year: int) -> Rows:
        data, imports = self.data, self.reading.imports[site, year]
        tariff = data.tariff_of(site)
        peaks = {p: float(imports[steps].max()) for p, steps in data.grid.parts.items()}
        minimum = minimum_mw(data, site, year) * self.reading.opened[site, year]
        rate = charge(data, site, year, "demand_usd_per_kw_month") * 1000
        annual = max(peaks[p] for _, parts in self._billing.values() for p in parts)
        rows: Rows = []
        for month, (months, parts) in self._billing.items():
            metered = max(peaks[p] for p in parts)
            demand = max(metered, tariff.ratchet_share * annual, minimum)
            row = {
                "site": site,
                "utility": data.sites[site].utility,
                "year": year,
                "billing_month": month,
                "months": months,
            }
            mw = {"metered_peak_mw": metered, "minimum_mw": minimum, "billing_demand_mw": demand}
            rows.append(row | mw | {"demand_charge_usd": months * rate * demand})
        return rows

    @cached_property
    def bills(self) -> Rows:
        demand = totals(((row["site"], row["year"]), row["demand_charge_usd"]) for row in self.tariff_bills)
        contract = self.reading.one("contract_bill")
        rows: Rows = []
        for s, y in self.billed:
            rates = energy_rate(self.data, s, y)
            parts = {
                "demand_usd": demand[s, y],
                "energy_usd": self.reading.data.yearly(rates * self.reading.imports[s, y]),
                "fixed_usd": 12 * charge(self.data, s, y, "fixed_usd_per_month") * self.reading.opened[s, y],
                "contract_usd": contract.get((s, y), 0.0) * MILLION,
            }
            row = {"site": s, "utility": self.data.sites[s].utility, "year": y}
            rows.append(row | parts | {"total_usd": sum(parts.values())})
        return rows

    @cached_property
    def overbilled_usd(self) -> dict[tuple[str, int], float]:
        """Demand charge of the model above the tariff's, by site and year."""
        model = self.reading.one("demand_bill")
        exact = {(row["site"], row["year"]): row["demand_usd"] for row in self.bills}
        excess = {key: model.get(key, 0.0) * MILLION - usd for key, usd in exact.items()}
        return {key: usd for key, usd in excess.items() if usd > ROUNDING_USD}

    # -- what the project adds to utilities' costs ---------------------------------------------------------
    @cached_property
    def revenue_requirement(self) -> Rows:
        rows: Rows = []

        def add(utility: object, pool: object, component: str, year: object, usd: float) -> None:
            if usd:
                rows.append({"utility": utility, "pool": pool, "component": component, "year": year, "usd": usd})

        one = self.reading.one
        for (u, g, y), value in one("plant_cost").items():
            add(u, g, "plant", y, value * MILLION)
        for (u, g, y), value in one("upkeep_cost").items():
            add(u, g, "fixed_om", y, value * MILLION)
        for (u, y), value in one("variable_cost").items():
            add(u, "fuel", "variable", y, value * MILLION)
        for (u, y), value in one("purchase_cost").items():
            add(u, "fuel", "purchases", y, value * MILLION + self._rise_correction(str(u), int(str(y))))
        for (u, y), value in one("supply_cost").items():
            add(u, "fuel", "supply", y, value * MILLION)
        for (z, y), mw in self.capacity_bought.items():
            utility = self.data.paying_utility(z)
            if utility:
                add(utility, "generation", "capacity", y, capacity_payment(self.data, z, y, mw))
        return rows

    def _rise_correction(self, utility: str, year: int) -> float:
        """Exact payment for the price rise less the model's, US$ a year, where the utility pays it."""
        zone = self.data.utilities[utility].zone
        if self.data.paying_utility(zone) != utility or zone not in self.data.price_response:
            return 0.0
        return self.rise_payment(zone, year) - self._model_rise_payment(zone, year)

    def rise_payment(self, zone: str, year: int) -> float:
        """What the project's own purchases cost more because of the price rise, US$ a year."""
        return self.reading.data.yearly(price_change(self.reading, zone, year)[1])

    def _model_rise_payment(self, zone: str, year: int) -> float:
        slopes = self._payment_slopes(zone)
        parts = self.reading.by_step_cached("rise_part")
        return sum(
            slope * self.reading.data.yearly(parts[zone, year, j])
            for j, slope in enumerate(slopes)
            if (zone, year, j) in parts
        )

    def _payment_slopes(self, zone: str) -> list[float]:
        points = self.data.price_response[zone]
        return [(b * q - a * p) / (b - a) for (a, p), (b, q) in pairwise(points)]

    @cached_property
    def capacity_bought(self) -> dict[tuple[str, int], float]:
        bought: dict[tuple[str, int], float] = {}
        for (z, y, _), mw in self.reading.one("capacity_part").items():
            key = (str(z), int(str(y)))
            bought[key] = bought.get(key, 0.0) + mw
        return bought

    # -- rates --------------------------------------------------------------------------------------------
    @cached_property
    def make_whole(self) -> Rows:
        paid = {k: v * MILLION for k, v in self.reading.one("make_whole").items()}
        credit = {(c.utility, c.customer_class): c.bill_credit_share for c in self.data.instance.customer_classes}
        if self.data.instance.manifest.rates.enforce:
            for (s, y), excess in self.overbilled_usd.items():
                utility = self.data.sites[s].utility
                for (u, c), share in credit.items():
                    if u == utility:
                        paid[u, c, y] = paid.get((u, c, y), 0.0) + share * excess
        return [{"utility": u, "customer_class": c, "year": y, "usd": usd} for (u, c, y), usd in paid.items() if usd]

    @cached_property
    def network_charges(self) -> Rows:
        rows: Rows = []
        for (u, y), value in self.reading.one("network_charge").items():
            step = highest_load_step(self.data, str(u))
            coincident = sum(
                float(mw[step])
                for (s, v), mw in self.reading.imports.items()
                if v == y and self.data.sites[str(s)].utility == u
            )
            rows.append({"utility": u, "year": y, "coincident_mw": coincident, "charge_usd": value * MILLION})
        return rows

    @cached_property
    def rates(self) -> Rows:
        pools = totals(((row["utility"], row["pool"], row["year"]), row["usd"]) for row in self.revenue_requirement)
        bills = totals(((row["utility"], row["year"]), row["total_usd"]) for row in self.bills)
        network = {(row["utility"], row["year"]): row["charge_usd"] for row in self.network_charges}
        paid = {(row["utility"], row["customer_class"], row["year"]): row["usd"] for row in self.make_whole}
        cases = {(r.utility, r.customer_class, r.year): r for r in self.data.instance.class_years}
        rows: Rows = []
        for row in self.data.instance.customer_classes:
            for y in self.years:
                case = cases[row.utility, row.customer_class, y]
                bridge = self._bridge(row, y, pools, bills, network, paid)
                rows.append(_rate_row(row, y, case.sales_mwh, case.rate_usd_per_mwh, bridge))
        return rows

    def _bridge(
        self,
        row: CustomerClass,
        year: int,
        pools: Mapping[tuple[str, str, int], float],
        bills: Mapping[tuple[str, int], float],
        network: Mapping[tuple[str, int], float],
        paid: Mapping[tuple[str, str, int], float],
    ) -> dict[str, float]:
        """What changes a class's cost in a year, US$."""
        u, c, zone = row.utility, row.customer_class, self.data.utilities[row.utility].zone
        share = {g: self.allocators.get((u, c, g), 0.0) for g in POOLS}
        return {
            **{f"{g}_usd": share[g] * pools.get((u, g, year), 0.0) for g in POOLS},
            "market_energy_usd": self.market_energy(u, c, zone, year),
            "market_capacity_usd": self._market_capacity(row, zone, year),
            "bill_credit_usd": -row.bill_credit_share * bills.get((u, year), 0.0),
            "network_credit_usd": -share["transmission"] * network.get((u, year), 0.0),
            "make_whole_usd": -paid.get((u, c, year), 0.0),
        }

    @cached_property
    def allocators(self) -> dict[tuple[str, str, str], float]:
        return {(a.utility, a.customer_class, a.pool): a.share for a in self.data.instance.cost_allocators}

    def market_energy(self, utility: str, customer_class: str, zone: str, year: int) -> float:
        """Cost to a class of the price rise on its unhedged load, US$ a year."""
        if zone not in self.data.price_response:
            return 0.0
        load = exposed_load(self.data, utility, customer_class, year)
        rise, _ = price_change(self.reading, zone, year)
        return self.reading.data.yearly(load * rise)

    def _market_capacity(self, row: CustomerClass, zone: str, year: int) -> float:
        rise = capacity_rise(self.data, zone, self.capacity_bought.get((zone, year), 0.0))
        return 1000 * row.capacity_obligation_mw * (1 - row.hedged_share) * rise

    # -- stranding ----------------------------------------------------------------------------------------
    @cached_property
    def stranding(self) -> Rows:
        data, collateral = self.data, self.reading.one("collateral")
        contract = self.reading.one("contract_bill")
        rows: Rows = []
        for u in data.utilities:
            financed = [
                r for r in data.resources.values() if r.mode == "utility" and r.option and r.option.utility == u
            ]
            if not financed:
                continue
            for y in self.years:
                exposure = sum(self._stranded(r, y) for r in financed)
                fee = sum(
                    stranding.exit_years(data, s, y)
                    * (stranding.minimum_bill(data, s, y) * self.reading.opened[s, y] + contract.get((s, y), 0.0))
                    for s, v in self.billed
                    if v == y and data.sites[s].utility == u
                )
                posted = collateral.get((u, y), 0.0)
                usd = {
                    "exposure_usd": exposure,
                    "exit_fee_usd": fee,
                    "collateral_usd": posted,
                    "headroom_usd": fee + posted - exposure,
                }
                rows.append({"utility": u, "exit_year": y} | {k: v * MILLION for k, v in usd.items()})
        return rows

    def _stranded(self, resource: Resource, year: int) -> float:
        builds, energy = self.reading.builds, self.reading.energy_builds
        return sum(
            builds.get((resource.name, v), 0.0) * stranding.stranded_value(self.data, resource, v, year, energy=False)
            + energy.get((resource.name, v), 0.0) * stranding.stranded_value(self.data, resource, v, year, energy=True)
            for v in resource.vintages(year)
        )

    # -- costs and cash -----------------------------------------------------------------------------------
    @cached_property
    def costs(self) -> Rows:
        rows = [*self._capital_costs(), *self._opening_costs(), *self._operating_costs()]
        for name, places in self._exact_costs.items():
            rows += [_cost(name, p, y, usd, usd * self.data.discount[y]) for (p, y), usd in places.items()]
        return [row for row in rows if abs(row["usd"]) > 1e-6 or abs(row["present_value_usd"]) > 1e-6]

    def _operating_costs(self) -> Rows:
        """Yearly costs as the model has them."""
        others = {*CAPITAL_COSTS, *self._exact_costs}
        rows: Rows = []
        for (name, place, year), value in totals(self.reading.solution.costs()).items():
            if name not in others:
                usd = value * MILLION
                rows.append(_cost(name, place, year, usd / self.data.discount[year], usd))
        return rows

    @cached_property
    def _exact_costs(self) -> dict[str, dict[tuple[str, int], float]]:
        """Yearly costs recomputed from bills, net purchases and local costs, US$."""
        data = self.data
        make_whole = totals(((row["utility"], row["year"]), row["usd"]) for row in self.make_whole)
        sponsor_zones = [z for z in data.price_response if data.paying_utility(z) is None]
        return {
            "tariff_bills": {(row["site"], row["year"]): row["total_usd"] for row in self.bills},
            "make_whole": dict(sorted(make_whole.items())),
            "market_price_rise": {(z, y): self.rise_payment(z, y) for z in sponsor_zones for y in self.years},
            "capacity_purchases": {
                (z, y): capacity_payment(data, z, y, mw)
                for (z, y), mw in self.capacity_bought.items()
                if data.paying_utility(z) is None
            },
            "tie_break": self._tie_break(),
        }

    def _tie_break(self) -> dict[tuple[str, int], float]:
        weight = self.data.instance.manifest.rates.tie_break
        if not weight:
            return {}
        added = totals(((row["utility"], row["year"]), row["usd"]) for row in self.revenue_requirement)
        energy, capacity = (
            totals(((row["utility"], row["year"]), row[f"market_{part}_usd"]) for row in self.rates)
            for part in ("energy", "capacity")
        )
        total: dict[tuple[str, int], float] = {}
        for y in self.years:
            for u in self.data.utilities:
                total["portfolio", y] = total.get(("portfolio", y), 0.0) + weight * (
                    added.get((u, y), 0.0) + (energy.get((u, y), 0.0) + capacity.get((u, y), 0.0))
                )
        return total

    @cached_property
    def _capital_rows(self) -> list[tuple[Resource, int, float]]:
        """Gross capital cost of every build: resource, service year, US$."""
        rows: list[tuple[Resource, int, float]] = []
        for resource in self.data.resources.values():
            for year in resource.service_years:
                blocks = self.reading.builds.get((resource.name, year), 0.0)
                energy = self.reading.energy_builds.get((resource.name, year), 0.0)
                capex = blocks * self.data.block_capex(resource, year) + energy * self.data.energy_block_capex(
                    resource, year
                )
                if capex:
                    rows.append((resource, year, capex * MILLION))
        return rows

    def _capital_costs(self) -> Rows:
        usd: list[tuple[tuple[str, str, int], float]] = []
        value: list[tuple[tuple[str, str, int], float]] = []
        for resource, year, capex in self._capital_rows:
            for name, factor in capital.capital_factors(self.data, resource, year).items():
                key = (name, resource.place, year)
                usd.append((key, capex * self._dollars_per_capex(name, resource, year, factor)))
                value.append((key, capex * factor))
        present = totals(value)
        return [_cost(n, p, y, amount, present[n, p, y]) for (n, p, y), amount in totals(usd).items()]

    def _dollars_per_capex(self, name: str, resource: Resource, year: int, factor: float) -> float:
        """Undiscounted dollars of a capital cost per dollar of gross capital cost (salvage: at the horizon's end)."""
        if name == "tax_effects":
            return capital.effective_cost_factor(self.data, resource, year) - 1
        if name == "contribution_gross_up":
            return capital.sponsor_capital_share(self.data, resource) - 1
        if name == "salvage":
            return factor / finance.discount_factor(self.horizon_end, self.data.base_year, self.data.discount_rate)
        return 1.0

    @property
    def horizon_end(self) -> int:
        """First year after the horizon."""
        last = self.data.years[-1]
        return last + self.data.grid.years_represented[last]

    def _opening_costs(self) -> Rows:
        rows: Rows = []
        for s, site in self.data.sites.items():
            open_years = [y for y in self.years if self.reading.opened[s, y]]
            if site.opening_cost_usd and open_years:
                factor = finance.discount_factor(open_years[0], self.data.base_year, self.data.discount_rate)
                usd = site.opening_cost_usd
                rows.append(_cost("site_opening", s, open_years[0], usd, usd * factor))
        return rows

    @cached_property
    def cash_flow(self) -> dict[tuple[int, str], float]:
        """Sponsor's cash by calendar year and name, US$; with the costs that are not cash, its present value is the
        objective."""
        cash: dict[tuple[int, str], float] = {}

        def add(year: int, name: str, usd: float) -> None:
            cash[year, name] = cash.get((year, name), 0.0) + usd

        for resource, service, capex in self._capital_rows:
            for name, factor in capital.capital_factors(self.data, resource, service).items():
                dollars = capex * self._dollars_per_capex(name, resource, service, factor)
                for year, part in self._payments(name, resource, service).items():
                    add(year, name, dollars * part)
        costs = [(row["name"], row["year"], row["usd"]) for row in self.costs]
        for name, year, usd in costs:
            if name == "site_opening":
                add(year, name, usd)
        return cash | running_cash(costs, self.data.grid.years_represented)

    def _payments(self, name: str, resource: Resource, service: int) -> dict[int, float]:
        """Calendar years in which a capital cost is paid, per dollar of it."""
        technology = resource.technology
        if name == "salvage":
            return {self.horizon_end: 1.0}
        if self.data.instance.manifest.finance.capital_view == "cash":
            return finance.spend_by_year(service, self.data.spend_curve(technology), self.data.base_year)
        annuity = finance.capital_recovery_factor(capital.wacc_of(self.data, resource), technology.life_years)
        represented = self.data.grid.years_represented
        serving = [y for y in self.data.years if service <= y < service + technology.life_years]
        return {y + ahead: annuity for y in serving for ahead in range(represented[y])}

    def tables(self) -> dict[str, pd.DataFrame]:
        """All money tables."""
        rows = {
            "costs": self.costs,
            "revenue_requirement": self.revenue_requirement,
            "tariff_bills": self.tariff_bills,
            "bills": self.bills,
            "network_charges": self.network_charges,
            "rates": self.rates,
            "make_whole": self.make_whole,
            "stranding": self.stranding,
        }
        return {name: table(name, of_table) for name, of_table in rows.items()} | {
            "cash_flow": cash_table(self.cash_flow)
        }


def _cost(name: str, place: str, year: int, usd: float, present_value_usd: float) -> dict[str, Any]:
    return {"name": name, "place": place, "year": year, "usd": usd, "present_value_usd": present_value_usd}


def running_cash(
    costs: Iterable[tuple[str, int, float]], represented: Mapping[int, int]
) -> dict[tuple[int, str], float]:
    """Cash of yearly costs by calendar year and name, US$: a planning year's in every year that it stands for.

    Costs that are no cash are left out.

    Parameters
    ----------
    costs
        Name, planning year and US$ of each.
    represented
        Calendar years that each planning year stands for.
    """
    cash: dict[tuple[int, str], float] = {}
    for name, year, usd in costs:
        if name not in CAPITAL_COSTS and name not in NOT_CASH:
            for later in range(year, year + represented[year]):
                cash[later, name] = cash.get((later, name), 0.0) + usd
    return cash


def cash_table(cash: Mapping[tuple[int, str], float]) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
        {"calendar_year": y, "name": n, "usd": usd} for (y, n), usd in sorted(cash.items()) if usd
    ]
    return table("cash_flow", rows)


def _rate_row(
    row: CustomerClass, year: int, sales_mwh: float, rate: float, bridge: Mapping[str, float]
) -> dict[str, object]:
    """Rate with the project: the without-project rate plus the cost change over unchanged local sales."""
    change = sum(bridge.values())
    cap = row.rate_tolerance_share * rate * sales_mwh
    per_mwh = change / sales_mwh
    touched = any(abs(usd) > ROUNDING_USD for usd in bridge.values())
    return {
        "utility": row.utility,
        "customer_class": row.customer_class,
        "year": year,
        "sales_mwh": sales_mwh,
        "without_project_usd_per_mwh": rate,
        "with_project_usd_per_mwh": rate + per_mwh,
        "change_cents_per_kwh": per_mwh / 10,
        "cap_cents_per_kwh": cap / sales_mwh / 10,
        "headroom_cents_per_kwh": (cap - change) / sales_mwh / 10,
        "binding": touched and bool(abs(cap - change) <= max(ROUNDING_USD, 1e-6 * rate * sales_mwh)),
        **bridge,
        "local_cost_change_usd": change,
        "typical_bill_change_usd_per_month": per_mwh * row.typical_monthly_kwh / 1000,
    }
