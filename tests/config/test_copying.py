"""Whatever an execution does to its config is seen by no other execution, main or variant, now or on the next call."""

import copy
import dataclasses
import datetime as dt
import enum
import re
import threading
from collections import OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr, SecretStr

from spearmint import Bind, Config, Spearmint, experiment
from spearmint.config.copying import is_immutable, value_factory
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy


class Model(BaseModel, extra="allow"):
    held: Any = None
    _private: Any = PrivateAttr(default_factory=list)


class FrozenModel(BaseModel, frozen=True):
    held: Any = None


class CountingModel(BaseModel, frozen=True):
    held: int = 1
    _count: int = PrivateAttr(0)


class CachingModel(BaseModel, frozen=True):
    held: int = 1

    @cached_property
    def terms(self) -> list[int]:
        return [self.held]


@dataclasses.dataclass
class Data:
    held: Any = None


@dataclasses.dataclass(frozen=True)
class FrozenData:
    held: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class SlottedData:
    held: Any = None


class OpenData(FrozenData):
    """Takes new attributes, although its base is frozen."""


@dataclasses.dataclass(frozen=True)
class CachingData:
    held: int = 1

    @cached_property
    def terms(self) -> list[int]:
        return [self.held]


class Plain:
    def __init__(self, held: Any = None) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.held == other.held

    def __repr__(self) -> str:
        return f"Plain({self.held!r})"

    __hash__ = None


class Text(str):  # noqa: SLOT000 - that is the case
    """Has room for attributes."""


class Level(enum.Enum):
    LOW = 1


Point = namedtuple("Point", "x y")  # noqa: PYI024 - its fields have no types

leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just(Level.LOW)
hashables = st.integers(-9, 9) | st.text(max_size=3)


def containers(held: st.SearchStrategy) -> st.SearchStrategy:
    lists = st.lists(held, max_size=3)
    kinds = st.sampled_from([Model, FrozenModel, Data, FrozenData, SlottedData, Plain])
    return (
        lists
        | lists.map(tuple)
        | lists.map(deque)
        | st.sets(hashables, max_size=3)
        | st.dictionaries(st.text(max_size=3), held, max_size=3)
        | st.builds(Point, held, held)
        | st.builds(lambda kind, value: kind(held=value), kinds, held)
    )


values = st.recursive(leaves, containers, max_leaves=8)
configs = st.dictionaries(st.sampled_from("abcd"), values, min_size=1, max_size=3).map(
    lambda config: {"__config_id__": "one", **config}
)


def spoil(value: Any) -> None:
    """Change everything that can be reached from a value and can be changed."""
    for inner in inner_values(value):
        spoil(inner)
    if isinstance(value, list | deque):
        value.append("spoilt")
    elif isinstance(value, set):
        value.add("spoilt")
    elif isinstance(value, dict):
        value["spoilt"] = True
        value.pop("a", None)
    elif isinstance(value, Model):
        value.spoilt = True
        value._private.append("spoilt")
        value.held = "spoilt"
    elif isinstance(value, Data | Plain):
        value.held = "spoilt"


def inner_values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | deque):
        return list(value)
    return [value.held] if hasattr(value, "held") else []


def spotless(config: dict[str, Any]) -> Config:
    return Config(copy.deepcopy(config))


# The law


@given(config=configs)
def test_a_call_leaves_the_next_one_its_config(config):
    expected = spotless(config)
    seen = []

    @experiment(configs=[config])
    def ask(config: Config, whole: Annotated[dict, Bind()]):
        seen.extend((spotless(config), spotless(whole)))
        spoil(config)
        seen.append(spotless(whole))
        spoil(whole)

    ask()
    ask()
    assert seen == [expected] * 6


