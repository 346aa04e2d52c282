"""Online experiments: who was exposed to which arm, and what came of it."""

from spearmint.assignment.hashing import bucket
from spearmint.online.options import ExposureStats
from spearmint.online.outcomes import token, track

__all__ = ["ExposureStats", "bucket", "token", "track"]
