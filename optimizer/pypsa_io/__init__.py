"""Exchange with PyPSA: an instance as a PyPSA network, and a PyPSA network as an instance.

What has a counterpart is carried; everything else is listed as a `Loss`, and nothing is invented in its place.

=====================  ==================================================================================
instance               PyPSA
=====================  ==================================================================================
planning year          investment period; its discount weight is the period's objective weighting
step of a resolution   snapshot, weighted by its hours a year; hours of a step are the ``stores`` weighting
zone                   ``Bus``; a market price is a ``Generator`` that buys and sells at it
site                   ``Bus`` whose ``location`` is its zone, with a ``Load`` and ``Link`` to the zone (POI)
corridor               ``Link`` both ways; with losses, one ``Link`` each way
fuel in a zone         ``Bus`` and ``Generator`` with the fuel as carrier
funding option         extendable component for each year of service, its own ``Carrier`` (nice name: technology)
existing asset         component that cannot be extended
block                  ``p_nom_mod``; most blocks: ``p_nom_max`` and a limit on the carrier
real cost of capital   ``discount_rate`` of the component; capital is paid in annuities
availability target    ``Generator`` of carrier "unserved load" with ``e_sum_max``, for each site and year
emissions cap          ``GlobalConstraint`` on primary energy
=====================  ==================================================================================

What neither side's attributes hold (price year, base year, ...) stands in the network's ``meta``.
"""

from optimizer.pypsa_io.exporting import to_network
from optimizer.pypsa_io.files import read_network, write_network
from optimizer.pypsa_io.importing import from_network
from optimizer.pypsa_io.losses import Loss
from optimizer.pypsa_io.settings import MissingSettings, Settings, read_settings

__all__ = [
    "Loss",
    "MissingSettings",
    "Settings",
    "from_network",
    "read_network",
    "read_settings",
    "to_network",
    "write_network",
]
