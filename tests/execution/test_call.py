"""The sequence of steps that both drivers follow."""

from typing import Any

import pytest

from spearmint import Config, Spearmint
from spearmint.errors import PlanError
from spearmint.execution.batch import VariantBatch
from spearmint.execution.call import Call, after_main, before_main, begin_call
from spearmint.execution.pool import variant_pool
from spearmint.planning.select import select
from spearmint.proxy.proxy import experiment_of
from spearmint.results import Outcome
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy, SingleConfigStrategy

pytestmark = pytest.mark.usefixtures("account")

DONE = Outcome("success", 1)
FAILED = Outcome("failed", exception=ValueError())
INTERRUPTED = Outcome("failed", exception=KeyboardInterrupt())


def call_of(strategy: Any, *, is_stream: bool = False, configs: int = 3, **options: Any) -> Call:
    def function(x: int, config: Config) -> int:
        return x

    def generator(x: int, config: Config) -> Any:
        yield x

    settings = {name: options.pop(name) for name in ("max_cases", "copy_args") if name in options}
    mint = Spearmint(configs=[{"n": n} for n in range(configs)], strategy=strategy, **settings)
    experiment, _, _ = experiment_of(mint.experiment(generator if is_stream else function))
    return begin_call(experiment, options.pop("args", (1,)), {}, select(experiment), **options)


def taken(call: Call, outcome: Outcome) -> list[str]:
    """Return all the steps; main ends with that outcome."""
    return [*before_main(call), "main", *after_main(call, outcome)]


@pytest.mark.parametrize(
    ("call", "outcome", "expected"),
    [
        (call_of(SingleConfigStrategy), DONE, ["main"]),
        (call_of(ShadowStrategy), DONE, ["main", "start"]),
        (call_of(ShadowStrategy), FAILED, ["main", "start"]),
        (call_of(ShadowStrategy), INTERRUPTED, ["main", "cancel"]),
        (call_of(ShadowStrategy), Outcome("cancelled"), ["main", "start"]),
        (call_of(ShadowStrategy, waits_for_variants=True), DONE, ["main", "start", "wait"]),
        (call_of(ShadowStrategy, waits_for_variants=True), FAILED, ["main", "start", "wait"]),
        (call_of(ShadowStrategy, waits_for_variants=True), INTERRUPTED, ["main", "cancel"]),
        (call_of(ShadowStrategy, waits_for_variants=True, is_stream=True), DONE, ["main", "start"]),
        (call_of(ShadowStrategy(start="with_main")), DONE, ["start", "main"]),
        (call_of(ShadowStrategy(start="with_main")), INTERRUPTED, ["start", "main"]),
        (call_of(MultiBranchStrategy), DONE, ["start", "main", "wait"]),
        (call_of(MultiBranchStrategy), INTERRUPTED, ["start", "main"]),
        (call_of(MultiBranchStrategy, is_stream=True), DONE, ["start", "main", "wait"]),
    ],
)
def test_steps_follow_from_the_strategy_and_mains_end(call, outcome, expected) -> None:
    assert taken(call, outcome) == expected


def test_main_settles_before_its_variants_start() -> None:
    call = call_of(ShadowStrategy, is_run=True)
    assert after_main(call, DONE) == ("start",)
    assert call.results.main_result.result == 1


def test_a_plan_beyond_its_limit_is_an_error_of_a_run() -> None:
    with pytest.raises(PlanError, match=r"over 4 cases: max_cases is 3, and its options are 4 \("):
        call_of(ShadowStrategy, configs=4, max_cases=3, is_run=True)
    assert variant_pool.stats().submitted == 0


def test_a_plan_of_just_the_limit_is_none() -> None:
    assert taken(call_of(ShadowStrategy, configs=4, max_cases=4, is_run=True), DONE) == ["main", "start"]


def test_caller_who_passes_all_bound_values_gets_no_variants() -> None:
    assert taken(call_of(ShadowStrategy, args=(1, Config(n=9))), DONE) == ["main"]


def test_call_without_a_reader_of_results_keeps_none() -> None:
    assert VariantBatch(call_of(ShadowStrategy)).take().result is None
    told = call_of(ShadowStrategy, is_run=True)
    assert VariantBatch(told).take().result is told.results.variant_results[0]


def test_arguments_are_copied_before_main_can_change_them() -> None:
    items = [1]
    call = call_of(ShadowStrategy, copy_args=True, args=(items,))
    items.append(2)
    (case, _) = call.plan.variants()
    (first, *_), _ = call.variant_arguments(case)
    (second, *_), _ = call.variant_arguments(case)
    assert first == second == [1]
    assert first is not second
