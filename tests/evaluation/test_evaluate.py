import asyncio
import functools
import itertools
import math
import queue
import threading
import warnings
from typing import Annotated

import pytest
from pydantic import BaseModel

import spearmint
from spearmint import Bind, Config, Spearmint, experiment
from spearmint.errors import BindingError, EvaluationError, PlanError, SpearmintWarning
from spearmint.strategies import RoundRobinStrategy, ShadowStrategy
from tests.evaluation import subjects

DOUBLES = [{"x": x, "expected": 2 * x} for x in range(30)]
mint = subjects.mint


def means(report, metric):
    return [one.estimate.value for one in report.summary(metric)]


def test_every_config_runs_on_every_row_and_is_scored():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact, subjects.distance])
    assert report.metrics == ["exact", "distance"]
    assert means(report, "exact") == [1 / 30, 1, 1 / 30]
    assert means(report, "distance") == [14.5, 0, 14.5]
    assert [one.estimate.n for one in report.summary("exact")] == [30, 30, 30]
    assert report.errors == 0
    assert report.best("exact").config == {"factor": 2}
    assert report.best("distance", lower=True).config == {"factor": 2}
    assert [one.verdict for one in report.summary("exact")] == ["", "higher", "no clear difference"]


def test_the_first_config_is_main_and_its_id_names_the_case():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], configs=[{"factor": 5}, {"factor": 2}])
    assert [case.case_id for case in report.cases] == [spearmint.Config(factor=n).config_id for n in (5, 2)]
    assert [case.is_main for case in report.cases] == [True, False]
    assert [case.config for case in report.cases] == [{"factor": 5}, {"factor": 2}]


def test_the_strategy_has_no_say():
    calls = []

    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
    def f(x, config: Config):
        calls.append((x, config.k))
        return x

    before = spearmint.background_stats()
    Spearmint().evaluate(f, [{"x": 1}, {"x": 2}], scorers={"one": lambda outputs: 1}, concurrency=1)
    assert calls == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert spearmint.background_stats() == before


def test_plain_function_has_the_settings_of_the_instance():
    made = Spearmint(configs=[{"deep": {"n": 2}}, {"deep": {"n": 3}}], bindings={"factor": "deep.n"})

    def f(x, factor):
        return x * factor

    assert means(made.evaluate(f, DOUBLES, scorers=[subjects.exact]), "exact") == [1, 1 / 30]


def test_experiment_without_configs_gets_those_of_the_evaluation():
    @experiment
    def inner(x, config: Config):
        return x * config.factor

    @experiment
    def f(x, config: Config):
        return inner(x)

    report = Spearmint().evaluate(f, DOUBLES, scorers=[subjects.exact], configs=[{"factor": 1}, {"factor": 2}])
    assert means(report, "exact") == [1 / 30, 1]


def test_methods_and_partials_are_evaluated_as_they_are():
    class Model:
        def __init__(self, base):
            self.base = base

        @mint.experiment
        def f(self, x, config: Config):
            return self.base + x * config.factor

    report = mint.evaluate(Model(0).f, DOUBLES, scorers=[subjects.exact])
    assert means(report, "exact") == [1 / 30, 1, 1 / 30]
    report = mint.evaluate(functools.partial(subjects.times, x=1), [{"expected": 2}], scorers=[subjects.exact])
    assert means(report, "exact") == [0, 1, 0]


def test_a_positional_only_parameter_gets_its_input():
    @mint.experiment
    def f(x, /, config: Config):
        return x * config.factor

    assert means(mint.evaluate(f, DOUBLES, scorers=[subjects.exact]), "exact")[1] == 1


def test_scorers_get_what_they_ask_for():
    seen = []

    def look(inputs, outputs, expectations, config):
        seen.append((inputs, outputs, expectations, config))
        return 1

    mint.evaluate(subjects.times, [{"x": 2, "expected": 4}], scorers=[look], configs=[{"factor": 3}])
    assert seen == [({"x": 2}, 6, {"expected": 4}, {"factor": 3})]


