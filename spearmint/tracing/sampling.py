"""Which calls are traced, and what ties the traces of one call together."""

import os
import random

from spearmint.registry.experiment import ExperimentFunction
from spearmint.tracing.exporter import exporter
from spearmint.tracing.span import UNSAMPLED, Trace, Unsampled, span_var

# Of its own, as a user's `random.seed` must give neither the same ids twice nor the same sample.
id_source = random.Random()  # noqa: S311 - no secret
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=id_source.seed)


class SamplingDecision:
    """What is decided for one call: whether main and its variants are traced, and what ties them together.

    Args:
        compares: Whether there are variants, whose results are compared with main's.

    Attributes:
        call_id: The same for all of them.
        main: Main's trace, once it has begun.
        early: Traces of variants that ended before main began, which takes them along.
        has_main: Whether variants wait for main, which has begun or is to begin.
    """

    __slots__ = ("call_id", "compares", "early", "has_main", "main")

    def __init__(self, *, compares: bool = False) -> None:
        self.call_id = f"{id_source.getrandbits(64):016x}"
        self.compares = compares
        self.main: Trace | None = None
        self.early: list[Trace] = []
        self.has_main = compares  # A call that a variant leaves behind is a variant's, and has no main.

    def take_main(self, main: Trace) -> None:
        """Let variants wait for main, which has begun, those among them that have ended already."""
        self.main = main
        for one in tuple(self.early):
            one.main = main
            main.waiting.append(one)
        self.early.clear()  # What comes later finds main.

    def do_without_main(self) -> None:
        """Let variants wait no longer for main, which does not begin."""
        self.has_main = False
        for one in tuple(self.early):
            exporter.put(one)
        self.early.clear()  # What comes later finds that there is none.


def sample(experiment: ExperimentFunction, *, compares: bool = False) -> SamplingDecision | Unsampled:
    """Sample a call: return `UNSAMPLED` where it is not traced."""
    if isinstance(span_var.get(), Unsampled):
        return UNSAMPLED
    rate: float = exporter.options.sample_rate if experiment.sample_rate is None else experiment.sample_rate
    is_sampled = rate >= 1 or id_source.random() < rate
    return SamplingDecision(compares=compares) if is_sampled else UNSAMPLED
