"""What the shadow measures: how an arm fares beside the first config on the same call, as differences."""

from collections.abc import Iterator
from time import time_ns
from typing import Any

from spearmint.cases.case import ExperimentCase
from spearmint.context.current import attributes_var
from spearmint.online.exposures import recorded_unit
from spearmint.online.writer import PendingRecord, RecordWriter, records
from spearmint.results import Outcome
from spearmint.strategies.split import Split
from spearmint.strategies.split_inputs import unit_text

MainFigures = tuple[bool, float]
"""Whether main failed, and how many seconds it took."""

_MANY = 20_000  # pairs of units and arms that wait to be told of; beyond, they are told at once
_MEASURED = ("success", "failed", "timed_out")


class PairMean:
    """The mean differences of an arm from the first config over calls of one unit."""

    __slots__ = ("_arm", "_split", "_time", "_unit", "calls", "errors", "seconds")

    def __init__(self, split: Split, arm: str, unit: str) -> None:
        self._split = split
        self._arm = arm
        self._unit = unit
        self._time = time_ns()
        self.calls = self.errors = 0
        self.seconds = 0.0

    def record(self) -> dict[str, Any]:
        """Return it as the journal has it."""
        return {
            "type": "shadow",
            "time": self._time,
            "feature_flag.key": self._split.name,
            "feature_flag.result.variant": self._arm,
            "feature_flag.version": self._split.version,
            "feature_flag.context.id": self._unit,
            "spearmint.main": self._split.main_id,
            "count": self.calls,
            "error": self.errors / self.calls,
            "duration": self.seconds / self.calls,
        }

    def lose(self) -> None:
        """Do nothing: further calls have means of their own."""


class ShadowRecorder:
    """Sums up pairs of executions, unit by unit, until the writer asks for them.

    Args:
        writer: Who writes them.
    """

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self._means: dict[tuple[str, ...], PairMean] = {}
        writer.aggregates.append(self._take)
        writer.on_reset.append(self._means.clear)

    def measure(self, main_case: ExperimentCase, main: MainFigures, case: ExperimentCase, variant: Outcome) -> None:
        """Take a variant into account that has ended beside main, where just one experiment tells the two apart.

        Args:
            main_case: What main ran in.
            main: How it ended: whether it failed, and how many seconds it took.
            case: What the variant ran in.
            variant: How it ended.
        """
        if not self._writer.is_on or main_case.assignments is None or variant.status not in _MEASURED:
            return
        plan = main_case.plan
        differing = [one for one in plan.options if case.assigned(one) is not main_case.assigned(one)]
        assigned = main_case.assignments.get(differing[0]) if len(differing) == 1 else None
        arm = case.assigned(differing[0]) if assigned is not None else None
        if assigned is None or arm is None or assigned[0].config.config_id != assigned[0].split.main_id:
            return
        split: Split = assigned[0].split
        unit = unit_text(attributes_var.get().get(split.options.unit))
        if unit is not None:
            self._add(split, arm.config_id, unit, main, variant)

    def _add(self, split: Split, arm: str, unit: str, main: MainFigures, variant: Outcome) -> None:
        recorded = recorded_unit(unit, self._writer.options.hash_units)
        key = (split.name, split.version, arm, recorded)
        with self._writer.account.lock:
            found = self._means.get(key)
            if found is None:
                found = self._means[key] = PairMean(split, arm, recorded)
            found.calls += 1
            found.errors += (variant.exception is not None) - main[0]
            found.seconds += variant.duration - main[1]
            is_many = len(self._means) >= _MANY
        self._writer.notice(is_urgent=is_many)

    def _take(self) -> Iterator[PendingRecord]:
        with self._writer.account.lock:
            made = list(self._means.values())
            self._means.clear()
        yield from made


shadow_pairs = ShadowRecorder(records)
"""The one recorder of pairs of the process."""
