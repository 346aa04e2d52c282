"""Experiments that cloudpickle pickles by value: they arrive as experiments, or it is told."""

import pickle
import subprocess
import sys
import textwrap
import threading

import cloudpickle
import pytest

import spearmint
from spearmint.errors import SpearmintWarning
from spearmint.proxy.by_value import COPIES
from spearmint.proxy.proxy import ExperimentProxy, experiment_of


def by_value(thing):
    """Send something through a pickle that looks nothing up by name."""
    return pickle.loads(cloudpickle.dumps(thing))


def make(**options):
    mint = spearmint.Spearmint(configs=[{"k": 5}, {"k": 7}], **options)

    @mint.experiment(bindings={"k": "k"})
    def inner(x, k=0):
        return x, k

    return inner


def test_function_of_a_function_arrives_as_an_experiment():
    there = by_value(make())
    assert isinstance(there, ExperimentProxy)
    assert there(1) == (1, 5)
    assert [config["k"] for config in experiment_of(there)[0].configs] == [5, 7]


def test_strategy_and_settings_arrive_too():
    there = by_value(make(strategy="round_robin", copy_args=True))
    assert [there(1)[1] for _ in range(3)] == [5, 7, 5]
    assert experiment_of(there)[0].settings.copy_args


def test_function_that_calls_itself_arrives_whole():
    mint = spearmint.Spearmint(configs=[{"step": 2}])

    @mint.experiment(bindings={"step": "step"})
    def count(n: int = 5, *, step: int = 1) -> list[int]:
        return [n, *count(n - step)] if n > 0 else []

    there = by_value(count)
    assert there() == [5, 3, 1]
    assert isinstance(there.__closure__[0].cell_contents, ExperimentProxy)


def test_two_that_share_configs_share_them_there_too():
    mint = spearmint.Spearmint(configs=[{"k": 1}, {"k": 2}])

    @mint.experiment(bindings={"k": "k"})
    def inner(k=0):
        return k

    @mint.experiment(bindings={"k": "k"})
    def outer(k=0):
        return k, inner()

    there = by_value(outer)
    with spearmint.Spearmint.run(there, await_variants=True) as runner:
        results = runner()
    assert [one.result for one in results] == [(1, 1)]
    assert there() == (1, 1)


def test_function_of_a_module_is_still_pickled_by_its_name():
    assert by_value(by_name) is by_name


@spearmint.experiment(configs=[{"k": 3}])
def by_name(k=0):
    return k


def test_what_cannot_be_pickled_is_told_and_runs_plain():
    class Locked:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, configs):
            return configs[0], ()

    function = make(strategy=Locked())
    with pytest.warns(SpearmintWarning, match=r"inner is pickled by value, and runs without its configs .*lock"):
        there = by_value(function)
    assert not isinstance(there, ExperimentProxy)
    assert there(1) == (1, 0)


def run(source):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=60, check=False
    )


MAIN = """
import spearmint, sys

@spearmint.experiment(configs=[{"k": 5}], bindings={"k": "k"})
def f(x, k=0):
    return x, k
"""


@pytest.mark.slow
def test_pickler_imported_later_is_told_of_once():
    done = run(MAIN + "import cloudpickle, pickle\nfor _ in range(2): print(pickle.loads(cloudpickle.dumps(f))(1))")
    assert done.stdout.splitlines() == ["(1, 0)", "(1, 5)"]
    assert done.stderr.count("An experiment was pickled by value without its configs") == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["loky", "threading"])
def test_workers_of_joblib_run_experiments_of_a_script(how):
    pytest.importorskip("joblib")
    done = run(
        "from joblib import Parallel, delayed\n"
        + MAIN
        + f"print(Parallel(n_jobs=2, backend={how!r})(delayed(f)(x) for x in range(2)))"
    )
    assert (done.stdout, done.stderr) == ("[(0, 5), (1, 5)]\n", "")


def test_names_of_the_copies_are_those_of_modules():
    assert cloudpickle.cloudpickle.__name__ in COPIES