def test_what_raises_is_a_counted_error_and_ends_nothing():
    def picky(outputs):
        if outputs == 4:
            raise LookupError("four")
        return outputs > 10

    report = mint.evaluate(subjects.fails_on_seven, DOUBLES, scorers=[subjects.exact, picky])
    told = report.summary("exact")
    assert [(one.estimate.n, one.errors) for one in told] == [(30, 0), (30, 0), (29, 1)]
    assert told[2].difference.n == 29
    assert [(one.estimate.n, one.errors) for one in report.summary("picky")] == [(29, 1), (29, 1), (29, 1)]
    assert report.errors == 3
    assert report.results.error_samples(2) == [("ValueError: seven", 1)]
    assert report.results.error_samples(1) == [("scorer picky: LookupError: four", 1)]
    assert "ValueError: seven" in str(report)


def test_a_scorer_that_always_raises_is_a_metric_without_values():
    def broken(outputs):
        raise SystemExit(3)

    report = mint.evaluate(subjects.times, DOUBLES, scorers=[broken, subjects.exact])
    assert set(report.metrics) == {"broken", "exact"}
    assert [(one.estimate.n, one.errors) for one in report.summary("broken")] == [(0, 30)] * 3
    with pytest.raises(EvaluationError, match="no config has a value of it, but errors only"):
        report.best("broken")


def test_repetitions_of_a_row_count_as_one_row():
    turn = itertools.count()

    @experiment(configs=[{"k": 1}])
    def f(x, config: Config):
        return next(turn) % 2

    scorers = {"value": lambda outputs: outputs}
    report = mint.evaluate(f, [{"x": 1}, {"x": 2}], scorers=scorers, repeats=4, concurrency=1)
    assert next(turn) == 8
    (told,) = report.summary("value")
    assert (told.estimate.n, told.estimate.value) == (2, 0.5)
    assert report.results.shape == (1, 2, 4)


def test_a_row_that_one_config_changes_is_whole_for_the_next():
    @mint.experiment
    def f(items, config: Config):
        items.append({"new": []})
        items[0]["deep"].append(1)
        return len(items) + len(items[0]["deep"])

    report = mint.evaluate(f, [{"items": [{"deep": []}]}], scorers={"size": lambda outputs: outputs})
    assert means(report, "size") == [3, 3, 3]


def test_config_given_twice_compares_a_function_with_itself():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], configs=[{"factor": 2}, {"factor": 2}])
    first, second = report.cases
    assert second.case_id == f"{first.case_id}#2"
    assert report.summary("exact")[1].difference.p_value == 1


# Kinds of functions


def test_an_async_function_runs_concurrently_up_to_the_bound():
    at_once = 0
    most = []
    together = asyncio.Event()

    @experiment(configs=[{"k": 1}])
    async def f(x, config: Config):
        nonlocal at_once
        at_once += 1
        most.append(at_once)
        if at_once == 3:
            together.set()
        await together.wait()
        at_once -= 1
        return x

    report = mint.evaluate(f, DOUBLES, scorers={"x": lambda outputs: outputs}, concurrency=3)
    assert max(most) == 3
    assert means(report, "x") == [14.5]


def test_async_function_is_evaluated_inside_a_running_loop():
    async def main():
        return mint.evaluate(subjects.atimes, DOUBLES, scorers=[subjects.exact], configs=[{"factor": 2}])

    assert means(asyncio.run(main()), "exact") == [1]


def test_scorers_may_be_async():
    async def slow(outputs, expectations):
        await asyncio.sleep(0)
        return outputs == expectations["expected"]

    assert means(mint.evaluate(subjects.times, DOUBLES, scorers=[slow]), "slow") == [1 / 30, 1, 1 / 30]


