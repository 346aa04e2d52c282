"""Exposures: which unit's call really ran under which arm, told once, and how its calls fare."""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from time import time_ns
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.online.tokens import token_of
from spearmint.online.writer import PendingRecord, RecordWriter, records
from spearmint.planning.capture import active
from spearmint.results import Outcome
from spearmint.strategies.split import Assignment
from spearmint.tracing.recorder import trace_id_of
from spearmint.warn import warn_once

_MANY = 20_000  # units whose calls wait to be told of; beyond, they are told at once


class Exposure:
    """A unit that has been exposed to an arm, and how its calls have fared since that was told.

    Attributes:
        assignment: The unit and its arm.
        trace_id: The trace of the first call; None where it is not traced.
        generation: The process that it belongs to.
        is_new: Whether no call has ended yet: the first one that does is the exposure, and repeats nothing.
        calls: Calls that have ended since their durations were told.
        errors: How many of them raised.
        seconds: How long they took, together.
    """

    __slots__ = ("_owner", "assignment", "calls", "errors", "generation", "is_new", "seconds", "time", "trace_id")

    def __init__(self, owner: "ExposureRecorder", assignment: Assignment, trace_id: str | None) -> None:
        self._owner = owner
        self.assignment = assignment
        self.trace_id = trace_id
        self.time = time_ns()
        self.generation = owner.writer.generation
        self.is_new = True
        self.calls = self.errors = 0
        self.seconds = 0.0

    @property
    def unit(self) -> str:
        """The unit as records have it: hashed, where that is asked for, on the thread that writes them."""
        return recorded_unit(self.assignment.unit, self._owner.writer.options.hash_units)

    def record(self) -> dict[str, Any]:
        """Return the exposure as the journal has it."""
        assignment, split = self.assignment, self.assignment.split
        made = {
            "type": "exposure",
            "time": self.time,
            **arm_attributes(assignment),
            "feature_flag.result.reason": assignment.reason,
            "feature_flag.context.id": self.unit,
            "spearmint.main": split.main_id,
            "spearmint.propensity": assignment.propensity,
        }
        if split.set_id is not None:
            made["feature_flag.set.id"] = split.set_id
        if self.trace_id is not None:
            made["spearmint.trace_id"] = self.trace_id
        return made

    def lose(self) -> None:
        """Let the next call of the unit be told as its first."""
        self._owner.forget(self)


def arm_attributes(assignment: Assignment) -> dict[str, str]:
    """Return the attributes of a record that name experiment, arm and version."""
    return {
        "feature_flag.key": assignment.split.name,
        "feature_flag.result.variant": assignment.config.config_id,
        "feature_flag.version": assignment.split.version,
    }


class CallMean:
    """The mean of a number over calls of one unit, as an outcome."""

    __slots__ = ("_count", "_exposure", "_name", "_time", "_value")

    def __init__(self, exposure: Exposure, name: str, value: float, count: int) -> None:
        self._exposure = exposure
        self._name = name
        self._value = value
        self._count = count
        self._time = time_ns()

    def record(self) -> dict[str, Any]:
        """Return it as the journal has it."""
        return {
            "type": "outcome",
            "time": self._time,
            "name": self._name,
            "value": self._value,
            "count": self._count,
            "feature_flag.context.id": self._exposure.unit,
            **arm_attributes(self._exposure.assignment),
        }

    def lose(self) -> None:
        """Do nothing: further calls have means of their own."""


