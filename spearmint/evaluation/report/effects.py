"""Which parameter matters: each value's mean, and its paired difference from main's value with all else equal."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spearmint.evaluation.report.labels import texts_of, value_key, varying_parameters
from spearmint.evaluation.report.row_values import compare, estimate_of
from spearmint.evaluation.run.case_names import EvaluatedCase
from spearmint.evaluation.run.result_table import ResultTable
from spearmint.statistics.intervals import Estimate, Values
from spearmint.statistics.paired import Difference, PairedTest, simultaneous

_LABEL = 40  # characters

_Groups = dict[tuple[str, ...], dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one value of one parameter does, over all cases that have it.

    Attributes:
        parameter: Path of the parameter; those of nested experiments begin with the function's name.
        value: The value; None where the config has no such key.
        estimate: Rows, and the mean over them; a row counts as the mean of the cases with this value.
        difference: The paired difference from main's value, over the same rows and over cases that are otherwise equal,
            adjusted for all effects of the metric; None for main's value. It has no rows where no two cases differ in
            this parameter alone.
        label: The value as text of one line and at most 40 characters, which differs from those of the others.
    """

    parameter: str
    value: Any
    estimate: Estimate
    difference: Difference | None
    label: str

    @property
    def verdict(self) -> str:
        """What the data say of the difference from main's value, in words; empty for main's value."""
        if self.difference is None:
            return ""
        if self.difference.n == 0:
            return "inconclusive: it varies with other parameters only"
        shortage = self.difference.shortage
        return f"inconclusive: {shortage}" if shortage else self.difference.verdict


def effects_of(results: ResultTable, cases: Sequence[EvaluatedCase], metric: str) -> list[Effect]:
    """Return the effect of each value of each parameter that varies, main's value first."""
    varying = varying_parameters(cases)
    tests: list[PairedTest] = []
    found: list[tuple[str, Any, Estimate, str, int | None]] = []
    for path in varying:
        groups = _groups(cases, path, [other for other in varying if other != path])
        values = {value_key(case, path): case.parameters.get(path) for case in cases}
        main, *others = values
        labels = texts_of(list(values.values()), _LABEL)
        for (key, value), label in zip(values.items(), labels, strict=True):
            chosen = [position for group in groups.values() for position in group.get(key, ())]
            means = _means(results, metric, [chosen])
            index = len(tests) if key in others else None
            found.append((path, value, estimate_of(results, means[0]), label, index))
            if key in others:
                pairs = [group for group in groups.values() if main in group and key in group]
                tests.append(_compare(results, metric, [(group[key], group[main]) for group in pairs]))
    differences = simultaneous(tests)
    return [
        Effect(path, value, mean, None if index is None else differences[index], label)
        for path, value, mean, label, index in found
    ]


def by_importance(effects: Iterable[Effect]) -> list[tuple[str, list[Effect]]]:
    """Return the effects of each parameter, that with the clearest difference first."""
    of_parameter: dict[str, list[Effect]] = defaultdict(list)
    for one in effects:
        of_parameter[one.parameter].append(one)

    def rank(item: tuple[str, list[Effect]]) -> tuple[float, float]:
        found = [one.difference for one in item[1] if one.difference is not None and one.difference.n > 0]
        known = [one for one in found if not math.isnan(one.p_value)]
        return min((one.p_value for one in known), default=2.0), -max((abs(one.value) for one in found), default=0.0)

    return sorted(of_parameter.items(), key=rank)


def _groups(cases: Sequence[EvaluatedCase], path: str, others: Sequence[str]) -> _Groups:
    """Return the cases that are equal but for one parameter, by its value.

    Where some groups have every value, only these are taken, so that all values are seen under the same circumstances.
    """
    groups: _Groups = defaultdict(lambda: defaultdict(list))
    for case in cases:
        groups[tuple(value_key(case, other) for other in others)][value_key(case, path)].append(case.position)
    count = len({key for group in groups.values() for key in group})
    return {rest: group for rest, group in groups.items() if len(group) == count} or groups


def _means(results: ResultTable, metric: str, sides: Sequence[Sequence[int]]) -> list[Values]:
    """Return for each side and row the mean over its cases."""
    result = []
    for positions in sides:
        total, counts = np.zeros(results.shape[1]), np.zeros(results.shape[1])
        for position in positions:  # one at a time, as all at once would take as much again as the results
            values = results.values(position, metric)
            known = ~np.isnan(values)
            total[known] += values[known]
            counts += known
        with np.errstate(invalid="ignore"):
            result.append(np.where(counts > 0, total / counts, np.nan))
    return result


def _compare(results: ResultTable, metric: str, pairs: Sequence[tuple[list[int], list[int]]]) -> PairedTest:
    """Compare two values row by row, over the pairs of which a row has both."""
    rows = results.shape[1]
    ours, main, counts = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    for pair in pairs:
        one, other = _means(results, metric, pair)
        known = ~(np.isnan(one) | np.isnan(other))
        ours[known] += one[known]
        main[known] += other[known]
        counts += known
    with np.errstate(invalid="ignore"):
        sides = (np.where(counts > 0, side / counts, np.nan) for side in (ours, main))
        return compare(results, *sides)
