"""What a stream of yearly cash is worth and what it returns: NPV and IRR by pyxirr, charges that cover a cost.

Amounts are one a year, in order, the first counted in full; received is positive, paid negative. The IRR is the rate
at which the NPV is zero: there may be none, or several. Then the NPV at the owner's rate decides, never an IRR
(Brealey, Myers, Allen, *Principles of Corporate Finance*, chapter 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pyxirr
from scipy.optimize import brentq

from optimizer.finance import discount_factor

#: Rates between which returns are looked for, and how finely: steps of 1 % of (1 + rate).
LOWEST, HIGHEST, STEPS = -0.99, 99.0, 926
#: An amount below this is rounding, US$: it would have a return of its own.
CENT = 0.01


def npv(rate: float, amounts: Sequence[float]) -> float:
    """Present value of yearly amounts, the first one undiscounted.

    Examples
    --------
    >>> npv(0.25, [-100.0, 50.0, 125.0])  # -100 + 50 * 0.8 + 125 * 0.64
    20.0
    """
    value = pyxirr.npv(rate, list(amounts))
    if value is None:
        raise ValueError(f"rate = {rate}: the present value is not a number")
    return value


def irrs(amounts: Sequence[float]) -> tuple[float, ...]:
    """Every rate at which the NPV changes sign, lowest first; empty where there is none.

    Looked for between -99 % and 9,900 % a year. Two rates within a hundredth of (1 + rate) of each other, or one
    at which the NPV touches zero without changing sign, may be missed.

    Examples
    --------
    >>> [round(rate, 9) for rate in irrs([-100.0, 125.0])]  # 125 / 100 - 1
    [0.25]
    >>> [round(rate, 9) for rate in irrs([-100.0, 230.0, -132.0])]  # -100 + 230/1.1 - 132/1.21 = 0, and at 1.2
    [0.1, 0.2]
    >>> irrs([-100.0, 150.0, -100.0])  # 100 x**2 - 150 x + 100 has no real root
    ()
    >>> irrs([-100.0, -5.0])
    ()
    """
    flows = [amount if abs(amount) >= CENT else 0.0 for amount in amounts]
    if not pyxirr.zero_crossing_points(flows):
        return ()
    rates = (np.geomspace(1 + LOWEST, 1 + HIGHEST, STEPS) - 1).tolist()
    values = [npv(rate, flows) for rate in rates]
    found = [rate for rate, value in zip(rates, values, strict=True) if value == 0]
    for (low, high), (at_low, at_high) in zip(pairwise(rates), pairwise(values), strict=True):
        if at_low * at_high < 0:
            found.append(float(brentq(npv, low, high, args=(flows,), xtol=1e-14, rtol=1e-14)))
    return tuple(sorted(found))


def in_words(rates: Sequence[float]) -> str:
    """Returns as a reader should see them.

    Examples
    --------
    >>> in_words([]), in_words([0.0541]), in_words([0.1, 0.2])
    ('no IRR', '5.41 %', 'several IRRs: 10.00 %, 20.00 %; the NPV decides')
    """
    shown = [f"{rate * 100:.2f} %" for rate in rates]
    if len(shown) > 1:
        return f"several IRRs: {', '.join(shown)}; the NPV decides"
    return shown[0] if shown else "no IRR"


def levelised_charge(costs: Mapping[int, float], mwh: Mapping[int, float], base_year: int, rate: float) -> float:
    """Charge on every MWh, constant in the money of the costs, that returns exactly ``rate``, US$/MWh.

    ``sum of cost / (1 + rate)**t over the same sum of MWh``: the levelised cost at that rate (NREL/TP-462-5173,
    section 3.2). Revenue of the charge less the costs has an NPV of zero at the rate.

    Parameters
    ----------
    costs
        Calendar year -> US$ paid, less what is received.
    mwh
        Calendar year -> energy charged for, MWh.

    Examples
    --------
    >>> levelised_charge({2026: 90.0, 2027: 12.5}, {2027: 2.0, 2028: 0.0}, 2026, 0.25)  # (90 + 10) / 1.6
    62.5
    """
    energy = sum(value * discount_factor(year, base_year, rate) for year, value in mwh.items())
    if not energy > 0:
        raise ValueError("no energy is delivered: there is nothing to charge for")
    return sum(value * discount_factor(year, base_year, rate) for year, value in costs.items()) / energy
