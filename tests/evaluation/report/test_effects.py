import math

import numpy as np
import pytest
from scipy import stats

from spearmint import Config, Spearmint, experiment
from spearmint.errors import EvaluationError
from spearmint.evaluation.report.effects import by_importance
from spearmint.statistics.multiple import holm

ROWS = [{"x": x} for x in range(40)]


def evaluate(configs, score, rows=ROWS):
    def f(x, config: Config):
        return score(x, config)

    return Spearmint().evaluate(f, rows, scorers={"value": lambda outputs: outputs}, configs=configs, progress=False)


def noise(x, *seed):
    return float(np.random.default_rng([x, *seed]).normal())


def product_report():
    configs = [{"a": {"b": b}, "c": c, "same": 1} for b in (0, 1, 2) for c in ("p", "q")]
    return evaluate(configs, lambda x, config: config.a.b + 0.5 * noise(x, config.a.b, config.c == "q"))


def test_effects_come_by_parameter_with_mains_value_first():
    effects = product_report().effects("value")
    assert [(one.parameter, one.value) for one in effects] == [
        ("a.b", 0), ("a.b", 1), ("a.b", 2), ("c", "p"), ("c", "q"),
    ]  # fmt: skip
    assert [one.difference is None for one in effects] == [True, False, False, True, False]
    assert [one.verdict for one in effects] == ["", "higher", "higher", "", "no clear difference"]


def test_effects_are_paired_over_rows_with_all_else_equal():
    report = product_report()
    values = np.array([report.results.values(position, "value") for position in range(6)]).reshape(3, 2, -1)
    effects = report.effects("value")
    by_b, by_c = values.mean(axis=1), values.mean(axis=0)
    assert [one.estimate.value for one in effects] == pytest.approx([*by_b.mean(axis=1), *by_c.mean(axis=1)])
    assert effects[1].estimate.n == effects[1].difference.n == 40
    assert effects[2].difference.value == pytest.approx((by_b[2] - by_b[0]).mean())
    expected = stats.ttest_rel(by_c[1], by_c[0])
    assert effects[4].difference.p_value == pytest.approx(expected.pvalue, abs=0.02)


def test_effects_are_adjusted_for_all_of_the_metric():
    found = [one.difference for one in product_report().effects("value") if one.difference is not None]
    assert [one.adjusted for one in found] == holm([one.p_value for one in found])
    for one in found:
        assert (one.low > 0 or one.high < 0) == (one.adjusted <= 0.05)


def test_effect_of_a_parameter_is_the_difference_of_its_configs():
    report = evaluate([{"k": 0}, {"k": 1}], lambda x, config: (x % 3 == 0) or (config.k and x % 2 == 0))
    (_, effect), (_, summary) = report.effects("value"), report.summary("value")
    assert effect.difference == summary.difference
    assert effect.difference.test == "exact McNemar"


def test_effects_of_one_at_a_time_compare_with_main_alone():
    configs = [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
    effects = evaluate(configs, lambda x, config: config.a + 10 * config.b + noise(x)).effects("value")
    assert [round(one.difference.value, 6) for one in effects if one.difference] == [1, 10]
    assert effects[0].estimate.value == effects[2].estimate.value


def test_effect_of_parameters_that_vary_together_is_not_told():
    effects = evaluate([{"a": 0, "b": "x"}, {"a": 1, "b": "y"}], lambda x, config: config.a).effects("value")
    assert [one.difference.n for one in effects if one.difference] == [0, 0]
    assert effects[1].verdict == "inconclusive: it varies with other parameters only"
    assert math.isnan(effects[1].difference.value)


def test_effects_take_rows_with_both_values_only():
    def score(x, config):
        if config.k and x < 10:
            raise ValueError("no")
        return config.k + x

    effect = evaluate([{"k": 0}, {"k": 1}], score).effects("value")[1]
    assert (effect.estimate.n, effect.difference.n, effect.difference.value) == (30, 30, 1)


def test_effects_of_nested_experiments_bear_their_names():
    @experiment(configs=[{"model": "s"}, {"model": "l"}])
    def rank(x, config: Config):
        return 1.0 if config.model == "l" else x % 2

    def pipe(x, config: Config):
        return rank(x) + config.k

    report = Spearmint().evaluate(
        pipe, ROWS, scorers={"value": lambda outputs: outputs}, configs=[{"k": 0}, {"k": 0.1}], progress=False
    )
    effects = report.effects("value")
    assert [(one.parameter, one.value) for one in effects] == [
        ("k", 0), ("k", 0.1), ("rank: model", "s"), ("rank: model", "l"),
    ]  # fmt: skip
    assert effects[3].difference.value == pytest.approx(0.5)


def test_effects_of_an_unknown_metric_are_refused():
    with pytest.raises(EvaluationError, match=r"Cannot tell metric 'valu': .* Did you mean 'value'"):
        product_report().effects("valu")


def test_effects_of_one_config_are_none():
    assert evaluate([{"k": 1}], lambda x, config: x).effects("value") == []


def test_importance_puts_the_clearest_difference_first():
    effects = evaluate(
        [{"a": a, "b": b} for a in (0, 1) for b in (0, 1)], lambda x, config: config.b + noise(x, config.a, config.b)
    ).effects("value")
    assert [name for name, _ in by_importance(effects)] == ["b", "a"]


def test_effects_have_short_labels_that_differ():
    begin = "Answer the question with the help of these passages. "
    configs = [{"prompt": begin + end} for end in ("Be brief.", "Quote the passage.")]
    effects = evaluate(configs, lambda x, config: x % 2).effects("value")
    assert [one.value for one in effects] == [config["prompt"] for config in configs]
    assert [one.label for one in effects] == ["…ssages. Be brief.", "…ssages. Quote the passage."]
