"""What a step that ran for one case hands to the others, and what it must not."""

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar
from time import sleep, thread_time
from typing import Annotated, Any

import pytest

from spearmint import Bind, Config, Limits, Race, Spearmint, experiment
from spearmint.context import experiment_case_var
from spearmint.evaluation.sharing import sharing

mint = Spearmint()
calls: Counter[str] = Counter()
ROWS = [{"q": f"q{number}"} for number in range(3)]
mode: ContextVar[str] = ContextVar("mode", default="plain")


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


@experiment(configs=[{"k": k} for k in range(4)])
def retrieve(q: str, k: Annotated[int, Bind("k")]) -> list[dict[str, Any]]:
    calls["retrieve"] += 1
    return [{"text": q, "k": k}]


@experiment(configs=[{"m": m} for m in range(4)])
def rerank(docs: list[dict[str, Any]], m: Annotated[int, Bind("m")]) -> list[dict[str, Any]]:
    calls["rerank"] += 1
    return [{**doc, "m": m} for doc in docs]


@experiment(configs=[{"t": t} for t in range(4)])
def generate(q: str, docs: list[dict[str, Any]], t: Annotated[int, Bind("t")]) -> str:
    calls["generate"] += 1
    return f"{q} {docs} {t}"


@mint.experiment
def pipeline(q: str) -> str:
    docs = retrieve(q)
    docs[0]["seen"] = True  # of this cell's copy alone
    return generate(q, rerank(docs))


def long(outputs: Any) -> int:
    calls["long"] += 1
    return len(str(outputs))


def evaluate(function, rows=ROWS, scorers=(long,), **options):
    return mint.evaluate(function, rows, scorers=list(scorers), progress=False, **options)


def outputs(report):
    return report.to_dataframe(cells=True)["output"].tolist()


def both(function, **options):
    """Evaluate alone, then shared; return the calls that the second made, and its report."""
    alone = outputs(evaluate(function, share=False, **options))
    calls.clear()
    report = evaluate(function, **options)
    assert outputs(report) == alone
    return dict(calls), report


@pytest.mark.parametrize("concurrency", [1, 6])
def test_a_pipeline_runs_each_step_once_for_what_it_sees(concurrency):
    made, report = both(pipeline, concurrency=concurrency)
    assert made == {"retrieve": 3 * 4, "rerank": 3 * 16, "generate": 3 * 64, "long": 3 * 64}
    assert "reused 324 of 576 step calls" in str(report)


def test_without_share_each_case_runs_alone():
    report = evaluate(pipeline, rows=ROWS[:1], share=False)
    assert calls["retrieve"] == calls["rerank"] == calls["generate"] == 64
    assert "reused" not in str(report)


def test_equal_rows_and_repeats_are_not_shared():
    evaluate(pipeline, rows=[ROWS[0], ROWS[0]], repeats=2)
    assert calls["retrieve"] == 2 * 2 * 4


def test_equal_results_of_two_retrievers_share_what_follows():
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def same(q: str, k: Annotated[int, Bind("k")]) -> list[dict[str, Any]]:
        return [{"text": q}]

    @mint.experiment
    def answer(q: str) -> str:
        return generate(q, same(q))

    assert both(answer)[0]["generate"] == 3 * 4


def test_arguments_count_by_type_and_order():
    @experiment
    def shown(value: Any) -> str:
        calls["shown"] += 1
        return repr(value)

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        return shown([1, True, 1.0, (1,), [1], {"a": 1, "b": 2}, {"b": 2, "a": 1}, -0.0][n])

    made, _ = both(answer, configs=[{"n": n} for n in range(8)], rows=ROWS[:1])
    assert made["shown"] == 8


def test_calls_repeated_in_a_case_are_as_many_as_alone():
    @experiment
    def draw(q: str) -> int:
        calls["draw"] += 1
        return calls["draw"]

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> list[int]:
        return [draw(q) for _ in range(3)]

    report = evaluate(answer, rows=ROWS[:1], configs=[{"n": 1}, {"n": 2}])
    assert calls["draw"] == 3
    assert outputs(report) == ["[1, 2, 3]"] * 2


