"""How the main config and the variants of a call are chosen."""

from spearmint.strategies.bandit import BanditStrategy
from spearmint.strategies.builtin import (
    MultiBranchStrategy,
    RoundRobinStrategy,
    ShadowStrategy,
    SingleConfigStrategy,
    Strategy,
)
from spearmint.strategies.split import SplitStrategy

__all__ = [
    "BanditStrategy",
    "MultiBranchStrategy",
    "RoundRobinStrategy",
    "ShadowStrategy",
    "SingleConfigStrategy",
    "SplitStrategy",
    "Strategy",
]
