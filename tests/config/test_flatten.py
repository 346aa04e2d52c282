from spearmint.config.flatten import differing_paths, flatten


def test_flatten_joins_the_keys_of_nested_mappings():
    assert flatten({"a": {"b": {"c": 1}}, 2: "x"}) == {"a.b.c": 1, "2": "x"}


def test_flatten_keeps_empty_mappings_and_lists_as_values():
    assert flatten({"a": {}, "b": [{"c": 1}]}) == {"a": {}, "b": [{"c": 1}]}
    assert flatten({}) == {}


def test_flatten_gives_items_of_nested_lists_paths_if_asked():
    assert flatten({"b": [{"c": 1}, 2], "d": [1, 2]}, lists=True) == {"b.0.c": 1, "b.1": 2, "d": [1, 2]}


def test_flatten_puts_a_prefix_before_each_path():
    assert flatten({"a": {"b": 1}}, "rank: ") == {"rank: a.b": 1}


def test_differing_paths_come_in_order_of_first_use():
    configs = [{"b": 1, "a": 1, "same": 0}, {"b": 1, "a": 2, "same": 0, "new": None}, {"a": 1, "same": 0}]
    assert differing_paths(iter(configs)) == ["b", "a", "new"]
    assert differing_paths([{"a": 1}]) == []


def test_differing_paths_bear_values_without_a_repr():
    class Silent:
        def __repr__(self):
            raise RuntimeError("no repr")

    one = Silent()
    assert differing_paths([{"a": one}, {"a": one}]) == []
    assert differing_paths([{"a": one}, {"a": Silent()}]) == ["a"]