class ExposureRecorder:
    """Tells exposures to the writer, once for each unit and arm, and sums up the calls of exposed units.

    Attributes:
        writer: Who writes them.
    """

    def __init__(self, writer: RecordWriter) -> None:
        self.writer = writer
        self._reset()
        writer.aggregates.append(self._means)
        writer.on_reset.append(self._reset)
        writer.on_change.append(self._forget_all)

    def _reset(self) -> None:
        self._seen: dict[tuple[str, ...], Exposure] = {}
        self._called: list[Exposure] = []

    def _forget_all(self) -> None:
        """Tell every unit anew, to a journal that knows of none."""
        with self.writer.account.lock:
            self._seen.clear()

    def expose(self, assignment: Assignment, case: ExperimentCase, span: Any = None) -> Exposure | None:
        """Tell that a call is about to run under an arm.

        Args:
            assignment: Its unit and arm.
            case: The case that it runs in.
            span: What is recorded of it; None where it is not traced.

        Returns:
            What `measure` takes when the call has ended; None where there is nothing to tell.
        """
        key = assignment.key
        if key is None:
            if assignment is assignment.split.without_unit:
                self._miss(assignment)
            return None
        writer = self.writer
        if not writer.is_on:
            return None
        found = self._seen.get(key)
        trace_id = None if span is None else trace_id_of(span)
        made = self._first(key, assignment, trace_id) if found is None else found
        if active and made is not None and case.log.is_captured and case.parent is None:
            case.log.token = token_of(recorded_unit(assignment.unit, writer.options.hash_units), trace_id)
        return made

    def _first(self, key: tuple[str, ...], assignment: Assignment, trace_id: str | None) -> Exposure | None:
        writer = self.writer
        account, options = writer.account, writer.options
        made = Exposure(self, assignment, trace_id)
        with account.lock:
            if account.pending >= options.queue_size or account.is_closed:  # What is lost is not remembered as told.
                found = self._seen.get(key)
                if found is None:
                    account.admit(options.queue_size)  # Which counts it as dropped.
            else:
                found = self._seen.setdefault(key, made)
                if found is made:  # Else another thread has been first.
                    account.pending += 1
                    writer.queue.append(made)
                    if len(self._seen) > options.dedupe:
                        self._forget_oldest(options.dedupe)
        if found is None:
            account.warn_of_full(options.queue_size)
        elif writer.is_idle:
            writer.notice()
        return found

    def _forget_oldest(self, most: int) -> None:
        """Forget some at once: a dict finds its first key the slower, the more before it are gone."""
        for key in list(islice(self._seen, len(self._seen) - most + most // 64)):
            del self._seen[key]

    def _miss(self, assignment: Assignment) -> None:
        with self.writer.account.lock:
            self.writer.account.missing_unit += 1
        split = assignment.split
        message = (
            f"{split.name} was called without a unit, and runs under its first config: no attribute "
            f"{split.options.unit!r} is around the call. Call it within RuntimeContext(attributes="
            f"{{{split.options.unit!r}: ...}}), or use RuntimeContextMiddleware. Further calls are counted: "
            "exposure_stats().missing_unit."
        )
        warn_once(("missing unit", split.name), message)
        if self.writer.is_on:
            self.writer.notice()

    def measure(self, exposure: Exposure, seconds: float, error: BaseException | None = None) -> None:
        """Take a call into account that has ended.

        Args:
            exposure: What `expose` returned.
            seconds: How long it took.
            error: What it raised. A call that was cancelled or interrupted is neither an error nor a duration.
        """
        writer = self.writer
        account = writer.account
        with account.lock:
            if exposure.generation is not writer.generation:  # It began in the parent of a fork.
                return
            if exposure.is_new:
                exposure.is_new = False
            else:
                account.repeated += 1
            if error is not None:
                if not isinstance(error, Exception):
                    return
                exposure.errors += 1
            exposure.seconds += seconds
            exposure.calls += 1
            if exposure.calls > 1:
                return
            self._called.append(exposure)
            is_many = len(self._called) >= _MANY
        if writer.is_idle or is_many:
            writer.notice(is_urgent=is_many)

    def measure_outcome(self, exposure: Exposure, outcome: Outcome) -> None:
        """Do what `measure` does for a call whose outcome is known; a stream closed early has been cancelled."""
        error = GeneratorExit() if outcome.status == "cancelled" else outcome.exception
        self.measure(exposure, outcome.duration, error)

    def _means(self) -> Iterator[PendingRecord]:
        """Yield the means of what has been called since they were told, and begin anew."""
        with self.writer.account.lock:
            called, self._called = self._called, []
        for exposure in called:
            with self.writer.account.lock:
                calls, errors, seconds = exposure.calls, exposure.errors, exposure.seconds
                exposure.calls = exposure.errors = 0
                exposure.seconds = 0.0
            yield CallMean(exposure, "error", errors / calls, calls)
            yield CallMean(exposure, "duration", seconds / calls, calls)

    def forget(self, exposure: Exposure) -> None:
        """Forget that a unit was exposed; the caller holds the lock."""
        if exposure.assignment.key is not None:
            self._seen.pop(exposure.assignment.key, None)


def recorded_unit(unit: str | None, key: str | None) -> str:
    """Return a unit as records have it: as it is, or as a keyed hash of 32 digits."""
    if unit is None or key is None:
        return unit or ""
    secret = blake2b(key.encode()).digest()
    return blake2b(unit.encode("utf-8", "surrogatepass"), key=secret, digest_size=16).hexdigest()


exposures = ExposureRecorder(records)
"""The one recorder of the process."""
