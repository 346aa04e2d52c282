"""The names of values: constants, class attributes and literals."""

import pytest

from spearmint.instrument.settings.value_target import Literal, parse_value


@pytest.mark.parametrize(
    ("text", "module", "name", "literal"),
    [
        ("shop.prompts:SYSTEM", "shop.prompts", "SYSTEM", None),
        ("shop:Search.top_k", "shop", "Search.top_k", None),
        ("shop.rank:Ranker.score#0.75", "shop.rank", "Ranker.score#0.75", Literal("Ranker.score", 0.75, 0)),
        ("shop.rank:score#0.75[0]", "shop.rank", "score#0.75", Literal("score", 0.75, 0)),
        ("shop.rank:score#0.75[2]", "shop.rank", "score#0.75[2]", Literal("score", 0.75, 2)),
        ("shop.rank:score#2#0.75", "shop.rank", "score#2#0.75", Literal("score#2", 0.75, 0)),
        ("shop.rank:score#2", "shop.rank", "score#2", Literal("score", 2, 0)),
        ("shop.rank:score#-1.5", "shop.rank", "score#-1.5", Literal("score", -1.5, 0)),
        ("shop:f.<locals>.g#True", "shop", "f.<locals>.g#True", Literal("f.<locals>.g", True, 0)),
        ('shop:f#"a #1[b]"[1]', "shop", 'f#"a #1[b]"[1]', Literal("f", "a #1[b]", 1)),
        ("shop:f#'a'", "shop", 'f#"a"', Literal("f", "a", 0)),
    ],
)
def test_name_of_a_value_is_taken_apart(text, module, name, literal):
    found = parse_value(text)

    assert (found.module, found.name, found.literal) == (module, name, literal)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("SYSTEM", "it names no module"),
        ("shop:", "a name is missing"),
        ("shop:f.<locals>.x", "what stands in a function is no constant"),
        ("shop:f#text", "'text' is no literal"),
        ("shop:f#[1, 2]", "'[1, 2]' is no literal"),
        ("shop:a b", "' b' is no part of a name"),
    ],
)
def test_what_names_no_value_is_refused_with_the_reason(text, cause):
    with pytest.raises(ValueError, match="Cannot read the value") as caught:
        parse_value(text)

    assert cause in str(caught.value)


def test_equal_numbers_of_other_types_are_other_literals():
    one = Literal("f", 1, 0)

    assert one.is_equal(1)
    assert not one.is_equal(1.0)
    assert not one.is_equal(True)
    assert not Literal("f", 0.0, 0).is_equal(-0.0)
