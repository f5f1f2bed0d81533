"""What a run folder keeps of a replay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from optimizer.replay.run import Replay
from optimizer.replay.weeks import telling_weeks


def results(found: Replay, outages: pd.DataFrame | None = None) -> tuple[dict[str, Any], Mapping[str, pd.DataFrame]]:
    """Entry of the manifest, and tables: years, weeks, hours of telling weeks, rates and, if drawn, outages."""
    tables = {"years": found.years, "weeks": found.weeks, "hours": telling_weeks(found), "rates": found.rates}
    entry = found.as_dict()
    if outages is not None:
        tables["outages"] = outages
        entry["outages"] = [
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in row.items()
            }
            for row in outages.to_dict(orient="records")
        ]
    return entry, tables
