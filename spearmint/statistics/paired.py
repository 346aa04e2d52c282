"""Differences measured on the same rows: each interval inverts the test that its p-value comes from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats

from spearmint.statistics.intervals import CONFIDENCE, LARGE, RESAMPLES, Values, bootstrap, is_pass_or_fail
from spearmint.statistics.multiple import adjusted_levels, holm

FEWEST_ROWS = 20
"""With fewer rows no verdict is given: the tests' error is not what they promise there."""
_FEWEST_DIFFERING = 10
"""With fewer rows off the most common difference, many resamples would hold none of them, and have no variance."""
_TAIL = 20  # resamples beyond a point, with fewer of which the tail is a guess
_FAR = 1e9  # stands for an infinite t, which scipy could not average
_MARGIN = 1e-7  # of a score, above what finding a root loses
_NORMAL_95 = 1.959963984540054
_EDGE = 1 - 1e-9  # at a difference of just 1 or -1 nothing varies

Bounds = tuple[float, float]
Verdict = Literal["higher", "lower", "no clear difference", "inconclusive"]
_UNBOUNDED: Bounds = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the mean is than under the main config, on the rows that have a value under both.

    The interval excludes 0 exactly where the adjusted p-value is at most 0.05: both come from one test, at one level.

    Attributes:
        n: How many such rows there are.
        value: Mean of the differences, row by row; NaN without rows.
        low: Lower bound of the interval; NaN where none can be given.
        high: Upper bound.
        p_value: How likely it is to see as much if there is no difference, for this comparison alone.
        adjusted: The p-value adjusted for all comparisons of one metric, by Holm's method.
        test: Which test the p-value and the interval come from.
        confidence: Level of the interval, from 0 to 1: 0.95 for one comparison, higher for several.
        clusters: How many clusters the rows come in; None where each stands for itself.
    """

    n: int
    value: float
    low: float
    high: float
    p_value: float
    adjusted: float
    test: str
    confidence: float = CONFIDENCE
    clusters: int | None = None

    @property
    def shortage(self) -> str:
        """What is missing for a verdict, in words; empty where there are rows enough."""
        count, unit = (self.n, "row") if self.clusters is None else (self.clusters, "cluster")
        return f"{count} {unit}{'s' * (count != 1)}, at least {FEWEST_ROWS} are needed" if count < FEWEST_ROWS else ""

    @property
    def verdict(self) -> Verdict:
        """What the data say; ``"inconclusive"`` when there are too few rows to say anything."""
        if self.shortage or math.isnan(self.adjusted):
            return "inconclusive"
        if self.adjusted > 1 - CONFIDENCE:
            return "no clear difference"
        return "higher" if self.value > 0 else "lower"


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A test of whether two configs differ, and the interval that inverts it.

    Attributes:
        n: Rows with a value under both.
        value: Mean difference.
        p_value: Of no difference.
        name: Name of the test.
        interval: From a level, such as 0.05, to the bounds of the differences that the test does not reject.
        clusters: How many clusters the rows come in; None where each stands for itself.
    """

    n: int
    value: float
    p_value: float
    name: str
    interval: Callable[[float], Bounds]
    clusters: int | None = None


def differences(others: Sequence[Sequence[float] | Values], main: Sequence[float] | Values) -> list[Difference]:
    """Compare several configs with main row by row, p-values and intervals adjusted for all comparisons.

    Args:
        others: For each config one number per row; NaN where there is none.
        main: The numbers of the same rows under the main config.

    Returns:
        One difference per config, on the rows with a number in both.
    """
    return simultaneous([paired_test(one, main) for one in others])


def difference(ours: Sequence[float] | Values, main: Sequence[float] | Values) -> Difference:
    """Compare one config with main row by row; nothing is adjusted, as there is one comparison."""
    return simultaneous([paired_test(ours, main)])[0]


