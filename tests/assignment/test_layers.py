import pytest

from spearmint.assignment.hashing import bucket
from spearmint.assignment.layers import Layer, overlapping, parse_layer
from spearmint.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("checkout[0:0.5]", Layer("checkout", 0, 0.5)),
        ("checkout[0.5:1]", Layer("checkout", 0.5, 1)),
        ("checkout[:0.25]", Layer("checkout", 0, 0.25)),
        ("checkout[.25:]", Layer("checkout", 0.25, 1)),
    ],
)
def test_layer_is_read(text, layer):
    assert parse_layer(text) == layer
    assert parse_layer(str(layer)) == layer


@pytest.mark.parametrize("text", ["checkout", "checkout[]", "[0:1]", "checkout[0.1.2:1]", "checkout[a:b]", "", 5, None])
def test_text_that_names_no_range_is_refused(text):
    with pytest.raises(ConfigError, match=r"it names no range. Write 'name\[start:stop\]'"):
        parse_layer(text)


@pytest.mark.parametrize("text", ["checkout[0.5:0.5]", "checkout[0.6:0.5]", "checkout[0:1.5]"])
def test_range_that_holds_nobody_is_refused(text):
    with pytest.raises(ConfigError, match=r"its range is empty or leaves \[0, 1\]"):
        parse_layer(text)


def test_no_unit_is_in_two_ranges_and_every_unit_is_in_one():
    parts = [parse_layer(text) for text in ("checkout[0:0.3]", "checkout[0.3:0.5]", "checkout[0.5:1]")]
    for number in range(5000):
        held = [part.holds(f"user-{number}") for part in parts]
        assert sum(held) == 1
        assert held[0] is (bucket(f"user-{number}", "layer.checkout") < 0.3)


def test_overlapping_tells_pairs_of_one_layer():
    layers = {
        "a": parse_layer("checkout[0:0.5]"),
        "b": parse_layer("checkout[0.4:0.6]"),
        "c": parse_layer("checkout[0.6:1]"),
        "d": parse_layer("search[0:1]"),
    }
    assert [(one, other) for one, _, other, _ in overlapping(layers.items())] == [("a", "b")]
