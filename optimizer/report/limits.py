"""What binds in a plan, and what one unit more of it would change: marginal values, laid out for reading."""

from __future__ import annotations

import pandas as pd

#: Rows of a table that people read to its end.
MOST = 60


def what_binds(margins: pd.DataFrame) -> pd.DataFrame:
    """Limits that hold the plan back, dearest first within a family.

    Parameters
    ----------
    margins
        From `marginal_values`: family, place, year, unit, usd_per_unit.

    Returns
    -------
    DataFrame
        what binds, place, years, unit, ``one unit more, US$``: the largest change over the years of the plan's cost if
        the limit were one unit higher; negative where that saves.

    >>> rows = [("POI", "Alpha", 2030, "MW", -900.0), ("POI", "Alpha", 2031, "MW", -1200.0)]
    >>> what_binds(pd.DataFrame(rows, columns=["family", "place", "year", "unit", "usd_per_unit"])).values.tolist()
    [['POI', 'Alpha', '2030-2031', 'MW', -1200.0]]
    """
    limits = margins[margins["family"] != "compute at site"]
    rows = []
    for (family, place, unit), group in limits.groupby(["family", "place", "unit"], sort=False):
        largest = max(group["usd_per_unit"].tolist(), key=abs)
        rows.append((family, place, _span(sorted(map(int, group["year"]))), unit, largest))
    rows.sort(key=lambda row: (row[0], -abs(row[-1])))
    return pd.DataFrame(rows[:MOST], columns=["what binds", "place", "years", "unit", "one unit more, US$"])


def compute_values(margins: pd.DataFrame) -> pd.DataFrame:
    """Present value of one more MW of IT: sites down, years across, US$."""
    rows = margins[margins["family"] == "compute at site"]
    return rows.pivot_table(index="year", columns="place", values="usd_per_unit", aggfunc="sum")


def _span(years: list[int]) -> str:
    """Years in words, those that follow each other joined.

    >>> _span([2028]), _span([2028, 2029, 2030]), _span([2027, 2029, 2030, 2033])
    ('2028', '2028-2030', '2027, 2029-2030, 2033')
    """
    runs: list[list[int]] = []
    for year in years:
        if runs and year == runs[-1][-1] + 1:
            runs[-1].append(year)
        else:
            runs.append([year])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
