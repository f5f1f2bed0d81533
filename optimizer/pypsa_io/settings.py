"""What an import must be told, because PyPSA has no attribute for it: by options, or by the network's meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optimizer.problems import InstanceError, Problem, shown
from optimizer.pypsa_io.terms import META

#: Option of the command line by setting.
OPTIONS = {
    "sites": "--site BUS",
    "currency": "--currency USD",
    "price_year": "--price-year YEAR",
    "base_year": "--base-year YEAR",
    "discount_rate": "--discount-rate SHARE",
    "pue": "--pue FACTOR",
    "synthetic": "--synthetic or --measured",
    "licence": "--licence TEXT",
    "year": "--year YEAR",
    "life_years": "--life-years N",
    "max_mw": "--max-mw MW",
}


class MissingSettings(ValueError):
    """Figures that an import or export needs to be told."""


class Settings(BaseModel):
    """What PyPSA has no attribute for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sites: tuple[str, ...] = Field(min_length=1, description="buses that are data-centre sites")
    currency: Literal["USD"] = Field(description="currency of the network's costs")
    price_year: int = Field(description="year of its real US$")
    base_year: int = Field(description="year that money is discounted to")
    discount_rate: float = Field(ge=0, lt=0.5, description="sponsor's real discount rate, 1/year")
    pue: float = Field(ge=1, le=3, description="facility load per IT load")
    synthetic: bool = Field(description="are the hourly series made by a script (true) or measured (false)")
    licence: str = Field(min_length=1, max_length=2000, description="licence of the network")
    year: int | None = Field(None, description="planning year of a network without investment periods")
    life_years: int | None = Field(None, ge=1, le=100, description="life of extendable plant without a lifetime")
    max_mw: float | None = Field(None, gt=0, le=1e6, description="most MW of extendable plant without p_nom_max")
    own: tuple[str, ...] = Field((), description="plant in zones that the sponsor owns already")
    prices_from_solution: bool = Field(False, description="take a zone's price from its last marginal prices")
    it_mw: dict[str, dict[int, float]] = Field(default_factory=dict, description="energised IT by site and year, MW")
    price_factor: dict[str, float] = Field(
        default_factory=dict, description="factor of zones' prices in the first year"
    )
    periods: tuple[tuple[str, int], ...] = Field((), description="representative periods: name, snapshots")


def read_settings(meta: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    """Settings from a network's meta; what is given goes before it.

    Parameters
    ----------
    meta
        The network's ``meta``.
    given
        By name of a setting; None and empty tuples are left out.

    Raises
    ------
    MissingSettings
        When a setting is in neither; all of them are named.
    InstanceError
        When one is not acceptable.
    """
    stored = meta.get(META, {})
    values = dict(stored) if isinstance(stored, Mapping) else {}
    values |= {name: value for name, value in given.items() if value not in (None, (), [])}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
    missing = [str(item["loc"][0]) for item in found if item["type"] == "missing"]
    if missing:
        raise MissingSettings(
            "the network does not say, and nothing is guessed: "
            + "; ".join(f"{OPTIONS[name]} ({Settings.model_fields[name].description})" for name in missing)
        )
    raise InstanceError(
        [
            Problem("settings", None, ".".join(map(str, item["loc"])), shown(item["input"]), item["msg"])
            for item in found
        ]
    )
