"""The operation of an instance as a PyPSA network: buses, links with losses, generators, storage.

Every component is there once for each planning year, ``engine own 2027``, so that one model holds all years. Components
of a kind are added together, their attributes as lists and what varies by hour as a table.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer import schema
from optimizer.instance import Instance

HOURS = 8760
#: No market or shortage is larger, MW.
LARGE = 1e5

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
        """Present value of a dollar of capital in a year of service, less its part of the years after the horizon.

        Level payments as each year of life begins are worth the dollar: those after the horizon are not lost.
        """
        end, left = self.years[-1] + self.last, range(service, service + life)
        payment = self.factor(service) / sum(self.factor(y) for y in left)
        return self.factor(service) - payment * sum(self.factor(y) for y in left if y >= end)


@dataclass(frozen=True)
class Built:
    """A component whose p_nom is made by the vintages of an option, paid for in one mode."""

    component: str
    name: str
    option: str
    mode: str
    year: int


@dataclass(frozen=True)
class Unit:
    """Plant in one year: an option's, or an existing asset's with its MW."""

    name: str
    bus: str
    technology: schema.Technology
    year: int
    option: schema.FundingOption | None = None
    mw: float = 0.0


@dataclass(frozen=True)
class Path:
    """A link in one year: an option's, or what there is with its MW."""

    name: str
    start: str
    end: str
    option: schema.FundingOption | None = None
    mw: float = 0.0
    efficiency: float = 1.0


