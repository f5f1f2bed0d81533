"""Two weeks of a replay at every site, hour by hour: the worst, and a typical one of the same year.

Residual load is what is left of a site's load when its plant with an availability series, such as wind and sun, has
delivered. Weeks begin every 168 hours; the last one ends with the series.

worst      most load unserved or curtailed; where there is none, the highest residual load in an hour
typical    mean residual load nearest to that of the year
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from optimizer.model.data import Data
from optimizer.plan import TABLES, Plan
from optimizer.replay.run import WEEK, Replay

FLOWS = [column for column in TABLES["operation"] if column.endswith("_mw")]
#: Load not served that is the solver's rounding, MWh.
ROUNDING_MWH = 1e-3


def telling_weeks(found: Replay) -> pd.DataFrame:
    """The two weeks of every site with load.

    Returns
    -------
    DataFrame
        An hour a row: site, week (``worst``, ``typical``), year, hour (of the series, from 0), the flows of the table
        ``operation`` (MW), stored_mwh (at the start of the hour). A series of one week has no typical one.
    """
    hours = _hours(found.replayed)
    parts = [
        of_year.iloc[start : start + WEEK].assign(site=str(site), week=word, year=year)
        for site, of_site in hours.groupby(level="site", sort=False)
        for word, year, start, of_year in _chosen(of_site.droplevel("site"))
    ]
    columns = ["site", "week", "year", "hour", *FLOWS, "stored_mwh"]
    return pd.concat(parts).rename_axis("hour").reset_index()[columns] if parts else pd.DataFrame(columns=columns)


def _hours(plan: Plan) -> pd.DataFrame:
    """Flows, residual_mw, short_mw and stored_mwh by site, year and step."""
    resources = Data.of(plan.instance).resources.values()
    weather = {r.name for r in resources if (row := r.option or r.asset) is not None and row.availability_series}
    of_plant = plan.tables["resource_operation"]
    own = of_plant.assign(
        site=of_plant["resource"].map({r.name: r.site for r in resources}),
        delivered_mw=of_plant["generation_mw"].where(of_plant["resource"].isin(weather), 0.0),
        stored_mwh=of_plant["state_of_charge_mwh"],
    )
    key = ["site", "year", "step"]
    sums = own.groupby(key)[["delivered_mw", "stored_mwh"]].sum()
    hours = plan.operation.set_index(key)[FLOWS].join(sums).fillna(0.0).sort_index()
    return hours.assign(
        residual_mw=hours["load_mw"] - hours["delivered_mw"], short_mw=hours["unserved_mw"] + hours["curtailed_mw"]
    )


def _chosen(hours: pd.DataFrame) -> Iterator[tuple[str, int, int, pd.DataFrame]]:
    """Word, year and first hour of a site's telling weeks, and the year's hours."""
    years = {int(str(year)): of_year.droplevel("year") for year, of_year in hours.groupby(level="year")}
    weeks = [(year, start) for year, of_year in years.items() if of_year["load_mw"].any() for start in _starts(of_year)]
    if not weeks:
        return
    residual = {year: of_year["residual_mw"].to_numpy() for year, of_year in years.items()}
    short = {year: of_year["short_mw"].to_numpy() for year, of_year in years.items()}

    def badness(week: tuple[int, int]) -> tuple[float, float]:
        year, start = week
        lost = float(short[year][start : start + WEEK].sum())
        return lost if lost > ROUNDING_MWH else 0.0, float(residual[year][start : start + WEEK].max())

    worst = max(weeks, key=badness)
    year = worst[0]
    yield "worst", *worst, years[year]
    usual = {s: abs(residual[year][s : s + WEEK].mean() - residual[year].mean()) for y, s in weeks if y == year}
    usual.pop(worst[1])
    if usual:
        yield "typical", year, min(usual, key=usual.__getitem__), years[year]


def _starts(of_year: pd.DataFrame) -> list[int]:
    """First hours of weeks.

    >>> _starts(pd.DataFrame(index=range(400))), _starts(pd.DataFrame(index=range(24)))
    ([0, 168, 232], [0])
    """
    last = max(len(of_year) - WEEK, 0)
    return sorted({*range(0, last + 1, WEEK), last})
