"""Sweeps: alternatives at any depth, as one config after the other."""

import itertools
import pickle
import threading
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spearmint.config import Config, DynamicValue, generate_configurations
from spearmint.errors import ConfigError


class Pair(NamedTuple):
    x: object
    y: object


def expanded(template):
    return list(generate_configurations(template))


def containers(value):
    """Yield every dict and list in a value."""
    if isinstance(value, dict | list | tuple):
        if not isinstance(value, tuple):
            yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def test_a_mapping_without_alternatives_is_one_config():
    (config,) = generate_configurations({"a": 1, "b": {"c": [2]}})
    assert config == {"a": 1, "b": {"c": [2]}}
    assert config.b.c == [2]


def test_the_last_key_is_fastest():
    configs = expanded({"a": DynamicValue([1, 2]), "b": 0, "c": DynamicValue("x" for _ in range(2)), "d": 3})
    assert configs == [{"a": a, "b": 0, "c": "x", "d": 3} for a in (1, 2) for _ in range(2)]
    assert list(configs[0]) == ["a", "b", "c", "d"]


def test_alternatives_stand_at_any_depth():
    configs = expanded({"llm": {"stop": [DynamicValue([1, 2]), "x"]}, "pair": (0, DynamicValue([3, 4]))})
    assert [(config.llm.stop, config.pair) for config in configs] == [
        ([1, "x"], (0, 3)),
        ([1, "x"], (0, 4)),
        ([2, "x"], (0, 3)),
        ([2, "x"], (0, 4)),
    ]


def test_alternatives_hold_alternatives():
    inner = DynamicValue([1, DynamicValue([2, 3])])
    configs = expanded({"a": DynamicValue([{"b": inner}, [inner], DynamicValue([4]), None])})
    assert [config["a"] for config in configs] == [{"b": 1}, {"b": 2}, {"b": 3}, [1], [2], [3], 4, None]
    assert configs[0].a.b == 1


axes = st.lists(st.lists(st.integers() | st.text(max_size=2), min_size=1, max_size=4), min_size=1, max_size=4)


@given(axes, st.booleans())
def test_expansion_is_the_product(values, is_spelled):
    def sweep(alternatives):
        return {"$sweep": alternatives} if is_spelled else DynamicValue(iter(alternatives))

    flat = {f"k{number}": sweep(alternatives) for number, alternatives in enumerate(values)}
    deep = {"outer": [{"x": sweep(alternatives)} for alternatives in values]}
    product = list(itertools.product(*values))
    assert expanded(flat) == [{f"k{number}": value for number, value in enumerate(row)} for row in product]
    assert expanded(deep) == [{"outer": [{"x": value} for value in row]} for row in product]


@given(axes)
def test_no_container_belongs_to_two_configs(values):
    shared = {"list": [1, {"x": []}]}
    template = {
        "a": [DynamicValue([[v], {"v": v}]) for v, *_ in values],
        "b": DynamicValue([shared, shared]),
        "c": shared,
    }
    configs = expanded(template)
    ids = [id(each) for config in [*configs, template] for each in containers(config)]
    within_template = len(list(containers(template))) - len({id(each) for each in containers(template)})
    assert len(ids) - len(set(ids)) == within_template


def test_values_that_are_no_containers_are_shared():
    path = Path("x")
    configs = expanded({"path": path, "k": DynamicValue([path, 1])})
    assert configs[0].path is configs[1].path is configs[0].k is path


def test_a_named_tuple_stays_one():
    configs = expanded({"pair": Pair(1, DynamicValue([2, 3]))})
    assert [config.pair.y for config in configs] == [2, 3]


def test_the_first_of_a_billion_comes_at_once():
    grid = {f"axis_{number}": DynamicValue(range(10)) for number in range(9)}
    start = perf_counter()
    first = next(generate_configurations(grid))
    assert perf_counter() - start < 0.1  # benchmarks/expand.py holds the real bound
    assert set(first.values()) == {0}
    assert next(generate_configurations({"n": {"$range": {"stop": 10**18, "step": 0.5}}})) == {"n": 0.0}


def test_an_endless_generator_is_read_as_far_as_needed():
    numbers = DynamicValue(itertools.count())
    configs = itertools.islice(generate_configurations({"n": numbers, "k": DynamicValue([1, 2])}), 3)
    assert [(config.n, config.k) for config in configs] == [(0, 1), (0, 2), (1, 1)]
    assert repr(numbers) == "DynamicValue([0, 1, ...])"


def test_a_generator_gives_the_same_values_again():
    values = DynamicValue(number for number in range(3))
    assert list(values) == list(values) == [0, 1, 2]
    assert len(expanded({"a": values, "b": values})) == 9


def test_threads_share_what_a_generator_gives():
    values = DynamicValue(iter(range(1000)))
    barrier = threading.Barrier(4)
    seen = []

    def read():
        barrier.wait()
        seen.append(list(values))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [list(range(1000))] * 4


