r"""A matrix taken apart into funding decisions and independent blocks of operation.

With y the decisions that join years or networks (whole numbers, capacities, energised IT, yearly totals) and x_b all
other columns, found as connected components of the rows once y is taken out:

    min  c y + sum_b d_b x_b
    subject to  M y in [l, u] ;  A_b x_b + T_b y in [l_b, u_b] for every block b

A row that sums operation over several networks (clean energy against load, say) would join them. It is divided: block b
contributes a share s_b, a decision, and keeps its own part of the row to it:

    sum_b a_b x_b >= r   becomes   sum_b s_b >= r  and  a_b x_b >= s_b   for every b
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from optimizer.highs import Program
from optimizer.model.matrix import Matrix

#: Variables that join years, networks or futures, or follow from such variables alone.
DECISIONS = (
    "build", "build_energy", "retired", "capacity_mw", "energy_mwh", "it_mw", "opened", "unmet_mw", "plant_cost",
    "upkeep_cost", "capital_cash", "collateral", "poi_mw", "fixed_bill", "contract_bill", "emissions_kt",
    "common_order", "at_risk", "excess",
)  # fmt: skip
#: Components of fewer columns than this make one block together: a cut for each would cost more than it tells.
SMALL = 50
#: Constraints that sum the operation of several networks or years.
DIVIDED = ("clean_energy_matches_load", "clean_energy_matches_load_hourly", "cost_of_future")


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
    """

    program: Program
    own: np.ndarray
    decisions: np.ndarray


@dataclass(frozen=True)
class Split:
    """A matrix as a master and its blocks.

    Attributes
    ----------
    master
        Decisions, the shares of divided rows after them, and the rows among these alone.
    integer
        Which columns of the master are whole.
    columns
        Position of every decision in the whole matrix; shares have none and come last.
    offset
        Constant of the cost, M$.
    """

    master: Program
    integer: np.ndarray
    columns: np.ndarray
    blocks: tuple[Block, ...]
    offset: float


def split(matrix: Matrix, small: int = SMALL) -> Split:
    """Take a matrix apart.

    Parameters
    ----------
    matrix
        A compiled model; a whole number in its operation becomes a decision.
    small
        Components of fewer columns make one block together.
    """
    decided = matrix.integer.copy()
    for name in DECISIONS:
        decided[matrix.names.get(name, np.array([], int))] = True
    columns, operated = np.flatnonzero(decided), np.flatnonzero(~decided)
    rows = sparse.csr_array(matrix.a)
    divided = np.array([name in DIVIDED for name, _ in matrix.row_names], bool)
    label = _components(rows[~divided][:, operated], small)
    owner = _owners(rows[:, operated], label)
    shares = _shares(rows, divided, operated, label)
    master = _master(matrix, rows, columns, owner, divided, shares)
    blocks = []
    for number in range(label.max(initial=-1) + 1):
        held = np.flatnonzero((owner == number) & ~divided)
        blocks.append(_block(matrix, rows, number, operated[label == number], columns, held, shares))
    integer = np.concatenate([matrix.integer[columns], np.zeros(len(shares), bool)])
    return Split(master, integer, columns, tuple(blocks), float(matrix.cost_offset.sum()))


@dataclass(frozen=True)
class _Share:
    """Part of a divided row that a block contributes: row of the whole matrix, block, and where the share may lie."""

    row: int
    block: int
    lower: float
    upper: float


def _components(rows: sparse.csr_array, small: int) -> np.ndarray:
    """Which component every column is in; columns are joined by the rows they share, small components by each other."""
    width = rows.shape[1]
    graph = sparse.block_array([[None, rows.T != 0], [rows != 0, None]], format="csr")
    if not width:
        return np.array([], int)
    label = connected_components(graph, directed=False)[1][:width]
    label[np.bincount(label)[label] < small] = -1
    return np.unique(label, return_inverse=True)[1]


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
        _Share(int(row), int(block), -np.inf, np.inf)
        for row in np.flatnonzero(divided)
        for block in np.unique(place[rows.indices[rows.indptr[row] : rows.indptr[row + 1]]])
        if block >= 0
    ]


def _master(
    matrix: Matrix,
    rows: sparse.csr_array,
    columns: np.ndarray,
    owner: np.ndarray,
    divided: np.ndarray,
    shares: list[_Share],
) -> Program:
    kept = np.flatnonzero((owner < 0) | divided)
    at = {int(row): position for position, row in enumerate(kept)}
    ones = sparse.csc_array(
        (np.ones(len(shares)), ([at[share.row] for share in shares], np.arange(len(shares)))),
        shape=(len(kept), len(shares)),
    )
    return Program(
        sparse.csc_array(sparse.hstack([rows[kept][:, columns], ones])),
        matrix.row_lower[kept],
        matrix.row_upper[kept],
        np.concatenate([matrix.objective[columns], np.zeros(len(shares))]),
        np.concatenate([matrix.lower[columns], [share.lower for share in shares]]),
        np.concatenate([matrix.upper[columns], [share.upper for share in shares]]),
    )


def _block(
    matrix: Matrix,
    rows: sparse.csr_array,
    number: int,
    own: np.ndarray,
    columns: np.ndarray,
    held: np.ndarray,
    shares: list[_Share],
) -> Block:
    mine = [(position, share) for position, share in enumerate(shares) if share.block == number]
    parts = [share.row for _, share in mine]
    linked = rows[held][:, columns]
    used = np.unique(linked.indices)
    bounded = np.isfinite(matrix.row_lower[parts]), np.isfinite(matrix.row_upper[parts])
    a = sparse.block_array(
        [
            [rows[held][:, own], linked[:, used], None],
            [rows[parts][:, own], None, -sparse.eye_array(len(mine))],
        ]
        if mine
        else [[rows[held][:, own], linked[:, used]]]
    )
    free = len(used) + len(mine)
    decisions = np.concatenate([used, [len(columns) + position for position, _ in mine]]).astype(int)
    program = Program(
        sparse.csc_array(a),
        np.concatenate([matrix.row_lower[held], np.where(bounded[0], 0.0, -np.inf)]),
        np.concatenate([matrix.row_upper[held], np.where(bounded[1], 0.0, np.inf)]),
        np.concatenate([matrix.objective[own], np.zeros(free)]),
        np.concatenate([matrix.lower[own], matrix.lower[columns[used]], [share.lower for _, share in mine]]),
        np.concatenate([matrix.upper[own], matrix.upper[columns[used]], [share.upper for _, share in mine]]),
    )
    return Block(program, own, decisions)