def test_the_output_of_a_generator_is_the_list_of_its_items():
    @mint.experiment
    def count(x, config: Config):
        yield from range(config.factor)

    @mint.experiment
    async def acount(x, config: Config):
        for n in range(config.factor):
            yield n

    def size(outputs):
        return len(outputs)

    for function in (count, acount):
        report = mint.evaluate(function, [{"x": 1}], scorers=[size])
        assert means(report, "size") == [1, 2, 3]


def test_threads_run_cells_at_the_same_time():
    barrier = threading.Barrier(3, timeout=20)

    @experiment(configs=[{"k": 1}, {"k": 2}, {"k": 3}])
    def f(x, config: Config):
        barrier.wait()
        return x

    report = mint.evaluate(f, [{"x": 1}], scorers={"x": lambda outputs: outputs}, concurrency=3)
    assert means(report, "x") == [1, 1, 1]


# Nested experiments


def test_nested_experiments_are_in_the_assignment():
    report = mint.evaluate(subjects.nested, [{"x": 0.26}], scorers={"value": lambda outputs: outputs})
    assert means(report, "value") == [0, 0.3, 1, 0.5, 1, 0.8]
    names = [f"{subjects.__name__}:nested", f"{subjects.__name__}:rounded"]
    assert [list(case.assignment) for case in report.cases] == [names] * 6
    assert [case.parameters for case in report.cases][:3] == [
        {"factor": 1, "rounded: digits": 0},
        {"factor": 1, "rounded: digits": 1},
        {"factor": 2, "rounded: digits": 0},
    ]
    assert len({case.case_id for case in report.cases}) == 6
    frame = report.to_dataframe()
    assert list(frame["config.rounded: digits"]) == [0, 1, 0, 1, 0, 1]
    assert f"experiment.{names[1]}" in frame.columns


def test_undiscovered_configs_are_warned_of():
    @experiment(configs=[{"d": 1}, {"d": 2}], strategy=ShadowStrategy)
    def hidden(x, config: Config):
        return config.d

    table = {"one": hidden}

    @experiment(configs=[{"k": "one"}])
    def f(x, config: Config):
        return table[config.k](x)

    scorers = {"value": lambda outputs: outputs}
    with pytest.warns(SpearmintWarning, match=r"The configs of .*hidden were not compared") as caught:
        mint.evaluate(f, [{"x": 1}], scorers=scorers)
    assert caught[0].filename == __file__
    assert means(mint.evaluate(f, [{"x": 1}], scorers=scorers), "value") == [1, 2]


def test_more_cases_than_max_cases_are_refused_with_their_sizes():
    @experiment(configs=[{"k": k} for k in range(5)], max_cases=4)
    def f(x, config: Config):
        return x

    with pytest.raises(PlanError, match=r"over 5 cases: max_cases is 4, and its options are 5 "):
        mint.evaluate(f, [{"x": 1}], scorers=[subjects.exact])


@pytest.mark.parametrize(
    "strategy", [None, ShadowStrategy(sample_rate=0.01), RoundRobinStrategy], ids=["single", "sampled", "round robin"]
)
def test_nested_configs_take_part_whatever_the_strategy(strategy):
    @experiment(configs=[{"a": 1}, {"a": 2}], **({} if strategy is None else {"strategy": strategy}))
    def inner(x, config: Config):
        return x + config.a

    @experiment(configs=[{"b": 10}, {"b": 20}])
    def outer(x, config: Config):
        return inner(x) + config.b

    scorers = {"value": lambda outputs: outputs}
    for _ in range(3):
        assert means(mint.evaluate(outer, [{"x": 0}], scorers=scorers), "value") == [11, 12, 21, 22]


