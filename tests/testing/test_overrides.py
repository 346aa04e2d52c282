"""Overrides: an experiment runs under the config that a test pins."""

import asyncio
import threading
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel

import spearmint
from spearmint import Bind, Config, ExperimentResults, Spearmint, experiment
from spearmint.errors import BindingError, ConfigError, DeclarationError
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy
from spearmint.testing import override

CONFIGS = [{"k": 1}, {"k": 2}, {"k": 3, "__config_id__": "three"}]


@experiment(configs=CONFIGS)
def at_module_level(config):
    return config.k


def test_a_pinned_config_holds_inside_the_block_and_no_longer():
    assert at_module_level() == 1
    with override(at_module_level, {"k": 10}) as pinned:
        assert (at_module_level(), at_module_level(), pinned) == (10, 10, {"k": 10})
    assert at_module_level() == 1


def test_it_ends_when_the_block_raises():
    with pytest.raises(ZeroDivisionError), override(at_module_level, {"k": 10}):
        1 / 0
    assert at_module_level() == 1


def test_overrides_nest_and_the_inner_one_holds():
    with override(at_module_level, {"k": 10}), override(at_module_level, {"k": 20}):
        assert at_module_level() == 20
        with override(at_module_level, "three"):
            assert at_module_level() == 3
        assert at_module_level() == 20
    assert at_module_level() == 1


def test_overrides_ending_out_of_order_leave_the_open_one():
    first, second = override(at_module_level, {"k": 10}), override(at_module_level, {"k": 20})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert at_module_level() == 20
    second.__exit__(None, None, None)
    assert at_module_level() == 1


class Settings(BaseModel):
    k: int


def test_a_config_may_be_given_in_any_form_that_is_one_config(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("k: 7\n", encoding="utf-8")
    for given in ({"k": 7}, Config(k=7), Settings(k=7), [{"k": 7}], Path(path)):
        with override(at_module_level, given):
            assert at_module_level() == 7


def test_an_experiment_is_found_by_its_name():
    with override(f"{__name__}:at_module_level", {"k": 7}):
        assert at_module_level() == 7


def test_it_decorates_a_function():
    @override(at_module_level, {"k": 7})
    def use():
        return at_module_level()

    assert (use(), use(), at_module_level()) == (7, 7, 1)


def test_config_missing_a_parameter_is_an_error_before_pinning():
    @experiment(configs=[{"k": 1}])
    def run(k: Annotated[int, Bind("k")]):
        return k

    with pytest.raises(
        BindingError, match=r"Cannot bind parameter 'k' of .*: k: Input should be a valid integer"
    ) as told:
        override(run, {"k": "many"})
    assert (told.value.parameter, told.value.path) == ("k", "k")
    assert run() == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("thre", r"it has no config of that id \(its ids: .*, 'three'\)\. Did you mean 'three'\?"),
        ([{"k": 1}, {"k": 2}], "that gives 2 configs. Give one."),
        ({"k": {"$sweep": [1, 2]}}, "that gives 2 configs"),
        ([], "that gives 0 configs"),
        (3, "Cannot"),
    ],
)
def test_what_is_not_one_config_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        override(at_module_level, config)


def test_what_is_no_experiment_is_refused():
    with pytest.raises(DeclarationError, match="it is no experiment"):
        override(len, {"k": 1})
    with pytest.raises(DeclarationError, match="none of that name is declared"):
        override("nowhere:nothing", {"k": 1})


def test_other_threads_and_tasks_run_under_it():
    found = []

    @experiment(configs=[{"k": 1}])
    async def arun(config):
        return config.k

    async def main():
        with override(arun, {"k": 10}):
            return await asyncio.gather(arun(), asyncio.create_task(arun()))

    with override(at_module_level, {"k": 10}):
        thread = threading.Thread(target=lambda: found.append(at_module_level()))
        thread.start()
        thread.join(10)
    assert found == [10]
    assert asyncio.run(main()) == [10, 10]


def test_a_pinned_experiment_runs_no_variants(account):
    @experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def run(config):
        return config.k

    run()
    assert spearmint.flush(10)
    before = account()
    with override(run, {"k": 10}), Spearmint.run(run, await_variants=True) as runner:
        assert (run(), [one.result for one in runner()]) == (10, [10])
    assert account() == before
    run()
    assert spearmint.flush(10)
    assert account()["submitted"] == before["submitted"] + 2


def test_variants_run_beside_it_when_asked_for():
    @experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def run(config):
        return config.k

    with override(run, {"k": 10}, variants=True), Spearmint.run(run, await_variants=True) as runner:
        assert [one.result for one in runner()] == [10, 1, 2, 3]
    with override(run, "three", variants=True), Spearmint.run(run, await_variants=True) as runner:
        assert [one.result for one in runner()] == [3, 1, 2]