@given(config=configs)
def test_main_variants_and_results_share_no_config_object(config):
    second = {**copy.deepcopy(config), "__config_id__": "two", "more": 1}
    expected = [spotless(config), spotless(second)]
    mint = Spearmint(configs=[config, second], strategy=MultiBranchStrategy)
    barrier = threading.Barrier(2, timeout=10)
    seen = []

    @mint.experiment
    def ask(config: Config):
        before = spotless(config)
        barrier.wait()
        spoil(config)
        barrier.wait()
        seen.append(before)

    for _ in range(2):
        results = ask()
        assert [one.exception for one in results] == [None, None]
        assert [one.config for one in results] == expected
        assert [one.experiment_case.get_config(ask) for one in results] == expected
    assert sorted(seen, key=len) == [expected[0]] * 2 + [expected[1]] * 2
    assert mint.configs == expected


@given(config=configs)
def test_readers_of_a_case_get_copies(config):
    expected = spotless(config)

    @experiment(configs=[config])
    def ask(config: Config):
        return spotless(config)

    with Spearmint.run(ask) as runner:
        result = runner().main_result
    spoil(result.config)
    spoil(result.experiment_case.config)
    spoil(result.experiment_case.get_config(ask))
    assert result.config == result.experiment_case.config == result.experiment_case.get_config(ask) == expected
    assert ask() == expected


@given(value=values)
def test_every_copy_is_equal_and_apart_from_all_others(value):
    make = value_factory(value)
    expected = copy.deepcopy(value)
    first, second = make(), make()
    assert first == second == expected
    spoil(first)
    assert second == make() == expected
    assert (make() is value) == is_immutable(value)


@given(value=values)
def test_what_counts_as_immutable_cannot_be_spoilt(value):
    expected = copy.deepcopy(value)
    if is_immutable(value):
        spoil(value)
    assert value == expected


# Main, variants, and what stands around them


def test_shadow_variant_does_not_see_mains_changes_to_its_model():
    class Llm(BaseModel):
        stops: list[str]

    configs = [{"llm": {"stops": []}}, {"llm": {"stops": ["a"]}}]
    mint = Spearmint(configs=configs, strategy=ShadowStrategy, bindings={Llm: "llm"})

    @mint.experiment
    def ask(llm: Llm):
        llm.stops.append("mine")
        return llm.stops

    for _ in range(2):
        with Spearmint.run(ask, await_variants=True) as runner:
            assert [one.result for one in runner()] == [["mine"], ["a", "mine"]]


def test_a_nested_experiment_gets_a_config_of_its_own():
    mint = Spearmint(configs=[{"ks": [1]}])

    @mint.experiment
    def inner(config):
        config["ks"].append(2)
        return config["ks"]

    @mint.experiment
    def outer(config):
        config["ks"].clear()
        return inner(), config["ks"]

    assert outer() == outer() == ([1, 2], [])


def test_changes_to_the_source_of_configs_are_not_seen():
    source = {"__config_id__": "one", "ks": [1], "model": Model(held=[1]), "set": {1}}

    @experiment(configs=[source])
    def ask(config):
        return config["ks"], config["model"].held, config["set"]

    source["ks"].append(2)
    source["model"].held.append(2)
    source["set"].add(2)
    assert ask() == ([1], [1], {1})


def test_changes_to_the_instances_configs_are_not_seen():
    mint = Spearmint(configs=[{"llm": {"ks": [1]}}])

    @mint.experiment
    def ask(config):
        return config

    mint.configs[0]["llm"]["ks"].append(2)
    assert ask() == {"llm": {"ks": [1]}}


def test_the_configs_of_an_instance_are_copies_all_the_way_down():
    mint = Spearmint(configs=[{"llm": {"ks": [1]}}])
    mint.configs[0]["llm"]["ks"].append(2)
    assert mint.configs == [{"llm": {"ks": [1]}}]


def test_a_config_inside_an_execution_keeps_its_id():
    mint = Spearmint(configs=[{"a": 1}, {"a": [1]}, {"__config_id__": "mine", "a": 1.5}], strategy=MultiBranchStrategy)

    @mint.experiment
    def ask(config: Config):
        return config.config_id

    assert [one.result for one in ask()] == [config.config_id for config in mint.configs]


# What is shared


