"""Present values and rates of return against figures worked out by hand, and against each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.returns import irrs, levelised_charge, npv

AMOUNTS = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=12)


def test_annuity_of_three_years() -> None:
    # 100 * (0.8 + 0.64 + 0.512) = 195.2
    assert npv(0.25, [-195.2, 100, 100, 100]) == pytest.approx(0, abs=1e-10)
    assert irrs([-195.2, 100, 100, 100]) == pytest.approx((0.25,))


def test_a_mine_that_must_be_restored_has_two_returns() -> None:
    # Brealey, Myers, Allen: the textbook case. -1600 + 10000 x - 10000 x^2 = 0 at x = 0.2 and 0.8
    assert irrs([-1600, 10_000, -10_000]) == pytest.approx((0.25, 4.0))


def test_three_returns_in_order() -> None:
    # (1 - 1.1 x)(1 - 1.5 x)(1 - 3 x)
    assert irrs([-1000, 5600, -9450, 4950]) == pytest.approx((0.1, 0.5, 2.0))


def test_a_loss_has_a_negative_return() -> None:
    assert irrs([-100, 50]) == pytest.approx((-0.5,))
    assert irrs([-100, 0, 0, 12.5]) == pytest.approx((-0.5,))


@pytest.mark.parametrize("amounts", [[], [5.0], [0.0, 0.0], [-1.0, -2.0], [3.0, 1.0], [-100.0, 150.0, -100.0]])
def test_none_is_none(amounts: list[float]) -> None:
    assert irrs(amounts) == ()


def test_rounding_noise_has_no_return() -> None:
    assert irrs([100.0, 200.0, -1e-7]) == ()


def test_money_back_returns_nothing() -> None:
    assert irrs([-100, 40, 60]) == pytest.approx((0.0,), abs=1e-12)


@given(AMOUNTS)
def test_every_return_has_an_npv_of_zero(amounts: list[float]) -> None:
    for rate in irrs(amounts):
        scale = sum(abs(amount) * (1 + rate) ** -t for t, amount in enumerate(amounts))
        assert abs(npv(rate, amounts)) <= 1e-9 * scale


@given(AMOUNTS)
def test_never_more_returns_than_changes_of_sign(amounts: list[float]) -> None:
    """Descartes' rule of signs; an odd number of changes has a root of NPV, within the rates that are searched."""
    signs = [amount > 0 for amount in amounts if amount]
    changes = sum(a != b for a, b in pairwise(signs))
    found = irrs(amounts)
    assert len(found) <= changes
    if changes % 2 and npv(-0.99, amounts) * npv(99.0, amounts) < 0:
        assert len(found) % 2 == 1


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_levelised_charge_returns_its_rate(rate: float, inflation: float) -> None:
    costs, mwh = {2026: 1000.0, 2027: 100.0, 2028: -300.0}, {2027: 10.0, 2028: 12.0}
    charge = levelised_charge(costs, mwh, 2026, rate)
    net = [charge * mwh.get(year, 0.0) - usd for year, usd in costs.items()]
    assert npv(rate, net) == pytest.approx(0, abs=1e-9)
    nominal = [amount * (1 + inflation) ** t for t, amount in enumerate(net)]
    assert npv((1 + rate) * (1 + inflation) - 1, nominal) == pytest.approx(0, abs=1e-9)


def test_nothing_delivered_cannot_be_charged_for() -> None:
    with pytest.raises(ValueError, match="no energy is delivered"):
        levelised_charge({2026: 1.0}, {2026: 0.0}, 2026, 0.05)
