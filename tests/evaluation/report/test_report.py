import pytest

from spearmint import Config, Spearmint, experiment
from spearmint.errors import EvaluationError

ROWS = [{"x": x} for x in range(30)]
SCORERS = {"value": lambda outputs: outputs}


def nested_report():
    @experiment(configs=[{"model": {"name": "s"}, "t": 0}, {"model": {"name": "l"}, "t": 0}])
    def rank(x, config: Config):
        return x + (config.model.name == "l")

    @experiment
    def pipe(x):
        return rank(x)

    return Spearmint().evaluate(pipe, ROWS, scorers=SCORERS, progress=False)


def test_best_has_the_config_of_every_experiment():
    best = nested_report().best("value")
    pipe, rank = best.assignment
    assert rank.endswith("rank")
    assert best.assignment[pipe] == {}
    assert best.assignment[rank] == {"model": {"name": "l"}, "t": 0}
    assert isinstance(best.assignment[rank], Config)
    assert best.summary.case_id == best.case_id


def test_best_parameters_are_those_that_vary():
    assert nested_report().best("value").parameters == {"rank: model.name": "l"}


def test_best_config_is_refused_where_nested_ones_vary():
    best = nested_report().best("value")
    with pytest.raises(EvaluationError, match=r"Cannot tell one config of the best case .*rank vary too. Use .assignm"):
        _ = best.config


def test_best_config_is_that_of_the_function_otherwise():
    def f(x, config: Config):
        return x * config.k

    best = Spearmint().evaluate(f, ROWS, scorers=SCORERS, configs=[{"k": 1}, {"k": 2}], progress=False).best("value")
    assert best.config == {"k": 2}
    assert best.parameters == {"k": 2}


def test_terminal_shows_effects_first_then_main_and_the_best():
    def f(x, config: Config):
        return x + config.a + config.b

    configs = [{"a": a, "b": b} for a in range(5) for b in range(5)]
    lines = str(Spearmint().evaluate(f, ROWS, scorers=SCORERS, configs=configs, progress=False)).splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith(("parameter", "case "))]
    assert [lines[number].split()[0] for number in heads] == ["parameter", "case"]
    assert "13 more cases with a lower mean of value are in to_dataframe() and save()." in lines
    shown = [line.split() for line in lines[heads[1] + 2 : heads[1] + 14]]
    assert shown[0][1:4] == ["*", "0", "0"]
    assert shown[1][1:3] == ["4", "4"]
    assert len(shown) == 12


def test_terminal_takes_what_looks_like_markup_as_text():
    def f(x, config: Config):
        return x

    configs = [{"text": "[bold]x[/]"}, {"text": "[/]"}]
    text = str(Spearmint().evaluate(f, ROWS, scorers={"[red]": lambda outputs: 1}, configs=configs, progress=False))
    assert "[bold]x[/]" in text
    assert "[red]" in text


def test_gate_decides_on_the_interval_of_the_report():
    from spearmint.evaluation.report.gate import check_gate, parse_gate

    def f(x, config: Config):
        return int(x % 30 < 12 + config.k)

    configs = [{"k": k} for k in (0, 6, 0, 1, 0, 1)]
    report = Spearmint().evaluate(f, ROWS * 2, scorers=SCORERS, configs=configs, progress=False)
    told = report.summary("value")[1].difference
    assert told.confidence > 0.98
    result = check_gate(report, parse_gate("value=0"))[0]
    assert f"interval {told.low:+.4g} to {told.high:+.4g}" in result.reason
    assert (result.verdict == "pass") == (told.low >= 0)


def noisy_report(**options):
    def f(x, config: Config):
        return (hash((x, config.k)) % 1000 / 1000 < 0.5 + config.lift) * 1.0

    configs = [{"k": k, "lift": 0.0} for k in range(20)]
    return Spearmint().evaluate(
        f, [{"x": x} for x in range(60)], scorers=SCORERS, configs=configs, progress=False, **options
    )


