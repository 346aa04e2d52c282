"""What a report says of journals: each number against one computed another way."""

import json
import math

import numpy as np
import pytest
from scipy import stats

import spearmint
from spearmint import RuntimeContext, Spearmint, online_report
from spearmint.errors import EvaluationError
from spearmint.evaluation.online.online_report import online_reports
from spearmint.statistics.multiple import holm
from spearmint.statistics.sequential import ConfidenceSequence
from spearmint.statistics.unpaired import mean_gap, moments
from spearmint.strategies import SplitStrategy
from tests.evaluation.online.journal_files import EXPERIMENT, exposure, mean_of_calls, outcome, write, write_arms

pytest.importorskip("duckdb")

SEED = 20_261_130
CLOSE = 1e-12


@pytest.fixture
def values():
    rng = np.random.default_rng(SEED)
    return {"control": rng.gamma(2.0, 3.0, 260), "discount": rng.gamma(2.0, 3.0, 240) + 2.0}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


def test_fixed_differences_are_welchs(folder, values):
    write_arms(folder, values)
    main, ours = online_report(folder, test="fixed").summary("purchase")
    expected = stats.ttest_ind(values["discount"], values["control"], equal_var=False)
    interval = expected.confidence_interval(0.95)
    found = ours.difference
    assert main.estimate.n == 260
    assert main.estimate.value == pytest.approx(values["control"].mean(), rel=CLOSE)
    assert found.value == pytest.approx(values["discount"].mean() - values["control"].mean(), rel=CLOSE)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert ours.verdict == "higher"
    own = stats.ttest_1samp(values["control"], 0).confidence_interval(0.95)
    assert (main.estimate.low, main.estimate.high) == pytest.approx((own.low, own.high), rel=1e-9)


