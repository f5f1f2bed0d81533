"""How much generation, storage and transmission to fund at each data-centre site, with local rates kept flat.

The names below are imported on first use, so that ``import optimizer`` and ``optimizer --help`` are instant.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optimizer.benders import Memory as Memory
    from optimizer.check import check as check
    from optimizer.compare import compare as compare
    from optimizer.instance import read_instance as read_instance
    from optimizer.instance import write_instance as write_instance
    from optimizer.overrides import apply_overrides as apply_overrides
    from optimizer.plan import Plan as Plan
    from optimizer.plan import read_plan as read_plan
    from optimizer.pledge import price_of_pledge as price_of_pledge
    from optimizer.problems import InstanceError as InstanceError
    from optimizer.replay import replay as replay
    from optimizer.solve import solve as solve
    from optimizer.sweep import sweep as sweep
    from optimizer.synthetic import synthetic as synthetic
    from optimizer.variants import grid as grid
    from optimizer.variants import latin_hypercube as latin_hypercube
    from optimizer.variants import read_scenarios as read_scenarios
    from optimizer.whatif.near_optimal import near_optimal as near_optimal
    from optimizer.whatif.pareto import pareto_front as pareto_front
    from optimizer.whatif.regret import regret_matrix as regret_matrix
    from optimizer.whatif.regret import regret_table as regret_table
    from optimizer.whatif.tornado import tornado_table as tornado_table

__version__ = "0.1.0"

#: Public name -> module that defines it.
EXPORTS = {
    "InstanceError": "problems",
    "Memory": "benders",
    "Plan": "plan",
    "apply_overrides": "overrides",
    "check": "check",
    "compare": "compare",
    "grid": "variants",
    "latin_hypercube": "variants",
    "near_optimal": "whatif.near_optimal",
    "pareto_front": "whatif.pareto",
    "price_of_pledge": "pledge",
    "read_instance": "instance",
    "read_plan": "plan",
    "read_scenarios": "variants",
    "regret_matrix": "whatif.regret",
    "regret_table": "whatif.regret",
    "replay": "replay",
    "solve": "solve",
    "sweep": "sweep",
    "synthetic": "synthetic",
    "tornado_table": "whatif.tornado",
    "write_instance": "instance",
}

__all__ = ["__version__", *sorted(EXPORTS)]


def __getattr__(name: str) -> object:
    if name not in EXPORTS:
        raise AttributeError(f"module 'optimizer' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"optimizer.{EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps ``optimizer.solve``, ``optimizer.sweep`` and others that share a name with their module the functions.

    Importing a submodule sets it as an attribute of its package, which would hide the function of the same name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in EXPORTS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