class Operation:
    """An instance as a PyPSA network.

    Attributes
    ----------
    network
        All planning years side by side.
    built
        Components that are extended, and by what.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.money = Money.of(instance)
        self.years = self.money.years
        self.weight = HOURS / len(instance.hourly)
        self.technologies = {row.technology: row for row in instance.technologies}
        self.built: list[Built] = []
        self._price_factors = {(row.zone, row.year): row.price_factor for row in instance.zone_years}
        self.network = pypsa.Network()
        self.hours = pd.RangeIndex(len(instance.hourly), name="snapshot")
        self.network.set_snapshots(self.hours)
        self.network.snapshot_weightings[:] = np.array([[self.weight, 1.0, self.weight]])
        self._zones()
        self._sites()
        self._plant()
        self._links()

    def price(self, zone: str, year: int) -> np.ndarray:
        """Market price of a zone, US$/MWh by hour."""
        row = next(row for row in self.instance.zones if row.zone == zone)
        hourly = self.instance.hourly[str(row.price_series)].to_numpy()
        return np.asarray(hourly * self._price_factors.get((zone, year), 1.0))

    def load(self, site: schema.Site, year: int) -> np.ndarray:
        """Load of a site whose energised IT is given (floor = ceiling), MW."""
        row = next(r for r in self.instance.site_years if r.site == site.site and r.year == year)
        assert row.floor_mw == row.ceiling_mw
        shape = np.ones(len(self.hours))
        for series in (site.utilisation_series, site.pue_series):
            if series is not None:
                shape = shape * self.instance.hourly[series].to_numpy()
        return row.floor_mw * shape

    def kind(self, row: schema.FundingOption | schema.ExistingAsset) -> str:
        return str(self.technologies[row.technology].kind)

    def _by_hour(self, values: Sequence[np.ndarray], names: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame(np.column_stack(values), self.hours, list(names))

    def _zones(self) -> None:
        """Markets buy and sell at their price; a utility buys for the sites that it serves."""
        zones = [(zone, year) for zone in self.instance.zones for year in self.years]
        self.network.add("Bus", [f"{zone.zone} {year}" for zone, year in zones], carrier="AC")
        markets = [(zone.zone, year) for zone, year in zones if zone.supply == "price"]
        served = {site.zone for site in self.instance.sites if site.utility is not None}
        names = [f"market {zone} {year}" for zone, year in markets]
        cost = [(zone not in served) * self.money.weight(year) * self.price(zone, year) for zone, year in markets]
        self.network.add(
            "Generator", names, bus=[f"{zone} {year}" for zone, year in markets], p_nom=LARGE, p_min_pu=-1.0,
            marginal_cost=self._by_hour(cost, names), carrier="AC",
        )  # fmt: skip

    def _sites(self) -> None:
        sites = [(site, year) for site in self.instance.sites for year in self.years]
        names = [f"{site.site} {year}" for site, year in sites]
        self.network.add("Bus", names, carrier="AC")
        self.network.add("Load", names, bus=names, p_set=self._by_hour([self.load(*at) for at in sites], names))
        short = [(f"{site.site} {year}", year) for site, year in sites if site.availability_target < 1]
        if short:
            unserved = self.instance.manifest.compute.unserved_usd_per_mwh
            self.network.add(
                "Generator", [f"unserved {bus}" for bus, _ in short], bus=[bus for bus, _ in short], p_nom=LARGE,
                marginal_cost=[unserved * self.money.weight(year) for _, year in short], carrier="AC",
            )  # fmt: skip

    def _plant(self) -> None:
        options = [o for o in self.instance.funding_options if self.kind(o) != "wires"]
        units = [
            Unit(f"{o.option} own {year}", f"{o.site or o.zone} {year}", self.technologies[o.technology], year, o)
            for o in options
            for year in self.years
        ]
        units += [
            Unit(
                f"{a.asset} {year}", f"{a.site or a.zone} {year}", self.technologies[a.technology], year,
                mw=a.unit_mw * a.units,
            )
            for a in self.instance.existing_assets
            for year in self.years
            if a.first_year <= year <= a.last_year
        ]  # fmt: skip
        stores = [unit for unit in units if unit.technology.kind == "storage"]
        generators = [unit for unit in units if unit.technology.kind != "storage"]
        weather = [unit for unit in generators if unit.option is not None and unit.option.availability_series]
        self._stores(stores)
        self._generators([unit for unit in generators if unit not in weather])
        self._weather(weather)
        for component, some in (("StorageUnit", stores), ("Generator", generators)):
            self.built += [Built(component, u.name, u.option.option, "own", u.year) for u in some if u.option]

    def _stores(self, units: list[Unit]) -> None:
        if units:
            self.network.add(
                "StorageUnit", [unit.name for unit in units], cyclic_state_of_charge=True, **self._common(units),
                max_hours=[unit.technology.max_duration_hours for unit in units],
                efficiency_store=[unit.technology.charge_efficiency for unit in units],
                efficiency_dispatch=[unit.technology.discharge_efficiency for unit in units],
            )  # fmt: skip

    def _generators(self, units: list[Unit]) -> None:
        if units:
            available = [1 - unit.technology.forced_outage_rate for unit in units]
            self.network.add("Generator", [unit.name for unit in units], p_max_pu=available, **self._common(units))

    def _weather(self, units: list[Unit]) -> None:
        if units:
            names = [unit.name for unit in units]
            series = [str(unit.option.availability_series) for unit in units if unit.option]
            available = self._by_hour([self.instance.hourly[name].to_numpy() for name in series], names)
            self.network.add("Generator", names, p_max_pu=available, **self._common(units))

    def _common(self, units: list[Unit]) -> dict[str, Any]:
        cost = [unit.technology.variable_om_usd_per_mwh * self.money.weight(unit.year) for unit in units]
        return {"bus": [unit.bus for unit in units], "marginal_cost": cost, "carrier": "AC"} | sizes(units)

    def _links(self) -> None:
        links = [link for year in self.years for link in (*self._pois(year), *self._corridors(year))]
        self.network.add(
            "Link", [link.name for link in links], bus0=[link.start for link in links],
            bus1=[link.end for link in links], efficiency=[link.efficiency for link in links],
            carrier="AC", **sizes(links),
        )  # fmt: skip

    def _pois(self, year: int) -> list[Path]:
        links = []
        for site in self.instance.sites:
            ends = f"{site.zone} {year}", f"{site.site} {year}"
            links.append(Path(f"poi {site.site} {year}", *ends, mw=site.existing_poi_mw))
            wires = [o for o in self.instance.funding_options if o.site == site.site and self.kind(o) == "wires"]
            for option, mode in ((o, mode) for o in wires for mode in o.funding_modes.split(";")):
                links.append(Path(f"{option.option} {mode} {year}", *ends, option))
                self.built.append(Built("Link", links[-1].name, option.option, mode, year))
        return links

    def _corridors(self, year: int) -> list[Path]:
        links = []
        for row in self.instance.corridors:
            options = [o for o in self.instance.funding_options if o.corridor == row.corridor]
            for way, zones in {
                "there": (row.from_zone, row.to_zone),
                "back": (row.to_zone, row.from_zone),
            }.items():
                ends = f"{zones[0]} {year}", f"{zones[1]} {year}"
                passed = 1 - row.loss_share
                links.append(Path(f"{row.corridor} {way} {year}", *ends, mw=row.existing_mw, efficiency=passed))
                for option in options:
                    links.append(Path(f"{option.option} {way} {year}", *ends, option, efficiency=passed))
                    self.built.append(Built("Link", links[-1].name, option.option, "own", year))
        return links


def sizes(rows: Sequence[Unit | Path]) -> dict[str, list[Any]]:
    """What there is, or extendable; in whole modules of a block where the option is built in whole blocks."""
    return {
        "p_nom": [row.mw for row in rows],
        "p_nom_extendable": [row.option is not None for row in rows],
        "p_nom_mod": [row.option.block_mw if row.option is not None and row.option.integer else 0.0 for row in rows],
    }
