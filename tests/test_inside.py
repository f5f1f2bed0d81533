"""Inner points of the master: inside all cuts, though the interior-point method is given those that count only."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from optimizer import highs
from optimizer.benders.inside import IDLE, ITERATIONS, Inside, add_rows
from optimizer.highs import Program

COST = np.array([2.0, 1.0])
#: x and z of 0 to 6 with x + z <= 8, and the row of the whole cost.
PROGRAM = Program(
    sparse.csc_array(np.array([[1.0, 1.0], COST])),
    np.full(2, -np.inf),
    np.array([8.0, np.inf]),
    COST,
    np.zeros(2),
    np.full(2, 6.0),
)
#: x <= 0.5, z <= 100 and, as the third, x >= 0.1: at the cheapest only the last has a dual.
CUTS = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
UPPER = np.array([0.5, 100.0, -0.1])


def with_cuts() -> tuple[Inside, highs.highspy.Highs]:
    """Inner points, and the LP over the same rows and cuts, solved."""
    inside, lp = Inside(PROGRAM, 1), highs.hand_off_program(PROGRAM, highs.Options())
    inside.add(CUTS, UPPER)
    add_rows(lp, CUTS, UPPER)
    lp.run()
    return inside, lp


def cuts_in(inside: Inside) -> int:
    return inside.solver.getNumRow() - len(PROGRAM.row_upper)


def test_a_point_is_inside_and_costs_no_more_than_the_level() -> None:
    inside, _ = with_cuts()
    x = inside.point(4.0)
    assert x is not None
    assert 0.1 < x[0] < 0.5
    assert x[1] > 0.1 and COST @ x < 4.0
    assert inside.point(0.1) is None, "x >= 0.1 costs 0.2"


def test_without_cuts() -> None:
    x = Inside(PROGRAM, 1).point(np.inf)
    assert x is not None
    assert x[0] > 0.5


def test_cuts_that_the_lp_does_not_need_are_left_out_until_a_point_breaks_one() -> None:
    inside, lp = with_cuts()
    for _ in range(IDLE - 1):
        inside.learn(lp)
    assert inside.point(np.inf) is not None
    assert cuts_in(inside) == 3
    inside.learn(lp)
    x = inside.point(np.inf)
    assert x is not None
    assert x[0] <= 0.5 + 1e-6
    assert cuts_in(inside) == 2, "x <= 0.5 is back, z <= 100 is not"


def test_a_cut_that_comes_takes_the_place_of_one_that_goes() -> None:
    inside, lp = with_cuts()
    for _ in range(IDLE):
        inside.learn(lp)
    inside.add(CUTS[:2], np.array([0.4, 0.3]))
    x = inside.point(np.inf)
    assert x is not None
    assert 0.1 < x[0] < 0.4 and x[1] < 0.3
    assert cuts_in(inside) == 3, "x >= 0.1 and the new ones"


def test_a_cut_is_idle_after_so_many_lps_in_a_row() -> None:
    inside, lp = with_cuts()
    lp.changeColCost(0, -2.0)
    lp.run()
    inside.learn(lp)
    lp.changeColCost(0, 2.0)
    lp.run()
    for _ in range(IDLE - 1):
        inside.learn(lp)
    lp.changeColCost(0, -2.0)
    lp.run()
    inside.learn(lp)
    inside.point(np.inf)
    assert cuts_in(inside) == 2, "x <= 0.5 was needed again, x >= 0.1 a moment ago, z <= 100 never"


def test_where_the_cuts_contradict_each_other_there_is_no_point() -> None:
    inside, lp = with_cuts()
    for _ in range(IDLE):
        inside.learn(lp)
    inside.add(CUTS[:1], np.array([0.05]))
    assert inside.point(np.inf) is None


def test_points_are_found_the_same_way_whatever_else_is_installed() -> None:
    solver = Inside(PROGRAM, 1).solver
    assert solver.getOptionValue("solver")[1] == "ipx"
    assert solver.getOptionValue("run_crossover")[1] == "off"
    assert solver.getOptionValue("presolve")[1] == "off"
    assert solver.getOptionValue("ipm_iteration_limit")[1] == ITERATIONS