def test_vary_names_the_experiments_whose_configs_are_compared():
    @experiment(configs=[{"a": 1}, {"a": 2}])
    def inner(x, config: Config):
        return x + config.a

    @experiment(configs=[{"b": 10}, {"b": 20}])
    def outer(x, config: Config):
        return inner(x) + config.b

    scorers = {"value": lambda outputs: outputs}
    for vary, values in (
        ([inner], [11, 12]),
        ([outer], [11, 21]),
        ([], [11]),
        ([inner, outer], [11, 12, 21, 22]),
    ):
        assert means(mint.evaluate(outer, [{"x": 0}], scorers=scorers, vary=vary), "value") == values
    name = f"{inner.__module__}:{inner.__qualname__}"
    assert means(mint.evaluate(outer, [{"x": 0}], scorers=scorers, vary=[name]), "value") == [11, 12]
    with pytest.raises(
        EvaluationError, match=r"Cannot vary '.*times': .*outer reaches no such experiment with configs"
    ):
        mint.evaluate(outer, [{"x": 0}], scorers=scorers, vary=[subjects.times])


# Time


def test_call_that_takes_too_long_is_a_counted_error():
    never = threading.Event()

    @experiment(configs=[{"k": 1}, {"k": 2}])
    def f(x, config: Config):
        if config.k == 2:
            never.wait()
        return x

    report = mint.evaluate(f, [{"x": 1}, {"x": 2}], scorers={"x": lambda outputs: outputs}, timeout=0.1)
    assert [one.errors for one in report.summary("x")] == [0, 2]
    text = f"TimeoutError: {f.__module__}:{f.__qualname__} took longer than 0.1 s"
    assert report.results.error_samples(1) == [(text, 2)]
    assert list(report.to_dataframe(cells=True)["status"]) == ["success"] * 2 + ["timed_out"] * 2
    never.set()


def test_coroutine_that_takes_too_long_is_cancelled():
    ended = queue.SimpleQueue()

    @experiment(configs=[{"k": 1}], variant_timeout=0.1)
    async def f(x, config: Config):
        try:
            await asyncio.Event().wait()
        finally:
            ended.put(x)

    report = mint.evaluate(f, [{"x": 1}], scorers={"x": lambda outputs: outputs})
    assert ended.get(timeout=30) == 1  # It is cancelled on the thread of its loop, which nothing waits for.
    assert list(report.to_dataframe(cells=True)["status"]) == ["timed_out"]


def test_scorer_that_takes_too_long_is_a_counted_error():
    never = threading.Event()

    def slow(outputs):
        never.wait()

    report = mint.evaluate(subjects.times, DOUBLES[:1], scorers=[slow, subjects.exact], timeout=0.1)
    assert [one.errors for one in report.summary("slow")] == [1, 1, 1]
    assert [one.errors for one in report.summary("exact")] == [0, 0, 0]
    assert report.results.error_samples(0) == [("scorer slow: TimeoutError: it took longer than 0.1 s", 1)]
    never.set()


def test_interrupt_carries_a_note_on_how_to_go_on(tmp_path):
    @experiment(configs=[{"k": 1}])
    def f(x, config: Config):
        raise KeyboardInterrupt

    for resume, note in (
        (None, 'with resume="run.jsonl" another run'),
        (tmp_path / "run.jsonl", "the same call goes on"),
    ):
        with pytest.raises(KeyboardInterrupt) as caught:
            mint.evaluate(f, [{"x": 1}], scorers={"x": lambda outputs: outputs}, resume=resume)
        assert note in caught.value.__notes__[0]


# Keys that reach no parameter


@pytest.fixture
def caught():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def test_varying_key_that_reaches_no_parameter_is_warned_of(caught):
    @experiment(configs=[{"temprature": 0, "fixed": 1}, {"temprature": 1, "fixed": 1}])
    def f(x, temperature: Annotated[float, Bind("temperature")] = 0.5):
        return x

    declared = caught[0]
    caught.clear()
    report = mint.evaluate(f, [{"x": 1}], scorers={"x": lambda outputs: outputs})
    (warning,) = caught
    assert (str(declared.message), declared.filename) == (str(warning.message), __file__)
    text = f"The configs of {f.__module__}:{f.__qualname__} differ in 'temprature', which reaches no parameter"
    assert str(warning.message).startswith(text)
    assert str(warning.message).endswith("Did you mean 'temperature'?")
    assert warning.filename == __file__
    assert report.notes == (str(warning.message),)
    assert text in " ".join(str(report).split())


