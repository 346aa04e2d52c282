"""Counts and latencies of all executions, kept in the process and exact at any rate, whatever is traced."""

import math
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, ClassVar, overload

from spearmint.cases.case import ExperimentCase
from spearmint.execution.jobs import variant_var
from spearmint.native import GuardedLock
from spearmint.process_options import ProcessOptions
from spearmint.results import Role, Status

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_MANY = 1000  # executions that wait to be counted, beyond which the thread that adds one counts them


@dataclass(frozen=True, slots=True)
class MetricsOptions(ProcessOptions):
    """Whether and how executions are counted.

    Attributes:
        enabled: Whether they are.
        buckets: Upper bounds of the histogram of latencies, in seconds, ascending.
    """

    kind: ClassVar[str] = "metrics option"

    enabled: bool = False
    buckets: Sequence[float] = BUCKETS

    def __post_init__(self) -> None:
        if not isinstance(self.enabled, bool):
            raise self.refusal("enabled", "True or False")
        bounds = self.buckets
        is_list = isinstance(bounds, list | tuple) and all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in bounds
        )
        is_ascending = is_list and len(bounds) > 0 and sorted(set(bounds)) == list(bounds)
        if not is_ascending or not 0 < bounds[0] <= bounds[-1] < math.inf:
            raise self.refusal("buckets", "seconds above 0, ascending, such as [0.1, 1, 10]")
        object.__setattr__(self, "buckets", tuple(map(float, bounds)))


@dataclass(frozen=True, slots=True)
class CallMetrics:
    """What became of the executions of one experiment under one config, in one role.

    Attributes:
        experiment: Its name.
        config_id: The config.
        role: ``"main"``, or ``"variant"`` for what ran in the background; what it calls has its role.
        calls: How many have ended.
        errors: How many of them raised, or took longer than ``variant_timeout``.
        cancelled: How many were cancelled, streams closed early among them.
        seconds: What all took together.
        buckets: How many took at most as long as each bound of `Metrics.bounds`; the others took longer.
    """

    experiment: str
    config_id: str
    role: Role
    calls: int
    errors: int
    cancelled: int
    seconds: float
    buckets: tuple[int, ...]


class Metrics(Sequence[CallMetrics]):
    """One consistent snapshot of all counts, ordered by experiment, config and role.

    Args:
        bounds: Upper bounds of the histograms, in seconds.
        rows: The counts.

    Attributes:
        bounds: As above.
    """

    def __init__(self, bounds: Sequence[float], rows: Iterable[CallMetrics]) -> None:
        self.bounds = tuple(bounds)
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> CallMetrics: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[CallMetrics]: ...

    def __getitem__(self, index: int | slice) -> CallMetrics | Sequence[CallMetrics]:
        """Return one row, or some."""
        return self._rows[index]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def __iter__(self) -> Iterator[CallMetrics]:
        """Iterate over the rows."""
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"Metrics({', '.join(map(repr, self._rows))})"

    def to_prometheus(self) -> str:
        """Return the counts in Prometheus' text format, to be served under ``/metrics``."""
        calls, errors, cancelled, seconds = [], [], [], []
        for row in self._rows:
            labels = ",".join(
                f'{name}="{_escaped(value)}"'
                for name, value in (("experiment", row.experiment), ("config_id", row.config_id), ("role", row.role))
            )
            calls.append(f"spearmint_calls_total{{{labels}}} {row.calls}\n")
            errors.append(f"spearmint_call_errors_total{{{labels}}} {row.errors}\n")
            cancelled.append(f"spearmint_calls_cancelled_total{{{labels}}} {row.cancelled}\n")
            for bound, count in zip((*self.bounds, None), (*row.buckets, row.calls), strict=True):
                end = "+Inf" if bound is None else repr(bound)
                seconds.append(f'spearmint_call_seconds_bucket{{{labels},le="{end}"}} {count}\n')
            seconds.append(f"spearmint_call_seconds_sum{{{labels}}} {row.seconds!r}\n")
            seconds.append(f"spearmint_call_seconds_count{{{labels}}} {row.calls}\n")
        families = (
            ("spearmint_calls_total", "counter", "Executions that have ended.", calls),
            ("spearmint_call_errors_total", "counter", "Executions that raised or timed out.", errors),
            ("spearmint_calls_cancelled_total", "counter", "Executions that were cancelled.", cancelled),
            ("spearmint_call_seconds", "histogram", "Seconds that executions took.", seconds),
        )
        return "".join(
            f"# HELP {name} {text}\n# TYPE {name} {kind}\n{''.join(lines)}" for name, kind, text, lines in families
        )


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class _Totals:
    calls: int
    errors: int
    cancelled: int
    seconds: float
    buckets: tuple[int, ...]  # of which each holds its own alone; the last one those beyond all bounds


