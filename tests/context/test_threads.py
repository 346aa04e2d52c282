"""What becomes of a case on threads that are started in it."""

import asyncio
import functools
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

import spearmint
from spearmint import RuntimeContext, Spearmint, experiment
from spearmint.context import attributes_var, experiment_case_var, propagate
from spearmint.context.threads import install_thread_propagation
from spearmint.errors import SpearmintWarning
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy
from spearmint.warn import said

MODELS = [{"model": "a"}, {"model": "b"}]
KS = [{"k": 1}, {"k": 2}]
PRODUCT = [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


@pytest.fixture
def installed():
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    made = []

    def install(**options):
        made.append(install_thread_propagation(**options))
        return made[-1]

    yield install
    for one in made:
        one.uninstall()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)


def on_thread(function):
    got = []
    thread = threading.Thread(target=lambda: got.append(function()))
    thread.start()
    thread.join(10)
    return got[0]


def in_pool(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(10)


def results_of(function):
    with Spearmint.run(function, await_variants=True) as runner:
        return [one.result for one in runner()]


def make(run, keep=lambda function: function, strategy=ShadowStrategy):
    """Return an experiment that runs another one elsewhere."""

    @experiment(configs=KS, strategy=strategy)
    def inner(config):
        return config["k"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], run(keep(inner))

    return outer


@pytest.mark.parametrize("run", [on_thread, in_pool])
def test_propagated_function_runs_in_the_case_on_another_thread(run):
    assert results_of(make(run, propagate)) == PRODUCT


def test_a_propagated_function_may_run_many_times_at_once():
    barrier = threading.Barrier(4, timeout=10)

    @experiment(configs=KS)
    def inner(config):
        barrier.wait()
        return config["k"]

    @experiment(configs=MODELS)
    def outer(config):
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(propagate(lambda _: inner()), range(4)))

    assert outer() == 4


def test_attributes_are_kept_and_what_the_thread_sets_is_its_own():
    with RuntimeContext(attributes={"user_id": "ann"}):
        ask = propagate(lambda: dict(attributes_var.get()))
        change = propagate(lambda: attributes_var.set({"user_id": "bob"}))
    assert on_thread(ask) == {"user_id": "ann"}
    on_thread(change)
    assert (ask(), dict(attributes_var.get())) == ({"user_id": "ann"}, {})


def test_an_async_function_keeps_the_case_in_another_loop():
    @experiment(configs=KS, strategy=ShadowStrategy)
    async def inner(config):
        await asyncio.sleep(0)
        return config["k"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        async def ask():
            return await inner()

        kept = propagate(ask)
        return config["model"], on_thread(lambda: asyncio.run(kept()))

    assert results_of(outer) == PRODUCT


def test_a_propagated_function_is_the_function_to_those_who_look():
    def ask(x: int) -> int:
        """Ask."""
        return x

    assert (propagate(ask).__name__, propagate(ask).__doc__, propagate(ask)(2)) == ("ask", "Ask.", 2)


def test_call_on_a_thread_without_propagation_is_outside():
    case = []

    @experiment(configs=MODELS)
    def outer(config):
        on_thread(lambda: case.append(experiment_case_var.get()))

    outer()
    assert case == [None]


@pytest.mark.parametrize("run", [on_thread, in_pool])
def test_installed_propagation_keeps_the_case(installed, run):
    installed()
    assert results_of(make(run)) == PRODUCT


def test_a_pool_that_outlives_the_case_does_not_keep_it(installed):
    installed()
    with ThreadPoolExecutor(1) as pool:

        @experiment(configs=MODELS)
        def outer(config):
            return pool.submit(experiment_case_var.get).result(10)

        assert outer().config == {"model": "a"}
        assert pool.submit(experiment_case_var.get).result(10) is None


def test_what_is_started_outside_any_case_is_not_touched(installed):
    installed()
    assert on_thread(experiment_case_var.get) is None
    thread = threading.Thread(target=print)
    run = thread.run
    thread.start()
    thread.join(10)
    assert thread.run == run


def test_a_loop_that_hands_work_to_its_executor_keeps_the_case(installed):
    installed()

    @experiment(configs=KS, strategy=ShadowStrategy)
    def inner(config):
        return config["k"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    async def outer(config):
        return config["model"], await asyncio.get_running_loop().run_in_executor(None, inner)

    assert results_of(outer) == PRODUCT


def test_uninstalling_takes_all_of_it_back_and_may_be_done_twice():
    before = threading.Thread.start, ThreadPoolExecutor.submit
    with install_thread_propagation() as first, install_thread_propagation(keeps=False) as second:
        assert threading.Thread.start is not before[0]
        second.uninstall()
        assert results_of(make(on_thread)) == PRODUCT
        first.uninstall()
        assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before


def test_uninstall_leaves_wrappers_that_others_added(monkeypatch):
    handle = install_thread_propagation()
    ours = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", functools.partialmethod(ours))
    theirs = vars(threading.Thread)["start"]
    handle.uninstall()
    assert vars(threading.Thread)["start"] is theirs
    assert on_thread(lambda: 1) == 1
    monkeypatch.undo()
    with install_thread_propagation():
        pass
    assert threading.Thread.start is not ours


@pytest.mark.parametrize("strategy", [ShadowStrategy, MultiBranchStrategy])
def test_call_that_lost_its_case_runs_under_main_and_warns_once(installed, strategy):
    installed(keeps=False)
    said.clear()
    outer = make(on_thread, strategy=strategy)
    with pytest.warns(SpearmintWarning) as caught:
        values = [outer(), outer(), spearmint.flush(10)]
    assert values == [("a", 1), ("a", 1), True]
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "inner runs outside the case of" in message
    assert "outer, under its main config" in message
    assert "propagate(f)" in message
    assert caught[0].filename == __file__


def test_nothing_is_said_of_a_thread_that_calls_no_experiment(installed):
    installed(keeps=False)

    @experiment(configs=MODELS)
    def outer(config):
        return on_thread(lambda: experiment_case_var.get().config["model"])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outer() == "a"


def test_thread_that_has_warned_stays_outside_the_case(installed):
    installed(keeps=False)
    said.clear()

    @experiment(configs=KS, strategy=MultiBranchStrategy)
    def inner(config):
        return config["k"]

    @experiment(configs=MODELS)
    def outer(config):
        return on_thread(lambda: (inner(), [one.result for one in inner()], experiment_case_var.get()))

    with pytest.warns(SpearmintWarning, match="inner runs outside the case"):
        assert outer() == (1, [1, 2], None)