def test_exceptions_are_not_shared():
    @experiment
    def fragile(q: str) -> str:
        calls["fragile"] += 1
        raise ValueError(q)

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        return fragile(q)

    report = evaluate(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(3)])
    assert calls["fragile"] == 3
    assert report.errors == 3


def unshared(step, function=None, configs=({"n": 1}, {"n": 2}, {"n": 3})):
    """Evaluate a function of a step, and return how often the step ran and what the report says."""

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> Any:
        return step(q, n) if function is None else function(q, n)

    made, report = both(answer, rows=ROWS[:1], configs=list(configs))
    return made.get("step", 0), " ".join(str(report).split())


def test_a_step_that_changes_its_arguments_is_not_shared():
    @experiment
    def step(items: list[str]) -> int:
        calls["step"] += 1
        items.append("more")
        return len(items)

    def use(q, n):
        items = [q]
        step(items)
        return items

    made, told = unshared(step, use)
    assert made == 3
    assert "step was not shared: it changes its arguments (3 calls)." in told


def test_a_step_that_sets_a_context_variable_is_not_shared():
    @experiment
    def step(q: str) -> str:
        calls["step"] += 1
        mode.set("set")
        return q

    def use(q, n):
        mode.set("plain")
        step(q)
        return mode.get()

    made, told = unshared(step, use)
    assert made == 3
    assert "it sets the context variable 'mode'" in told


def test_context_variables_of_the_caller_are_part_of_the_key():
    @experiment
    def step(q: str) -> str:
        calls["step"] += 1
        return mode.get()

    def use(q, n):
        mode.set("even" if n % 2 == 0 else "odd")
        return step(q)

    assert unshared(step, use)[0] == 2


def test_a_step_that_reads_the_running_case_is_not_shared():
    @experiment
    def step(q: str) -> str:
        calls["step"] += 1
        return str(experiment_case_var.get().config)

    made, told = unshared(step, lambda q, n: step(q))
    assert made == 3
    assert "it reads the case that is running" in told


def test_what_no_analysis_discovers_in_a_step_keeps_it_apart():
    hidden = {"generate": generate}

    @experiment
    def step(q: str) -> str:
        calls["step"] += 1
        name = next(iter(hidden))
        return hidden[name](q, [])

    @mint.experiment
    def answer(q: str) -> str:
        return step(q) + generate(q, [])

    _, report = both(answer, rows=ROWS[:1])
    assert len(set(outputs(report))) == 4


def test_cache_false_keeps_a_step_out_and_those_that_call_it():
    @experiment(cache=False)
    def step(q: str) -> int:
        calls["step"] += 1
        return 1

    @experiment
    def outer(q: str) -> int:
        return step(q)

    assert unshared(step, lambda q, n: outer(q))[0] == 3


def test_iterators_and_what_cannot_be_copied_are_not_shared():
    @experiment
    def step(items: Any) -> Any:
        calls["step"] += 1
        return threading.Lock() if items is None else list(items)

    made, told = unshared(step, lambda q, n: step(iter([q])))
    assert made == 3
    assert "which is used up by reading it" in told
    calls.clear()
    made, told = unshared(step, lambda q, n: bool(step(None)))
    assert made == 3
    assert "its result cannot be copied" in told


class Slow:
    """What takes long to be copied."""

    def __deepcopy__(self, memo):
        end = thread_time() + 0.03
        while thread_time() < end:
            pass
        return Slow()


def test_result_dearer_to_copy_than_to_make_is_not_shared():
    @experiment
    def step(q: str) -> Any:
        calls["step"] += 1
        return Slow()

    made, told = unshared(step, lambda q, n: step(q) is None)
    assert made == 3
    assert "comparing its arguments and copying its result take longer than a call (" in told


def test_one_dear_result_keeps_no_later_call_apart():
    @experiment
    def step(q: str) -> Any:
        calls[q] += 1
        return Slow() if q == "q0" else q

    @experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> bool:
        return step(q) is None

    evaluate(answer, configs=[{"n": 1}, {"n": 2}, {"n": 3}], concurrency=1)
    assert [calls["q0"], calls["q1"], calls["q2"]] == [3, 1, 1]