@pytest.mark.parametrize(
    "value",
    [
        1,
        "text",
        b"bytes",
        None,
        Level.LOW,
        Decimal("1.5"),
        Fraction(1, 2),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        Path("a"),
        re.compile("a"),
        UUID(int=1),
        SecretStr("hidden"),
        (1, ("a", frozenset({2}))),
        Point(1, 2),
        range(3),
        len,
        Plain,
        list[int],
        FrozenModel(held=(1, FrozenModel())),
        FrozenData((1, 2)),
        SlottedData("a"),
    ],
    ids=repr,
)
def test_immutable_values_are_shared(value):
    seen = []

    @experiment(configs=[{"__config_id__": "one", "value": value}])
    def ask(value: Annotated[Any, Bind("value")], config: Config):
        seen.extend((value, config["value"]))

    ask()
    ask()
    assert all(one is seen[0] for one in seen)


def test_frozen_model_of_the_config_is_shared_by_all_calls():
    @experiment(configs=[{"held": 1}])
    def ask(model: FrozenModel):
        return model

    assert ask() is ask()
    assert ask() == FrozenModel(held=1)


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {1},
        {"a": 1},
        bytearray(b"a"),
        deque([1]),
        defaultdict(list),
        OrderedDict(),
        ([1],),
        Point([1], 2),
        Model(),
        Data(),
        Plain(),
        FrozenModel(held=[1]),
        FrozenData([1]),
        SlottedData({1}),
        CountingModel(),
        CachingModel(),
        CachingData(),
        OpenData(),
        Text("a"),
    ],
    ids=repr,
)
def test_mutable_values_are_copied(value):
    assert not is_immutable(value)
    make = value_factory(value)
    assert make() is not make()
    assert make() == value


def test_private_attribute_of_a_frozen_model_is_copied():
    @experiment(configs=[{"held": 1}])
    def ask(model: CountingModel):
        model._count += 1
        return model._count

    assert (ask(), ask()) == (1, 1)


@pytest.mark.parametrize("kind", [CachingModel, CachingData])
def test_cache_of_a_frozen_value_is_copied(kind):
    @experiment(configs=[{"held": 1}], bindings={"value": ""})
    def ask(value: kind):
        value.terms.append(2)
        return value.terms

    assert (ask(), ask()) == ([1, 2], [1, 2])


def test_a_key_with_state_is_copied_as_a_value_is():
    class Key:
        def __init__(self):
            self.uses = 0

    key = Key()
    make = value_factory({key: 1})
    (copied,) = make()
    copied.uses += 1
    assert [one.uses for one in make()] == [0]
    assert key.uses == 0


def test_frozen_dataclass_with_an_unset_field_is_shared():
    @dataclasses.dataclass(frozen=True)
    class Partial:
        given: int
        later: int = dataclasses.field(init=False)

    value = Partial(1)
    assert value_factory(value)() is value


def test_the_kinds_of_containers_stay():
    counts = defaultdict(list, a=[1])

    @experiment(configs=[{"__config_id__": "one", "deque": deque([1], maxlen=2), "point": Point([1], 2), "set": {1}}])
    def ask(config):
        return config["deque"].maxlen, type(config["point"]), type(config["set"])

    assert ask() == (2, Point, set)
    assert value_factory(counts)()["b"] == []


def test_model_copy_keeps_extra_private_and_fields_set():
    value = Model(held=1, more=[2])
    value._private.append(3)
    made = value_factory(value)()
    assert (made.held, made.more, made._private, made.model_fields_set) == (1, [2], [3], {"held", "more"})
    made.more.append(3)
    made.model_fields_set.add("other")
    assert value.more == [2]
    assert value.model_fields_set == {"held", "more"}


def test_a_models_own_way_of_copying_is_used():
    class Counted(BaseModel):
        held: int = 1
        copies: int = 0

        def __deepcopy__(self, memo=None):
            return Counted(copies=self.copies + 1)

    assert value_factory(Counted())().copies == 1


def test_suppliers_serve_many_threads_at_once():
    make = value_factory({"a": [1]})
    barrier = threading.Barrier(8, timeout=10)
    made = []

    def work():
        barrier.wait()
        for _ in range(50):
            one = make()
            one["a"].append(2)
            made.append(one)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert made == [{"a": [1, 2]}] * 400
    assert len({id(one) for one in made}) == 400
