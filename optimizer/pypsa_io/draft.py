"""A PyPSA network being written: its time, its carriers, and names that must stand once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from optimizer.model.data import Data
from optimizer.problems import InstanceError, Problem, shown
from optimizer.pypsa_io.losses import Loss


@dataclass
class Draft:
    """The network, the instance on its time grid, and what was left behind."""

    network: Any
    data: Data
    losses: list[Loss] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def set_time(self) -> None:
        """Investment periods are the planning years; snapshots the steps of a year."""
        years, steps = list(self.data.years), self.data.grid.steps
        index = pd.MultiIndex.from_product([years, list(range(len(steps)))], names=["period", "timestep"])
        self.network.set_snapshots(index)
        self.network.investment_periods = years
        weights = np.tile(steps["weight_hours"].to_numpy(float), len(years))
        hours = np.tile(steps["duration_hours"].to_numpy(float), len(years))
        self.network.snapshot_weightings["objective"] = weights
        self.network.snapshot_weightings["generators"] = weights
        self.network.snapshot_weightings["stores"] = hours
        periods = self.network.investment_period_weightings
        periods["objective"] = [self.data.discount[year] for year in years]
        periods["years"] = [self.data.grid.years_represented[year] for year in years]

    def add(self, component: str, name: str, **attributes: Any) -> None:
        """Add a component; a name that stands already is a problem."""
        if name in self.network.components[component].static.index:
            rule = f"stands twice among PyPSA's components of type {component}"
            self.problems.append(Problem("export", None, "name", shown(name), rule, "Rename one of the two."))
            return
        self.network.add(component, name, **attributes)

    def add_carrier(self, name: str, technology: str = "", co2_t_per_mwh: float = 0.0) -> None:
        """Add a carrier, once; two that differ under one name are a problem."""
        known = self.network.components["Carrier"].static
        if name not in known.index:
            self.network.add("Carrier", name, nice_name=technology, co2_emissions=co2_t_per_mwh)
        elif (known.at[name, "nice_name"], known.at[name, "co2_emissions"]) != (technology, co2_t_per_mwh):
            rule = "would be the carrier of two different things"
            self.problems.append(Problem("export", None, "name", shown(name), rule, "Rename one of the two."))

    def lose(self, component: str, name: str, attribute: str, value: object, why: str) -> None:
        """Note what is left behind."""
        self.losses.append(Loss.of(component, name, attribute, value, why))

    def yearly(self, values: np.ndarray) -> pd.Series:
        """A series of the steps of one year, the same in every year."""
        return self.series(np.tile(values, (len(self.data.years), 1)))

    def series(self, values: np.ndarray) -> pd.Series:
        """A series from an array (years, steps)."""
        return pd.Series(np.asarray(values, float).ravel(), index=self.network.snapshots)

    def finish(self) -> None:
        """Raise `InstanceError` when there were problems."""
        if self.problems:
            raise InstanceError(self.problems)
