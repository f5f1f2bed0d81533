"""Plans under uncertainty: what is ordered by the commitment year is common to all futures, the rest is not."""

from optimizer.uncertainty.two_stage import TwoStage, two_stage

__all__ = ["TwoStage", "two_stage"]
