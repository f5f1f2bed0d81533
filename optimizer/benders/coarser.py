"""The same problem with longer steps: what it costs where tells the real one where to look.

In the first rounds of a search decisions move far, and an LP of a block takes as long as a new one. With longer steps
it is many times smaller, and what a block costs at given decisions is much the same: an average of prices and of sun
and wind is no worse than what it is the average of, so it is a little cheaper. So the relaxation is closed with longer
steps first, and its cuts are the guide to the first inner points of the real problem.
"""

from __future__ import annotations

from optimizer.benders.parts import columns_of_all
from optimizer.instance import Instance, make_instance
from optimizer.schema import TABLES

#: Steps are so many times as long, where that divides every period,
TIMES = (4, 3)
#: and no longer than so many hours: nights and peaks must still be told from days.
LONGEST = 8
#: Columns of operation from which on it is worth it.
COLUMNS = 300_000


def coarser(instance: Instance) -> Instance | None:
    """The instance with longer steps; None if that is not worth it, or no longer step divides its periods.

    >>> from optimizer.synthetic import synthetic
    >>> large, small = (synthetic(sites=4, years=5, hours=168, periods=periods) for periods in (8, 1))
    >>> coarser(large).manifest.resolutions["all"].step_hours, coarser(small)
    (4, None)
    """
    name = instance.manifest.options.resolution
    step = instance.manifest.resolutions[name].step_hours
    lengths = [row.hours for row in instance.periods if row.resolution == name]
    longer = [
        step * times
        for times in TIMES
        if step * times <= LONGEST and all(length % (step * times) == 0 for length in lengths)
    ]
    if not longer or columns_of_all(instance) < COLUMNS:
        return None
    manifest = instance.manifest.model_dump(exclude_none=True)
    manifest["resolutions"][name]["step_hours"] = longer[0]
    return make_instance(manifest, {table: instance.rows(table) for table in TABLES}, instance.hourly)
