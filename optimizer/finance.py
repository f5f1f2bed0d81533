"""Money over time and rate-making: pure functions, no model.

All rates are shares per year (0.05 is 5 %); money is real dollars of the instance's price year unless a name says
``nominal``. A payment of calendar year y is discounted by ``(1 + rate)**(y - base_year)``: money of the base year
counts in full.

Sources
-------
Discounting, annuities, capital recovery: any engineering-economics text; Short, Packey, Holt (1995), *A Manual for
the Economic Evaluation of Energy Efficiency and Renewable Energy Technologies*, NREL/TP-462-5173, chapter 2.
Tax depreciation: IRS Publication 946, table A-1. Effective cost after tax: NREL Annual Technology Baseline (ATB),
"project finance factor". Revenue requirement: rate base times allowed return, plus depreciation, taxes and expenses,
the usual cost-of-service formula, with straight-line book depreciation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

#: Yearly share of the tax basis, half-year convention, by recovery period in years (IRS Pub. 946, table A-1).
MACRS: dict[int, tuple[float, ...]] = {
    3: (0.3333, 0.4445, 0.1481, 0.0741),
    5: (0.20, 0.32, 0.192, 0.1152, 0.1152, 0.0576),
    7: (0.1429, 0.2449, 0.1749, 0.1249, 0.0893, 0.0892, 0.0893, 0.0446),
    10: (0.10, 0.18, 0.144, 0.1152, 0.0922, 0.0737, 0.0655, 0.0655, 0.0656, 0.0655, 0.0328),
    15: (
        *(0.05, 0.095, 0.0855, 0.077, 0.0693, 0.0623, 0.059, 0.059, 0.0591, 0.059),
        *(0.0591, 0.059, 0.0591, 0.059, 0.0591, 0.0295),
    ),
    20: (
        *(0.0375, 0.07219, 0.06677, 0.06177, 0.05713, 0.05285, 0.04888, 0.04522, 0.04462, 0.04461),
        *(0.04462, 0.04461, 0.04462, 0.04461, 0.04462, 0.04461, 0.04462, 0.04461, 0.04462, 0.04461),
        0.02231,
    ),
}


def discount_factor(year: int, base_year: int, rate: float) -> float:
    """Present value, in the base year, of one dollar paid in ``year``.

    ``(1 + rate)**-(year - base_year)``, dimensionless. NREL/TP-462-5173, section 2.1.

    Examples
    --------
    >>> discount_factor(2028, 2026, 0.25)  # 1 / 1.25 / 1.25
    0.64
    """
    _require(rate > -1, "rate", rate, "must be > -1")
    return float((1 + rate) ** -(year - base_year))


def year_weight(year: int, represented: int, base_year: int, rate: float) -> float:
    """Present value of one dollar a year over the calendar years that a planning year stands for.

    ``sum of discount_factor(year + j) over j = 0..represented-1``, in years.

    Examples
    --------
    >>> year_weight(2026, 2, 2026, 0.25)  # 1 + 0.8
    1.8
    """
    _require(represented >= 1, "represented", represented, "must be >= 1 year")
    return sum(discount_factor(year + j, base_year, rate) for j in range(represented))


def capital_recovery_factor(rate: float, life: int) -> float:
    """Level yearly payment over ``life`` years, first one a year from now, per dollar borrowed now (1/year).

    ``rate / (1 - (1 + rate)**-life)``; ``1/life`` without interest. NREL/TP-462-5173, section 2.3.

    Examples
    --------
    >>> capital_recovery_factor(0.0, 20)
    0.05
    >>> round(capital_recovery_factor(1.0, 2), 9)  # 0.75 / 2 + 0.75 / 4 = 0.5625, and 1 / (1 - 1/4) = 4/3
    1.333333333
    """
    _require(rate > -1, "rate", rate, "must be > -1")
    _require_life(life)
    return 1 / life if rate == 0 else rate / -math.expm1(-life * math.log1p(rate))


def spend_by_year(service_year: int, curve: Mapping[int, float], base_year: int) -> dict[int, float]:
    """Share of a capital cost spent in each calendar year.

    Parameters
    ----------
    service_year
        Year that the plant enters service.
    curve
        Years before service -> share of the capital cost; the shares sum to 1.
    base_year
        Money due before it is paid in it: decisions are made then.

    Examples
    --------
    >>> spend_by_year(2028, {0: 0.5, 1: 0.3, 3: 0.2}, 2026)  # the 0.2 of 2025 is paid in 2026
    {2026: 0.2, 2027: 0.3, 2028: 0.5}
    """
    shares = list(curve.values())
    _require(all(share >= 0 for share in shares), "curve", dict(curve), "must have shares >= 0")
    _require(abs(sum(shares) - 1) <= 1e-6, "curve", dict(curve), "must have shares that sum to 1")
    spend: dict[int, float] = {}
    for before, share in sorted(curve.items(), reverse=True):
        _require(before >= 0, "curve", before, "must have years before service >= 0")
        year = max(service_year - before, base_year)
        spend[year] = spend.get(year, 0.0) + share
    return spend


def present_value_of_spend(service_year: int, curve: Mapping[int, float], base_year: int, rate: float) -> float:
    """Present value, in the base year, per dollar of capital cost (see `spend_by_year`).

    Examples
    --------
    >>> present_value_of_spend(2028, {0: 0.5, 1: 0.5}, 2026, 0.25)  # 0.5 * 0.64 + 0.5 * 0.8
    0.72
    """
    spend = spend_by_year(service_year, curve, base_year)
    return sum(share * discount_factor(year, base_year, rate) for year, share in spend.items())


def remaining_annuities(
    service_year: int, life: int, horizon_end: int, wacc: float, base_year: int, rate: float
) -> float:
    """Present value of the annuities still to come after the horizon, per dollar of capital cost.

    The value left in a plant when the model stops looking. Capital is paid when service begins, so the annuities that
    are worth as much are due at the start of each year of service, not at its end:
    ``CRF(wacc, life) / (1 + wacc) * sum of discount_factor(t) over t = horizon_end..service_year+life-1``.
    A plant that was never used is worth its cost, if ``wacc`` is ``rate``.

    Parameters
    ----------
    horizon_end
        First calendar year after the horizon.
    wacc
        Real cost of capital that the annuities carry.
    rate
        Real discount rate of present values.

    Examples
    --------
    >>> remaining_annuities(2026, 4, 2028, 0.0, 2026, 0.0)  # half of the life is left
    0.5
    >>> remaining_annuities(2026, 3, 2028, 0.0, 2026, 0.25)  # a third of the cost, in 2028: 0.64 / 3
    0.21333333333333332
    >>> remaining_annuities(2026, 2, 2026, 0.25, 2026, 0.25)  # not used yet: two annuities of 5/9, at 1 and 0.8
    1.0
    """
    annuity = capital_recovery_factor(wacc, life) / (1 + wacc)
    after = range(max(horizon_end, service_year), service_year + life)
    return annuity * sum(discount_factor(year, base_year, rate) for year in after)


def depreciation_present_value(macrs_years: int, bonus_share: float, nominal_rate: float) -> float:
    """Present value of tax depreciation per dollar of tax basis.

    The bonus is written off in the first tax year, the rest by the MACRS table; the first tax year is discounted
    once, as in the NREL ATB. The rate is nominal: the tax basis does not grow with inflation.

    Examples
    --------
    >>> depreciation_present_value(5, 1.0, 0.25)  # all of it, one year from now
    0.8
    >>> round(depreciation_present_value(3, 0.0, 1.0), 7)  # 0.3333/2 + 0.4445/4 + 0.1481/8 + 0.0741/16
    0.3009187
    """
    _require_macrs(macrs_years)
    _require_share("bonus_share", bonus_share)
    _require(nominal_rate > -1, "nominal_rate", nominal_rate, "must be > -1")
    rest = sum(part / (1 + nominal_rate) ** j for j, part in enumerate(MACRS[macrs_years], 1))
    return float(bonus_share / (1 + nominal_rate) + (1 - bonus_share) * rest)


def depreciation_by_year(service_year: int, macrs_years: int, bonus_share: float) -> dict[int, float]:
    """Share of the tax basis written off in each calendar year.

    The bonus in the year of service, the rest by the MACRS table from that year on (IRS Publication 946).

    Examples
    --------
    >>> depreciation_by_year(2030, 3, 1.0)[2030]
    1.0
    >>> [round(share, 5) for share in depreciation_by_year(2030, 3, 0.5).values()]  # 0.5 + 0.5 * 0.3333 first
    [0.66665, 0.22225, 0.07405, 0.03705]
    """
    _require_macrs(macrs_years)
    _require_share("bonus_share", bonus_share)
    shares = {service_year + j: (1 - bonus_share) * part for j, part in enumerate(MACRS[macrs_years])}
    return shares | {service_year: bonus_share + shares[service_year]}


def effective_cost_factor(itc: float, tax_rate: float, depreciation_pv: float) -> float:
    """Capital cost after investment credit and depreciation, in pre-tax dollars, per dollar of gross cost.

    ``(1 - itc - tax_rate * (1 - itc/2) * depreciation_pv) / (1 - tax_rate)``: NREL ATB project finance factor, with
    the tax basis lowered by half the credit (26 U.S.C. 50(c)(3)) and the credit's own value before tax.

    Examples
    --------
    >>> effective_cost_factor(0.0, 0.25, 1.0)  # written off at once: tax does not matter
    1.0
    >>> effective_cost_factor(0.5, 0.25, 0.8)  # (1 - 0.5 - 0.25 * 0.75 * 0.8) / 0.75 = 0.35 / 0.75
    0.4666666666666666
    """
    _require_share("itc", itc)
    _require(0 <= tax_rate < 1, "tax_rate", tax_rate, "must be >= 0 and < 1")
    _require(depreciation_pv >= 0, "depreciation_pv", depreciation_pv, "must be >= 0")
    return (1 - itc - tax_rate * (1 - itc / 2) * depreciation_pv) / (1 - tax_rate)


def nominal_rate(real: float, inflation: float) -> float:
    """Nominal rate of a real rate and inflation (Fisher): ``(1 + real) * (1 + inflation) - 1``.

    Examples
    --------
    >>> nominal_rate(0.25, 0.5)  # 1.25 * 1.5 - 1
    0.875
    """
    return (1 + real) * (1 + inflation) - 1


def price_level(year: int, price_year: int, inflation: float) -> float:
    """Dollars of a year per dollar of the price year: ``(1 + inflation)**(year - price_year)``.

    Examples
    --------
    >>> price_level(2028, 2026, 0.5)  # 1.5 * 1.5
    2.25
    """
    return _price_level(year - price_year, inflation)


def revenue_requirement(
    age: int,
    life: int,
    equity_share: float,
    roe: float,
    debt_rate: float,
    tax_rate: float,
    property_share: float,
    inflation: float,
) -> float:
    """Revenue a utility must collect in a year, in real dollars per real dollar of gross plant (1/year).

    In the dollars of the year: return on the undepreciated share of the plant, with income tax on the equity
    part, plus straight-line depreciation, plus property tax and insurance on gross plant::

        (1 - age/life) * (equity_share * roe/(1 - tax_rate) + (1 - equity_share) * debt_rate) + 1/life + property_share

    Rate base is original cost, so inflation erodes it: the sum is divided by ``(1 + inflation)**age``. Zero before
    service and at the end of life.

    Parameters
    ----------
    age
        Full years in service; 0 in the first.
    roe, debt_rate
        Allowed return on equity and cost of debt, nominal.

    Examples
    --------
    >>> round(revenue_requirement(0, 30, 0.5, 0.099, 0.05, 0.2574, 0.015, 0.0), 4)  # 0.0917 + 0.0333 + 0.015
    0.14
    >>> round(revenue_requirement(29, 30, 0.5, 0.099, 0.05, 0.2574, 0.015, 0.0), 4)  # 0.0917/30 + 0.0333 + 0.015
    0.0514
    >>> revenue_requirement(1, 2, 1.0, 0.1, 0.0, 0.0, 0.0, 0.25)  # (0.5 * 0.1 + 0.5) / 1.25
    0.44000000000000006
    """
    _require_life(life)
    _require_share("equity_share", equity_share)
    _require(0 <= tax_rate < 1, "tax_rate", tax_rate, "must be >= 0 and < 1")
    if not 0 <= age < life:
        return 0.0
    allowed_return = equity_share * roe / (1 - tax_rate) + (1 - equity_share) * debt_rate
    nominal = (1 - age / life) * allowed_return + 1 / life + property_share
    return nominal / _price_level(age, inflation)


def net_book_value(age: int, life: int, inflation: float) -> float:
    """Undepreciated share of gross plant at the start of the year, in real dollars per real dollar.

    ``(1 - age/life) / (1 + inflation)**age``; 0 before service and at the end of life.

    Examples
    --------
    >>> net_book_value(1, 5, 0.25)  # 0.8 / 1.25
    0.64
    """
    _require_life(life)
    return (1 - age / life) / _price_level(age, inflation) if 0 <= age < life else 0.0


def escalate(value: float, change: float, year: int, base_year: int) -> float:
    """Value that changes by a fixed share a year from the base year: ``value * (1 + change)**(year - base_year)``.

    Examples
    --------
    >>> escalate(100.0, 0.5, 2028, 2026)  # 100 * 1.5 * 1.5
    225.0
    """
    _require(change > -1, "change", change, "must be > -1")
    return float(value * (1 + change) ** (year - base_year))


def _price_level(age: int, inflation: float) -> float:
    _require(inflation > -1, "inflation", inflation, "must be > -1")
    return float((1 + inflation) ** age)


def _require_life(life: int) -> None:
    _require(life >= 1, "life", life, "must be >= 1 year")


def _require_macrs(years: int) -> None:
    _require(years in MACRS, "macrs_years", years, f"must be one of {', '.join(map(str, MACRS))}")


def _require_share(name: str, value: float) -> None:
    _require(0 <= value <= 1, name, value, "must be a share between 0 and 1")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise where an argument breaks its rule (NaN breaks all of them)."""
    if not holds:
        raise ValueError(f"{name} = {value}: {rule}")