def test_pinned_run_gives_results_with_main_alone():
    @experiment(configs=CONFIGS, strategy=MultiBranchStrategy)
    def run(config):
        return config.k

    with override(run, {"k": 10}):
        results = run()
    assert isinstance(results, ExperimentResults)
    assert [one.result for one in results] == [10]
    assert [one.result for one in run()] == [1, 2, 3]


def test_a_strategy_with_state_goes_on_where_it_was():
    @experiment(configs=CONFIGS, strategy=RoundRobinStrategy)
    def run(config):
        return config.k

    assert run() == 1
    with override(run, {"k": 10}):
        assert (run(), run()) == (10, 10)
    assert (run(), run(), run()) == (2, 3, 1)


class Ranker:
    @experiment(configs=CONFIGS)
    def score(self, config):
        return config.k

    @classmethod
    @experiment(configs=CONFIGS)
    def named(cls, config):
        return config.k


def test_methods_are_pinned_for_every_instance():
    ranker = Ranker()
    with override(Ranker.score, {"k": 10}), override(Ranker.named, {"k": 20}):
        assert (ranker.score(), Ranker().score(), Ranker.named()) == (10, 10, 20)
    with override(ranker.score, {"k": 30}):
        assert (ranker.score(), Ranker().score()) == (30, 30)
    assert (ranker.score(), Ranker.named()) == (1, 1)


def test_streams_run_under_it():
    @experiment(configs=CONFIGS)
    def stream(config):
        yield config.k

    @experiment(configs=CONFIGS)
    async def astream(config):
        yield config.k

    async def main():
        return [item async for item in astream()]

    with override(stream, {"k": 10}), override(astream, {"k": 20}):
        assert (list(stream()), asyncio.run(main())) == ([10], [20])
    assert (list(stream()), asyncio.run(main())) == ([1], [1])


def nested():
    mint = Spearmint(configs=[{"k": 1}, {"k": 2}])

    @mint.experiment()
    def inner(config):
        return config.k

    @mint.experiment()
    def middle(config):
        return config.k, inner()

    @mint.experiment()
    def outer(config):
        return config.k, middle()

    return outer, middle, inner


def test_experiments_below_a_pinned_one_get_its_config():
    outer, middle, inner = nested()
    assert outer() == (1, (1, 1))
    with override(outer, {"k": 10}):
        assert (outer(), middle(), inner()) == ((10, (10, 10)), (1, 1), 1)
    with override(middle, {"k": 10}):
        assert (outer(), middle(), inner()) == ((1, (10, 10)), (10, 10), 1)
    with override(inner, {"k": 10}):
        assert (outer(), middle(), inner()) == ((1, (1, 10)), (1, 10), 10)
    with override(outer, {"k": 10}), override(inner, {"k": 20}):
        assert outer() == (10, (10, 20))
    assert (outer(), middle(), inner()) == ((1, (1, 1)), (1, 1), 1)


def test_an_experiment_without_configs_gets_the_pinned_one():
    @experiment
    def inner(config):
        return config.k

    @experiment(configs=[{"k": 1}])
    def outer(config):
        return inner()

    with pytest.raises(BindingError):
        inner()
    assert outer() == 1
    with override(inner, {"k": 10}):
        assert (inner(), outer()) == (10, 10)
    assert outer() == 1
    with pytest.raises(BindingError):
        inner()


def test_a_pinned_nested_experiment_adds_no_cases():
    @experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def inner(config):
        return config.k

    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
    def outer(config):
        return config.k, inner()

    def results():
        with Spearmint.run(outer, await_variants=True) as runner:
            return [one.result for one in runner()]

    outer()  # Whatever no analysis sees is known now.
    assert spearmint.flush(10)
    everything = [(outside, inside) for outside in (1, 2) for inside in (1, 2, 3)]
    assert results() == everything
    with override(inner, {"k": 10}):
        assert results() == [(1, 10), (2, 10)]
    with override(outer, {"k": 10}):
        assert results() == [(10, 1), (10, 2), (10, 3)]
    assert results() == everything


def test_pinned_config_is_copied_for_each_execution():
    given = {"words": ["mint"]}

    @experiment(configs=[{"words": []}])
    def grow(config):
        config["words"].append("basil")
        return len(config["words"])

    with override(grow, given) as pinned:
        pinned["words"].clear()
        assert (grow(), grow()) == (2, 2)
    assert given == {"words": ["mint"]}


def test_what_the_caller_passes_wins():
    @experiment(configs=[{"k": 1}])
    def run(k: Annotated[int, Bind("k")]):
        return k

    with override(run, {"k": 10}):
        assert run(5) == 5
