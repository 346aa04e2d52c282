"""Evaluate an experiment over data: every config on every row, scored and compared."""

from spearmint.evaluation.agreement import agreement
from spearmint.evaluation.budget import Budget
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.marks import precomputed
from spearmint.evaluation.pairwise import Pairwise
from spearmint.evaluation.race import Race

__all__ = ["Budget", "Limits", "Pairwise", "Race", "agreement", "precomputed"]
