import copy
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spearmint import Config, ExperimentCase, RuntimeContext, Spearmint, experiment
from spearmint.config import parse_configs
from spearmint.context import experiment_case_var
from spearmint.errors import CaseError
from spearmint.planning.select import full_plan
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy

CONFIGS = [{"model": "a"}, {"model": "b"}]


def current() -> ExperimentCase:
    case = experiment_case_var.get()
    assert case is not None
    return case


def cases_of(function: Any) -> list[ExperimentCase]:
    with Spearmint.run(function, await_variants=True) as runner:
        return [one.experiment_case for one in runner()]


def make_two() -> tuple[Any, Any]:
    """Return an outer and an inner experiment, each with two configs of its own, that a plan knows of."""

    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
    def inner(config):
        return config["k"]

    @experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], inner()

    outer()
    return outer, inner


# What a case tells


def test_case_shows_config_and_id_of_the_called_experiment():
    mint = Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy)

    @mint.experiment
    def ask(config):
        case = current()
        return case.config, case.config_id, config.config_id

    for one, config in zip(ask(), mint.configs, strict=True):
        assert one.result == (config, config.config_id, config.config_id)
        assert (one.experiment_case.config, one.experiment_case.config_id) == (config, config.config_id)
        assert (one.config, one.config_id) == (config, config.config_id)
        assert isinstance(one.experiment_case.config, Config)


def test_an_id_that_was_given_is_the_cases():
    @experiment(configs=[{"__config_id__": "mine", "a": 1}])
    def ask(config):
        return current().config_id, current().config.config_id, current().get_config(ask).config_id

    assert ask() == ("mine",) * 3


def test_a_case_is_asked_by_function_proxy_and_name():
    outer, inner = make_two()
    last = cases_of(outer)[-1]
    for one, config in ((outer, {"model": "b"}), (inner, {"k": 2})):
        name = f"{one.__module__}:{one.__qualname__}"
        for asked in (one, one.__wrapped__, name):
            assert last.get_config(asked) == config
            assert last.get_config_id(asked) == Config(config).config_id


def test_a_case_is_asked_by_bound_class_and_static_method():
    class Ranker:
        @experiment(configs=CONFIGS)
        def plain(self, config):
            return current()

        @experiment(configs=CONFIGS)
        @classmethod
        def of_class(cls, config):
            return current()

        @experiment(configs=CONFIGS)
        @staticmethod
        def static(config):
            return current()

    for method in (Ranker().plain, Ranker().of_class, Ranker.of_class, Ranker.static):
        assert method().get_config(method) == {"model": "a"}
    assert Ranker().plain().get_config(Ranker.plain) == {"model": "a"}


def test_case_of_a_function_without_configs_has_an_empty_config():
    @experiment
    def ask():
        return current()

    assert ask().config == ask().get_config(ask) == {}


def test_unknown_experiment_error_lists_those_of_the_case():
    def stranger(): ...

    outer, inner = make_two()
    case = cases_of(outer)[0]
    names = [f"{one.__module__}:{one.__qualname__}" for one in (outer, inner)]
    for ask in (case.get_config, case.get_config_id):
        with pytest.raises(CaseError) as caught:
            ask(stranger)
        assert str(caught.value) == (
            f"Cannot tell the config of {stranger.__qualname__!r}: "
            f"it takes no part in this case, unlike {', '.join(names)}."
        )
        assert isinstance(caught.value, LookupError)


def test_misspelt_name_suggests_the_right_one():
    outer, _ = make_two()
    name = f"{outer.__module__}:{outer.__qualname__}"
    with pytest.raises(CaseError, match=rf"Cannot tell the config of .* Did you mean '{name}'\?$"):
        cases_of(outer)[0].get_config(name[:-1])


def test_a_name_without_its_module_finds_nothing():
    outer, _ = make_two()
    with pytest.raises(CaseError):
        cases_of(outer)[0].get_config("outer")


