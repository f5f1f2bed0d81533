"""What if: what drives the cost, what it trades off against, what else costs nearly as little, what would be regretted.

``tornado`` and ``regret`` solve independent cases on a Dask cluster. ``pareto`` and ``near_optimal`` search one model
again and again, each time from the plans that are known already, so they run in one process. Every plan that a table
speaks of has passed the checker.
"""

from __future__ import annotations
