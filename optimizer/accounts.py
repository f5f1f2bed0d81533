"""The money of a solved model: costs, cash, bills, the utilities' added costs, and every class's rate.

Billing demand is recomputed here as the tariff defines it. Where the model paid a higher one (a tie with make-whole
payments, see ``model/tariff.py``) the excess is booked as what it is: make-whole. Price rises are interpolated
exactly from the net purchase.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise

import pandas as pd

from optimizer import finance
from optimizer.model import capital, stranding
from optimizer.model.data import MILLION, Data, Resource
from optimizer.model.matrix import CAPITAL_COSTS
from optimizer.model.rates import exposed_load
from optimizer.model.shared_network import highest_load_step
from optimizer.model.tariff import charge, energy_rate, minimum_mw
from optimizer.results import Reading, capacity_payment, capacity_rise, price_change, rows_of, table, totals
from optimizer.schema import POOLS, CustomerClass

#: A billing demand this many dollars a year above the tariff's is rounding, not a payment.
ROUNDING_USD = 1.0


class Accounts:
    """Money of a reading, worked out once and laid out as tables."""

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
    def tariff_bills(self) -> pd.DataFrame:
        rows = [row for key in self.billed for row in self._months(*key)]
        return table("tariff_bills", rows)

    def _months(self, site: str, year: int) -> list[dict[str, object]]:
        data, imports = self.data, self.reading.imports[site, year]
        tariff, billing = data.tariff_of(site), data.grid.billing
        peaks = {p: float(imports[steps].max()) for p, steps in data.grid.parts.items()}
        minimum = minimum_mw(data, site, year) * self.reading.opened[site, year]
        rate = charge(data, site, year, "demand_usd_per_kw_month") * 1000
        annual = max(peaks[str(p)] for p in billing["part"])
        rows: list[dict[str, object]] = []
        for month, group in billing.groupby("billing_month"):
            metered = max(peaks[str(p)] for p in group["part"])
            months = float(group["months"].iloc[0])
            demand = max(metered, tariff.ratchet_share * annual, minimum)
            row: dict[str, object] = {
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
    def bills(self) -> pd.DataFrame:
        demand = self.tariff_bills.groupby(["site", "year"])["demand_charge_usd"].sum()
        contract = self.reading.one("contract_bill")
        rows: list[dict[str, object]] = []
        for s, y in self.billed:
            rates = energy_rate(self.data, s, y)
            parts = {
                "demand_usd": float(demand[s, y]),
                "energy_usd": float(self.reading.weights @ (rates * self.reading.imports[s, y])),
                "fixed_usd": 12 * charge(self.data, s, y, "fixed_usd_per_month") * self.reading.opened[s, y],
                "contract_usd": contract.get((s, y), 0.0) * MILLION,
            }
            row: dict[str, object] = {"site": s, "utility": self.data.sites[s].utility, "year": y}
            rows.append(row | parts | {"total_usd": sum(parts.values())})
        return table("bills", rows)

    @cached_property
    def overbilled_usd(self) -> dict[tuple[str, int], float]:
        """Demand charge of the model above the tariff's, by site and year."""
        model = self.reading.one("demand_bill")
        exact = {(r.site, r.year): r.demand_usd for r in rows_of(self.bills)}
        excess = {key: model.get(key, 0.0) * MILLION - usd for key, usd in exact.items()}
        return {key: usd for key, usd in excess.items() if usd > ROUNDING_USD}

    # -- what the project adds to utilities' costs ---------------------------------------------------------
    @cached_property
    def revenue_requirement(self) -> pd.DataFrame:
        rows: list[dict[str, object]] = []

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
        return table("revenue_requirement", rows)

    def _rise_correction(self, utility: str, year: int) -> float:
        """Exact payment for the price rise less the model's, US$ a year, where the utility pays it."""
        zone = self.data.utilities[utility].zone
        if self.data.paying_utility(zone) != utility or zone not in self.data.price_response:
            return 0.0
        return self.rise_payment(zone, year) - self._model_rise_payment(zone, year)

    def rise_payment(self, zone: str, year: int) -> float:
        """What the project's own purchases cost more because of the price rise, US$ a year."""
        return float(self.reading.weights @ price_change(self.reading, zone, year)[1])

    def _model_rise_payment(self, zone: str, year: int) -> float:
        slopes = self._payment_slopes(zone)
        parts = self.reading.by_step_cached("rise_part")
        return sum(
            slope * float(self.reading.weights @ parts[zone, year, j])
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
    def make_whole(self) -> pd.DataFrame:
        paid = {k: v * MILLION for k, v in self.reading.one("make_whole").items()}
        credit = {(c.utility, c.customer_class): c.bill_credit_share for c in self.data.instance.customer_classes}
        if self.data.instance.manifest.rates.enforce:
            for (s, y), excess in self.overbilled_usd.items():
                utility = self.data.sites[s].utility
                for (u, c), share in credit.items():
                    if u == utility:
                        paid[u, c, y] = paid.get((u, c, y), 0.0) + share * excess
        rows: list[dict[str, object]] = [
            {"utility": u, "customer_class": c, "year": y, "usd": usd} for (u, c, y), usd in paid.items() if usd
        ]
        return table("make_whole", rows)

    @cached_property
    def network_charges(self) -> pd.DataFrame:
        rows: list[dict[str, object]] = []
        for (u, y), value in self.reading.one("network_charge").items():
            step = highest_load_step(self.data, str(u))
            coincident = sum(
                float(mw[step])
                for (s, v), mw in self.reading.imports.items()
                if v == y and self.data.sites[str(s)].utility == u
            )
            rows.append({"utility": u, "year": y, "coincident_mw": coincident, "charge_usd": value * MILLION})
        return table("network_charges", rows)

    @cached_property
    def rates(self) -> pd.DataFrame:
        pools = totals(self.revenue_requirement, "utility", "pool", "year")
        bills = totals(self.bills, "utility", "year", value="total_usd")
        network = {(r.utility, r.year): r.charge_usd for r in rows_of(self.network_charges)}
        paid = {(r.utility, r.customer_class, r.year): r.usd for r in rows_of(self.make_whole)}
        cases = {(r.utility, r.customer_class, r.year): r for r in self.data.instance.class_years}
        rows: list[dict[str, object]] = []
        for row in self.data.instance.customer_classes:
            for y in self.years:
                case = cases[row.utility, row.customer_class, y]
                bridge = self._bridge(row, y, pools, bills, network, paid)
                rows.append(_rate_row(row, y, case.sales_mwh, case.rate_usd_per_mwh, bridge))
        return table("rates", rows)

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
        return float(self.reading.weights @ (load * rise))

    def _market_capacity(self, row: CustomerClass, zone: str, year: int) -> float:
        rise = capacity_rise(self.data, zone, self.capacity_bought.get((zone, year), 0.0))
        return 1000 * row.capacity_obligation_mw * (1 - row.hedged_share) * rise

    # -- stranding ----------------------------------------------------------------------------------------
    @cached_property
    def stranding(self) -> pd.DataFrame:
        data, collateral = self.data, self.reading.one("collateral")
        contract = self.reading.one("contract_bill")
        rows: list[dict[str, object]] = []
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
        return table("stranding", rows)

    def _stranded(self, resource: Resource, year: int) -> float:
        builds, energy = self.reading.builds, self.reading.energy_builds
        return sum(
            builds.get((resource.name, v), 0.0) * stranding.stranded_value(self.data, resource, v, year, energy=False)
            + energy.get((resource.name, v), 0.0) * stranding.stranded_value(self.data, resource, v, year, energy=True)
            for v in resource.vintages(year)
        )

    # -- costs and cash -----------------------------------------------------------------------------------
    @cached_property
    def costs(self) -> pd.DataFrame:
        frame = self.reading.solution.costs().rename(columns={"value": "present_value_usd"})
        frame["present_value_usd"] *= MILLION
        frame = frame[~frame["name"].isin([*CAPITAL_COSTS, *self._exact_costs()])]
        operating = frame.assign(usd=frame["present_value_usd"] / frame["year"].map(self.data.discount))
        exact = pd.DataFrame(
            [
                {"name": n, "place": p, "year": y, "usd": usd, "present_value_usd": usd * self.data.discount[y]}
                for n, places in self._exact_costs().items()
                for (p, y), usd in places.items()
            ]
        )
        parts = [self._capital_costs(), self._opening_costs(), operating, exact]
        costs = pd.concat([part for part in parts if len(part)], ignore_index=True)
        costs = costs[(costs["usd"].abs() > 1e-6) | (costs["present_value_usd"].abs() > 1e-6)]
        return costs.reset_index(drop=True)[["name", "place", "year", "usd", "present_value_usd"]]

    def _exact_costs(self) -> dict[str, dict[tuple[str, int], float]]:
        """Yearly costs recomputed from bills, net purchases and local costs, US$."""
        data = self.data
        sponsor_zones = [z for z in data.price_response if data.paying_utility(z) is None]
        return {
            "tariff_bills": {(r.site, r.year): r.total_usd for r in rows_of(self.bills)},
            "make_whole": totals(self.make_whole, "utility", "year"),
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
        added = totals(self.revenue_requirement, "utility", "year")
        effects = (
            self.rates.groupby(["utility", "year"])[["market_energy_usd", "market_capacity_usd"]]
            .sum()
            .sum(axis=1)
            .to_dict()
        )
        if not weight:
            return {}
        total: dict[tuple[str, int], float] = {}
        for y in self.years:
            for u in self.data.utilities:
                total["portfolio", y] = total.get(("portfolio", y), 0.0) + weight * (
                    added.get((u, y), 0.0) + effects.get((u, y), 0.0)
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

    def _capital_costs(self) -> pd.DataFrame:
        rows: list[dict[str, object]] = []
        for resource, year, capex in self._capital_rows:
            for name, factor in capital.capital_factors(self.data, resource, year).items():
                usd = capex * self._dollars_per_capex(name, resource, year, factor)
                rows.append(
                    {
                        "name": name,
                        "place": resource.place,
                        "year": year,
                        "usd": usd,
                        "present_value_usd": capex * factor,
                    }
                )
        frame = pd.DataFrame(rows, columns=["name", "place", "year", "usd", "present_value_usd"])
        return frame.groupby(["name", "place", "year"], as_index=False, sort=False).sum()

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

    def _opening_costs(self) -> pd.DataFrame:
        rows: list[dict[str, object]] = []
        for s, site in self.data.sites.items():
            open_years = [y for y in self.years if self.reading.opened[s, y]]
            if site.opening_cost_usd and open_years:
                factor = finance.discount_factor(open_years[0], self.data.base_year, self.data.discount_rate)
                usd = site.opening_cost_usd
                rows.append(
                    {
                        "name": "site_opening",
                        "place": s,
                        "year": open_years[0],
                        "usd": usd,
                        "present_value_usd": usd * factor,
                    }
                )
        return pd.DataFrame(rows, columns=["name", "place", "year", "usd", "present_value_usd"])

    @cached_property
    def cash_flow(self) -> pd.DataFrame:
        """Sponsor's cash by calendar year; its net present value is the objective less the tie-break."""
        cash: dict[tuple[int, str], float] = {}

        def add(year: int, name: str, usd: float) -> None:
            cash[year, name] = cash.get((year, name), 0.0) + usd

        for resource, service, capex in self._capital_rows:
            for name, factor in capital.capital_factors(self.data, resource, service).items():
                dollars = capex * self._dollars_per_capex(name, resource, service, factor)
                for year, part in self._payments(name, resource, service).items():
                    add(year, name, dollars * part)
        for row in rows_of(self.costs):
            if row.name == "site_opening":
                add(row.year, row.name, row.usd)
        return cash_table(cash | running_cash(self.costs, self.data.grid.years_represented))

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
        return {
            "costs": self.costs,
            "cash_flow": self.cash_flow,
            "revenue_requirement": self.revenue_requirement,
            "tariff_bills": self.tariff_bills,
            "bills": self.bills,
            "network_charges": self.network_charges,
            "rates": self.rates,
            "make_whole": self.make_whole,
            "stranding": self.stranding,
        }


def running_cash(costs: pd.DataFrame, represented: Mapping[int, int]) -> dict[tuple[int, str], float]:
    """Cash of yearly costs by calendar year and name, US$: a planning year's in every year that it stands for."""
    cash: dict[tuple[int, str], float] = {}
    for row in rows_of(costs):
        if row.name not in CAPITAL_COSTS and row.name != "tie_break":
            for ahead in range(represented[row.year]):
                cash[row.year + ahead, row.name] = cash.get((row.year + ahead, row.name), 0.0) + row.usd
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
