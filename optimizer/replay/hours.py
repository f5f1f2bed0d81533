"""The same instance on other hours: every hour of its series, or a window of them standing for the year."""

from __future__ import annotations

from optimizer.instance import Instance, make_instance
from optimizer.schema import TABLES

RESOLUTION = "replay"


def every_hour(instance: Instance) -> Instance:
    """The instance with its whole hourly series as one period; storage is carried through the year as a ring."""
    return _with_period(instance, "year", 0, instance.manifest.series_hours)


def window(instance: Instance, start: int, hours: int) -> Instance:
    """The instance with some consecutive hours standing for the whole year."""
    return _with_period(instance, "window", start, hours)


def _with_period(instance: Instance, name: str, start: int, hours: int) -> Instance:
    manifest = instance.manifest.model_dump(exclude_none=True)
    chosen = manifest["resolutions"][instance.manifest.options.resolution]
    note = {"description": "every hour, for a replay"}
    manifest["resolutions"] = {RESOLUTION: {**chosen, **note, "step_hours": 1}}
    manifest["options"] = {"resolution": RESOLUTION}
    tables = {table: instance.rows(table) for table in TABLES}
    period = {
        "resolution": RESOLUTION,
        "period": name,
        "start_hour": start,
        "hours": hours,
        "occurrences_per_year": 8760 / hours,
        "source": "for a replay",
    }
    carried = [row.model_copy(update={"storage_linking": "period"}) for row in instance.technologies]
    return make_instance(
        manifest, {**tables, "technologies": carried, "periods": [period], "calendar": []}, instance.hourly
    )