def test_dear_results_in_a_row_keep_later_calls_apart():
    @experiment
    def step(q: str) -> Any:
        calls[q] += 1
        return q if q == "q3" else Slow()

    @experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> bool:
        return step(q) is None

    evaluate(answer, [{"q": f"q{number}"} for number in range(4)], configs=[{"n": 1}, {"n": 2}], concurrency=1)
    assert [calls[f"q{number}"] for number in range(4)] == [2, 2, 2, 2]


@pytest.mark.slow
def test_step_that_takes_longer_than_its_copies_is_shared():
    @experiment
    def step(q: str) -> Any:
        calls["step"] += 1
        sleep(0.5)
        return Slow()

    assert unshared(step, lambda q, n: step(q) is None)[0] == 1


class Client:
    """Stands for the client of a service, which holds a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Finder:
    """A receiver that is told by what it holds."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.client = Client()
        self.lock = self.client.lock

    @experiment
    def find(self, q: str) -> str:
        calls["find"] += 1
        return f"{q}{self.k}"


class Counting:
    """A receiver that a call changes."""

    def __init__(self) -> None:
        self.count = 0

    @experiment
    def next(self, q: str) -> int:
        self.count += 1
        return self.count


FINDER = Finder(1)
OTHER = Finder(2)


def test_methods_are_shared_by_what_their_receiver_holds():
    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        return FINDER.find(q) if n < 3 else OTHER.find(q)

    made, _ = both(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(6)])
    assert made["find"] == 2


def test_methods_that_change_their_receiver_are_not_shared():
    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> int:
        return Counting().next(q)

    both(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(3)])


def test_streams_are_drained_once_and_replayed():
    @experiment(configs=[{"k": 1}, {"k": 2}])
    def tokens(q: str, k: Annotated[int, Bind("k")]):
        calls["tokens"] += 1
        yield from [q, str(k)]
        return "end"

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> Any:
        stream = tokens(q)
        items = [next(stream)]
        try:
            while True:
                items.append(next(stream))
        except StopIteration as stop:
            items.append(stop.value)
        return items

    made, _ = both(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(3)])
    assert made["tokens"] == 2


def test_a_reader_who_sends_gets_a_stream_of_its_own():
    @experiment
    def echo(q: str):
        got = yield q
        got = yield got
        yield got

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> Any:
        stream = echo(q)
        return [next(stream), stream.send(n), stream.send("last")]

    both(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(3)])


def test_async_steps_and_streams_run_once_while_others_wait():
    @experiment(configs=[{"k": 1}, {"k": 2}])
    async def find(q: str, k: Annotated[int, Bind("k")]) -> str:
        calls["find"] += 1
        await asyncio.sleep(0.01)
        return f"{q}{k}"

    @experiment
    async def tokens(found: str):
        calls["tokens"] += 1
        yield found
        await asyncio.sleep(0)
        yield "end"

    @mint.experiment
    async def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> Any:
        one, other = await asyncio.gather(find(q), find(f"{q}!"))
        return [one, other, [item async for item in tokens(one)]]

    made, _ = both(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(4)], concurrency=8)
    assert made["find"] == 4
    assert made["tokens"] == 2


def test_concurrent_calls_wait_for_the_one_that_runs():
    begun = threading.Event()

    @experiment
    def slow(q: str) -> str:
        calls["slow"] += 1
        begun.wait(0.2)
        return q

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        return slow(q)

    evaluate(answer, rows=ROWS[:1], configs=[{"n": n} for n in range(4)], concurrency=4)
    assert calls["slow"] == 1


def test_a_step_that_calls_itself_with_equal_arguments_ends():
    @experiment
    def deep(q: str) -> int:
        calls["deep"] += 1
        return 1 if calls["deep"] % 3 == 0 else deep(q) + 1

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> int:
        return deep(q)

    report = evaluate(answer, rows=ROWS[:1], configs=[{"n": 1}, {"n": 2}])
    assert report.errors == 0
    assert outputs(report)[0] == "3"


