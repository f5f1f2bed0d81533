"""Words and units that export and import share."""

from __future__ import annotations

#: Entry of a network's meta that holds what PyPSA has no attribute for.
META = "community_plan_optimizer"
#: MWh of heat per MMBtu (1 Btu_IT = 1055.05585262 J).
MWH_PER_MMBTU = 1055.05585262 * 1e6 / 3.6e9
#: Carrier of buses and wires.
POWER = "AC"
#: Carriers of a bus that carries electricity.
ELECTRICITY = ("", "AC", "DC")
#: Carrier of the generators that stand for load not served.
UNSERVED = "unserved load"
#: Type of the constraint that limits the blocks of an option over the horizon.
BUILD_LIMIT = "tech_capacity_expansion_limit"


def efficiency(heat_rate_mmbtu_per_mwh: float) -> float:
    """MWh of electricity per MWh of fuel, and back: ``1 / (heat rate * MWh per MMBtu)``.

    Examples
    --------
    >>> round(efficiency(10.0), 4)  # 1 / 2.9307
    0.3412
    >>> round(1 / (efficiency(10.0) * MWH_PER_MMBTU), 9)
    10.0
    """
    return 1 / (heat_rate_mmbtu_per_mwh * MWH_PER_MMBTU)


def vintage_name(option: str, year: int) -> str:
    """Name of an option's component for a year of service."""
    return f"{option}-{year}"
