"""An experiment is pickled and copied as the function is: by its name, and as the same object."""

import copy
import functools
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import spearmint
from spearmint import Spearmint
from tests import picklable
from tests.picklable import Repeater, Word

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "target",
    [picklable.repeat, picklable.repeat_shadowed, picklable.arepeat, Repeater.repeat, Repeater.count, Word.repeat],
    ids=lambda target: target.__qualname__,
)
def test_a_function_is_unpickled_as_the_same_object(target, protocol) -> None:
    assert pickle.loads(pickle.dumps(target, protocol)) is target


def test_pickling_stores_the_name_alone() -> None:
    assert len(pickle.dumps(picklable.repeat)) == len(pickle.dumps(picklable.compute)) - len("compute") + len("repeat")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_bound_method_is_unpickled_with_its_instance(protocol) -> None:
    method = pickle.loads(pickle.dumps(Repeater("b").repeat, protocol))
    assert method.__func__ is Repeater.repeat
    assert method.__self__ == Repeater("b")
    assert method() == "bbb"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bound_class_method_and_member_method_are_unpickled(protocol) -> None:
    assert pickle.loads(pickle.dumps(Repeater.make, protocol))() == Repeater("ccc")
    assert pickle.loads(pickle.dumps(Word.A.repeat, protocol))() == "aaa"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_holds_an_experiment_is_pickled_with_it(protocol) -> None:
    held = {"call": functools.partial(picklable.repeat, "a"), "list": [picklable.repeat]}
    found = pickle.loads(pickle.dumps(held, protocol))
    assert found["call"]() == "aaa"
    assert found["list"][0] is picklable.repeat


def test_an_experiment_that_no_name_leads_to_cannot_be_pickled() -> None:
    @picklable.mint.experiment
    def inner(config):
        return config.limit

    with pytest.raises((pickle.PicklingError, AttributeError), match=r"inner|ExperimentProxy"):
        pickle.dumps(inner)


def test_copying_gives_the_same_object() -> None:
    assert copy.copy(picklable.repeat) is picklable.repeat
    assert copy.deepcopy(picklable.repeat) is picklable.repeat
    assert copy.deepcopy({"call": [picklable.repeat]}) == {"call": [picklable.repeat]}


def test_deep_copy_of_a_bound_method_has_its_own_instance() -> None:
    repeater = Repeater("b")
    copied = copy.deepcopy(repeater.repeat)
    repeater.text = "changed"
    assert copied() == "bbb"


START_METHODS = [name for name in ("fork", "spawn") if name in multiprocessing.get_all_start_methods()]


# One pool serves all tests of its kind, as a spawned process takes a second to import what it needs.
@pytest.fixture(scope="module", params=START_METHODS)
def pool(request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context(request.param)
    with ProcessPoolExecutor(1, mp_context=context) as made:
        yield made


# Worker threads and the loop of earlier tests are there when a fork happens; the package makes that safe.
FORKS_WITH_THREADS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.mark.slow
@FORKS_WITH_THREADS
@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (picklable.repeat, ("a",), "aaa"),
        (picklable.repeat_shadowed, ("a",), "aaa"),
        (picklable.compute, ("a",), "aaa"),
        (Repeater("b").repeat, (), "bbb"),
        (Repeater.make, (), Repeater("ccc")),
        (Repeater.count, ("ab",), 6),
        (functools.partial(picklable.repeat, "a"), (), "aaa"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_a_process_pool_runs_it_by_name(pool: ProcessPoolExecutor, function: Any, args: Any, result: Any) -> None:
    assert pool.submit(function, *args).result(timeout=60) == result


def run_with_variants(text: str) -> list[str]:
    with Spearmint.run(picklable.repeat_shadowed, await_variants=True) as runner:
        return [one.result for one in runner(text)]


@pytest.mark.slow
@FORKS_WITH_THREADS
def test_variants_run_in_the_processes_of_a_pool(pool: ProcessPoolExecutor) -> None:
    assert run_with_variants("a") == ["aaa", "aaaaa"]  # So that a fork finds workers under way.
    assert pool.submit(run_with_variants, "a").result(timeout=60) == ["aaa", "aaaaa"]
    assert spearmint.flush(10)


@pytest.mark.slow
@FORKS_WITH_THREADS
def test_a_pool_gives_back_the_exception_of_a_wrong_call(pool: ProcessPoolExecutor) -> None:
    with pytest.raises(TypeError, match=r"repeat\(\) missing 1 required positional argument: 'text'"):
        pool.submit(picklable.repeat).result(timeout=60)