def test_two_functions_of_one_name_stay_apart():
    def declare(configs):
        @experiment(configs=configs)
        def search(config):
            return config["k"]

        return search

    first, second = declare([{"k": 1}]), declare([{"k": 2}])

    @experiment(configs=CONFIGS)
    def ask(config):
        return first(), second(), current().get_config(first), current().get_config(second)

    assert ask() == ask() == (1, 2, {"k": 1}, {"k": 2})


def test_experiment_under_its_callers_config_is_in_the_case():
    mint = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)

    @mint.experiment
    def innermost(config):
        return [current().get_config(one) for one in (innermost, inner, outer)]

    @experiment
    def inner(config):
        return innermost()

    @mint.experiment
    def outer(config):
        return inner()

    with Spearmint.run(outer, await_variants=True) as runner:
        for one, config in zip(runner(), CONFIGS, strict=True):
            assert one.result == [config] * 3
            assert [one.experiment_case.get_config(each) for each in (innermost, inner, outer)] == [config] * 3


def test_inside_a_nested_experiment_the_case_is_still_the_whole():
    outer, inner = make_two()

    @experiment(configs=[{"z": 0}])
    def around(config):
        return outer(), current().get_config(outer), current().get_config(inner)

    assert around() == (("a", 1), {"model": "a"}, {"k": 1})


def test_assignment_and_repr_name_each_experiment_with_its_id():
    outer, inner = make_two()
    case = cases_of(outer)[0]
    ids = {
        f"{outer.__module__}:{outer.__qualname__}": Config(model="a").config_id,
        f"{inner.__module__}:{inner.__qualname__}": Config(k=1).config_id,
    }
    assert case.config_ids == ids
    assert case.assignment == dict(zip(ids, ({"model": "a"}, {"k": 1}), strict=True))
    assert repr(case) == f"<ExperimentCase {', '.join(f'{name}={one}' for name, one in ids.items())}>"


# A case cannot be changed


@pytest.mark.parametrize("name", ["config", "config_id", "root", "option", "values", "parent", "known", "new"])
def test_nothing_of_a_case_can_be_set_or_deleted(name):
    outer, _ = make_two()
    case = cases_of(outer)[0]
    with pytest.raises(AttributeError, match=f"Cannot set '{name}' of an ExperimentCase: it cannot be changed"):
        setattr(case, name, None)
    with pytest.raises(AttributeError, match=f"Cannot delete '{name}' of an ExperimentCase: it cannot be changed"):
        delattr(case, name)


def test_what_a_case_hands_out_is_a_copy():
    outer, _ = make_two()
    case = cases_of(outer)[0]
    case.config["model"] = case.get_config(outer)["model"] = "spoilt"
    case.assignment.clear()
    next(iter(case.assignment.values()))["model"] = "spoilt"
    assert case.config == case.get_config(outer) == {"model": "a"}
    assert len(case.assignment) == 2


def test_a_copy_of_a_case_is_the_case():
    outer, _ = make_two()
    case = cases_of(outer)[0]
    assert copy.copy(case) is case
    assert copy.deepcopy([case])[0] is case


# A case made current


def test_entered_case_runs_a_direct_call_without_variants():
    calls = []
    mint = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)

    @mint.experiment
    def ask(config):
        calls.append(config["model"])
        return config["model"]

    main, variant = cases_of(ask)
    calls.clear()
    for case, expected in ((variant, "b"), (main, "a")):
        with RuntimeContext(case):
            assert ask() == expected
            assert current() is case
    assert calls == ["b", "a"]
    assert ask() == "a"


def test_entered_case_gives_each_experiment_its_own_config():
    outer, inner = make_two()
    cases = cases_of(outer)
    got = []
    for case in cases:
        with RuntimeContext(case):
            got.append((*outer(), inner()))
    assert got == [("a", 1, 1), ("a", 2, 2), ("b", 1, 1), ("b", 2, 2)]


def test_under_a_case_multi_branch_gives_a_value():
    ask = Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment(lambda config: config["model"])
    with RuntimeContext(cases_of(ask)[1]):
        assert ask() == "b"


