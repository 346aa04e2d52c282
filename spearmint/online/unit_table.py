"""What the units of an experiment have done so far, from the records of a journal, arm by arm."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from spearmint.assignment.stages import COSTS
from spearmint.statistics.intervals import Values

MOST_UNITS = 500_000
"""Units of one experiment that are kept; of those that come later, how many there are is estimated."""
_ONE_IN = 64  # of those beyond is counted, and stands for so many
_MOST_WAITING = 100_000  # units with outcomes that no exposure has been read of yet


class _Unit:
    """A unit, as of its first exposure."""

    __slots__ = ("arm", "calls", "costs", "outcomes", "propensity", "scores", "time")

    def __init__(self, arm: str, time: int, propensity: float) -> None:
        self.arm = arm
        self.time = time
        self.propensity = propensity
        self.calls = 0
        self.costs = [0.0, 0.0]  # sums over its calls, in the order of COSTS
        self.outcomes: dict[str, float] | None = None
        self.scores: dict[str, tuple[float, int]] | None = None  # sum and count over its calls


class UnitTable:
    """The units of one version of an experiment, each under the arm of its first exposure.

    A unit's value of an outcome is the sum of what was tracked after its exposure, 0 without any; of ``error``,
    ``duration`` and what scorers say the mean over its calls.

    Args:
        name: The experiment.
        version: Its version.
        since: Records before that, in ns, do not count.
        keeps_before: Whether to keep what was tracked of a unit before its exposure, too.

    Attributes:
        unreadable: How many records lacked what their type has.
        days: The first and the last time of an exposure, in ns; zeros where there is none.
    """

    def __init__(self, name: str, version: str, since: int = 0, *, keeps_before: bool = False) -> None:
        self._key = (name, version)
        self._since = since
        self._keeps_before = keeps_before
        self._units: dict[str, _Unit] = {}
        self._before: dict[str, dict[str, float]] = {}
        self._beyond: set[int] = set()
        self._waiting: dict[str, list[tuple[int, str, float]]] = {}
        self._scores: set[str] = set()
        self._pairs: dict[tuple[str, str], list[float]] = {}
        self.unreadable = 0
        self.days = (0, 0)

    @property
    def exposed(self) -> int:
        """How many units there are, those beyond what is kept included."""
        return len(self._units) + _ONE_IN * len(self._beyond)

    def units_by_arm(self) -> Mapping[str, int]:
        """Return how many units of each arm are kept."""
        return Counter(unit.arm for unit in self._units.values())

    def shadowed_by_arm(self) -> Mapping[str, int]:
        """Return on how many units each arm has run beside the first config."""
        return Counter(arm for arm, _ in self._pairs)

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take records into account, exposures first: those of one look are in no order of time."""
        later = []
        for record in records:
            if record.get("type") == "exposure":
                self._take(self._expose, record)
            else:
                later.append(record)
        for record in later:
            kind = record.get("type")
            if kind == "outcome" and "feature_flag.context.id" in record:
                self._take(self._add_outcome, record)
            elif kind == "shadow":
                self._take(self._add_pair, record)

    def _take(self, add: Callable[[Mapping[str, Any]], None], record: Mapping[str, Any]) -> None:
        try:
            add(record)
        except (KeyError, TypeError, ValueError):  # Another program has written it.
            self.unreadable += 1

    def _is_ours(self, record: Mapping[str, Any]) -> bool:
        key = (record.get("feature_flag.key"), record.get("feature_flag.version"))
        return key == self._key and record.get("time", 0) >= self._since

    def _expose(self, record: Mapping[str, Any]) -> None:
        if not self._is_ours(record):
            return
        unit, time, arm = record["feature_flag.context.id"], record["time"], record["feature_flag.result.variant"]
        first, last = self.days
        self.days = (min(first or time, time), max(last, time))
        known = self._units.get(unit)
        if known is not None:
            if time < known.time:  # Another process had it before.
                known.time, known.arm, known.propensity = time, arm, record["spearmint.propensity"]
            return
        if len(self._units) >= MOST_UNITS:
            if (number := hash(unit)) % _ONE_IN == 0:
                self._beyond.add(number)
            return
        self._units[unit] = _Unit(arm, time, record["spearmint.propensity"])
        for waiting in self._waiting.pop(unit, ()):
            self._track(unit, *waiting)

    def _add_outcome(self, record: Mapping[str, Any]) -> None:
        unit, name, time = record["feature_flag.context.id"], record["name"], record["time"]
        if "feature_flag.key" in record:
            self._add_calls(unit, name, record)
        elif unit in self._units:
            self._track(unit, time, name, record["value"])
        elif len(self._waiting) < _MOST_WAITING or unit in self._waiting:
            self._waiting.setdefault(unit, []).append((time, name, record["value"]))

    def _add_calls(self, unit: str, name: str, record: Mapping[str, Any]) -> None:
        known = self._units.get(unit)
        if known is None or not self._is_ours(record) or record["feature_flag.result.variant"] != known.arm:
            return
        count = record["count"]
        if name not in COSTS:
            self._scores.add(name)
            total, calls = (known.scores or {}).get(name, (0.0, 0))
            known.scores = {**(known.scores or {}), name: (total + record["value"] * count, calls + count)}
        else:
            known.costs[COSTS.index(name)] += record["value"] * count
            known.calls += count if name == COSTS[0] else 0

    def _track(self, unit: str, time: int, name: str, value: float) -> None:
        known = self._units[unit]
        if time < known.time:
            if self._keeps_before:
                earlier = self._before.setdefault(unit, {})
                earlier[name] = earlier.get(name, 0.0) + value
            return
        if known.outcomes is None:
            known.outcomes = {}
        known.outcomes[name] = known.outcomes.get(name, 0.0) + value

    def _add_pair(self, record: Mapping[str, Any]) -> None:
        if not self._is_ours(record):
            return
        key = (record["feature_flag.result.variant"], record["feature_flag.context.id"])
        known = self._pairs.get(key)
        if known is None:
            if len(self._pairs) >= MOST_UNITS:
                return
            known = self._pairs[key] = [0.0, 0.0, 0.0]
        count = record["count"]
        known[0] += count
        for position, name in enumerate(COSTS, 1):
            known[position] += record[name] * count

    def values(self, arm: str, metric: str) -> Values:
        """Return one value for each unit of an arm."""
        return self.values_and_propensities(arm, metric)[0]

    def values_and_propensities(self, arm: str, metric: str) -> tuple[Values, Values]:
        """Return the same, with the share that the arm had as each unit came to it."""
        units = [unit for unit in self._units.values() if unit.arm == arm]
        if metric in COSTS:
            place = COSTS.index(metric)
            units = [unit for unit in units if unit.calls]
            found = [unit.costs[place] / unit.calls for unit in units]
        elif metric in self._scores:
            units = [unit for unit in units if unit.scores and metric in unit.scores]
            found = [total / calls for total, calls in ((unit.scores or {})[metric] for unit in units)]
        else:
            found = [unit.outcomes.get(metric, 0.0) if unit.outcomes else 0.0 for unit in units]
        return np.array(found, dtype=np.float64), np.array([unit.propensity for unit in units], dtype=np.float64)

    def values_and_earlier(self, metric: str) -> tuple[Values, Values]:
        """Return one value for each unit of all arms, and what was tracked of it before its exposure."""
        found, earlier = [], []
        for name, unit in self._units.items():
            found.append(unit.outcomes.get(metric, 0.0) if unit.outcomes else 0.0)
            earlier.append(self._before.get(name, {}).get(metric, 0.0))
        return np.array(found, dtype=np.float64), np.array(earlier, dtype=np.float64)

    def outcome_names(self) -> list[str]:
        """Return the names of what was tracked of the units."""
        return sorted({name for unit in self._units.values() for name in unit.outcomes or ()})

    def paired_values(self, arm: str, metric: str) -> Values:
        """Return for each unit that an arm ran beside the first config on: its metric less that of the first config."""
        place = 1 + COSTS.index(metric)
        found = [sums[place] / sums[0] for (one, _), sums in self._pairs.items() if one == arm]
        return np.array(found, dtype=np.float64)
