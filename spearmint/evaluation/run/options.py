"""How an evaluation is run: the keyword options of `Spearmint.evaluate`, checked."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, get_args

from spearmint.errors import EvaluationError
from spearmint.evaluation.budget import Budget
from spearmint.evaluation.cost import Prices
from spearmint.evaluation.limits import Limits
from spearmint.evaluation.race import Race
from spearmint.evaluation.run.controller import MOST
from spearmint.evaluation.run.resume import Retry, Stale
from spearmint.execution.pool import variant_pool
from spearmint.statistics.repeats import reducer
from spearmint.suggest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """The options.

    Attributes:
        repeats: How often each case runs on each row.
        executor: Where to run; None for threads of this process.
        resume: The file that results are written to and read from.
        progress: Whether to show progress.
        concurrency: How many cells run at once.
        vary: The experiments whose configs are compared; None for all.
        timeout: Seconds that the function may take on a cell, and each scorer.
        retry: Which stored results run again although they count.
        stale: What happens to stored results of other code, configs or scorers.
        cluster: Where in a row stands what its cluster is known by; None where rows stand for themselves.
        reduce: How the repetitions of a row become one score.
        race: How cases leave the run that fall behind; None to run all of them on all rows.
        usage: Tells the tokens that an output took; None to read spans and outputs.
        prices: What tokens cost, by model.
        budget: What the run may spend; None for no limit.
        store: The SQLite file that results and whole outputs are written to.
        cache: Whether results of earlier runs in it are taken.
        pickle: Whether outputs that JSON cannot say are pickled, and pickled ones read.
        is_rescored: Whether stored outputs alone are scored, and the function is not called.
        limits: How hard the function's services may be pressed; None for one attempt of each call.
        scorer_limits: The same for scorers.
        share: Whether steps and scorers run once for all cells of a row that they have in common.

    Raises:
        EvaluationError: If one is out of range.
    """

    repeats: int = 1
    executor: Executor | None = None
    resume: str | os.PathLike[str] | None = None
    progress: bool = True
    concurrency: int | None = None
    vary: Sequence[Callable[..., Any] | str] | None = None
    timeout: float | None = None
    retry: Retry = "errors"
    stale: Stale = "rerun"
    cluster: str | None = None
    reduce: str = "mean"
    race: Race | None = None
    usage: Callable[[Any], Any] | None = None
    prices: Prices | None = None
    budget: Budget | None = None
    store: str | os.PathLike[str] | None = None
    cache: bool = False
    pickle: bool = False
    is_rescored: bool = False
    share: bool = True
    limits: Limits | None = None
    scorer_limits: Limits | None = None

    def __post_init__(self) -> None:
        for name, value in (("repeats", self.repeats), ("concurrency", self.concurrency)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise _refused(name, value, "it is no whole number from 1. Give one")
        timeout = self.timeout
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if timeout is not None and not (is_number and 0 < timeout < math.inf):
            raise _refused("timeout", timeout, "it is no number of seconds above 0. Give one, or None for no bound")
        for name, word, known in (("retry", self.retry, get_args(Retry)), ("stale", self.stale, get_args(Stale))):
            if word not in known:
                hint = did_you_mean(str(word), known)
                raise _refused(name, word, f"it is none of {', '.join(map(repr, known))}.{hint} Give one of them")
        self._check_calls()
        if self.vary is not None and (isinstance(self.vary, str) or not isinstance(self.vary, Sequence)):
            raise _refused("vary", self.vary, "it is no list. Give functions, or names such as 'shop.rank:score'")
        if self.budget is not None and not isinstance(self.budget, Budget):
            raise _refused("budget", self.budget, "it is no Budget. Give one such as Budget(usd=5)")
        if self.usage is not None and not callable(self.usage):
            raise _refused("usage", self.usage, "it is no function. Give one from an output to its tokens")
        self._check_statistics()
        self._check_store()

    @property
    def is_limited(self) -> bool:
        """Whether a quota may end the run."""
        return self.limits is not None or self.scorer_limits is not None

    @property
    def kept_rows(self) -> int:
        """Of how many rows what they share is remembered: of all that are under way at once, and then some."""
        return 4 * self.calls_at_once() + 16

    def calls_at_once(self, workers: int | None = None) -> int:
        """Return how many cells may be under way at once, on an executor with so many workers if that is known."""
        limits = self.limits
        limited: int | None = None
        if limits is not None:
            is_known = limits.concurrency != "auto" and not callable(limits.per)
            limited = int(limits.concurrency) if is_known else MOST
        return self.concurrency or workers or limited or variant_pool.limits.max_workers

    def _check_calls(self) -> None:
        for name, limits in (("limits", self.limits), ("scorer_limits", self.scorer_limits)):
            if limits is not None and not isinstance(limits, Limits):
                raise _refused(name, limits, "it is no Limits. Give one such as Limits(rate=60)")
        if not isinstance(self.share, bool):
            raise _refused("share", self.share, "it is neither True nor False. Give one of them")

    def _check_statistics(self) -> None:
        try:
            reducer(self.reduce, self.repeats)
        except (ValueError, TypeError) as error:
            raise EvaluationError(str(error)) from None
        if self.race is not None and not isinstance(self.race, Race):
            raise _refused("race", self.race, "it is no Race. Give one such as Race('right')")
        if self.race is not None and self.cluster is not None:
            raise _refused("race", self.race, "rows come in clusters, and a race counts rows. Leave out one of both")
        if self.race is not None and self.reduce != "mean":
            raise _refused("reduce", self.reduce, "a race counts the mean of the repeats. Leave out one of both")
        if self.cluster is not None and str(self.cluster).split(".")[0] not in ("inputs", "expectations"):
            raise _refused("cluster", self.cluster, "it is no place in a row. Give one such as 'inputs.document'")

    def _check_store(self) -> None:
        if self.store is None:
            for name, value in (("cache", self.cache), ("pickle", self.pickle and self.resume is None)):
                if value:
                    raise _refused(name, value, "there is no store. Give store='runs.db'")
            return
        if self.resume is not None:
            raise _refused("resume", self.resume, "there is a store too. Give cache=True to go on from it")
        if self.cache and self.retry == "none" and not self.is_rescored:
            raise _refused("retry", self.retry, "cache=True takes no failures. Leave out one of both")


def _refused(name: str, value: Any, cause: str) -> EvaluationError:
    return EvaluationError(f"Cannot evaluate with {name}={value!r:.100}: {cause}.")