def test_best_is_corrected_for_having_won():
    report = noisy_report()
    best = report.best("value")
    assert best.corrected.n == 60
    assert best.corrected.low < best.corrected.value < best.summary.estimate.value
    assert f"The best of 20 has won by luck too: {best.corrected.value:.3f}" in str(report)


def test_best_of_latency_is_corrected_upwards():
    report = noisy_report()
    best = report.best("latency")
    assert best.corrected.low <= best.corrected.value <= best.corrected.high
    assert best.corrected.value >= best.summary.estimate.value - 1e-9


def test_confidence_set_holds_what_cannot_be_told_from_the_best():
    report = noisy_report()
    members = report.confidence_set("value")
    assert report.best("value").case_id in members
    assert len(members) > 1

    def g(x, config: Config):
        return x * config.k

    told = Spearmint().evaluate(g, ROWS, scorers=SCORERS, configs=[{"k": 1}, {"k": 2}], progress=False)
    assert told.confidence_set("value") == [told.cases[1].case_id]
    assert told.confidence_set("value", lower=True) == [told.cases[0].case_id]


def test_confidence_set_without_common_rows_is_refused():
    def f(x, config: Config):
        if config.k == 1:
            raise ValueError(x)
        return x

    report = Spearmint().evaluate(f, ROWS, scorers=SCORERS, configs=[{"k": 0}, {"k": 1}], progress=False)
    with pytest.raises(EvaluationError, match=r"set of the best by 'value'.*two rows or more"):
        report.confidence_set("value")


def clustered_report(cluster):
    def f(doc, x, config: Config):
        return doc * 0.1 * config.k + x % 2

    rows = [{"inputs": {"doc": x // 3, "x": x}} for x in range(90)]
    configs = [{"k": 0}, {"k": 1}]
    return Spearmint().evaluate(f, rows, scorers=SCORERS, configs=configs, cluster=cluster, progress=False)


def test_rows_of_a_cluster_make_intervals_wider():
    alone, together = (clustered_report(cluster).summary("value")[1].difference for cluster in (None, "inputs.doc"))
    assert (alone.value, alone.n) == (together.value, together.n)
    assert (alone.clusters, together.clusters) == (None, 30)
    assert together.test == "clustered t"
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_too_few_clusters_give_no_verdict():
    summary = clustered_report("inputs.x").summary("value")[1]
    assert summary.verdict == "higher"

    def f(doc, config: Config):
        return config.k

    rows = [{"inputs": {"doc": x % 5}} for x in range(90)]
    report = Spearmint().evaluate(
        f, rows, scorers=SCORERS, configs=[{"k": 0}, {"k": 1}], cluster="inputs.doc", progress=False
    )
    assert report.summary("value")[1].verdict == "inconclusive: 5 clusters, at least 20 are needed"


@pytest.mark.parametrize(
    ("cluster", "message"),
    [("inputs.dok", r"row at data\[0\] by 'inputs.dok'.*doc"), ("doc", "no place in a row. Give one such as 'inputs.")],
)
def test_a_cluster_that_rows_do_not_have_is_refused(cluster, message):
    with pytest.raises(EvaluationError, match=message):
        clustered_report(cluster)


@pytest.mark.parametrize(
    ("reduce", "value"), [("mean", 0.5), ("median", 0.5), ("pass_at_2", 5 / 6), ("pass_all_2", 1 / 6)]
)
def test_repeats_become_one_score_as_asked(reduce, value):
    calls = []

    def f(x):
        calls.append(x)
        return float(calls.count(x) % 2)

    report = Spearmint().evaluate(
        f, ROWS, scorers=SCORERS, configs=[{}], repeats=4, reduce=reduce, concurrency=1, progress=False
    )
    assert report.summary("value")[0].estimate.value == pytest.approx(value)
    assert report.summary("latency")[0].estimate.value < 1


def test_a_reducer_of_more_repeats_than_there_are_is_refused():
    with pytest.raises(EvaluationError, match="'pass_at_2': a row has 1 of them"):
        Spearmint().evaluate(lambda x: x, ROWS, scorers=SCORERS, configs=[{}], reduce="pass_at_2", progress=False)