def test_latency_is_told_as_if_each_case_had_run_alone():
    @experiment
    def slow(q: str) -> str:
        calls["slow"] += 1
        threading.Event().wait(0.05)
        return q

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        return slow(q)

    report = evaluate(answer, rows=ROWS[:1], configs=[{"n": 1}, {"n": 2}], concurrency=1)
    assert calls["slow"] == 1
    assert min(one.estimate.value for one in report.summary("latency")) >= 0.05
    assert report.results.account.saved_seconds >= 0.04


def test_equal_outputs_of_a_row_are_judged_once():
    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> bool:
        return n > 1

    def judge(outputs, expectations):
        calls["judge"] += 1
        return outputs

    report = evaluate(answer, scorers=[judge], configs=[{"n": n} for n in range(4)])
    assert calls["judge"] == 3 * 2
    assert [one.estimate.value for one in report.summary("judge")] == [0, 0, 1, 1]
    assert "reused 6 of 12 scores" in str(report)


def test_a_score_that_another_holds_up_is_made_alone(monkeypatch):
    monkeypatch.setattr(sharing, "_PATIENCE", 0.05)
    judging = threading.Event()

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> int:
        return 1

    def judge(outputs):
        calls["judge"] += 1
        if calls["judge"] == 1:
            assert judging.wait(60)
        else:
            judging.set()
        return outputs

    configs = [{"n": n} for n in range(2)]
    report = evaluate(answer, scorers=[judge], configs=configs, rows=ROWS[:1], concurrency=2)
    assert report.errors == 0
    assert calls["judge"] == 2


class Unavailable(Exception):
    status_code = 503
    retry_after = 0


def test_seconds_spent_count_no_attempt_that_was_spared():
    tried: Counter[int] = Counter()

    @mint.experiment
    def slow(q: str) -> str:
        sleep(0.05)
        return q

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> str:
        found = slow(q)
        tried[n] += 1
        if n and tried[n] < 4:
            raise Unavailable
        return found

    report = evaluate(
        answer, configs=[{"n": n} for n in range(2)], rows=ROWS[:1], concurrency=1, limits=Limits(concurrency=1)
    )
    assert report.errors == 0
    assert report.spent.calls == 5
    assert report.spent.seconds > 0


def test_a_scorer_that_changes_an_output_judges_each():
    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> list[int]:
        return [1]

    def judge(outputs):
        calls["judge"] += 1
        outputs.append(1)
        return len(outputs)

    evaluate(answer, scorers=[judge], configs=[{"n": n} for n in range(3)], rows=ROWS[:1])
    assert calls["judge"] == 3


def test_a_race_shares_steps_and_reaches_the_same_verdicts():
    rows = [{"q": f"q{number}"} for number in range(60)]

    @experiment(configs=[{"k": 1}, {"k": 2}])
    def find(q: str, k: Annotated[int, Bind("k")]) -> int:
        calls["find"] += 1
        return k

    @mint.experiment
    def answer(q: str, n: Annotated[int, Bind("n")] = 0) -> int:
        return find(q) * n

    def good(outputs):
        return outputs == 6

    options = {"rows": rows, "scorers": [good], "configs": [{"n": n} for n in range(4)], "race": Race("good", block=10)}
    alone = evaluate(answer, share=False, **options)
    before = calls["find"]
    calls.clear()
    shared = evaluate(answer, **options)
    assert shared.survivors == alone.survivors
    assert calls["find"] < before / 2


def test_share_is_true_or_false():
    with pytest.raises(Exception, match="Cannot evaluate with share='yes': it is neither True nor False"):
        evaluate(pipeline, share="yes")


@pytest.mark.slow
def test_result_too_large_to_copy_is_not_shared_and_told():
    calls = []

    @experiment(configs=[{"k": 1}, {"k": 2}])
    def use(index: dict, config: Config) -> int:
        return len(index) * config.k

    @experiment
    def build(x: int) -> dict:
        calls.append(x)
        return {f"term {number}": [number, [x]] for number in range(200_000)}

    @experiment
    def search(x: int) -> int:
        return use(build(x))

    report = Spearmint().evaluate(search, [{"x": 1}], scorers={"size": lambda outputs: outputs}, progress=False)
    assert calls == [1, 1]
    assert report.results.account.reused == 0
    assert "its result is not copied: it holds more than 4 MB" in " ".join(str(report).split())
