"""Experiments that other processes import by name."""

from dataclasses import dataclass
from enum import Enum

from spearmint import Config, Spearmint
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"limit": 3}, {"limit": 5}])


@mint.experiment
def repeat(text: str, config: Config) -> str:
    return text * config.limit


@mint.experiment(strategy=ShadowStrategy)
def repeat_shadowed(text: str, config: Config) -> str:
    return text * config.limit


@mint.experiment
async def arepeat(text: str, config: Config) -> str:
    return text * config.limit


@dataclass
class Repeater:
    text: str

    @mint.experiment
    def repeat(self, config: Config) -> str:
        return self.text * config.limit

    @classmethod
    @mint.experiment
    def make(cls, config: Config) -> "Repeater":
        return cls("c" * config.limit)

    @mint.experiment
    @staticmethod
    def count(text: str, config: Config) -> int:
        return len(text) * config.limit


class Word(Enum):
    A = "a"

    @mint.experiment
    def repeat(self, config: Config) -> str:
        return self.value * config.limit


def compute(text: str) -> str:
    return repeat(text)  # type: ignore[call-arg]
