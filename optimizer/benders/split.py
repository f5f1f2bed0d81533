r"""A matrix taken apart into funding decisions and independent blocks of operation.

With y the decisions that join years or networks (whole numbers, capacities, energised IT, yearly totals) and x_b all
other columns, found as connected components of the rows once y is taken out:

    min  c y + sum_b d_b x_b
    subject to  M y in [l, u] ;  A_b x_b + T_b y in [l_b, u_b] for every block b

A row that sums operation over several networks (clean energy against load, say) would join them. It is divided: block b
contributes a share s_b, a decision, and keeps its own part of the row to it:

    sum_b a_b x_b >= r   becomes   sum_b s_b >= r  and  a_b x_b >= s_b   for every b

The master is a matrix too: of the decisions, the shares and a column for the cost of every block.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from optimizer.highs import Program
from optimizer.model.matrix import Matrix

#: Variables that join years or networks, or follow from such variables alone.
DECISIONS = (
    "build", "build_energy", "retired", "capacity_mw", "energy_mwh", "it_mw", "opened", "unmet_mw", "plant_cost",
    "upkeep_cost", "capital_cash", "collateral", "poi_mw", "fixed_bill", "contract_bill", "emissions_kt",
)  # fmt: skip
#: Components of fewer columns than this make one block together: a cut for each would cost more than it tells.
SMALL = 50
#: Constraints that sum the operation of several networks or years.
DIVIDED = ("clean_energy_matches_load", "clean_energy_matches_load_hourly")
#: Names of the master's columns that the whole matrix does not have.
SHARE, OPERATING_COST = "share_of_row", "operating_cost"


@dataclass(frozen=True)
class Block:
    """Operation of one network in one year.

    Attributes
    ----------
    program
        Its LP: first its own columns, then the decisions it depends on, which cost nothing here.
    own
        Positions of its own columns in the whole matrix.
    decisions
        Positions of the decisions it depends on, in the master.
    cost
        Position of the column for its cost, in the master.
    """

    program: Program
    own: np.ndarray
    decisions: np.ndarray
    cost: int


@dataclass(frozen=True)
class Split:
    """A matrix as a master and its blocks.

    Attributes
    ----------
    master
        Decisions, shares of divided rows, costs of blocks, and the rows among these alone.
    columns
        Position of every decision in the whole matrix; shares and costs have none and come after the decisions.
    """

    master: Matrix
    columns: np.ndarray
    blocks: tuple[Block, ...]


def split(matrix: Matrix, small: int = SMALL, part: Hashable = 0) -> Split:
    """Take a matrix apart.

    Parameters
    ----------
    matrix
        A compiled model; a whole number in its operation becomes a decision.
    small
        Components of fewer columns make one block together.
    part
        What tells the blocks of this matrix from those of another, if both become parts of one problem.
    """
    decided = matrix.integer.copy()
    for name in DECISIONS:
        decided[matrix.names.get(name, np.array([], int))] = True
    columns, operated = np.flatnonzero(decided), np.flatnonzero(~decided)
    rows = sparse.csr_array(matrix.a)
    divided = matrix.rows_named(*DIVIDED)
    label = _together(components(rows[~divided][:, operated]), small)
    owner = _owners(rows[:, operated], label)
    shares = _shares(rows, divided, operated, label)
    count = label.max(initial=-1) + 1
    master = _master(matrix, rows, columns, (owner < 0) | divided, shares, count, part)
    first_cost = len(columns) + len(shares)
    blocks = [
        _block(
            matrix, rows, operated[label == number], columns, np.flatnonzero((owner == number) & ~divided),
            [(len(columns) + at, share.row) for at, share in enumerate(shares) if share.block == number],
            first_cost + number,
        )
        for number in range(count)
    ]  # fmt: skip
    return Split(master, columns, tuple(blocks))


@dataclass(frozen=True)
class _Share:
    """Part of a divided row that a block contributes."""

    row: int
    block: int


def components(rows: sparse.csr_array) -> np.ndarray:
    """Which component every column is in; columns are joined by the rows they share."""
    width = rows.shape[1]
    if not width:
        return np.array([], int)
    graph = sparse.block_array([[None, rows.T != 0], [rows != 0, None]], format="csr")
    return np.asarray(connected_components(graph, directed=False)[1][:width])


def _together(label: np.ndarray, small: int) -> np.ndarray:
    """Components with those of few columns as one."""
    if not len(label):
        return label
    few = np.bincount(label)[label] < small
    return np.unique(np.where(few, -1, label), return_inverse=True)[1]


def _owners(rows: sparse.csr_array, label: np.ndarray) -> np.ndarray:
    """Block that a row belongs to; -1 for rows among decisions."""
    owner = np.full(rows.shape[0], -1)
    filled = np.flatnonzero(np.diff(rows.indptr))
    owner[filled] = label[rows.indices[rows.indptr[filled]]]
    return owner


def _shares(rows: sparse.csr_array, divided: np.ndarray, operated: np.ndarray, label: np.ndarray) -> list[_Share]:
    place = np.full(rows.shape[1], -1)
    place[operated] = label
    return [
        _Share(int(row), int(block))
        for row in np.flatnonzero(divided)
        for block in np.unique(place[rows.indices[rows.indptr[row] : rows.indptr[row + 1]]])
        if block >= 0
    ]


def _master(
    matrix: Matrix,
    rows: sparse.csr_array,
    columns: np.ndarray,
    kept: np.ndarray,
    shares: list[_Share],
    blocks: int,
    part: Hashable,
) -> Matrix:
    """The matrix of the decisions, with a column at no limits for each share and for the cost of each block."""
    height = np.flatnonzero(kept)
    at = {int(row): position for position, row in enumerate(height)}
    more, width = len(shares) + blocks, len(columns)
    ones = sparse.csr_array(
        (np.ones(len(shares)), ([at[share.row] for share in shares], np.arange(len(shares)))), shape=(len(height), more)
    )
    costs = sparse.csr_array((np.ones(blocks), (np.zeros(blocks, int), width + len(shares) + np.arange(blocks))),
                             shape=(1, width + more))  # fmt: skip
    decided = sparse.hstack([matrix.cost_rows[:, columns], sparse.csr_array((matrix.cost_rows.shape[0], more))])
    position = np.full(matrix.a.shape[1], -1)
    position[columns] = np.arange(width)
    names, keys = _names_of(matrix, position)
    for name, found in (
        (SHARE, [(*matrix.row_names[share.row], part, share.block) for share in shares]),
        (OPERATING_COST, [(part, number) for number in range(blocks)]),
    ):
        if found:
            names[name], keys[name] = width + np.arange(len(found)), found
            width += len(found)
    free = np.full(more, np.inf)
    return Matrix(
        a=sparse.csc_array(sparse.hstack([rows[height][:, columns], ones])),
        row_lower=matrix.row_lower[height],
        row_upper=matrix.row_upper[height],
        row_names=[matrix.row_names[row] for row in height.tolist()],
        cost_rows=sparse.csr_array(sparse.vstack([decided, costs])),
        cost_offset=np.append(matrix.cost_offset, 0.0),
        cost_keys=[*matrix.cost_keys, (OPERATING_COST, "", 0)],
        lower=np.concatenate([matrix.lower[columns], -free]),
        upper=np.concatenate([matrix.upper[columns], free]),
        integer=np.concatenate([matrix.integer[columns], np.zeros(more, bool)]),
        names=names,
        keys=keys,
    )


def _names_of(
    matrix: Matrix, position: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, Sequence[tuple[Any, ...]]]]:
    """Names and keys of the columns that have a position (-1: none), at those positions."""
    names, keys = dict[str, np.ndarray](), dict[str, Sequence[tuple[Any, ...]]]()
    for name, columns in matrix.names.items():
        kept = position[columns] >= 0
        if kept.any():
            names[name] = position[columns][kept]
            keys[name] = list(itertools.compress(matrix.keys[name], kept))
    return names, keys


def _block(
    matrix: Matrix,
    rows: sparse.csr_array,
    own: np.ndarray,
    columns: np.ndarray,
    held: np.ndarray,
    shares: list[tuple[int, int]],
    cost: int,
) -> Block:
    """Rows ``held`` of the matrix, and its part of each divided row; ``shares``: position in the master, and row."""
    parts = [row for _, row in shares]
    linked = rows[held][:, columns]
    used = np.unique(linked.indices)
    bounded = np.isfinite(matrix.row_lower[parts]), np.isfinite(matrix.row_upper[parts])
    a = sparse.block_array(
        [
            [rows[held][:, own], linked[:, used], None],
            [rows[parts][:, own], None, -sparse.eye_array(len(shares))],
        ]
        if shares
        else [[rows[held][:, own], linked[:, used]]]
    )
    free = np.full(len(shares), np.inf)
    program = Program(
        sparse.csc_array(a),
        np.concatenate([matrix.row_lower[held], np.where(bounded[0], 0.0, -np.inf)]),
        np.concatenate([matrix.row_upper[held], np.where(bounded[1], 0.0, np.inf)]),
        np.concatenate([matrix.objective[own], np.zeros(len(used) + len(shares))]),
        np.concatenate([matrix.lower[own], matrix.lower[columns[used]], -free]),
        np.concatenate([matrix.upper[own], matrix.upper[columns[used]], free]),
    )
    return Block(program, own, np.concatenate([used, [at for at, _ in shares]]).astype(int), cost)
