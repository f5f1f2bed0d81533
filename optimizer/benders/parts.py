"""An instance divided into parts, each some networks in some years, that are built one at a time.

The model of a part has the investments of its networks in all years and their operation in its own. Its matrix is taken
apart (``split``), the masters of all parts are joined (``join``), and the part keeps no more than the LPs of its
blocks and where their columns belong: memory is that of the largest part while it is built, and of the LPs after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from optimizer.benders.split import Block, split
from optimizer.instance import Instance
from optimizer.model.build import build, hourly_variables
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix, Size, compile_matrix
from optimizer.model.solution import Key, Operation
from optimizer.networks import Place, cut_down, networks

#: Columns of operation that a part aims at: fewer, and building the investments again and again takes longer than the
#: rest; more, and memory grows with them.
COLUMNS = 250_000


@dataclass(frozen=True)
class Part:
    """Networks, by their position in `networks`, and planning years."""

    networks: tuple[int, ...]
    years: tuple[int, ...]


def divide(instance: Instance, columns: int = COLUMNS) -> list[Part]:
    """Parts of about so many columns of operation or less: small networks together, large ones year by year.

    >>> from optimizer.synthetic import synthetic
    >>> case = synthetic(sites=6, years=2, hours=24, periods=1)
    >>> divide(case)
    [Part(networks=(0, 1), years=(2026, 2027))]
    >>> divide(case, 1500)
    [Part(networks=(0,), years=(2026,)), Part(networks=(0,), years=(2027,)), Part(networks=(1,), years=(2026, 2027))]
    """
    data = Data.of(instance)
    parts: list[Part] = []
    together: list[int] = []
    filled = 0
    for number, places in enumerate(networks(instance)):
        size = _columns(data, places) * len(data.years)
        if together and filled + size > columns:
            parts.append(Part(tuple(together), data.years))
            together, filled = [], 0
        if size > columns:
            runs = min(-(-size // columns), len(data.years))
            length = -(-len(data.years) // runs)
            parts += [Part((number,), data.years[at : at + length]) for at in range(0, len(data.years), length)]
        else:
            together.append(number)
            filled += size
    return [*parts, Part(tuple(together), data.years)] if together else parts


def columns_of_all(instance: Instance) -> int:
    """About how many columns the operation of an instance has."""
    data = Data.of(instance)
    return sum(_columns(data, places) for places in networks(instance)) * len(data.years)


def columns_of(instance: Instance, part: Part) -> int:
    """About how many columns the operation of a part has."""
    found = networks(instance)
    return sum(_columns(Data.of(instance), found[number]) for number in part.networks) * len(part.years)


def _columns(data: Data, places: frozenset[Place]) -> int:
    """About how many columns the operation of a network has in a year."""
    names = {name for _, name in places}
    sites = sum(name in names for name in data.sites)
    zones = sum(name in names for name in data.zones)
    plant = sum(r.kind != "wires" and r.place in names for r in data.resources.values())
    stores = sum(r.kind == "storage" and r.place in names for r in data.resources.values())
    return len(data.steps) * (3 * sites + 4 * zones + plant + 2 * stores)


@dataclass(frozen=True)
class _Steps:
    """Columns of a variable that varies by step: positions, index without the step of each row, row and step."""

    columns: np.ndarray
    index: list[Key]
    row: np.ndarray
    step: np.ndarray

    def arrays(self, x: np.ndarray, count: int) -> dict[Key, np.ndarray]:
        values = np.zeros((len(self.index), count))
        values[self.row, self.step] = x[self.columns]
        return dict(zip(self.index, values, strict=True))


class BuiltPart:
    """A part that was built: its blocks, its master, and how to read its operation.

    Attributes
    ----------
    master
        Decisions of its networks, and the costs of its blocks.
    blocks
        In the columns of this master.
    size
        Of its blocks together.
    """

    def __init__(self, instance: Instance, part: Part, number: int) -> None:
        found = networks(instance)
        places = frozenset[Place]().union(*(found[network] for network in part.networks))
        model = build(cut_down(instance, places), operated=part.years, portfolio=instance)
        matrix, hourly = compile_matrix(model), hourly_variables(model)
        self._step_count = len(model.data.steps)
        del model
        parts = split(matrix, part=number)
        self.master, self.blocks = parts.master, parts.blocks
        self.size = size_of_blocks(parts.blocks)
        own = np.concatenate([np.zeros(0, int), *(block.own for block in parts.blocks)])
        self._layout(matrix, own, frozenset(hourly))

    def _layout(self, matrix: Matrix, own: np.ndarray, hourly: frozenset[str]) -> None:
        """Where the columns of the blocks, one block after another, belong."""
        position = np.full(matrix.a.shape[1], -1)
        position[own] = np.arange(len(own))
        self._values: dict[str, tuple[np.ndarray, list[Key]]] = {}
        self._steps: dict[str, _Steps] = {}
        for name, columns in matrix.names.items():
            at = position[columns]
            keys = [key for key, place in zip(matrix.keys[name], at.tolist(), strict=True) if place >= 0]
            if keys and name in hourly:
                self._steps[name] = _by_step(at[at >= 0], keys)
            elif keys:
                self._values[name] = (at[at >= 0], keys)
        costs = sparse.csr_array(matrix.cost_rows[:, own])
        used = np.flatnonzero(np.diff(costs.indptr))
        self._costs = sparse.csr_array(costs[used])
        self._cost_keys = [matrix.cost_keys[row] for row in used]

    def operation(self, x: Sequence[np.ndarray]) -> Operation:
        """The operation in which the blocks' own columns have these values, block by block."""
        together = np.concatenate([np.zeros(0), *x])
        costs: dict[tuple[str, str, int], float] = {}
        for key, value in zip(self._cost_keys, (self._costs @ together).tolist(), strict=True):
            costs[key] = costs.get(key, 0.0) + value
        return Operation(
            values={
                name: dict(zip(keys, together[at].tolist(), strict=True)) for name, (at, keys) in self._values.items()
            },
            steps={name: steps.arrays(together, self._step_count) for name, steps in self._steps.items()},
            costs=costs,
        )


def size_of_blocks(blocks: Sequence[Block]) -> Size:
    """Rows, own columns and nonzeros of blocks together."""
    values = np.abs(np.concatenate([np.ones(1), *(block.program.a.data for block in blocks)]))
    return Size(
        rows=sum(block.program.a.shape[0] for block in blocks),
        columns=sum(len(block.own) for block in blocks),
        integers=0,
        nonzeros=sum(block.program.a.nnz for block in blocks),
        coefficient_range=(float(values.min()), float(values.max())),
    )


def _by_step(columns: np.ndarray, keys: list[Key]) -> _Steps:
    rows: dict[Key, int] = {}
    row = np.array([rows.setdefault(key[:-1], len(rows)) for key in keys], np.int32)
    return _Steps(columns, list(rows), row, np.array([key[-1] for key in keys], np.int32))


def moved(block: Block, to: np.ndarray) -> Block:
    """The block in the columns of another master, in which those of its own are at ``to``."""
    return Block(block.program, block.own, to[block.decisions], int(to[block.cost]))
