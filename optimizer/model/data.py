"""What every concern needs of an instance, worked out once: years, steps, resources, series, prices.

A *resource* is anything with a capacity in a year: a funding option in one funding mode (``"solar [own]"``)
or an existing asset. Units: MW, MWh, hours; money in millions of real US$ (M$), so that coefficients of the
model stay near 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from optimizer import finance
from optimizer.instance import Instance
from optimizer.periods import TimeGrid, time_grid
from optimizer.schema import Corridor, ExistingAsset, FundingOption, Site, SiteYear, Tariff, Technology, Utility, Zone

MILLION = 1e6


@dataclass(frozen=True)
class Resource:
    """A funding option in one funding mode, or an existing asset (mode ``existing``)."""

    name: str
    mode: str
    technology: Technology
    site: str | None
    zone: str | None
    corridor: str | None
    block_mw: float
    option: FundingOption | None = None
    asset: ExistingAsset | None = None
    service_years: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        return self.technology.kind

    @property
    def place(self) -> str:
        """Name of the site, zone or corridor it stands at."""
        return self.site or self.zone or self.corridor or ""

    @property
    def sponsor_pays(self) -> bool:
        """Does the sponsor (rather than a utility) pay its running costs."""
        return self.mode in ("own", "existing")

    @property
    def additional(self) -> bool:
        """False for plant that the without-project case already plans."""
        return self.option is None or not self.option.planned_without_project

    @property
    def max_blocks(self) -> float:
        return self.option.max_blocks if self.option else float(self.asset.units if self.asset else 0)

    @property
    def sized_apart(self) -> bool:
        """Storage whose energy is chosen apart from its power."""
        return self.kind == "storage" and self.option is not None and self.option.energy_block_mwh is not None

    @property
    def hours_of_storage(self) -> float:
        """MWh per MW of storage that is not sized apart."""
        if self.asset is not None:
            return self.asset.energy_mwh / (self.asset.unit_mw * self.asset.units)
        return self.technology.min_duration_hours

    def existing_units(self, year: int) -> int:
        return self.asset.units if self.asset and self.asset.first_year <= year <= self.asset.last_year else 0

    def vintages(self, year: int) -> list[int]:
        """Service years whose blocks are still in service in ``year``."""
        return [v for v in self.service_years if v <= year < v + self.technology.life_years]

    def most_mw(self, year: int) -> float:
        """Largest capacity it can have in a year: a bound from data."""
        funded = self.max_blocks * self.block_mw if self.vintages(year) else 0.0
        return funded if self.option else self.existing_units(year) * self.block_mw

    def may_run(self, year: int) -> bool:
        return bool(self.existing_units(year) or self.vintages(year))


@dataclass(frozen=True)
class Data:
    """An instance on its time grid, with look-ups by name."""

    instance: Instance
    grid: TimeGrid
    operated: tuple[int, ...]
    portfolio: Instance

    @staticmethod
    def of(instance: Instance, operated: tuple[int, ...] | None = None, portfolio: Instance | None = None) -> Data:
        """Data of an instance.

        Parameters
        ----------
        operated
            Planning years whose operation is modelled; None for all.
        portfolio
            The instance of which this one is a part; None if it is the whole.
        """
        grid = time_grid(instance)
        return Data(instance, grid, grid.years if operated is None else operated, portfolio or instance)

    # -- time ---------------------------------------------------------------------------------------------
    @property
    def years(self) -> tuple[int, ...]:
        return self.grid.years

    @cached_property
    def steps(self) -> list[int]:
        return [int(t) for t in self.grid.steps.index]

    @cached_property
    def step_hours(self) -> dict[int, float]:
        return _by_step(self.grid.steps["duration_hours"].to_numpy(float))

    @cached_property
    def weights(self) -> np.ndarray:
        """Hours of the year that each step stands for."""
        return self.grid.steps["weight_hours"].to_numpy(float)

    @cached_property
    def weight_hours(self) -> dict[int, float]:
        return _by_step(self.weights)

    def yearly(self, by_step: np.ndarray) -> float:
        """Sum over the hours of a year of what is given by step."""
        return float(self.weights @ by_step)

    @cached_property
    def next_step(self) -> dict[int, int]:
        return {t: int(n) for t, n in zip(self.steps, self.grid.steps["next_step"], strict=True)}

    @cached_property
    def period_steps(self) -> dict[str, list[int]]:
        steps: dict[str, list[int]] = {}
        for t, period in zip(self.steps, self.grid.steps["period"], strict=True):
            steps.setdefault(str(period), []).append(t)
        return steps

    # -- money --------------------------------------------------------------------------------------------
    @property
    def base_year(self) -> int:
        return self.instance.manifest.base_year

    @property
    def discount_rate(self) -> float:
        return self.instance.manifest.finance.discount_rate

    @cached_property
    def discount(self) -> dict[int, float]:
        """Present value of one dollar a year in all calendar years that a planning year stands for."""
        represented = self.grid.years_represented
        return {y: finance.year_weight(y, represented[y], self.base_year, self.discount_rate) for y in self.years}

    # -- rows by name -------------------------------------------------------------------------------------
    @cached_property
    def sites(self) -> dict[str, Site]:
        return {row.site: row for row in self.instance.sites}

    @cached_property
    def active_site_years(self) -> dict[tuple[str, int], SiteYear]:
        """Sites and years in which IT may be energised."""
        rows = {(row.site, row.year): row for row in self.instance.site_years if row.ceiling_mw > 0}
        return {(s, y): rows[s, y] for s in self.sites for y in self.years if (s, y) in rows}

    def runs(self, resource: Resource, year: int) -> bool:
        """Does a resource operate in a year; plant behind a site's meter needs a site with load."""
        served = resource.site is None or (resource.site, year) in self.active_site_years
        return year in self.operated and resource.may_run(year) and served

    @cached_property
    def zones(self) -> dict[str, Zone]:
        return {row.zone: row for row in self.instance.zones}

    @cached_property
    def utilities(self) -> dict[str, Utility]:
        return {row.utility: row for row in self.instance.utilities}

    @cached_property
    def technologies(self) -> dict[str, Technology]:
        return {row.technology: row for row in self.instance.technologies}

    @cached_property
    def spend_curves(self) -> dict[str, dict[int, float]]:
        curves: dict[str, dict[int, float]] = {}
        for row in self.instance.spend_curves:
            curves.setdefault(row.spend_curve, {})[row.years_before_service] = row.share
        return curves

    def spend_curve(self, technology: Technology) -> dict[int, float]:
        return self.spend_curves[technology.spend_curve] if technology.spend_curve else {0: 1.0}

    # -- resources ----------------------------------------------------------------------------------------
    @cached_property
    def resources(self) -> dict[str, Resource]:
        options = [r for option in self.instance.funding_options for r in self._option_resources(option)]
        return {r.name: r for r in [*options, *map(self._asset_resource, self.instance.existing_assets)]}

    def _option_resources(self, option: FundingOption) -> Iterable[Resource]:
        technology = self.technologies[option.technology]
        lead = technology.lead_time_years if option.lead_time_years is None else option.lead_time_years
        first = max(option.first_year or 0, math.ceil(self.base_year + lead - 1e-9))
        last = option.last_year or self.years[-1]
        service = tuple(y for y in self.years if first <= y <= last) if option.max_blocks > 0 else ()
        for mode in option.funding_modes.split(";"):
            yield Resource(
                f"{option.option} [{mode}]",
                mode,
                technology,
                option.site,
                option.zone,
                option.corridor,
                option.block_mw,
                option=option,
                service_years=service,
            )

    def _asset_resource(self, asset: ExistingAsset) -> Resource:
        technology = self.technologies[asset.technology]
        return Resource(asset.asset, "existing", technology, asset.site, asset.zone, None, asset.unit_mw, asset=asset)

    def of_kind(self, *kinds: str) -> list[Resource]:
        return [r for r in self.resources.values() if r.kind in kinds]

    def contract_site(self, resource: str) -> str | None:
        """Site that pays a contract charge for the resource."""
        option = self.resources[resource].option
        return option.contract_site if option else None

    def zone_of(self, resource: Resource) -> str:
        """Zone whose fuel price and emissions rules apply to the resource."""
        if resource.site:
            return self.sites[resource.site].zone
        return resource.zone or ""

    def block_capex(self, resource: Resource, year: int) -> float:
        """Overnight capital cost of one power block entering service in ``year``, M$ (with tied energy)."""
        option, technology = resource.option, resource.technology
        if option is None:
            return 0.0
        per_kw = self._escalated(technology.capex_usd_per_kw, technology, year)
        if technology.kind == "storage" and not resource.sized_apart:
            per_kw += resource.hours_of_storage * self._escalated(technology.capex_usd_per_kwh, technology, year)
        per_kw = per_kw * option.capex_factor + option.interconnection_usd_per_kw
        return per_kw * 1000 * option.block_mw / MILLION

    def energy_block_capex(self, resource: Resource, year: int) -> float:
        """Overnight capital cost of one energy block entering service in ``year``, M$."""
        option, technology = resource.option, resource.technology
        if option is None or option.energy_block_mwh is None:
            return 0.0
        per_kwh = self._escalated(technology.capex_usd_per_kwh, technology, year) * option.capex_factor
        return per_kwh * 1000 * option.energy_block_mwh / MILLION

    def _escalated(self, value: float, technology: Technology, year: int) -> float:
        return finance.escalate(value, technology.capex_change_per_year, year, self.base_year)

    # -- series -------------------------------------------------------------------------------------------
    def hourly(self, series: str | None, otherwise: float) -> np.ndarray:
        """A series over all its hours; a constant where no series is named."""
        if series is None:
            return np.full(self.instance.manifest.series_hours, otherwise)
        return self.instance.hourly[series].to_numpy(float)

    def on_steps(self, series: str | None, otherwise: float) -> np.ndarray:
        """Mean of a series over the hours of each step; the array is kept and cannot be written to."""
        key = otherwise if series is None else series
        if key not in self._on_steps:
            self._on_steps[key] = self.grid.average(self.hourly(series, otherwise))
            self._on_steps[key].flags.writeable = False
        return self._on_steps[key]

    @cached_property
    def _on_steps(self) -> dict[str | float, np.ndarray]:
        return {}

    def availability(self, resource: Resource) -> np.ndarray:
        """Output available per MW of capacity, by step."""
        row = resource.option or resource.asset
        assert row is not None
        return self.on_steps(row.availability_series, 1 - resource.technology.forced_outage_rate)

    def facility_load_per_it(self, site: Site) -> np.ndarray:
        """Utilisation times PUE, over all hours of the series (MW per MW of energised IT)."""
        load: np.ndarray = self.hourly(site.utilisation_series, 1.0) * self.hourly(site.pue_series, 1.0)
        return load

    @cached_property
    def peak_load_per_it(self) -> dict[str, float]:
        return {name: float(self.facility_load_per_it(site).max()) for name, site in self.sites.items()}

    @cached_property
    def prices(self) -> dict[tuple[str, int], np.ndarray]:
        """Market price of the price zones by zone and year: arrays over steps (US$/MWh)."""
        prices: dict[tuple[str, int], np.ndarray] = {}
        for name, zone in self.zones.items():
            if zone.supply != "price":
                continue
            shape = self.on_steps(zone.price_series, 0.0)
            for year in self.operated:
                factor = self.zone_year(name, year, "price_factor", 1.0)
                prices[name, year] = factor * shape
        return prices

    def local_load(self, zone: str, year: int) -> np.ndarray:
        """Load of the zone's local customers by step, MW."""
        factor = self.zone_year(zone, year, "local_load_factor", 1.0)
        return factor * self.on_steps(self.zones[zone].local_load_series, 0.0)

    @cached_property
    def _zone_years(self) -> dict[tuple[str, int], object]:
        return {(row.zone, row.year): row for row in self.instance.zone_years}

    def zone_year(self, zone: str, year: int, column: str, otherwise: float) -> float:
        row = self._zone_years.get((zone, year))
        return otherwise if row is None else float(getattr(row, column))

    @cached_property
    def fuel_prices(self) -> dict[tuple[str, str, int], float]:
        return {(row.fuel, row.zone, row.year): row.usd_per_mmbtu for row in self.instance.fuel_prices}

    def fuel_cost(self, resource: Resource, year: int) -> float:
        """Fuel cost per MWh generated, US$."""
        technology = resource.technology
        if technology.fuel is None:
            return 0.0
        return technology.heat_rate_mmbtu_per_mwh * self.fuel_prices[technology.fuel, self.zone_of(resource), year]

    def co2_per_mwh(self, resource: Resource) -> float:
        """Emissions per MWh generated, t."""
        technology = resource.technology
        if technology.fuel is None:
            return 0.0
        factors = {fuel.fuel: fuel.co2_t_per_mmbtu for fuel in self.instance.fuels}
        return technology.heat_rate_mmbtu_per_mwh * factors[technology.fuel]

    # -- bounds from data ---------------------------------------------------------------------------------
    def most_poi_mw(self, site: str, year: int) -> float:
        """Largest capacity that the site's POI can have in a year."""
        upgrades = {
            r.option.option: r.max_blocks * r.block_mw
            for r in self.resources.values()
            if r.option and r.kind == "wires" and r.site == site and r.vintages(year)
        }
        return self.sites[site].existing_poi_mw + sum(upgrades.values())

    def grid_connected(self, site: str) -> bool:
        """Has the site a POI, or could it fund one in some year."""
        if self.sites[site].existing_poi_mw > 0:
            return True
        return any(r.site == site and r.service_years for r in self.of_kind("wires"))

    def needs_net_purchase(self, zone: str) -> bool:
        """Does a limit, a price response or a balance rest on the zone's net purchase."""
        row = self.zones[zone]
        limited = row.max_net_purchase_mw is not None or row.max_net_sale_mw is not None
        return row.supply != "price" or limited or zone in self.price_response

    def net_purchase_bounds(self, zone: str) -> tuple[float | None, float | None]:
        row = self.zones[zone]
        if row.supply == "none":
            return 0.0, 0.0
        least = None if row.max_net_sale_mw is None else -row.max_net_sale_mw
        return least, row.max_net_purchase_mw

    @cached_property
    def price_response(self) -> dict[str, list[tuple[float, float]]]:
        """Points (net purchase MW, price change US$/MWh) of each zone that has them."""
        points: dict[str, list[tuple[float, float]]] = {}
        for row in self.instance.price_response:
            points.setdefault(row.zone, []).append((row.net_purchase_mw, row.price_change_usd_per_mwh))
        return {zone: sorted(rows) for zone, rows in points.items()}

    @cached_property
    def capacity_curves(self) -> dict[str, list[tuple[float, float]]]:
        """Points (shortfall MW, price change US$/kW-year) of each zone that has them."""
        points: dict[str, list[tuple[float, float]]] = {}
        for row in self.instance.capacity_price_curve:
            points.setdefault(row.zone, []).append((row.shortfall_mw, row.price_change_usd_per_kw_year))
        return {zone: sorted(rows) for zone, rows in points.items()}

    # -- emissions ----------------------------------------------------------------------------------------
    def corridor_emissions(self, corridor: Corridor, *, reverse: bool = False) -> float:
        """Grid emissions of energy sent from a price zone to a zone without a price, t per MWh sent."""
        start, end = self.zones[corridor.from_zone], self.zones[corridor.to_zone]
        if reverse:
            start, end = end, start
        return start.grid_co2_t_per_mwh if start.supply == "price" and end.supply != "price" else 0.0

    def merit_order(self, zone: str, year: int) -> dict[str, np.ndarray]:
        """Output of a stack zone's supply blocks that serves local load alone, MW by step, cheapest first."""
        blocks = sorted(
            (row for row in self.instance.supply_blocks if row.zone == zone), key=lambda b: b.marginal_cost_usd_per_mwh
        )
        left = self.local_load(zone, year)
        used: dict[str, np.ndarray] = {}
        for block in blocks:
            used[block.block] = np.minimum(left, block.capacity_mw)
            left = left - used[block.block]
        return used

    def stack_total(self, zone: str, year: int, column: str) -> float:
        """Yearly sum over a stack's output for local load alone of a per-MWh column (cost or emissions)."""
        output = self.merit_order(zone, year)
        rows = {row.block: row for row in self.instance.supply_blocks if row.zone == zone}
        return sum(float(getattr(rows[b], column)) * self.yearly(mw) for b, mw in output.items())

    def stack_emissions_without_project(self, zone: str, year: int) -> float:
        return self.stack_total(zone, year, "co2_t_per_mwh")

    # -- who deals with whom ------------------------------------------------------------------------------
    def utilities_in(self, zone: str) -> list[Utility]:
        return [u for u in self.utilities.values() if u.zone == zone]

    def paying_utility(self, zone: str) -> str | None:
        """The cost-of-service utility that bears market effects in a zone; None where the sponsor does."""
        for utility in self.utilities_in(zone):
            if utility.regime == "cost_of_service":
                return utility.utility
        return None

    @cached_property
    def _tariffs(self) -> dict[str, Tariff]:
        return {row.tariff: row for row in self.instance.tariffs}

    def tariff_of(self, site: str) -> Tariff:
        """Tariff of a site that has a utility."""
        return self._tariffs[self.sites[site].tariff or ""]

    def export_credit(self, site: str, year: int) -> float:
        """What a cost-of-service utility pays for exported energy, US$/MWh."""
        row = self.sites[site]
        if row.utility is None or self.utilities[row.utility].regime == "market":
            return 0.0
        tariff = self.tariff_of(site)
        return finance.escalate(tariff.export_usd_per_mwh, tariff.change_per_year, year, self.base_year)

    def zone_resource_price(self, zone: str, year: int) -> np.ndarray:
        """What energy of the sponsor's own zone resources earns, by step, US$/MWh."""
        supply = self.zones[zone].supply
        if supply == "price":
            return self.prices[zone, year]
        return np.full(len(self.steps), self.zones[zone].buyback_usd_per_mwh if supply == "stack" else 0.0)

    def corridor_margin(self, corridor: Corridor, year: int, *, reverse: bool = False) -> np.ndarray:
        """Value of what arrives less the cost of what is sent, at the prices of the ends, by step, US$ per MWh sent."""
        start, end = corridor.from_zone, corridor.to_zone
        if reverse:
            start, end = end, start
        none = np.zeros(len(self.steps))
        sent, arrived = self.prices.get((start, year), none), self.prices.get((end, year), none)
        margin: np.ndarray = (1 - corridor.loss_share) * arrived - sent
        return margin

    def buys_at_market(self, site: Site) -> bool:
        """Does the sponsor itself settle the site's energy in a price zone."""
        if self.zones[site.zone].supply != "price":
            return False
        return site.utility is None or self.utilities[site.utility].regime == "market"


def _by_step(values: np.ndarray) -> dict[int, float]:
    return {t: float(v) for t, v in enumerate(values)}
