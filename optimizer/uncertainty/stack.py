r"""The futures of an instance as one matrix, joined by the funding that has to be ordered before one knows which.

With p_w the probability of a future w, x_w its plan and y the blocks ordered by the commitment year:

    min  (1 - beta) sum_w p_w cost_w(x_w)  +  beta (eta + sum_w p_w z_w / (1 - alpha))
    subject to  x_w a plan of future w;  blocks of x_w ordered by the commitment year = y
                z_w >= cost_w(x_w) - eta,  z_w >= 0

The second part of the aim is CVaR_alpha, the mean cost of the worst 1 - alpha of futures (Rockafellar and Uryasev,
Journal of Risk 2, 2000).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from scipy import sparse

from optimizer.model.data import Data, Resource
from optimizer.model.matrix import Matrix
from optimizer.whatif.space import FUNDING, Space

#: Variable (blocks or blocks of energy), resource and year of service that is ordered by the commitment year.
Order = tuple[str, str, int]


@dataclass(frozen=True)
class Risk:
    """Cost of every future as weights of its columns and a constant, M$, with its probability; level of CVaR."""

    costs: tuple[tuple[np.ndarray, float], ...]
    weights: np.ndarray
    alpha: float

    def edge(self, costs: np.ndarray) -> float:
        """The least cost that no more than 1 - alpha of futures exceed: where eta makes CVaR least."""
        order = np.argsort(costs)
        within = np.cumsum(self.weights[order]) >= self.alpha - 1e-12
        return float(costs[order][np.argmax(within)])


@dataclass(frozen=True)
class Stack:
    """Futures joined.

    Attributes
    ----------
    matrix
        Columns of each future after each other, then the common orders, then those of the risk.
    starts
        First column of each future, and of the common orders.
    orders
        What the common columns mean.
    risk
        None where the aim is the expected cost alone.
    """

    matrix: Matrix
    starts: tuple[int, ...]
    orders: tuple[Order, ...]
    risk: Risk | None = None

    def settled(self, x: np.ndarray) -> np.ndarray:
        """Column values with those of the risk as the costs of the futures make them."""
        if self.risk is None:
            return x
        settled = x.copy()
        costs = np.array([cost @ self.part(x, at) + constant for at, (cost, constant) in enumerate(self.risk.costs)])
        first = self.starts[-1] + len(self.orders)
        settled[first] = self.risk.edge(costs)
        settled[first + 1 :] = np.maximum(costs - settled[first], 0.0)
        return settled

    def part(self, x: np.ndarray, future: int) -> np.ndarray:
        """Column values of one future."""
        return x[self.starts[future] : self.starts[future + 1]]

    def ordered(self, x: np.ndarray) -> dict[Order, float]:
        """Blocks of each common order."""
        return dict(zip(self.orders, x[self.starts[-1] :], strict=False))

    def with_orders(self, blocks: Mapping[Order, float]) -> Matrix:
        """The matrix with the common orders given; orders that are not named are none."""
        lower, upper = self.matrix.lower.copy(), self.matrix.upper.copy()
        common = slice(self.starts[-1], self.starts[-1] + len(self.orders))
        lower[common] = upper[common] = [blocks.get(order, 0.0) for order in self.orders]
        return dataclasses.replace(self.matrix, lower=lower, upper=upper)


@dataclass(frozen=True)
class _Tie:
    """Blocks in service of one future: those of common orders, and no others unless they can still be ordered."""

    column: int
    orders: tuple[int, ...]
    others: bool


def stack(
    spaces: Sequence[Space], weights: np.ndarray, base: Data, committed_by: int, beta: float, alpha: float
) -> Stack:
    """Join futures.

    Parameters
    ----------
    spaces
        The plans of each future.
    weights
        Their probabilities.
    base
        Data of the instance itself, whose lead times say what is ordered by the commitment year.
    committed_by
        Calendar year.
    beta, alpha
        Part of the aim that is CVaR, and its level.
    """
    matrices = [space.matrix for space in spaces]
    starts = tuple(accumulate((m.a.shape[1] for m in matrices), initial=0))
    orders = _orders(spaces, base, committed_by)
    ties = [
        tie
        for space, start in zip(spaces, starts, strict=False)
        for tie in _ties(space, start, orders, base, committed_by)
    ]
    undeliverable = set(range(len(orders))) - {order for tie in ties for order in tie.orders}
    undeliverable |= {
        at for space in spaces for at, order in enumerate(orders) if service_year(space, base, order) is None
    }
    joined = _joined(matrices, weights * (1 - beta), orders, ties, undeliverable)
    if not beta:
        return Stack(joined, starts, orders)
    risk = Risk(tuple((m.objective, float(m.cost_offset.sum())) for m in matrices), weights, alpha)
    return Stack(_with_risk(joined, matrices, weights, starts, beta, alpha), starts, orders, risk)


def _lead(resource: Resource) -> float:
    assert resource.option is not None
    lead = resource.option.lead_time_years
    return resource.technology.lead_time_years if lead is None else lead


def _orders(spaces: Sequence[Space], base: Data, committed_by: int) -> tuple[Order, ...]:
    known = {(part, *key) for space in spaces for part in FUNDING for key in space.matrix.keys.get(part, [])}
    return tuple(
        (part, resource.name, year)
        for part in FUNDING
        for resource in base.resources.values()
        if resource.option is not None
        for year in resource.service_years
        if year - _lead(resource) <= committed_by and any(key[:2] == (part, resource.name) for key in known)
    )


def service_year(space: Space, base: Data, order: Order) -> int | None:
    """Year in which a future puts an order into service: later by what its lead time is longer; None if too late."""
    _, name, year = order
    resource = space.data.resources[name]
    later = max(0.0, _lead(resource) - _lead(base.resources[name]))
    return min((served for served in resource.service_years if served >= year + later), default=None)


def _ties(space: Space, start: int, orders: Sequence[Order], base: Data, committed_by: int) -> list[_Tie]:
    ties = []
    for part in FUNDING:
        columns = dict(zip(space.matrix.keys.get(part, []), space.matrix.names.get(part, ()), strict=True))
        for (name, year), column in columns.items():
            served = tuple(
                at
                for at, order in enumerate(orders)
                if order[:2] == (part, name) and service_year(space, base, order) == year
            )
            others = year - _lead(space.data.resources[name]) > committed_by
            if served or not others:
                ties.append(_Tie(start + int(column), served, others))
    return ties


def _joined(
    matrices: Sequence[Matrix],
    weights: np.ndarray,
    orders: Sequence[Order],
    ties: Sequence[_Tie],
    undeliverable: set[int],
) -> Matrix:
    width, count = sum(m.a.shape[1] for m in matrices), len(orders)
    whole = np.concatenate([m.integer for m in matrices])
    entries = [(row, tie.column, 1.0) for row, tie in enumerate(ties)]
    entries += [(row, width + order, -1.0) for row, tie in enumerate(ties) for order in tie.orders]
    row, column, value = (np.array(part) for part in zip(*entries, strict=True)) if entries else (np.zeros(0),) * 3
    tied = sparse.csc_array((value, (row.astype(int), column.astype(int))), shape=(len(ties), width + count))
    blocks = sparse.hstack([sparse.block_diag([m.a for m in matrices]), sparse.csc_array((_height(matrices), count))])
    ordered_whole = [any(whole[tie.column] for tie in ties if order in tie.orders) for order in range(count)]
    return Matrix(
        a=sparse.csc_array(sparse.vstack([blocks, tied])),
        row_lower=np.concatenate([*(m.row_lower for m in matrices), np.zeros(len(ties))]),
        row_upper=np.concatenate([*(m.row_upper for m in matrices), [np.inf if tie.others else 0.0 for tie in ties]]),
        row_names=[*(name for m in matrices for name in m.row_names), *(("common_orders", t.column) for t in ties)],
        cost_rows=sparse.csr_array(
            np.concatenate([*(p * m.objective for p, m in zip(weights, matrices, strict=True)), np.zeros(count)])[None]
        ),
        cost_offset=np.array([sum(p * m.cost_offset.sum() for p, m in zip(weights, matrices, strict=True))]),
        cost_keys=[("expected", "", 0)],
        lower=np.concatenate([*(m.lower for m in matrices), np.zeros(count)]),
        upper=np.concatenate(
            [*(m.upper for m in matrices), [0.0 if at in undeliverable else np.inf for at in range(count)]]
        ),
        integer=np.concatenate([whole, np.array(ordered_whole, bool)]),
        names=_together(matrices) | {"common_order": np.arange(width, width + count)},
        keys={"common_order": list(orders)},
    )


def _height(matrices: Sequence[Matrix]) -> int:
    return sum(m.a.shape[0] for m in matrices)


def _together(matrices: Sequence[Matrix]) -> dict[str, np.ndarray]:
    """Columns of every variable over all futures."""
    found: dict[str, list[np.ndarray]] = {}
    start = 0
    for matrix in matrices:
        for name, columns in matrix.names.items():
            found.setdefault(name, []).append(start + np.asarray(columns, int))
        start += matrix.a.shape[1]
    return {name: np.concatenate(columns) for name, columns in found.items()}


def _with_risk(
    joined: Matrix, matrices: Sequence[Matrix], weights: np.ndarray, starts: Sequence[int], beta: float, alpha: float
) -> Matrix:
    """The joined matrix with eta and z, and a row for the cost of every future."""
    (height, width), count = joined.a.shape, len(matrices)
    costs = sparse.lil_array((count, width + 1 + count))
    for row, (matrix, start) in enumerate(zip(matrices, starts, strict=False)):
        costs[[row], start : start + matrix.a.shape[1]] = matrix.objective[None]
        costs[row, width] = costs[row, width + 1 + row] = -1.0
    risk = np.concatenate([[beta], beta * weights / (1 - alpha)])
    return dataclasses.replace(
        joined,
        a=sparse.csc_array(sparse.vstack([sparse.hstack([joined.a, sparse.csc_array((height, 1 + count))]), costs])),
        row_lower=np.concatenate([joined.row_lower, np.full(count, -np.inf)]),
        row_upper=np.concatenate([joined.row_upper, [-matrix.cost_offset.sum() for matrix in matrices]]),
        row_names=[*joined.row_names, *(("cost_of_future", row) for row in range(count))],
        cost_rows=sparse.csr_array(np.concatenate([joined.objective, risk])[None]),
        lower=np.concatenate([joined.lower, [-np.inf], np.zeros(count)]),
        upper=np.concatenate([joined.upper, np.full(1 + count, np.inf)]),
        integer=np.concatenate([joined.integer, np.zeros(1 + count, bool)]),
        names=joined.names | {"at_risk": np.array([width]), "excess": np.arange(width + 1, width + 1 + count)},
    )