def simultaneous(tests: Sequence[PairedTest]) -> list[Difference]:
    """Adjust the p-values of tests by Holm's method, and take each interval at the level that agrees with it.

    Args:
        tests: The tests of one family, such as all configs by one metric.
    """
    p_values = [one.p_value for one in tests]
    adjusted = holm(p_values)
    levels = adjusted_levels(p_values, adjusted, 1 - CONFIDENCE)
    return [
        Difference(one.n, one.value, *one.interval(level), one.p_value, q, one.name, 1 - level, one.clusters)
        for one, q, level in zip(tests, adjusted, levels, strict=True)
    ]


def paired_test(ours: Sequence[float] | Values, main: Sequence[float] | Values) -> PairedTest:
    """Choose the test for two configs' values: McNemar's where they only pass or fail, else of the mean.

    Args:
        ours: One number per row; NaN where there is none.
        main: The numbers of the same rows under the main config.
    """
    one, other = np.asarray(ours, dtype=np.float64), np.asarray(main, dtype=np.float64)
    has_both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[has_both], other[has_both]
    if len(one) == 0:
        return PairedTest(0, math.nan, math.nan, "no rows", lambda _level: _UNBOUNDED)
    deltas = one - other
    if is_pass_or_fail(one) and is_pass_or_fail(other):
        return exact_mcnemar(int((deltas > 0).sum()), int((deltas < 0).sum()), len(deltas))
    return mean_test(deltas)


def exact_mcnemar(gained: int, lost: int, n: int) -> PairedTest:
    """Test two shares measured on the same rows by McNemar's exact test; the interval is Tango's.

    From Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947, https://doi.org/10.1007/BF02295996. Tango's interval inverts the score test, whose verdicts
    differ a little from the exact test's: so its critical value is moved to the nearest one at which both reject no
    difference for the same counts.

    Args:
        gained: Rows that pass now and failed under the main config.
        lost: Rows that fail now and passed.
        n: All rows, at least one.
    """
    differing = gained + lost
    p_value = min(1.0, float(2 * stats.binom.sf(max(gained, lost) - 1, differing, 0.5))) if differing else 1.0

    def interval(level: float) -> Bounds:
        return tango(gained, lost, n, _critical_score(differing, level))

    return PairedTest(n, (gained - lost) / n, p_value, "exact McNemar", interval)


def _critical_score(differing: int, level: float) -> float:
    """Return the score that lies between the counts that the exact test rejects and those that it does not."""
    z = float(stats.norm.isf(level / 2))
    if not differing:
        return z
    kept = int(stats.binom.isf(level / 2, differing, 0.5))  # the highest count on one side that is not rejected
    low, high = ((2 * count - differing) / math.sqrt(differing) for count in (kept, kept + 1))
    return min(max(z, low + _MARGIN), high - _MARGIN) if kept < differing else max(z, low + _MARGIN)


def tango(gained: int, lost: int, n: int, critical: float = _NORMAL_95) -> Bounds:
    """Return the score interval for the difference of two shares measured on the same rows.

    From T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17, 1998, https://pubmed.ncbi.nlm.nih.gov/9595618/. It holds for few rows and rare
    differences.

    Args:
        gained: Rows that pass now and failed under the main config.
        lost: Rows that fail now and passed.
        n: All rows.
        critical: The score beyond which a difference is rejected; of the normal distribution at 0.05 by default.
    """

    def score(delta: float) -> float:
        linear = (2 * n - gained + lost) * delta - gained - lost
        # The likeliest share of lost rows, were the true difference this one.
        root = math.sqrt(max(0.0, linear**2 + 8 * n * lost * delta * (1 - delta)))  # rounding may go below 0
        share = (root - linear) / (4 * n)
        variance = n * (2 * share + delta * (1 - delta))
        return (gained - lost - n * delta) / math.sqrt(variance) if variance > 0 else 0.0

    observed = (gained - lost) / n
    low = high = math.copysign(1.0, observed)
    if score(-_EDGE) <= critical:
        low = -1.0
    elif observed > -_EDGE:
        low = optimize.brentq(lambda d: score(d) - critical, -_EDGE, observed)
    if score(_EDGE) >= -critical:
        high = 1.0
    elif observed < _EDGE:
        high = optimize.brentq(lambda d: score(d) + critical, observed, _EDGE)
    return float(low), float(high)