class _Counter:
    """The executions of one kind.

    A caller appends what it took, which no thread and no signal handler can come in between, and no lock holds up.
    """

    __slots__ = ("_bounds", "_counting", "_lock", "_totals", "waiting")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._lock = GuardedLock()
        self._totals = _Totals(0, 0, 0, 0.0, (0,) * (len(bounds) + 1))
        self._counting: list[tuple[float, Status]] = []
        self.waiting: deque[tuple[float, Status]] = deque()

    def count(self) -> _Totals:
        """Count what waits, and return all so far."""
        return self._lock.run(self._count)

    def _count(self) -> _Totals:
        # In one step of the interpreter, so that an interruption loses none. Those left by one are counted now.
        self._counting.extend(islice(iter(self.waiting.popleft, None), len(self.waiting)))
        before, new = self._totals, self._counting
        buckets = list(before.buckets)
        for seconds, _ in new:
            buckets[bisect_left(self._bounds, seconds)] += 1
        statuses = [status for _, status in new]
        cancelled = statuses.count("cancelled")
        totals = _Totals(
            before.calls + len(new),
            before.errors + len(new) - cancelled - statuses.count("success"),
            before.cancelled + cancelled,
            before.seconds + sum(seconds for seconds, _ in new),
            tuple(buckets),
        )
        self._totals, self._counting = totals, []
        return totals


class CallMeter:
    """The counters of the process; a fork begins with none.

    Attributes:
        options: Whether and how executions are counted.
        is_on: Whether they are.
    """

    def __init__(self) -> None:
        self.options = MetricsOptions()
        self.is_on = False
        self._counters: dict[tuple[str, str, Role], _Counter] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.reset)

    def set_options(self, changes: Mapping[str, Any]) -> None:
        """Replace options; new buckets begin new counts.

        Raises:
            ConfigError: If a name is unknown or a value is out of range.
        """
        before, self.options = self.options, self.options.with_changes(changes)
        self.is_on = self.options.enabled
        if self.options.buckets != before.buckets:
            self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._counters = {}

    def record(self, case: ExperimentCase, seconds: float, status: Status) -> None:
        """Count an execution that has ended."""
        role: Role = "main" if variant_var.get() is None else "variant"
        key = case.current.name, case.option.config_id, role
        counter = self._counters.get(key) or self._counters.setdefault(key, _Counter(self.options.buckets))
        counter.waiting.append((seconds, status))
        if len(counter.waiting) > _MANY:
            counter.count()

    def metrics(self) -> Metrics:
        """Return all counts."""
        rows = []
        for (experiment, config_id, role), counter in sorted(self._counters.items()):
            totals = counter.count()
            buckets = tuple(accumulate(totals.buckets))[:-1]
            rows.append(
                CallMetrics(
                    experiment,
                    config_id,
                    role,
                    totals.calls,
                    totals.errors,
                    totals.cancelled,
                    totals.seconds,
                    buckets,
                )
            )
        return Metrics(self.options.buckets, rows)


call_meter = CallMeter()
