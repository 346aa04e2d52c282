"""Scores of what calls of exposed units return: made in the background, for a share of the units."""

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from spearmint.assignment.hashing import bucket
from spearmint.config.copying import value_factory
from spearmint.online.exposures import CallMean, Exposure
from spearmint.online.writer import PendingRecord, RecordWriter, records
from spearmint.registry.experiment import ExperimentFunction
from spearmint.results import Outcome
from spearmint.scorers import OF_CALLS, Scorer, scores_of
from spearmint.tracing.attributes import arguments_by_parameter

_MANY = 20_000  # units whose scores wait to be told of; beyond, they are told at once
_DEEPEST = 8  # lists and mappings within each other that are copied

_Calls = tuple[ExperimentFunction, tuple[Any, ...], Mapping[str, Any]]


class PendingScore:
    """An output that waits to be scored.

    Args:
        owner: Who is told of the scores.
        exposure: The unit and arm.
        scorers: What scores it.
        call: What was called, its positional and its keyword arguments.
        output: What it returned.

    Attributes:
        exposure: The unit and arm.
        experiment: What was called.
    """

    __slots__ = ("_args", "_kwargs", "_output", "_owner", "_scorers", "experiment", "exposure", "is_over")

    def __init__(
        self, owner: "OutputScorer", exposure: Exposure, scorers: tuple[Scorer, ...], call: _Calls, output: Any
    ) -> None:
        self._owner = owner
        self.exposure = exposure
        self._scorers = scorers
        self.experiment, self._args, self._kwargs = call[0], _kept(call[1]), _kept(dict(call[2]))
        self._output = _kept(output)
        self.is_over = False

    def run(self, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """Call the scorers, and tell what they say; one that raises is counted.

        Args:
            wait: Runs a coroutine to its end, for a scorer that is async.
        """
        given = {
            "inputs": self._inputs(),
            "outputs": self._output,
            "expectations": {},
            "config": value_factory(self.exposure.assignment.config)(),
        }
        found: list[tuple[str, float]] = []
        for scorer in self._scorers:
            try:
                result = scorer.function(**{name: given[name] for name in scorer.wants})
                scores = scores_of(scorer, wait(result) if inspect.iscoroutine(result) else result)
                taken = next((name for name in scores if name in OF_CALLS), None)
                if taken is not None:
                    raise ValueError(f"it returned {taken!r}, which is recorded without a scorer")  # noqa: TRY301
                found += scores.items()
            except Exception as error:  # noqa: BLE001 - a scorer of the user's may raise anything
                self._owner.count_failed(self, scorer.name, error)
        self._owner.finish(self, found)

    def _inputs(self) -> dict[str, Any]:
        """Return the arguments by name, without those that configs fill."""
        filled = {slot.name for slot in self.experiment.binder.slots}
        named = arguments_by_parameter(self.experiment, self._args, self._kwargs)
        return {name: value for name, value in named.items() if name not in filled}

    def lose(self, reason: str) -> None:
        """Count it as dropped, where there is no room or time for it."""
        self._owner.drop(self, reason)

    def fail(self, error: BaseException) -> None:
        """Count it as failed, as where it takes too long."""
        self._owner.count_failed(self, ", ".join(scorer.name for scorer in self._scorers), error)
        self._owner.finish(self, ())


class OutputScorer:
    """Takes outputs of exposed units, and sums up their scores, which the journal has as means over calls.

    Attributes:
        hand_over: What has an output scored in the background.
    """

    hand_over: Callable[[PendingScore], object]

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self._reset()
        writer.aggregates.append(self._take)
        writer.on_reset.append(self._reset)

    def _reset(self) -> None:
        self._sums: dict[tuple[Exposure, str], list[float]] = {}

    def scorers_of(self, experiment: ExperimentFunction) -> tuple[Scorer, ...]:
        """Return what scores the outputs of an experiment: its own scorers, or those of the process."""
        own = experiment.settings.scorers
        return self._writer.scorers if own is None else own

    def take(
        self,
        exposure: Exposure,
        experiment: ExperimentFunction,
        call: _Calls,
        output: Any,
    ) -> None:
        """Have an output scored if its unit is one of the sample.

        Args:
            exposure: What `ExposureRecorder.expose` returned.
            experiment: What the unit was exposed to.
            call: What was called, its positional and its keyword arguments.
            output: What it returned.
        """
        writer, pending, is_pending = self._writer, None, False
        try:
            scorers = self.scorers_of(experiment)
            if not scorers or exposure.generation is not writer.generation or not self._is_sampled(exposure):
                return
            pending = PendingScore(self, exposure, scorers, call, output)
            with writer.account.lock:
                writer.account.pending += 1
                is_pending = True
            self.hand_over(pending)
        except Exception as error:  # noqa: BLE001 - the caller has other things to do
            if pending is None:
                writer.account.count_failed(f"an output cannot be kept, {type(error).__name__}", kind="output")
            else:
                pending.fail(error)
        except BaseException:  # Of a signal handler, maybe before the output was handed over.
            if is_pending and pending is not None:
                pending.lose("its call was interrupted")
            raise

    def take_outcome(self, exposure: Exposure, experiment: ExperimentFunction, call: _Calls, outcome: Outcome) -> None:
        """Do what `take` does for a call whose outcome is known; a stream of more items than are kept has no output."""
        is_stream = call[0].kind in ("generator", "async_generator")
        if outcome.status == "success" and not (is_stream and outcome.value is None):
            self.take(exposure, experiment, call, outcome.value)

    def _is_sampled(self, exposure: Exposure) -> bool:
        """Tell whether a unit is scored: all of its calls or none, so that how much it calls biases nothing."""
        assignment, rate = exposure.assignment, self._writer.options.score_rate
        return rate >= 1 or bucket(assignment.unit or "", f"{assignment.split.salt}.metrics") < rate

    def count_failed(self, pending: PendingScore, name: str, error: BaseException) -> None:
        """Count a score that there is none of, and say why for the first time of each scorer."""
        reason = f"the scorer {name} of {pending.experiment.name} raised {type(error).__name__}: {str(error)[:300]}"
        self._writer.account.count_failed(reason, kind=f"scorer {name} of {pending.experiment.name}")

    def drop(self, pending: PendingScore, reason: str) -> None:
        """Count an output that is not scored."""
        if self._leave(pending):
            self._writer.account.count_dropped(reason)

    def finish(self, pending: PendingScore, scores: "list[tuple[str, float]] | tuple[()]") -> None:
        """Take the scores of an output into account, unless it has been given up meanwhile."""
        writer = self._writer
        with writer.account.lock:
            if not self._leave(pending):
                return
            for name, number in scores:
                sums = self._sums.setdefault((pending.exposure, name), [0.0, 0])
                sums[0] += number
                sums[1] += 1
            is_many = len(self._sums) >= _MANY
        writer.notice(is_urgent=is_many)

    def _leave(self, pending: PendingScore) -> bool:
        """Let an output wait no longer; tell whether it did, in this process."""
        account = self._writer.account
        with account.lock:
            if pending.is_over or pending.exposure.generation is not self._writer.generation:
                return False
            pending.is_over = True
            if not account.is_closed:  # Else the exit has counted it as dropped.
                account.pending -= 1
            return not account.is_closed

    def _take(self) -> Iterator[PendingRecord]:
        """Yield the means of what has been scored since they were told, and begin anew."""
        with self._writer.account.lock:
            sums, self._sums = self._sums, {}
        for (exposure, name), (total, count) in sums.items():
            yield CallMean(exposure, name, total / count, int(count))


def _kept(value: Any, depth: int = 0) -> Any:
    """Return a value as it is now: copies of lists and mappings, which the caller may change; all else is shared."""
    kind = type(value)
    if depth > _DEEPEST:
        return value
    if kind is dict:
        return {key: _kept(one, depth + 1) for key, one in value.copy().items()}
    if kind is list or kind is tuple or kind is set:
        return kind([_kept(one, depth + 1) for one in tuple(value)])
    return value


output_scorer = OutputScorer(records)
"""The one of the process."""
