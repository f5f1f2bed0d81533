"""Futures joined, to be solved as one matrix or part by part, and read future by future."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from optimizer import benders, highs
from optimizer.benders.blocks import Blocks
from optimizer.benders.by_parts import Joined, Work, size_of, solution_of, work_on
from optimizer.benders.parts import Part, columns_of
from optimizer.benders.rounds import Found
from optimizer.cluster import Scheduler
from optimizer.instance import Instance
from optimizer.model.data import Data
from optimizer.model.matrix import Matrix
from optimizer.plan import Plan
from optimizer.solve import COLUMNS, GAP, Method, parts_of, refusals, refuse_no_answer
from optimizer.uncertainty.stack import Stack, stack
from optimizer.whatif.space import Space, read, read_solution


@dataclass(frozen=True)
class Asked:
    """What every search is told."""

    options: highs.Options
    method: Method
    scheduler: str | Scheduler | None
    workers: int | None
    beta: float
    alpha: float
    committed_by: int

    @property
    def side_by_side(self) -> int:
        """Blocks solved at a time."""
        return self.workers or self.options.threads or os.cpu_count() or 1


@dataclass(frozen=True)
class Least:
    """The least of a problem: the answer, whose values are those of the stack's columns, and where it comes from."""

    answer: highs.Answer
    found: Found | None = None

    @property
    def x(self) -> np.ndarray:
        assert self.answer.x is not None
        return self.answer.x


class Problem(Protocol):
    """Futures joined."""

    @property
    def spaces(self) -> Sequence[Space]: ...

    @property
    def stack(self) -> Stack: ...

    def least(self, matrix: Matrix) -> Least:
        """The least of the stack's matrix, or of one with other bounds.

        Raises
        ------
        SolveError
            If there is none.
        """
        ...

    def plans(self, least: Least, bounds: Sequence[float]) -> list[Plan]:
        """The checked plan of each future; no plan of it costs less than its bound, M$."""
        ...


@contextlib.contextmanager
def problem(futures: Sequence[Instance], weights: np.ndarray, base: Instance, asked: Asked) -> Iterator[Problem]:
    """Build the futures and join them, in the way that pays at their size.

    Raises
    ------
    Infeasible, SolverFailure
        When the limits of one contradict its data, or its coefficients cannot be trusted.
    """
    parts = _parts(futures, asked)
    if not parts:
        spaces = [Space.of(future) for future in futures]
        yield _OneMatrix(spaces, _stacked(spaces, weights, base, asked), asked)
        return
    with contextlib.ExitStack() as at_work:
        with refusals():
            cases = list(zip(futures, parts, strict=True))
            work = at_work.enter_context(work_on(cases, asked.side_by_side, asked.scheduler, lambda *_: None))
            ends = np.cumsum([0, *map(len, parts)])
            joined = [Joined.of(work.masters[a:b]) for a, b in itertools.pairwise(ends)]
        spaces = [Space(future, Data.of(future), one.master) for future, one in zip(futures, joined, strict=True)]
        stacked = _stacked(spaces, weights, base, asked)
        at = [start + to for start, one in zip(stacked.starts, joined, strict=False) for to in one.at]
        blocks = at_work.enter_context(work.blocks(at))
        yield _ByParts(spaces, stacked, asked, work, joined, at, blocks)


def _stacked(spaces: Sequence[Space], weights: np.ndarray, base: Instance, asked: Asked) -> Stack:
    return stack(spaces, weights, Data.of(base), asked.committed_by, asked.beta, asked.alpha)


def _parts(futures: Sequence[Instance], asked: Asked) -> list[list[Part]]:
    """Parts of every future; none to solve one matrix."""
    if asked.method == "monolithic":
        return []
    found = [parts_of(future, asked.scheduler, asked.side_by_side) for future in futures]
    columns = sum(columns_of(future, part) for future, parts in zip(futures, found, strict=True) for part in parts)
    small = columns < COLUMNS or asked.options.gap < GAP
    return [] if asked.method == "auto" and asked.scheduler is None and small else found


@dataclass(frozen=True)
class _OneMatrix:
    spaces: list[Space]
    stack: Stack
    asked: Asked

    def least(self, matrix: Matrix) -> Least:
        answer = highs.run(highs.hand_off(matrix, self.asked.options), matrix, highs.Interrupt())
        refuse_no_answer(answer)
        return Least(highs.fix_and_polish(matrix, answer, self.asked.options))

    def plans(self, least: Least, bounds: Sequence[float]) -> list[Plan]:
        options, status = self.asked.options, least.answer.status
        return [
            read(space, space.instance, self.stack.part(least.x, at), bound, options.gap, options.threads, status)
            for at, (space, bound) in enumerate(zip(self.spaces, bounds, strict=True))
        ]


@dataclass(frozen=True)
class _ByParts:
    spaces: list[Space]
    stack: Stack
    asked: Asked
    work: Work
    joined: list[Joined]
    at: list[np.ndarray]
    blocks: Blocks

    def least(self, matrix: Matrix) -> Least:
        interrupt = highs.Interrupt()
        with interrupt.listening(), refusals():
            found = benders.search(matrix, self.blocks, self.asked.options, interrupt, settle=self.stack.settled)
        answer = highs.Answer(found.status, found.decisions, found.cost, found.bound, method="benders")
        refuse_no_answer(answer)
        return Least(answer, found)

    def plans(self, least: Least, bounds: Sequence[float]) -> list[Plan]:
        assert least.found is not None
        operations, first, plans = self.work.operations(least.found, self.at), 0, []
        for number, (space, joined, bound) in enumerate(zip(self.spaces, self.joined, bounds, strict=True)):
            last = first + len(joined.at)
            decisions = self.stack.part(least.x, number)
            solution = solution_of(space.instance, joined, decisions, operations[first:last])
            size = size_of(joined, self.work.sizes[first:last])
            options, cost = self.asked.options, space.cost.of(decisions)
            plans.append(
                read_solution(
                    space.instance, solution, size, cost, bound, options.gap, options.threads, least.answer.status
                )
            )
            first = last
        return plans
