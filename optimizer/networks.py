"""Networks of an instance: places that share no zone, corridor, utility or option with those of another.

Networks meet only in what belongs to the whole portfolio: its compute demand, its budgets and its carbon and
clean-energy rules. So an instance can be cut down to some of its networks; rows that name no place are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Hashable, Iterator
from typing import Any

from scipy.cluster.hierarchy import DisjointSet

from optimizer.instance import Instance
from optimizer.schema import TABLES, Budget, OptionRule, Row

#: Tables whose members are places, or stand at some; a row of any table joins those that it names.
PLACES = frozenset({"sites", "zones", "corridors", "utilities", "tariffs", "funding_options"})
PORTFOLIO = "portfolio"

#: A place: its table and its name.
Place = tuple[str, Hashable]


def networks(instance: Instance) -> list[frozenset[Place]]:
    """Places of each network, those first whose sites come first in the instance; places without a site come last.

    >>> from optimizer.synthetic import synthetic
    >>> [sum(table == "sites" for table, _ in network) for network in networks(synthetic(sites=6))]
    [4, 2]
    """
    joined: DisjointSet = DisjointSet()
    for name in TABLES:
        for row in instance.rows(name):
            places = list(_places(name, row))
            for place in places:
                joined.add(place)
                joined.merge(places[0], place)
    found = [frozenset(members) for members in joined.subsets()]
    order = {("sites", row.site): at for at, row in enumerate(instance.sites)}
    return sorted(found, key=lambda network: min(order.get(place, len(order)) for place in network))


def cut_down(instance: Instance, places: Collection[Place]) -> Instance:
    """The instance with the rows of some networks and those of the whole portfolio.

    It keeps the content hash of the whole, as it is no instance to be saved.
    """
    kept: dict[str, Any] = {
        name: tuple(row for row in instance.rows(name) if all(place in places for place in _places(name, row)))
        for name in TABLES
    }
    return dataclasses.replace(instance, **kept)


def _places(name: str, row: Row) -> Iterator[Place]:
    """Places that a row is, or names."""
    table = TABLES[name]
    if name in PLACES:
        yield name, getattr(row, table.key[0])
    for column, field in table.row.model_fields.items():
        extra = field.json_schema_extra
        target = str(extra.get("refers_to", "")).partition(".")[0] if isinstance(extra, dict) else ""
        value = getattr(row, column)
        if target in PLACES and value is not None:
            yield target, value
    if isinstance(row, OptionRule):
        yield "groups of options", (row.rule, row.group)
    if isinstance(row, Budget) and row.scope != PORTFOLIO:
        yield "sites", row.scope
