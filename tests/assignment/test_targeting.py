import pytest

from spearmint.assignment.targeting import compile_rules
from spearmint.errors import ConfigError

ANN = {"country": "DE", "plan": "pro", "age": 18, "version": "1.10.0", "beta": True, "note": None}


class Odd:
    def __eq__(self, other):
        raise RuntimeError

    __hash__ = None


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"country": "DE"}, True),
        ({"country": "FR"}, False),
        ({"country": {"eq": "DE"}}, True),
        ({"country": {"ne": "DE"}}, False),
        ({"country": {"in": ["DE", "FR"]}, "plan": "pro", "age": {"gt": 17}}, True),
        ({"country": {"in": ["DE", "FR"]}, "plan": "free", "age": {"gt": 17}}, False),
        ({"country": {"not_in": ["US"]}}, True),
        ({"age": {"gt": 18}}, False),
        ({"age": {"ge": 18}}, True),
        ({"age": {"lt": 18.5, "gt": 17}}, True),
        ({"age": {"le": 17}}, False),
        ({"age": {"gt": "17"}}, False),
        ({"plan": {"gt": "free"}}, True),
        ({"plan": {"regex": "^p"}}, True),
        ({"plan": {"regex": "^x"}}, False),
        ({"age": {"regex": "1"}}, False),
        ({"plan": {"exists": True}}, True),
        ({"nothing": {"exists": True}}, False),
        ({"nothing": {"exists": False}}, True),
        ({"note": {"exists": True}}, False),
        ({"version": {"version_ge": "1.9.3"}}, True),
        ({"version": {"version_ge": "1.10.0"}}, True),
        ({"version": {"version_lt": "1.10"}}, False),
        ({"version": {"version_lt": "v2"}}, True),
        ({"plan": {"version_ge": "0"}}, False),
        ({"beta": True}, True),
        ({"beta": 1}, False),
        ({"age": True}, False),
        ({"nothing": "x"}, False),
        ({"nothing": {"ne": "x"}}, True),
        ({"nothing": {"not_in": ["x"]}}, True),
        ({"nothing": {"gt": 0}}, False),
        ({"all": [{"country": "DE"}, {"plan": "pro"}]}, True),
        ({"any": [{"country": "FR"}, {"plan": "pro"}]}, True),
        ({"any": [{"country": "FR"}, {"plan": "free"}]}, False),
        ({"not": {"country": "DE"}}, False),
        ({"not": {"country": "DE", "plan": "free"}}, True),
        ({"any": [{"not": {"country": "DE"}}, {"all": [{"age": {"ge": 18}}, {"beta": True}]}]}, True),
    ],
    ids=str,
)
def test_rules_hold(rules, expected):
    assert compile_rules(rules).holds(ANN) is expected


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.2", "1.10"),
        ("1.0.0-alpha", "1.0.0-alpha.1"),
        ("1.0.0-alpha.1", "1.0.0-alpha.beta"),
        ("1.0.0-alpha.beta", "1.0.0-beta"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-beta.11", "1.0.0-rc.1"),
        ("1.0.0-rc.1", "1.0.0"),
        ("2.0rc1", "2.0"),
        ("v1.9", "2"),
    ],
)
def test_versions_compare_as_versions(lower, higher):
    below, above = {"version": lower}, {"version": higher}
    assert compile_rules({"version": {"version_ge": lower}}).holds(above)
    assert not compile_rules({"version": {"version_ge": higher}}).holds(below)
    assert compile_rules({"version": {"version_lt": higher}}).holds(below)
    assert not compile_rules({"version": {"version_lt": lower}}).holds(above)
    assert compile_rules({"version": {"version_ge": higher}}).holds({"version": f"{higher}+build.7"})


def test_a_header_that_says_a_number_counts_as_one():
    assert compile_rules({"age": {"gt": 17}}).holds({"age": "18"})
    assert not compile_rules({"age": {"gt": 17}}).holds({"age": "old"})


def test_an_attribute_that_cannot_be_compared_passes_nothing():
    assert not compile_rules({"one": "x"}).holds({"one": Odd()})
    assert not compile_rules({"one": {"in": ["x"]}}).holds({"one": Odd()})
    assert not compile_rules({"one": {"gt": 1}}).holds({"one": [2]})


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"country": "FR"}, "country is 'DE', and is to be eq 'FR'"),
        ({"city": {"in": ["Bonn"]}}, "city is not given, and is to be in ['Bonn']"),
        ({"country": "DE", "age": {"gt": 20}}, "age is 18, and is to be gt 20"),
        ({"any": [{"country": "FR"}, {"plan": "free"}]}, "country is 'DE', and is to be eq 'FR' and plan is 'pro'"),
        ({"not": {"country": "DE"}}, "what 'not' excludes holds"),
    ],
    ids=str,
)
def test_failure_says_which_attribute_is_what(rules, reason):
    assert compile_rules(rules).failure(ANN).startswith(reason)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([], r"Cannot target by \[\]: it is no mapping"),
        ({}, r"Cannot target by \{\}: it is empty"),
        ({1: 2}, "Cannot target by 1: it is no attribute's name"),
        ({"age": {"gte": 17}}, "there is no operator 'gte'; there are eq, .* Did you mean 'gt' or 'ge'"),
        ({"age": {}}, "it names no operator"),
        ({"age": {"gt": [1]}}, "it takes a number or a text"),
        ({"age": {"gt": True}}, "it takes a number or a text"),
        ({"age": {"in": "DE"}}, "it takes a list"),
        ({"age": {"regex": "("}}, "it is no regular expression"),
        ({"age": {"regex": 1}}, "it takes a regular expression"),
        ({"age": {"exists": "yes"}}, "it takes true or false"),
        ({"age": {"version_ge": "new"}}, "it takes a version as text"),
        ({"age": {"version_ge": 1.1}}, "it takes a version as text"),
        ({"any": {"age": 1}}, "any: .* it takes a list of rules"),
        ({"all": []}, "all: .* it takes a list of rules"),
        ({"not": [{"age": 1}]}, "it is no mapping"),
    ],
    ids=str,
)
def test_rules_that_are_none_are_refused(rules, problem):
    with pytest.raises(ConfigError, match=problem):
        compile_rules(rules)
