"""Names of costs and funding modes as a reader outside the model would say them."""

from __future__ import annotations

from optimizer.plan import NOT_CASH

#: Costs whose name alone would puzzle or mislead: salvage is not sold, it is what plant is worth at the end.
SPECIAL = {
    "salvage": "value left in plant",
    "fixed_om": "fixed O&M",
    "variable_om": "variable O&M",
    "contribution": "contributions to utilities",
    "contribution_gross_up": "tax of utilities on contributions",
    "tariff_bills": "bills of utilities",
    "own_capital": "capital of own plant",
}
#: Funding mode -> whose capital it is.
PAYERS = {"own": "sponsor, own plant", "contribution": "sponsor, contribution", "utility": "utility"}


def cost_words(name: str) -> str:
    """Name of a cost for reading; weights of the model, which nobody pays, are told.

    Examples
    --------
    >>> cost_words("make_whole"), cost_words("fixed_om"), cost_words("unserved_penalty")
    ('make whole', 'fixed O&M', 'unserved penalty (not cash)')
    """
    words = SPECIAL.get(name, name.replace("_", " "))
    return f"{words} (not cash)" if name in NOT_CASH else words
