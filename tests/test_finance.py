"""Formulas of finance.py against numbers worked out by hand and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import finance

RATES = st.floats(0.0, 0.4)
LIVES = st.integers(1, 60)
PLANT = {"equity_share": 0.5, "roe": 0.099, "debt_rate": 0.05, "tax_rate": 0.2574, "property_share": 0.015}


def requirement(age: int, life: int = 30, inflation: float = 0.0) -> float:
    return finance.revenue_requirement(age, life, **PLANT, inflation=inflation)


def test_a_dollar_of_the_base_year_counts_in_full() -> None:
    assert finance.discount_factor(2026, 2026, 0.07) == 1
    assert finance.discount_factor(2027, 2026, 0.25) == pytest.approx(0.8)
    assert finance.discount_factor(2025, 2026, 0.25) == pytest.approx(1.25)


def test_planning_year_carries_every_calendar_year_it_stands_for() -> None:
    # 0.8 + 0.64 + 0.512
    assert finance.year_weight(2027, 3, 2026, 0.25) == pytest.approx(1.952)
    assert finance.year_weight(2040, 5, 2026, 0.0) == 5


@given(rate=st.floats(1e-12, 0.4), life=LIVES)
def test_annuities_pay_back_the_loan(rate: float, life: int) -> None:
    annuity = finance.capital_recovery_factor(rate, life)
    assert annuity * sum((1 + rate) ** -t for t in range(1, life + 1)) == pytest.approx(1)


def test_annuity_without_interest_is_a_share_of_the_loan() -> None:
    assert finance.capital_recovery_factor(0.0, 25) == 0.04
    assert finance.capital_recovery_factor(1e-15, 25) == pytest.approx(0.04, rel=1e-9)


def test_money_due_before_the_base_year_is_paid_in_it() -> None:
    curve = {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}
    assert finance.spend_by_year(2027, curve, 2026) == pytest.approx({2026: 0.9, 2027: 0.1})
    # 0.9 + 0.1 * 0.8
    assert finance.present_value_of_spend(2027, curve, 2026, 0.25) == pytest.approx(0.98)


@given(service=st.integers(2026, 2050), first=st.floats(0, 1), rate=RATES)
def test_all_capital_is_spent_once(service: int, first: float, rate: float) -> None:
    spend = finance.spend_by_year(service, {0: first, 4: 1 - first}, 2026)
    assert sum(spend.values()) == pytest.approx(1)
    assert min(spend) >= 2026
    at_once = finance.discount_factor(service, 2026, rate)
    assert at_once - 1e-12 <= finance.present_value_of_spend(service, {0: first, 4: 1 - first}, 2026, rate) <= 1 + 1e-12


def test_value_left_after_the_horizon() -> None:
    # 10 years from 2028, horizon ends with 2030: 7 of 10 annuities are left, undiscounted
    assert finance.remaining_annuities(2028, 10, 2031, 0.0, 2026, 0.0) == pytest.approx(0.7)
    # the life has ended
    assert finance.remaining_annuities(2026, 4, 2030, 0.05, 2026, 0.05) == 0
    # CRF(1, 2) = 4/3, due a year earlier 2/3; one is left, in 2028: 2/3 * 0.64
    assert finance.remaining_annuities(2027, 2, 2028, 1.0, 2026, 0.25) == pytest.approx(2 / 3 * 0.64)


@given(rate=RATES, life=LIVES)
def test_a_plant_that_was_never_used_is_worth_its_cost(rate: float, life: int) -> None:
    cost = finance.discount_factor(2030, 2026, rate)
    assert finance.remaining_annuities(2030, life, 2030, rate, 2026, rate) == pytest.approx(cost)


@given(rate=RATES, life=LIVES, cut=st.integers(0, 60))
def test_annuities_before_and_after_the_horizon_are_all_annuities(rate: float, life: int, cut: int) -> None:
    annuity = finance.capital_recovery_factor(rate, life) / (1 + rate)
    before = sum(finance.discount_factor(2030 + t, 2026, rate) for t in range(min(cut, life)))
    after = finance.remaining_annuities(2030, life, 2030 + cut, rate, 2026, rate)
    everything = finance.remaining_annuities(2030, life, 2030, rate, 2026, rate)
    assert annuity * before + after == pytest.approx(everything)


@pytest.mark.parametrize("years", finance.MACRS)
def test_depreciation_table_writes_off_the_basis(years: int) -> None:
    assert len(finance.MACRS[years]) == years + 1
    assert sum(finance.MACRS[years]) == pytest.approx(1, abs=1e-9)
    assert finance.depreciation_present_value(years, 0.0, 0.0) == pytest.approx(1)


def test_bonus_depreciation_comes_first() -> None:
    # 0.6 / 2 + 0.4 * (0.3333/2 + 0.4445/4 + 0.1481/8 + 0.0741/16)
    assert finance.depreciation_present_value(3, 0.6, 1.0) == pytest.approx(0.3 + 0.4 * 0.30091875)


@pytest.mark.parametrize("years", finance.MACRS)
def test_depreciation_by_year_is_what_its_present_value_discounts(years: int) -> None:
    """The first tax year is discounted once."""
    shares = finance.depreciation_by_year(2030, years, 0.4)
    assert list(shares) == list(range(2030, 2031 + years))
    assert sum(shares.values()) == pytest.approx(1)
    value = sum(share / 1.07 ** (year - 2029) for year, share in shares.items())
    assert value == pytest.approx(finance.depreciation_present_value(years, 0.4, 0.07))


def test_price_level() -> None:
    assert finance.price_level(2026, 2024, 0.025) == pytest.approx(1.050625)
    assert finance.price_level(2023, 2024, 0.25) == pytest.approx(0.8)


def test_effective_cost_after_tax() -> None:
    assert finance.effective_cost_factor(0.0, 0.0, 0.0) == 1
    # (1 - 0.3 - 0.2 * 0.85 * 0.5) / 0.8
    assert finance.effective_cost_factor(0.3, 0.2, 0.5) == pytest.approx(0.76875)


def test_revenue_requirement_is_front_loaded() -> None:
    # return 0.5 * 0.099 / 0.7426 + 0.5 * 0.05 = 0.0916577
    assert requirement(0) == pytest.approx(0.0916577 + 1 / 30 + 0.015, abs=1e-7)
    assert requirement(29) == pytest.approx(0.0916577 / 30 + 1 / 30 + 0.015, abs=1e-7)
    assert all(requirement(age) > requirement(age + 1) for age in range(29))


def test_revenue_requirement_outside_the_life_is_zero() -> None:
    assert requirement(-1) == requirement(30) == 0
    assert finance.net_book_value(-1, 30, 0.02) == finance.net_book_value(30, 30, 0.02) == 0


def test_inflation_erodes_rate_base() -> None:
    assert requirement(3, inflation=0.02) == pytest.approx(requirement(3) / 1.02**3)
    assert finance.net_book_value(2, 4, 0.25) == pytest.approx(0.5 / 1.5625)


@given(life=LIVES, inflation=st.floats(0, 0.1), cost=st.floats(0, 0.2))
def test_revenue_requirement_is_worth_the_plant(life: int, inflation: float, cost: float) -> None:
    """Paid at the end of each year and discounted at the allowed return, it returns the dollar invested, no more."""
    paid = (
        finance.revenue_requirement(age, life, 0.0, 0.0, cost, 0.0, 0.0, inflation) * (1 + inflation) ** age
        for age in range(life)
    )
    assert sum(nominal / (1 + cost) ** age for age, nominal in enumerate(paid, 1)) == pytest.approx(1)


def test_rates_and_escalation() -> None:
    assert finance.nominal_rate(0.05, 0.02) == pytest.approx(0.071)
    assert finance.escalate(50.0, -0.1, 2028, 2026) == pytest.approx(40.5)
    assert finance.escalate(50.0, 0.03, 2026, 2026) == 50


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: finance.capital_recovery_factor(0.05, 0), "life = 0"),
        (lambda: finance.capital_recovery_factor(-1.0, 5), "rate = -1"),
        (lambda: finance.capital_recovery_factor(math.nan, 5), "rate = nan"),
        (lambda: finance.year_weight(2026, 0, 2026, 0.05), "represented = 0"),
        (lambda: finance.discount_factor(2026, 2026, -2.0), "rate = -2"),
        (lambda: finance.spend_by_year(2026, {0: 0.5}, 2026), "sum to 1"),
        (lambda: finance.spend_by_year(2026, {}, 2026), "sum to 1"),
        (lambda: finance.spend_by_year(2026, {-1: 1.0}, 2026), "years before service"),
        (lambda: finance.spend_by_year(2026, {0: 1.5, 1: -0.5}, 2026), "shares >= 0"),
        (lambda: finance.depreciation_present_value(4, 0.0, 0.05), "3, 5, 7, 10, 15, 20"),
        (lambda: finance.depreciation_present_value(5, 1.5, 0.05), "bonus_share = 1.5"),
        (lambda: finance.depreciation_by_year(2030, 6, 0.0), "macrs_years = 6"),
        (lambda: finance.price_level(2030, 2024, -1.0), "inflation = -1"),
        (lambda: finance.effective_cost_factor(0.3, 1.0, 0.5), "tax_rate = 1.0"),
        (lambda: finance.effective_cost_factor(-0.1, 0.2, 0.5), "itc = -0.1"),
        (lambda: finance.revenue_requirement(0, 0, 0.5, 0.1, 0.05, 0.2, 0.0, 0.0), "life = 0"),
        (lambda: finance.revenue_requirement(0, 5, 0.5, 0.1, 0.05, 1.0, 0.0, 0.0), "tax_rate = 1.0"),
        (lambda: finance.net_book_value(0, -3, 0.0), "life = -3"),
        (lambda: finance.net_book_value(1, 3, -1.0), "inflation = -1"),
        (lambda: finance.escalate(1.0, -1.0, 2027, 2026), "change = -1"),
    ],
)
def test_nonsense_is_refused(call: object, words: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        call()
