import asyncio
import threading

import pytest

import spearmint
from spearmint import Spearmint, capture, experiment
from spearmint.config import generate_config_id
from spearmint.planning.capture import active
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy

MODELS = [{"model": "a"}, {"model": "b"}]
KS = [{"k": 1}, {"k": 2}]


def id_of(**config):
    return generate_config_id(config)


def make(strategy="single", **settings):
    strategies = {"single": None, "shadow": ShadowStrategy, "round": RoundRobinStrategy, "all": MultiBranchStrategy}
    if chosen := strategies[strategy]:
        settings["strategy"] = chosen

    @experiment(configs=MODELS, **settings)
    def ask(config):
        return config["model"]

    return ask


@pytest.mark.parametrize("strategy", ["single", "shadow", "all"])
def test_capture_collects_plain_calls_in_order(strategy):
    ask = make(strategy)
    ask()  # From now on, its case is cached.
    with capture() as captured:
        ask()
        ask()
    ask()
    assert spearmint.flush(5)
    name = experiment_of(ask)[0].name
    assert [(call.name, call.config_id, call.case_id) for call in captured.calls] == [
        (name, id_of(model="a"), id_of(model="a"))
    ] * 2
    assert captured.calls[0].assignment == {name: {"model": "a"}}
    assert (captured.calls[0].trace_id, captured.calls[0].token) == (None, None)
    assert repr(captured) == f"<Captured {captured.calls!r}>"
    assert repr(captured.calls[0]) == f"<CapturedCall {name} {id_of(model='a')}>"


def test_capture_tells_which_config_took_its_turn():
    ask = make("round")
    assert ask() == "a"
    with capture() as captured:
        assert [ask(), ask()] == ["b", "a"]
    assert [call.config_id for call in captured.calls] == [id_of(model="b"), id_of(model="a")]


def test_capture_takes_nested_experiments_as_part_of_the_case():
    @experiment(configs=KS, strategy=RoundRobinStrategy)
    def inner(config):
        return config["k"]

    @experiment(configs=MODELS)
    def outer(config):
        return {"f": inner}["f"]()  # as no analysis can see

    with capture() as captured:
        assert [outer(), outer()] == [1, 2]
    ids = [f"{id_of(model='a')}+{id_of(k=k)}" for k in (1, 2)]
    assert [call.case_id for call in captured.calls] == ids
    assert [list(call.assignment.values()) for call in captured.calls] == [[{"model": "a"}, {"k": k}] for k in (1, 2)]


def test_capture_collects_runs_with_the_case_of_main():
    ask = make("shadow")
    with capture() as captured, Spearmint.run(ask, await_variants=True) as runner:
        results = runner()
    assert [call.case for call in captured.calls] == [results.main_result.experiment_case]
    assert [one.result for one in results] == ["a", "b"]


def test_capture_blocks_nest():
    ask = make()
    with capture() as outer:
        ask()
        with capture() as inner:
            ask()
        ask()
    assert (len(outer.calls), len(inner.calls)) == (3, 1)


def test_capture_sees_tasks_started_in_it_and_no_other_thread():
    @experiment(configs=MODELS)
    async def ask(config):
        return config["model"]

    plain, started, ended = make(), threading.Event(), threading.Event()

    def elsewhere():
        started.wait()
        plain()
        ended.set()

    async def together():
        return await asyncio.gather(ask(), ask())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with capture() as captured:
        started.set()
        ended.wait()
        assert asyncio.run(together()) == ["a", "a"]
    thread.join()
    assert [call.name for call in captured.calls] == [experiment_of(ask)[0].name] * 2


def test_capture_ends_with_its_block():
    ask = make()
    try:
        with capture() as captured:
            ask()
            raise ZeroDivisionError
    except ZeroDivisionError:
        ask()
    assert len(captured.calls) == 1
    assert not active


def test_calls_after_capture_are_cached_again():
    ask = make()
    with capture():
        ask()
    state = experiment_of(ask)[0].state
    assert state.cached_case == [None]
    ask()
    assert state.cached_case != [None]
