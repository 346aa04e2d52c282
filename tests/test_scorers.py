import enum
import functools
import math

import numpy as np
import pytest

from spearmint.errors import EvaluationError
from spearmint.online.options import imported_metrics
from spearmint.scorers import compile_scorers, scores_of


def accuracy(outputs, expectations):
    return outputs == expectations["expected"]


class Length:
    def __call__(self, outputs):
        return len(outputs)


def test_a_scorer_wants_what_it_names():
    def everything(**given):
        return 1

    def some(config, *, trace=None, weight=2):
        return 1

    made = compile_scorers([accuracy, everything, some, Length(), functools.partial(accuracy, outputs=1)][:4])
    assert [(one.name, one.wants) for one in made] == [
        ("accuracy", ("outputs", "expectations")),
        ("everything", ("inputs", "outputs", "expectations", "config")),
        ("some", ("trace", "config")),
        ("Length", ("outputs",)),
    ]


def test_scorers_may_be_named_and_a_single_one_needs_no_list():
    assert [one.name for one in compile_scorers({"short": lambda outputs: 1, "b": accuracy})] == ["short", "b"]
    assert [one.name for one in compile_scorers(accuracy)] == ["accuracy"]
    assert [one.name for one in compile_scorers(functools.partial(accuracy))] == ["accuracy"]


@pytest.mark.parametrize(
    ("scorers", "message"),
    [
        ([], "Cannot evaluate without scorers"),
        (["accuracy"], "Cannot use 'accuracy' as a scorer: it cannot be called"),
        ([lambda outputs: 1], r"Cannot name a scorer that is a lambda. Give scorers=\{name: lambda \.\.\.\}"),
        ([accuracy, accuracy], "both are called 'accuracy'"),
        ({"a": lambda outputs, answer: 1}, "it needs 'answer', which scorers are not given by keyword. They may take"),
        ({"a": lambda outputs, /: 1}, "it needs 'outputs', which scorers are not given by keyword"),
    ],
)
def test_what_is_no_scorer_is_refused(scorers, message):
    with pytest.raises(EvaluationError, match=message):
        compile_scorers(scorers)


class Rating(enum.Enum):
    YES = "yes"


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        (True, {"accuracy": 1.0}),
        (0.25, {"accuracy": 0.25}),
        (np.float32(0.5), {"accuracy": 0.5}),
        (np.bool_(False), {"accuracy": 0.0}),
        ({"f1": 0.5, "ok": True, "skipped": None}, {"f1": 0.5, "ok": 1.0}),
        (None, {}),
        ("yes", {"accuracy": 1.0}),
        (Rating.YES, {"accuracy": 1.0}),
    ],
)
def test_results_count_as_numbers(result, counts):
    assert scores_of(compile_scorers(accuracy)[0], result) == counts


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        ("good", TypeError, "a scorer returned 'good', a str"),
        ([1], TypeError, "a list"),
        (math.nan, ValueError, "a scorer returned nan, which no mean can hold; return None for no score"),
        ({"a": math.inf}, ValueError, "inf"),
    ],
)
def test_results_that_are_no_numbers_are_errors(result, error, message):
    with pytest.raises(error, match=message):
        scores_of(compile_scorers(accuracy)[0], result)


def test_one_scorer_of_mlflow_needs_no_list() -> None:
    scorers = pytest.importorskip("mlflow.genai.scorers")

    @scorers.scorer
    def good(outputs):
        return 1.0

    for compiled in (compile_scorers(good), imported_metrics(good)):
        assert [(one.name, one.wants) for one in compiled] == [("good", ("outputs",))]
