"""Which of many calls a sample holds."""

from collections import Counter
from dataclasses import replace

import pytest

pytest.importorskip("mlflow")

from spearmint.evaluation.traced_rows import stratified_sample
from spearmint.tracing.mlflow.search import TracedExecution


def call(number, **given):
    base = TracedExecution(f"tr-{number:03}", "m:f", "c", "c", "main", f"call-{number}", "success", None, 0.1, "", "")
    return replace(base, began_ms=number, **given)


CALLS = [
    *(call(number) for number in range(80)),
    *(call(number, status="failed") for number in range(80, 84)),
    *(call(number, seconds=2.0) for number in range(84, 90)),
    *(call(number) for number in range(90, 100)),
]
DIFFERING = {f"call-{number}" for number in range(90, 100)}


def kinds(chosen):
    return Counter(
        "errors" if one.status != "success" else "differing" if one.call_id in DIFFERING else str(one.seconds)
        for one in chosen
    )


def test_sample_holds_failed_differing_and_slow_calls() -> None:
    assert kinds(stratified_sample(CALLS, DIFFERING, 20, 1)) == {"errors": 4, "differing": 5, "2.0": 5, "0.1": 6}
    assert kinds(stratified_sample(CALLS, DIFFERING, 4, 1)) == {"errors": 1, "differing": 1, "2.0": 1, "0.1": 1}


def test_sample_is_the_same_for_a_seed_in_any_order() -> None:
    first = stratified_sample(CALLS, DIFFERING, 20, 1)
    assert [one.began_ms for one in first] == sorted(one.began_ms for one in first)
    assert stratified_sample(CALLS[::-1], DIFFERING, 20, 1) == first[::-1]
    assert stratified_sample(CALLS, DIFFERING, 20, 2) != first


def test_sample_takes_all_where_there_are_no_more() -> None:
    assert stratified_sample(CALLS, DIFFERING, 1000, 1) == CALLS
    failed = CALLS[80:84]
    assert stratified_sample(failed, set(), 3, 0) != failed
    assert len(stratified_sample(failed, set(), 3, 0)) == 3
    assert stratified_sample([], set(), 3, 0) == []
