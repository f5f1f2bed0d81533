"""Say why an instance has no plan, and what another unit of anything would be worth in a plan.

``explain_infeasible`` finds the cheapest set of relaxations and the requirements that contradict each other;
``marginal_values`` reads the prices of limits off a plan with its investments fixed; ``runner_up`` says what one block
more or fewer of each investment would cost.
"""

from __future__ import annotations

from optimizer.explain.conflict import Explanation, explain_infeasible
from optimizer.explain.marginal import marginal_values
from optimizer.explain.runner_up import runner_up

__all__ = ["Explanation", "explain_infeasible", "marginal_values", "runner_up"]