class Model(BaseModel):
    k: int = 1


def test_keys_that_something_reads_are_not_warned_of(caught):
    @experiment
    def helper(x, deep: Annotated[int, Bind("helper.deep")]):
        return x

    @experiment(configs=[{"helper": {"deep": n}, "model": {"k": n}, "all": n} for n in (1, 2)])
    def f(x, model: Annotated[Model, Bind("model")], rest: Annotated[int, Bind("all")]):
        return helper(x)

    @experiment(configs=[{"anything": 1}, {"anything": 2}])
    def whole(x, config: Config):
        return x

    for function in (f, whole):
        assert mint.evaluate(function, [{"x": 1}], scorers={"x": lambda outputs: 1}).notes == ()
    assert caught == []


def test_field_that_a_model_lacks_is_warned_of(caught):
    @experiment(configs=[{"model": {"k": 1, "kk": n}} for n in (1, 2)])
    def f(x, model: Annotated[Model, Bind("model")]):
        return x

    caught.clear()
    mint.evaluate(f, [{"x": 1}], scorers={"x": lambda outputs: 1})
    assert "differ in 'model.kk', which reaches no parameter" in str(caught[0].message)


# Bad input


def test_row_that_gives_what_configs_fill_is_refused():
    calls = []

    @experiment(configs=[{"k": 1}, {"k": 2, "__config_id__": "b"}])
    def f(x, k: Annotated[int, Bind("k")] = 0):
        calls.append(x)

    with pytest.raises(EvaluationError) as caught:
        mint.evaluate(f, [{"x": 1}, {"x": 1, "k": 3}], scorers={"x": lambda outputs: 1})
    config_id = Config(k=1).config_id
    assert str(caught.value).startswith(
        f"Cannot evaluate the row at data[1]: it gives 'k', which 'k' of config '{config_id}' fills too"
    )
    assert calls == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "Cannot evaluate on data: it has no rows"),
        ([{"x": 1}, {"X": 2}], r"Cannot evaluate the row at data\[1\]: 'X' is no parameter of .*:times, which takes"),
        ([{"expected": 2}], r"data\[0\]: .*:times needs 'x', which neither the row nor a config gives. .*no inputs"),
        ([{"x": 1, "facto": 2}], "Did you mean 'factor'"),
    ],
)
def test_rows_that_do_not_fit_the_function_are_refused(data, message):
    with pytest.raises(EvaluationError, match=message):
        mint.evaluate(subjects.times, data, scorers=[subjects.exact])


@pytest.mark.parametrize(("name", "value"), [("repeats", 0), ("repeats", 1.5), ("concurrency", 0), ("repeats", True)])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(EvaluationError, match=f"{name}={value!r}"):
        mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], **{name: value})


def test_configs_that_do_not_reach_a_parameter_are_refused():
    with pytest.raises(BindingError, match="factor"):
        mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], configs=[{"facto": 1}])
    with pytest.raises(EvaluationError, match="Cannot evaluate without configs"):
        mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact], configs=[])


def test_unknown_metric_error_lists_the_metrics():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact])
    with pytest.raises(
        EvaluationError, match=r"Cannot tell metric 'exakt': there are exact, latency. Did you mean 'exa"
    ):
        report.best("exakt")


def test_an_interruption_reaches_the_caller_and_stops_the_rest():
    seen = []

    @experiment(configs=[{"k": 1}])
    def f(x, config: Config):
        seen.append(x)
        if x == 3:
            raise KeyboardInterrupt
        return x

    data = ({"x": x} for x in range(100_000))
    with pytest.raises(KeyboardInterrupt):
        mint.evaluate(f, data, scorers={"x": lambda outputs: outputs}, concurrency=1)
    assert len(seen) < 100_000


