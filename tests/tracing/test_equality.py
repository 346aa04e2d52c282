"""How often a variant's result equals main's: compared off the caller's thread, and recorded with the variant."""

import asyncio
import threading
import time

import numpy as np
import pandas as pd
import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.execution.call import Call
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

CONFIGS = [{"n": 1}, {"n": 2}]
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)


def verdict(traces, make, **settings):
    """Run a function of n under both configs and return what is recorded of the comparison."""

    @shadow.experiment(**settings)
    def compared(config: Config):
        return make(config.n)

    try:
        compared()
    except Exception:
        assert make  # Main may raise; that is recorded too.
    (trace,) = traces("tags.`spearmint.role` = 'variant'")
    return trace.info.tags.get("spearmint.equal")


def fail(n):
    raise ValueError("no")


def fail_differently(n):
    raise ValueError(n)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda n: 5, "true"),
        (lambda n: n, "false"),
        (lambda n: [1, {"a": (n * 0,)}], "true"),
        (lambda n: np.arange(3), "true"),
        (lambda n: np.arange(3) * n, "false"),
        (lambda n: pd.DataFrame({"a": [1]}), "true"),
        (lambda n: pd.DataFrame({"a": [1] * n}), "false"),
        (lambda n: object(), "false"),
        (fail, "true"),
        (fail_differently, "false"),
        (lambda n: n if n == 1 else fail(n), "false"),
    ],
)
def test_equality_is_recorded_with_the_variant(traces, make, expected) -> None:
    assert verdict(traces, make) == expected


def test_an_experiment_may_say_how_to_compare(traces) -> None:
    assert verdict(traces, lambda n: n, compare=lambda main, variant: abs(main - variant) < 2) == "true"


def test_equal_of_the_experiment_wins_over_the_strategys(traces) -> None:
    class Tolerant(ShadowStrategy):
        def compare(self, main, variant):
            return True

    assert verdict(traces, lambda n: n, strategy=Tolerant) == "true"
    found = shadow.experiment(strategy=Tolerant, compare=lambda main, variant: False)(lambda config: 1)
    found()
    assert len(traces("tags.`spearmint.equal` = 'false'")) == 1


def test_a_comparison_that_raises_is_an_error_and_no_more(traces) -> None:
    def compare(main, variant):
        raise SystemExit(3)

    assert verdict(traces, lambda n: n, compare=compare) == "error"


def test_comparison_runs_on_neither_callers_nor_variants_thread(traces) -> None:
    threads = {}

    def compare(main, variant):
        threads["compare"] = threading.current_thread().name
        return True

    def make(n):
        threads[n] = threading.current_thread().name
        return n

    assert verdict(traces, make, compare=compare) == "true"
    assert threads["compare"] == "spearmint-traces"
    assert threads["compare"] not in (threads[1], threads[2])


def test_what_the_caller_does_to_mains_result_changes_nothing(traces) -> None:
    may_end = threading.Event()

    @shadow.experiment()
    def compared(config: Config):
        if config.n == 2:
            assert may_end.wait(10)
        return [1, 2]

    compared().append(3)
    may_end.set()
    (trace,) = traces("tags.`spearmint.role` = 'variant'")
    assert trace.info.tags["spearmint.equal"] == "true"


def test_variant_ending_before_main_is_compared_after_main(traces) -> None:
    variant_has_ended = threading.Event()

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment()
    def branch(config: Config):
        if config.n == 1:
            assert variant_has_ended.wait(10)
        else:
            variant_has_ended.set()
        return 5

    branch()
    assert len(traces("tags.`spearmint.equal` = 'true'")) == 1
    assert spearmint.tracing_stats().written == 2


@pytest.fixture
def late_main(monkeypatch):
    """Let main of a call begin only when its variants have ended."""
    begin_main = Call.begin_main

    def begin_late(call, *args):
        while spearmint.background_stats().pending:
            time.sleep(0.001)
        return begin_main(call, *args)

    monkeypatch.setattr(Call, "begin_main", begin_late)


def test_variant_ending_before_main_begins_is_compared(traces, late_main) -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment()
    def branch(config: Config):
        return 5

    branch()
    assert len(traces("tags.`spearmint.equal` = 'true'")) == 1
    assert spearmint.tracing_stats().written == 2


def test_variants_of_a_main_that_never_begins_are_written(traces, monkeypatch) -> None:
    def refuse(call):
        while spearmint.background_stats().pending:
            time.sleep(0.001)
        raise ValueError("not here")

    monkeypatch.setattr(Call, "main_arguments", property(refuse))

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment()
    def branch(config: Config):
        return 5

    assert str(branch().main_result.exception) == "not here"
    assert len(traces("tags.`spearmint.role` = 'variant'")) == 1


def test_variants_of_a_stream_cut_before_its_begin_are_written(traces, monkeypatch) -> None:
    def refuse(call, *args):
        while spearmint.background_stats().pending:
            time.sleep(0.001)
        raise KeyboardInterrupt

    monkeypatch.setattr(Call, "begin_main", refuse)

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy(start="with_main")).experiment
    def stream(config: Config):
        yield 5

    with pytest.raises(KeyboardInterrupt):
        next(stream())
    assert len(traces("tags.`spearmint.role` = 'variant'")) == 1


def variant_tags(traces):
    (trace,) = traces("tags.`spearmint.role` = 'variant'")
    return trace.info.tags


@pytest.mark.parametrize(("varies", "expected"), [(False, "true"), (True, "false")])
def test_stream_is_compared_by_its_items(traces, varies, expected) -> None:
    @shadow.experiment
    def count(config: Config):
        yield from range(config.n if varies else 3)
        return object()

    list(count())
    assert variant_tags(traces)["spearmint.equal"] == expected


def test_async_stream_is_compared_by_its_items(traces) -> None:
    @shadow.experiment
    async def count(config: Config):
        for number in range(3):
            yield number

    async def main() -> None:
        assert [item async for item in count()] == [0, 1, 2]
        assert await spearmint.aflush(10)

    asyncio.run(main())
    assert variant_tags(traces)["spearmint.equal"] == "true"


def test_stream_closed_early_is_compared_with_nothing(traces) -> None:
    @shadow.experiment
    def count(config: Config):
        yield from range(3)

    stream = count()
    next(stream)
    stream.close()
    assert "spearmint.equal" not in variant_tags(traces)


def test_stream_beyond_the_limit_is_compared_with_nothing(traces) -> None:
    spearmint.configure(background={"stream_items": 2})

    @shadow.experiment
    def count(config: Config):
        yield from range(3)

    try:
        assert len(list(count())) == 3
        assert "spearmint.equal" not in variant_tags(traces)
    finally:
        spearmint.configure(background={"stream_items": 10_000})