def test_a_generator_that_raised_is_not_taken_as_ended():
    def broken():
        yield 1
        raise OSError("gone")

    values = DynamicValue(broken())
    with pytest.raises(OSError, match="gone"):
        list(values)
    with pytest.raises(ConfigError, match=r"Cannot go on with a sweep: its iterable raised OSError\('gone'\) before"):
        list(values)


def test_a_list_is_taken_as_it_was():
    alternatives = [1, 2]
    values = DynamicValue(alternatives)
    alternatives.append(3)
    assert list(values) == [1, 2]
    assert pickle.loads(pickle.dumps(values))._values == (1, 2)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1, "a"], "DynamicValue([1, 'a'])"),
        (range(10**9), "DynamicValue([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...])"),
        (iter([1]), "DynamicValue([...])"),
    ],
)
def test_the_repr_shows_known_values_and_consumes_none(values, shown):
    assert repr(DynamicValue(values)) == shown


@pytest.mark.parametrize("wrong", ["abc", b"abc", {"a": 1}])
def test_one_value_is_no_sweep(wrong):
    with pytest.raises(ConfigError, match=r"Cannot sweep over .*: it is one value\. Put the alternatives into a list"):
        DynamicValue(wrong)


def test_what_cannot_be_iterated_is_no_sweep():
    with pytest.raises(ConfigError, match="Cannot sweep over 5: it cannot be iterated"):
        DynamicValue(5)


@pytest.mark.parametrize(
    "empty",
    [
        DynamicValue([]),
        DynamicValue(iter(())),
        {"$sweep": []},
        {"$range": {"stop": 0}},
        DynamicValue([DynamicValue([])]),
    ],
)
def test_a_sweep_without_values_is_refused_with_its_path(empty):
    with pytest.raises(ConfigError, match=r"Cannot expand 'llm\.stops\.1': there is nothing to choose from"):
        expanded({"llm": {"stops": [0, empty]}, "k": DynamicValue([1])})


def test_sweeps_and_ranges_are_spelled_as_files_spell_them():
    configs = expanded({"a": {"$sweep": [1, {"$range": {"start": 5, "stop": 8, "step": 2}}]}})
    assert [config.a for config in configs] == [1, 5, 7]
    assert expanded({"a": {"$sweep": 1, "other": 2}}) == [{"a": {"$sweep": 1, "other": 2}}]


def test_whole_configs_are_alternatives():
    assert expanded({"$sweep": [{"a": 1}, {"__config_id__": "warm", "a": 2}]}) == [{"a": 1}, {"a": 2}]
    with pytest.raises(ConfigError, match="Cannot use 3 as a config"):
        expanded({"$sweep": [3]})


@pytest.mark.parametrize(
    ("limits", "values"),
    [
        ({"stop": 3}, [0, 1, 2]),
        ({"start": 5, "stop": 0, "step": -2}, [5, 3, 1]),
        ({"start": 0.1, "stop": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.4]),
        ({"start": 0, "stop": 1, "step": 0.25}, [0.0, 0.25, 0.5, 0.75]),
        ({"start": 1e-5, "stop": 3e-5, "step": 1e-5}, [1e-5, 2e-5]),
        ({"start": 0.3, "stop": 0, "step": -0.1}, [0.3, 0.2, 0.1]),
    ],
)
def test_a_range_has_pythons_meaning_in_decimal_steps(limits, values):
    assert [config.k for config in expanded({"k": {"$range": limits}})] == values


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        (5, r"'\$range' has 5\. Give it a mapping with start, stop and step"),
        ({"start": 1}, r"the range has no stop\. The keys are start"),
        ({"stop": 1, "end": 2}, "the range has an unknown key 'end'"),
        ({"stop": 1, "step": 0}, "the range's step is 0"),
        ({"stop": "9"}, "the range's stop is '9'. Give it a finite number"),
        ({"stop": float("inf")}, "the range's stop is inf"),
        ({"stop": True}, "the range's stop is True"),
    ],
)
def test_a_malformed_range_is_refused_with_its_path(limits, cause):
    with pytest.raises(ConfigError, match=rf"Cannot expand 'a\.k': {cause}"):
        expanded({"a": {"k": {"$range": limits}}})


def test_a_spelled_sweep_has_a_list():
    with pytest.raises(ConfigError, match=r"Cannot expand 'k': '\$sweep' has 'abc'\. Give it a list"):
        expanded({"k": {"$sweep": "abc"}})


def test_a_given_id_stays_with_the_configs():
    assert [config.config_id for config in generate_configurations({"__config_id__": "warm", "a": 1})] == ["warm"]
    template = Config({"__config_id__": "warm", "a": 1})
    assert [config.config_id for config in generate_configurations(template)] == ["warm"]
    assert [c.config_id for c in generate_configurations({"__config_id__": DynamicValue(["x", "y"]), "a": 1})] == [
        "x",
        "y",
    ]


def test_a_template_that_contains_itself_is_refused():
    circle = {}
    circle["a"] = [circle]
    with pytest.raises(ConfigError, match="nested deeper than 100 levels, or contains itself"):
        generate_configurations(circle)


def test_only_a_mapping_expands():
    with pytest.raises(ConfigError, match=r"Cannot expand \[1\]: it is no mapping"):
        generate_configurations([1])