def mean_test(deltas: Values) -> PairedTest:
    """Test whether the mean of differences is 0 by Student's t, compared with a bootstrap of itself where that helps.

    Args:
        deltas: One difference per row, at least one.
    """
    n, mean = len(deltas), float(deltas.mean())
    if n < 2:  # noqa: PLR2004 - one row says nothing of how rows vary
        return PairedTest(n, mean, math.nan, "one row", lambda _level: _UNBOUNDED)
    if np.ptp(deltas) == 0:
        return _sign_flip_of_equal(n, float(deltas[0]))
    error = float(deltas.std(ddof=1)) / math.sqrt(n)
    _, counts = np.unique(deltas, return_counts=True)
    is_resampled = n <= LARGE and n - int(counts.max()) >= _FEWEST_DIFFERING
    reference = _resampled_t(deltas) if is_resampled else StudentTail(n - 1)
    name = "paired bootstrap t" if is_resampled else "paired t"

    def interval(level: float) -> Bounds:
        half = error * reference.critical(level)
        return mean - half, mean + half

    return PairedTest(n, mean, reference.p_value(abs(mean) / error), name, interval)


@dataclass(frozen=True, slots=True)
class StudentTail:
    """The distribution of ``|t|`` if there is no difference: Student's, or resampled with a Student's tail.

    From P. Hall, "On symmetric bootstrap confidence intervals", Journal of the Royal Statistical Society B 50, 1988,
    https://doi.org/10.1111/j.2517-6161.1988.tb01707.x. Resampling tells nothing of p-values much below one over the
    number of resamples, which many comparisons need: from the last `_TAIL` resamples on, the tail is Student's,
    stretched to meet theirs. ``p_value`` and ``critical`` invert each other.

    Attributes:
        freedom: Degrees of freedom.
        resampled: ``|t|`` of each resample, highest first; empty for Student's alone.
    """

    freedom: int
    resampled: Values | None = None

    def p_value(self, t: float) -> float:
        """Return how likely a ``|t|`` as high is."""
        if self.resampled is not None and t <= self._start:
            beyond = int(np.searchsorted(-self.resampled, -t, side="right"))
            return (beyond + 1) / (len(self.resampled) + 1)
        return float(2 * stats.t.sf(t / self._stretch, self.freedom))

    def critical(self, level: float) -> float:
        """Return the ``|t|`` above which ``p_value`` is at most a level."""
        if self.resampled is not None and level > self._start_level:
            allowed = math.floor(level * (len(self.resampled) + 1) + 1e-9)
            return float(self.resampled[min(allowed, len(self.resampled)) - 1])
        return float(stats.t.isf(level / 2, self.freedom)) * self._stretch

    @property
    def _start(self) -> float:
        """The ``|t|`` at which the tail begins."""
        return 0.0 if self.resampled is None else float(self.resampled[_TAIL - 1])

    @property
    def _start_level(self) -> float:
        return 1.0 if self.resampled is None else _TAIL / (len(self.resampled) + 1)

    @property
    def _stretch(self) -> float:
        return 1.0 if self.resampled is None else self._start / float(stats.t.isf(self._start_level / 2, self.freedom))


def _resampled_t(deltas: Values) -> StudentTail:
    mean, root = deltas.mean(), math.sqrt(len(deltas))

    def student(sample: Values, axis: int = -1) -> Any:
        distance = np.abs(sample.mean(axis) - mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(distance / (sample.std(axis, ddof=1) / root), posinf=_FAR)

    resampled = bootstrap(deltas, student, "percentile").bootstrap_distribution
    assert len(resampled) == RESAMPLES  # noqa: S101 - what the tail's level rests on
    return StudentTail(len(deltas) - 1, np.sort(resampled)[::-1])


def _sign_flip_of_equal(n: int, delta: float) -> PairedTest:
    """Test differences that are all the same: by chance, signs fall so in 2 of 2^n ways."""
    least = 2.0 ** (1 - n)

    def interval(level: float) -> Bounds:
        return (delta, delta) if least <= level else _UNBOUNDED

    return PairedTest(n, delta, 1.0 if delta == 0 else least, "sign flip", interval)
