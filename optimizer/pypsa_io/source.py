"""A PyPSA network being read: every attribute that is looked at is noted, so that the others can be listed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from optimizer.problems import InstanceError, Problem, shown
from optimizer.pypsa_io.losses import Loss
from optimizer.pypsa_io.settings import Settings

#: Components that are not plant, places or limits.
SKIPPED = ("Carrier", "SubNetwork", "LineType", "TransformerType", "Shape")
#: Attributes that say nothing about the problem: names, drawings, power-flow bookkeeping.
SILENT = frozenset(
    [
        *("name", "type", "control", "color", "unit", "weight", "sub_network", "generator"),
        *("v_nom", "v_mag_pu_set", "location", "carrier", "active"),
    ]
)
NO_COUNTERPART = "no counterpart here"


@dataclass
class Part:
    """One component of the network."""

    source: Source
    component: str
    name: str
    seen: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.component} {shown(self.name)}"

    def get(self, attribute: str) -> Any:
        """Static value of an attribute."""
        self.seen.add(attribute)
        static = self.source.network.components[self.component].static
        return static.at[self.name, attribute] if attribute in static.columns else None

    def text(self, attribute: str) -> str:
        """Text of an attribute; blank where there is none."""
        value = self.get(attribute)
        return "" if value is None or value != value else str(value)

    def number(self, attribute: str) -> float:
        """A figure that must not vary; NaN where there is none."""
        if not self.varies(attribute):
            value = self.get(attribute)
            return math.nan if value is None else float(value)
        values = self.series(attribute)
        first = float(values.flat[0])
        if not np.allclose(values, first, rtol=1e-9, atol=0):
            span = f"{values.min():g} to {values.max():g}"
            self.problem(attribute, span, "must be one figure: an instance has no series for it", "Give its mean.")
        return first

    def varies(self, attribute: str) -> bool:
        """Is the attribute a series."""
        dynamic = self.source.network.components[self.component].dynamic
        return attribute in dynamic and self.name in dynamic[attribute].columns

    def series(self, attribute: str) -> np.ndarray:
        """Values by year and step; a constant where the attribute is static."""
        shape = self.source.shape
        if not self.varies(attribute):
            return np.full(shape, self.number(attribute))
        self.seen.add(attribute)
        values = self.source.network.components[self.component].dynamic[attribute][self.name]
        yearly: np.ndarray = values.to_numpy(float).reshape(shape)
        return yearly

    def one_year(self, attribute: str) -> np.ndarray:
        """Values by step of a series that must be the same in every year."""
        values = self.series(attribute)
        if not np.allclose(values, values[0], rtol=1e-9, atol=1e-12):
            rule = "must be the same in every investment period: an instance has one series for all years"
            self.problem(attribute, "", rule, "Use one weather year.")
        first: np.ndarray = values[0]
        return first

    def problem(self, attribute: str, value: object, rule: str, fix: str) -> None:
        """Note what stands against the import."""
        self.source.problems.append(Problem(str(self), None, attribute, shown(value) or None, rule, fix))

    def lose(self, attribute: str, value: object, why: str) -> None:
        """Note a figure that is left behind."""
        self.seen.add(attribute)
        self.source.losses.append(Loss.of(self.component, self.name, attribute, value, why))

    def leave(self, why: str) -> None:
        """Leave the component behind as a whole."""
        self.source.losses.append(Loss.of(self.component, self.name, "", "", why))
        self.source.left.add((self.component, self.name))


@dataclass
class Source:
    """The network, what is known about it, and what was left behind."""

    network: Any
    settings: Settings
    years: tuple[int, ...] = ()
    shape: tuple[int, int] = (0, 0)
    losses: list[Loss] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._parts: dict[tuple[str, str], Part] = {}
        self._at: dict[tuple[str, str], dict[str, list[str]]] = {}

    @property
    def flat(self) -> bool:
        """Has the network no investment periods."""
        return not isinstance(self.network.snapshots, pd.MultiIndex)

    def parts(self, component: str, *, with_left: bool = False) -> list[Part]:
        """Active components of a type, in their order; those switched off are left behind."""
        if with_left:
            return [self._part(component, str(name)) for name in self.network.components[component].static.index]
        return self._present(component, map(str, self.network.components[component].static.index))

    def standing_at(self, component: str, bus: str, end: str = "bus") -> list[Part]:
        """Active components of a type at a bus."""
        if (component, end) not in self._at:
            static = self.network.components[component].static
            self._at[component, end] = static.groupby(static[end].astype(str)).groups if len(static) else {}
        return self._present(component, map(str, self._at[component, end].get(bus, ())))

    def _present(self, component: str, names: Iterable[str]) -> list[Part]:
        found = [self._part(component, name) for name in names if (component, name) not in self.left]
        return [part for part in found if self._active(part)]

    def bus(self, name: str) -> Part:
        """A bus by its name."""
        return self._part("Bus", name)

    def _part(self, component: str, name: str) -> Part:
        return self._parts.setdefault((component, name), Part(self, component, name))

    def _active(self, part: Part) -> bool:
        active = part.get("active")
        if active is None or bool(active):
            return True
        part.leave("is switched off (active = False)")
        return False

    def carrier(self, name: str, attribute: str, otherwise: Any) -> Any:
        """Attribute of a carrier; ``otherwise`` where the carrier is not described."""
        static = self.network.components["Carrier"].static
        value = static.at[name, attribute] if name in static.index and attribute in static.columns else None
        return otherwise if value is None or value != value or value == "" else value

    def finish(self) -> None:
        """Raise `InstanceError` when there were problems; else list what was not looked at."""
        if self.problems:
            raise InstanceError(self.problems)
        for component in self.network.components.keys():  # noqa: SIM118 (not a dictionary)
            kind = self.network.components[component].name
            if kind not in SKIPPED:
                self._unseen(kind)

    def _unseen(self, kind: str) -> None:
        for name in map(str, self.network.components[kind].static.index):
            part = self._parts.get((kind, name))
            if part is None:
                self.losses.append(Loss(kind, shown(name), "", "", NO_COUNTERPART))
            elif (kind, name) not in self.left:
                self.losses.extend(_unread(part))


def _unread(part: Part) -> Iterable[Loss]:
    """Figures of a component that nobody looked at and that are not PyPSA's defaults."""
    about = part.source.network.components[part.component].defaults
    inputs = about.index[about["status"].str.startswith("Input")]
    for attribute in inputs:
        if attribute in part.seen or attribute in SILENT:
            continue
        if part.varies(attribute):
            yield Loss.of(part.component, part.name, attribute, "series", NO_COUNTERPART)
            continue
        value, usual = part.get(attribute), about.at[attribute, "default"]
        if value is not None and not _same(value, usual):
            yield Loss.of(part.component, part.name, attribute, value, NO_COUNTERPART)


def _same(value: Any, usual: Any) -> bool:
    """Is a value the default: not a number and blank are both none."""
    if isinstance(value, str):
        return value in ("", "nan", "None") or value == usual
    return bool(value != value or value == usual)