def test_sequential_differences_look_every_100_units(folder, values):
    write_arms(folder, values)
    report = online_report(folder)
    sequence = ConfidenceSequence(horizon=5000)
    for total in (100, 200, 300, 400, 500):
        counts = {"control": total // 2, "discount": total // 2} if total < 500 else {"control": 260, "discount": 240}
        ours, main = (moments(values[arm][: counts[arm]]) for arm in ("discount", "control"))
        gap = mean_gap(ours, main)
        sequence.add(gap.n, estimate=gap.value, error=gap.error)
    found = report.summary("purchase")[1].difference
    last = sequence.looks[-1]
    assert (found.low, found.high) == pytest.approx((last.low, last.high), rel=CLOSE)
    assert found.p_value == pytest.approx(last.p_value, rel=CLOSE)
    looks = report.looks("purchase", "discount")
    assert looks.bounds.p_value == pytest.approx([look.p_value for look in sequence.looks], rel=CLOSE)
    assert report.verdict("purchase") == "higher"


def test_offline_and_online_give_the_same_estimate(folder):
    """The same scores, of evaluate's cells and of units in a journal."""
    rng = np.random.default_rng(SEED)
    noise = rng.normal(0, 1, 400)

    def answer(x, config):
        return config["lift"] + noise[x] * (1 + config["lift"])

    configs = [{"__config_id__": "control", "lift": 0.0}, {"__config_id__": "discount", "lift": 0.3}]
    offline = Spearmint().evaluate(
        answer, [{"x": x} for x in range(400)], configs=configs, scorers={"score": lambda outputs: outputs}
    )
    scores = {case.case_id: offline.results.values(case.position, "score") for case in offline.cases}
    write_arms(folder, scores, name="score")
    online = online_report(folder, test="fixed")
    for one, other in zip(offline.summary("score"), online.summary("score"), strict=True):
        assert one.case_id == other.case_id
        assert one.estimate.n == other.estimate.n
        assert one.estimate.value == pytest.approx(other.estimate.value, rel=CLOSE, abs=CLOSE)
    one, other = offline.summary("score")[1].difference, online.summary("score")[1].difference
    assert one.value == pytest.approx(other.value, rel=CLOSE, abs=CLOSE)
    gap = mean_gap(moments(scores["discount"]), moments(scores["control"]))
    assert online.summary("score")[1].error == pytest.approx(gap.error, rel=CLOSE)
    assert (other.low, other.high) == pytest.approx(gap.interval(0.05), rel=CLOSE)


def test_rates_have_wilsons_interval_at_one_look(folder):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    passes = {"control": np.arange(200) % 10 == 0, "discount": np.arange(200) % 4 == 0}
    write_arms(folder, passes)
    for one, count in zip(online_report(folder, test="fixed").summary("purchase"), (20, 50), strict=True):
        expected = proportion.proportion_confint(count, 200, method="wilson")
        assert (one.estimate.low, one.estimate.high) == pytest.approx(expected, rel=1e-9)


def test_ratios_have_the_error_that_a_bootstrap_has(folder):
    rng = np.random.default_rng(SEED)
    views = rng.poisson(4.0, (2, 300))
    clicks = rng.binomial(views, [[0.2], [0.3]])
    records = []
    for arm, name in enumerate(("control", "discount")):
        for unit in range(300):
            at = 2 * unit + arm
            records.append(exposure(f"{name}-{unit}", name, at))
            records += [outcome(f"{name}-{unit}", "views", 1, at + 0.1)] * views[arm, unit]
            records += [outcome(f"{name}-{unit}", "clicks", 1, at + 0.2)] * clicks[arm, unit]
    write(folder, records)
    ours = online_report(folder, metrics=["clicks/views"], test="fixed").summary()[1]
    ratios = clicks.sum(axis=1) / views.sum(axis=1)
    assert ours.kind == "ratio"
    assert ours.estimate.value == pytest.approx(ratios[1], rel=CLOSE)
    assert ours.difference.value == pytest.approx(ratios[1] - ratios[0], rel=1e-10)
    drawn = rng.integers(0, 300, (2, 4000, 300))
    resampled = [clicks[arm][drawn[arm]].sum(axis=1) / views[arm][drawn[arm]].sum(axis=1) for arm in (0, 1)]
    assert ours.error == pytest.approx((resampled[1] - resampled[0]).std(), rel=0.05)
    assert ours.verdict == "higher"


def test_covariate_adjusts_as_a_regression_does(folder):
    linear = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(SEED)
    before = rng.gamma(2.0, 2.0, (2, 200))
    after = before * 1.5 + rng.normal(0, 1, (2, 200)) + [[0.0], [0.4]]
    records = []
    for arm, name in enumerate(("control", "discount")):
        for unit in range(200):
            at = 1000 + 2 * unit + arm
            records += [
                outcome(f"{name}-{unit}", "purchase", before[arm, unit], at - 900),
                exposure(f"{name}-{unit}", name, at),
                outcome(f"{name}-{unit}", "purchase", after[arm, unit], at + 1),
            ]
    write(folder, records)
    table = np.column_stack([np.ones(400), np.repeat([0.0, 1.0], 200), before.ravel()])
    expected = linear.OLS(after.ravel(), table).fit()
    plain = online_report(folder, test="fixed").summary()[1]
    adjusted = online_report(folder, test="fixed", covariate="before").summary()[1]
    assert adjusted.difference.value == pytest.approx(expected.params[1], rel=1e-9)
    assert plain.difference.value == pytest.approx(after[1].mean() - after[0].mean(), rel=CLOSE)
    assert adjusted.error == pytest.approx(expected.bse[1], rel=0.02)
    assert adjusted.error < 0.4 * plain.error
    assert "CUPED" in adjusted.difference.test


@pytest.fixture
def steered():
    """Units whose values rise while a bandit gives the second arm, which is as good, more and more of them."""
    rng = np.random.default_rng(SEED)
    shares = np.repeat([0.5, 0.7, 0.9], 500)
    arms = (rng.random(1500) < shares).astype(int)
    values = rng.gamma(2.0, 1.0 + 0.5 * arms) - 0.5 * arms * 2 + np.repeat([0.0, 2.0, 4.0], 500)
    return arms, np.where(arms, shares, 1 - shares), values


def write_steered(folder, steered, *more):
    records = []
    for unit, (arm, propensity, value) in enumerate(zip(*steered, strict=True)):
        name = f"unit-{unit}"
        records.append(exposure(name, ("control", "discount")[arm], unit, share=float(propensity)))
        records += [outcome(name, "purchase", value, unit + 0.5), *(make(name, unit) for make in more)]
    write(folder, records)


def test_units_of_a_bandit_are_weighed(folder, steered):
    linear = pytest.importorskip("statsmodels.api")
    described = pytest.importorskip("statsmodels.stats.weightstats")
    arms, propensities, values = steered
    write_steered(folder, steered)
    means, errors, spreads, effective = [], [], [], []
    for arm in (0, 1):
        y, weights = values[arms == arm], 1 / propensities[arms == arm]
        fit = linear.WLS(y, np.ones(len(y)), weights=weights).fit(cov_type="HC1")
        means.append(fit.params[0])
        errors.append(fit.bse[0])
        effective.append(weights.sum() ** 2 / (weights**2).sum())
        equal = described.DescrStatsW(y, weights * effective[-1] / weights.sum(), ddof=1)
        spreads.append(equal.var)
    errors = [max(error, math.sqrt(max(spreads) / n)) for error, n in zip(errors, effective, strict=True)]
    report = online_report(folder, test="fixed")
    main, ours = report.summary("purchase")
    assert (main.estimate.n, ours.estimate.n) == ((arms == 0).sum(), (arms == 1).sum())
    assert [main.estimate.value, ours.estimate.value] == pytest.approx(means, rel=1e-9)
    assert ours.error == pytest.approx(math.hypot(*errors), rel=1e-9)
    half = stats.t.isf(0.025, min(effective) - 1) * ours.error
    assert ours.difference.low == pytest.approx(means[1] - means[0] - half, rel=1e-9)
    assert ours.difference.test == "Welch's t, inverse propensity"
    assert stats.ttest_ind(values[arms == 1], values[arms == 0]).pvalue < 1e-9
    assert report.verdict("purchase") == online_report(folder).verdict("purchase") == "no clear difference"


def test_ratios_and_covariates_are_weighed_too(folder, steered):
    arms, propensities, values = steered
    weights = 1 / propensities
    views, before = np.random.default_rng(1).poisson(3.0, 1500) + 1.0, values - 1.0
    write_steered(
        folder,
        steered,
        lambda name, unit: outcome(name, "views", views[unit], unit + 0.6),
        lambda name, unit: outcome(name, "purchase", before[unit], unit - 5000),
    )
    ratio = online_report(folder, metrics=["purchase/views"], test="fixed").summary()
    for arm in (0, 1):
        ours = arms == arm
        expected = np.average(values[ours], weights=weights[ours]) / np.average(views[ours], weights=weights[ours])
        assert ratio[arm].estimate.value == pytest.approx(expected, rel=1e-9)
    # A bootstrap of units draws their propensities with them.
    rng, drawn = np.random.default_rng(2), []
    for _ in range(2000):
        at = rng.integers(0, 1500, 1500)
        sums = [[(weights[at] * part[at])[arms[at] == arm].sum() for part in (values, views)] for arm in (0, 1)]
        drawn.append(sums[1][0] / sums[1][1] - sums[0][0] / sums[0][1])
    assert np.std(drawn) * 0.95 <= ratio[1].error <= np.std(drawn) * 1.3
    # What was before explains all, so that no spread and no difference is left.
    adjusted = online_report(folder, metrics=["purchase"], covariate="before", test="fixed").summary()[1]
    assert adjusted.difference.value == pytest.approx(0.0, abs=1e-9)
    assert adjusted.error == pytest.approx(0.0, abs=1e-4)


def test_means_over_calls_weigh_each_call(folder):
    records = [exposure(f"u{unit}", ("control", "discount")[unit % 2], unit) for unit in range(60)]
    for unit in range(60):
        arm = ("control", "discount")[unit % 2]
        records += [
            mean_of_calls(f"u{unit}", arm, "duration", 1.0, count=3, at=unit + 1),
            mean_of_calls(f"u{unit}", arm, "duration", 5.0, count=1, at=unit + 2),
        ]
    del records[-2:]  # a unit whose calls were not measured has no mean, which is not 0
    write(folder, records)
    main, ours = online_report(folder).summary("duration")
    assert (main.estimate.n, main.estimate.value, main.kind) == (30, 2.0, "mean")
    assert (ours.estimate.n, ours.estimate.value) == (29, 2.0)


def test_an_outcome_belongs_to_what_was_exposed_before_it(folder):
    records = [
        outcome("ann", "purchase", 100, 1),  # before
        exposure("ann", "control", 2),
        outcome("ann", "purchase", 1, 2),
        outcome("ann", "purchase", 2, 900),
        exposure("ann", "discount", 3),  # crosses over, and stays with its first arm
        outcome("ann", "purchase", 4, 4),
        exposure("bob", "discount", 5),
        outcome("eve", "purchase", 1000, 6),  # never exposed
    ]
    write(folder, records[:4], "host-1-a")
    write(folder / "other", records[4:], "host-2-b")
    main, ours = online_report(folder).summary("purchase")
    assert (main.estimate.n, main.estimate.value) == (1, 7.0)
    assert (ours.estimate.n, ours.estimate.value) == (1, 0.0)


def test_several_arms_are_adjusted_by_holm(folder):
    rng = np.random.default_rng(SEED)
    values = {"control": rng.normal(0, 1, 300), "b": rng.normal(0.3, 1, 300), "c": rng.normal(0.35, 1, 300)}
    write_arms(folder, values)
    report = online_report(folder, test="fixed")
    others = [one.difference for one in report.summary("purchase")[1:]]
    alone = [stats.ttest_ind(values[arm], values["control"], equal_var=False).pvalue for arm in ("b", "c")]
    assert [one.p_value for one in others] == pytest.approx(alone, rel=1e-9)
    assert [one.adjusted for one in others] == pytest.approx(holm(alone), rel=1e-9)
    for one in others:
        assert (one.low > 0) == (one.adjusted <= 0.05)
    assert report.verdict("purchase") == "b: higher; c: higher"
    assert report.verdict("purchase", "c") == "higher"


def test_too_few_units_are_inconclusive(folder):
    write_arms(folder, {"control": [1.0] * 12 + [2.0], "discount": [5.0] * 12 + [6.0]})
    report = online_report(folder)
    assert report.verdict("purchase") == "inconclusive: 13 units in an arm, at least 20 are needed"
    assert math.isnan(report.summary("purchase")[1].difference.low)


def test_arms_in_which_nothing_varies_are_inconclusive(folder):
    write_arms(folder, {"control": [0.0] * 60, "discount": [1.0] * 60})
    assert online_report(folder).verdict("purchase") == "inconclusive"
    write_arms(folder, {"control": [0.0] * 60, "discount": [0.0] * 60})
    assert online_report(folder).verdict("purchase") == "no clear difference"


def test_a_real_journal_is_read_with_its_accounts(folder):
    with spearmint_journal(folder):
        mint = Spearmint(
            configs=[{"__config_id__": "none"}, {"__config_id__": "five"}],
            strategy=SplitStrategy(unit="user_id", salt="report"),
        )

        @mint.experiment()
        def page(config):
            return config.config_id

        for number in range(200):
            with RuntimeContext(attributes={"user_id": f"user-{number}"}):
                if page() == "five" or number % 3 == 0:
                    spearmint.track("purchase", 2.0)
        assert spearmint.flush(30)
        report = online_report(folder)
    assert report.metrics == ["purchase", "duration", "error"]
    assert sum(report.facts.units.counts) == 200
    assert report.arms == ("none", "five")
    assert report.is_healthy, report
    assert report.facts.accounts.processes == 1
    assert report.summary("error")[0].estimate.value == 0.0


class spearmint_journal:
    """A journal for the time of a block."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        spearmint.configure(online={"journal": self.folder})

    def __exit__(self, *_):
        spearmint.configure(online={"journal": None})


def test_every_experiment_of_a_journal_has_a_report(folder):
    write(folder, [exposure("ann", "control", 1), exposure("bob", "b", 2, experiment="other", main="b", share=1.0)])
    assert [one.experiment for one in online_reports(folder)] == ["other", EXPERIMENT]
    with pytest.raises(EvaluationError, match=r"several experiments at once: there are other, shop.rank:score"):
        online_report(folder)
    with pytest.raises(EvaluationError, match=r"Did you mean 'shop.rank:score'"):
        online_report(folder, "shop.rank:scor")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["purchse"]}, "no unit has an outcome 'purchse'; there are purchase. Did you mean 'purchase'"),
        ({"metrics": ["purchase/views"]}, "no unit has an outcome 'views'"),
        ({"metrics": []}, "there is none"),
        ({"alpha": 0.7}, "alpha 0.7"),
        ({"horizon": 0}, "horizon 0"),
        ({"test": "fixd"}, "Did you mean 'fixed'"),
        ({"covariate": "purchase"}, "give 'before' or None"),
        ({"version": "v2"}, "there are v1"),
    ],
)
def test_what_cannot_be_reported_on_is_refused(folder, values, options, message):
    write_arms(folder, values)
    with pytest.raises(EvaluationError, match=message):
        online_report(folder, **options)


def test_journals_that_are_none_are_refused(folder, tmp_path):
    with pytest.raises(EvaluationError, match=r"it has no \.jsonl file"):
        online_report(tmp_path / "attic")
    folder.mkdir()
    with pytest.raises(EvaluationError, match=r"it has no \.jsonl file"):
        online_report(folder)
    write(folder, [outcome("ann", "purchase", 1, 1)])
    with pytest.raises(EvaluationError, match="it has no exposure"):
        online_report(folder)
    with pytest.raises(EvaluationError, match="none is named"):
        online_report([])


def test_names_of_files_are_taken_as_they_are(tmp_path, values):
    folder = tmp_path / "it's [a] * {journal}?"
    write_arms(folder, values)
    assert sum(online_report(folder).facts.units.counts) == 500
    assert sum(online_report(str(tmp_path / "*" / "*.jsonl")).facts.units.counts) == 500


def test_saved_files_hold_the_report(folder, values, tmp_path):
    write_arms(folder, values)
    report = online_report(folder)
    told = json.loads(report.save(tmp_path / "r.json").read_text())
    assert told["units"] == [260, 240]
    assert told["summaries"][1]["difference"]["value"] == report.summary()[1].difference.value
    assert told["summaries"][1]["verdict"] == "higher"
    assert report.save(tmp_path / "r.csv").read_text().count("\n") == 3
    assert "purchase" in report.save(tmp_path / "r.html").read_text()
    frame = report.to_dataframe()
    assert list(frame["arm"]) == ["control", "discount"]
    with pytest.raises(EvaluationError, match=r"Give \.html, \.csv or \.json"):
        report.save(tmp_path / "r.txt")
