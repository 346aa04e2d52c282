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
