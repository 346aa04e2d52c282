import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from spearmint.statistics.sequential import ConfidenceSequence, half_width, mixture_precision, p_value

VECTORS = json.loads((Path(__file__).parent / "confseq_boundaries.json").read_text())


def vector(name):
    return next(case["value"] for case in VECTORS["cases"] if case["f"] == name)


def test_precision_equals_the_reference_implementation():
    best = vector("two_sided_normal.best_rho")
    assert 1 / mixture_precision(VECTORS["V_OPT"], VECTORS["ALPHA_OPT"]) == pytest.approx(best, rel=1e-6)


def test_half_width_is_the_reference_implementations_boundary():
    # Its boundary is of a sum with variance 100; that of 100 units of variance 1, whose mean has error 0.1.
    rho2 = mixture_precision(100)
    assert 100 * half_width(0.1, 100, rho2) == pytest.approx(vector("normal_mixture_bound two-sided"), rel=1e-6)


def test_one_sided_half_width_is_close_to_the_reference_boundary():
    rho2 = mixture_precision(100, is_one_sided=True)
    bound = 100 * half_width(0.1, 100, rho2, is_one_sided=True)
    assert bound >= vector("normal_mixture_bound one-sided")  # The paper's closed form is an upper bound of it.
    assert bound == pytest.approx(vector("normal_mixture_bound one-sided"), rel=0.02)


def test_p_value_is_one_over_the_mixture_of_likelihood_ratios():
    n, z, rho2 = 700, 2.9, mixture_precision(5000)
    prior = stats.norm(0, math.sqrt(rho2))
    ratio = integrate.quad(lambda m: prior.pdf(m) * math.exp(m * z * math.sqrt(n) - n * m * m / 2), -1, 1, epsrel=1e-12)
    assert p_value(z, n, rho2) == pytest.approx(1 / ratio[0], rel=1e-8)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_p_value_is_alpha_where_the_interval_touches_0(alpha):
    rho2 = mixture_precision(5000, alpha)
    assert p_value(half_width(1.0, 900, rho2, alpha), 900, rho2) == pytest.approx(alpha)


def test_precision_makes_the_interval_narrowest_at_the_horizon():
    found = optimize.minimize_scalar(
        lambda log: half_width(1.0, 5000, math.exp(log)), bounds=(-15, 0), method="bounded"
    )
    assert mixture_precision(5000) == pytest.approx(math.exp(found.x), rel=0.05)  # It approximates.


def test_looks_hold_together_in_95_of_100_worlds():
    rng = np.random.default_rng(0)
    worlds, missed, alarms = 400, 0, 0
    for _ in range(worlds):
        sequence = ConfidenceSequence(horizon=1000)
        values = np.cumsum(rng.normal(0.1, 1, 4000)), np.cumsum(rng.normal(0.1, 1, 4000))
        for n in range(100, 4001, 100):
            gap = (values[0][n - 1] - values[1][n - 1]) / n
            look = sequence.add(2 * n, estimate=gap, error=math.sqrt(2 / n))
        missed += not look.low <= 0 <= look.high
        alarms += look.p_value <= 0.05
    assert missed == alarms <= 0.05 * worlds + 3 * math.sqrt(0.05 * 0.95 * worlds)


def test_an_estimate_that_moves_leaves_an_empty_interval():
    sequence = ConfidenceSequence(horizon=1000)
    assert not sequence.add(1000, estimate=1.0, error=0.05).has_drifted
    assert sequence.add(2000, estimate=-1.0, error=0.05).has_drifted


@pytest.mark.parametrize("error", [0.0, math.nan, math.inf])
def test_a_look_without_an_error_narrows_nothing(error):
    sequence = ConfidenceSequence(horizon=1000)
    first = sequence.add(200, estimate=0.5, error=0.1)
    second = sequence.add(300, estimate=9.0, error=error)
    assert (second.low, second.high, second.p_value) == (first.low, first.high, first.p_value)


def test_half_width_without_units_is_infinite():
    assert half_width(1.0, 0, mixture_precision(100)) == math.inf


@pytest.mark.parametrize(("horizon", "alpha"), [(0, 0.05), (math.inf, 0.05), (100, 0.0), (100, 1.0)])
def test_horizon_and_alpha_out_of_range_are_refused(horizon, alpha):
    with pytest.raises(ValueError, match="Cannot"):
        mixture_precision(horizon, alpha)


def test_a_one_sided_alpha_of_one_half_is_refused():
    with pytest.raises(ValueError, match=r"one-sided error of 0\.5"):
        mixture_precision(100, 0.5, is_one_sided=True)


def test_fewer_units_than_before_are_refused():
    sequence = ConfidenceSequence(horizon=1000)
    sequence.add(200, estimate=0.5, error=0.1)
    with pytest.raises(ValueError, match="199 units after 200"):
        sequence.add(199, estimate=0.5, error=0.1)