# Reports


def test_latency_is_a_metric_in_seconds_of_which_less_is_better():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact])
    told = report.summary("latency")
    assert all(0 < one.estimate.value < 1 for one in told)
    assert report.best("latency").summary.estimate.value == min(one.estimate.value for one in told)
    assert all(one.p50 <= one.p95 for one in told)


def test_a_few_rows_are_too_few_for_a_verdict():
    report = mint.evaluate(subjects.times, DOUBLES[:5], scorers=[subjects.exact])
    assert report.summary("exact")[1].verdict == "inconclusive: 5 rows, at least 20 are needed"


def test_data_frames_hold_a_row_for_each_case_or_each_cell():
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact])
    frame = report.to_dataframe()
    assert list(frame["config.factor"]) == [1, 2, 3]
    assert list(frame["exact.mean"]) == means(report, "exact")
    assert frame["exact.difference"][1] == pytest.approx(29 / 30)
    cells = report.to_dataframe(cells=True)
    assert len(cells) == 90
    assert list(cells[cells["row"] == 3]["output"]) == ["3", "6", "9"]
    assert list(cells["exact"][30:33]) == [1, 1, 1]


def test_the_table_is_saved_as_csv(tmp_path):
    report = mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact])
    path = report.save(tmp_path / "deep" / "report.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("case,is_main,config.factor,failures,latency.p50,latency.p95,exact.n")
    assert len(lines) == 4
    with pytest.raises(EvaluationError, match=r"Cannot save to 'report\.pdf': its name ends otherwise"):
        report.save("report.pdf")


def test_the_terminal_shows_a_line_for_each_case():
    text = str(mint.evaluate(subjects.times, DOUBLES, scorers=[subjects.exact]))
    first, *_ = text.splitlines()
    assert first == f"{subjects.__name__}:times: 3 cases on 30 rows of data"
    lines = [line.split() for line in text.splitlines()]
    assert [f"{Config(factor=1).config_id[:8]}", "*", "1", "0.033"] in [line[:4] for line in lines]
    assert any("higher" in line for line in lines)


def test_outputs_whose_repr_raises_harm_nothing():
    class Odd:
        def __repr__(self):
            raise ValueError("no")

    @experiment(configs=[{"k": 1}])
    def f(x, config: Config):
        return Odd()

    report = mint.evaluate(f, [{"x": 1}], scorers={"one": lambda outputs: 1})
    assert report.errors == 0
    assert report.to_dataframe(cells=True)["output"][0].startswith("<Odd instance at ")


def test_a_report_of_failures_only_has_no_latency():
    @experiment(configs=[{"k": 1}])
    def f(x, config: Config):
        raise ValueError("always")

    report = mint.evaluate(f, [{"x": 1}], scorers=[subjects.exact])
    assert report.errors == 1
    assert math.isnan(report.summary("latency")[0].p50)
    assert "1 x ValueError: always" in str(report)


def test_report_says_where_it_keeps_no_outputs(monkeypatch, tmp_path):
    monkeypatch.setattr("spearmint.evaluation.evaluate.KEPT_OUTPUTS", 3)

    def report_of(rows, **options):
        data = [{"x": number} for number in range(rows)]
        return Spearmint().evaluate(
            lambda x, config: x, data, scorers={"x": lambda outputs: outputs}, configs=[{}], progress=False, **options
        )

    assert report_of(3).notes == ()
    report = report_of(4)
    assert report.notes == ("No output is kept: of more than 3 cells, here 4, store= alone keeps outputs.",)
    assert report.notes[0] in " ".join(str(report).split())
    assert set(report.to_dataframe(cells=True)["output"]) == {None}
    stored = report_of(4, store=tmp_path / "runs.db")
    assert stored.notes == ()
    assert list(stored.to_dataframe(cells=True)["output"]) == ["0", "1", "2", "3"]