# Products


@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4), combine=st.sampled_from(["product", "one_at_a_time"]))
def test_cases_come_in_the_order_of_the_product_or_one_at_a_time(sizes, combine):
    inners = []
    for position, size in enumerate(sizes[1:]):

        def inner(config):
            return config["n"]

        inner.__qualname__ = f"inner{position}"
        inners.append(experiment(configs=[{"n": n} for n in range(size)], strategy=ShadowStrategy)(inner))

    @experiment(configs=[{"n": n} for n in range(sizes[0])], strategy=ShadowStrategy, combine=combine)
    def outer(config):
        return (config["n"], *(inner() for inner in inners))

    outer()
    with Spearmint.run(outer, await_variants=True) as runner:
        results = runner()
    got = [one.result for one in results]
    if combine == "product":
        assert got == list(itertools.product(*map(range, sizes)))
    else:
        mains = (0,) * len(sizes)
        alone = [(*mains[:i], n, *mains[i + 1 :]) for i, size in enumerate(sizes) for n in range(1, size)]
        assert got == [mains, *alone]
    told = [tuple(one.experiment_case.get_config(each)["n"] for each in (outer, *inners)) for one in results]
    assert told == got


# Identity


def id_of(**config):
    return Config(config).config_id


def test_case_id_joins_the_ids_of_experiments_that_vary():
    outer, _ = make_two()
    ids = [case.case_id for case in cases_of(outer)]
    outers, inners = [[id_of(model=model) for model in "ab"], [id_of(k=k) for k in (1, 2)]]
    assert ids == [f"{first}+{second}" for first in outers for second in inners]


def test_case_id_leaves_out_experiments_with_one_config():
    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=RoundRobinStrategy)
    def inner(config):
        return current().case_id

    @experiment(configs=[{"only": 1}])
    def outer(config):
        return inner()

    assert [outer(), outer()] == [id_of(k=1), id_of(k=2)]


def test_case_id_without_variation_is_the_config_id():
    @experiment(configs=[{"k": 1}])
    def lone(config):
        return current().case_id

    assert lone() == id_of(k=1)


def test_case_id_with_dynamic_experiments_is_one_in_a_run():
    @experiment(configs=[{"k": 1}, {"k": 2}], strategy=ShadowStrategy)
    def hidden(config):
        return config["k"]

    @experiment(configs=[{"model": "a"}])
    def outer(config):
        return {"f": hidden}["f"]()

    with Spearmint.run(outer, await_variants=True) as runner:
        results = runner()
    assert [(one.result, one.case_id) for one in results] == [(1, id_of(k=1)), (2, id_of(k=2))]


def test_parameters_name_nested_experiments():
    outer, _ = make_two()
    assert cases_of(outer)[-1].parameters == {"model": "b", "inner: k": 2}


def test_varying_parameters_leave_out_what_configs_share():
    @experiment(configs=[{"k": 1, "llm": {"name": "x", "t": 0}}, {"k": 1, "llm": {"name": "x", "t": 1}}])
    def inner(config):
        return 0

    @experiment(configs=[{"only": 1}])
    def single(config):
        return 0

    @experiment(configs=[{"model": "a", "n": 3}, {"model": "b", "n": 3}], strategy=ShadowStrategy)
    def outer(config):
        return inner() + single()

    assert [case.varying_parameters for case in cases_of(outer)] == [
        {"model": "a", "inner: llm.t": 0},
        {"model": "b", "inner: llm.t": 0},
    ]


def test_varying_parameters_know_configs_of_the_plan_alone():
    @experiment(configs=[{"k": 1, "n": 0}, {"k": 1, "n": 1}])
    def lone(config):
        return 0

    configs = parse_configs([{"k": 1, "n": 0}, {"k": 2, "n": 0}])
    cases = full_plan(experiment_of(lone)[0], configs).cases()
    assert [case.varying_parameters for case in cases] == [{"k": 1, "n": 0}, {"k": 2, "n": 0}]
