"""Targets: what they match, and what is said of text that is none."""

import ast
import dataclasses
import enum
import functools
from pathlib import Path

import pytest

from spearmint.discovery import calls_in_code
from spearmint.instrument.settings.target import is_within, parse_target, without_number


@pytest.mark.parametrize(
    ("target", "module", "is_covered"),
    [
        ("shop.rank:f", "shop.rank", True),
        ("shop.rank:f", "shop.ranking", False),
        ("shop.rank:f", "shop", False),
        ("shop.*:f", "shop.rank", True),
        ("shop.*:f", "shop.rank.deep", True),
        ("shop.*:f", "shop", False),
        ("shop.*:f", "shopping.rank", False),
        ("shop.r?nk:f", "shop.rank", True),
        ("shop.r?nk:f", "shop.r.nk", True),
        ("shop.[rs]ank:f", "shop.sank", True),
        ("shop.[!rs]ank:f", "shop.rank", False),
        ("shop.*.models:f", "shop.a.b.models", True),
        ("__main__:f", "__main__", True),
    ],
)
def test_a_target_covers_the_modules_that_its_first_part_matches(target, module, is_covered):
    assert parse_target(target).covers(module) is is_covered


@pytest.mark.parametrize(
    ("target", "name", "is_matched"),
    [
        ("m:f", "f", True),
        ("m:f", "g", False),
        ("m:f", "C.f", False),
        ("m:f", "f.<locals>.f", False),
        ("m:C.f", "C.f", True),
        ("m:f.<locals>.g", "f.<locals>.g", True),
        ("m:f", "f#2", True),
        ("m:f#2", "f#2", True),
        ("m:f#2", "f", False),
        ("m:f#1", "f", True),
        ("m:f#1", "f#2", False),
        ("m:*", "f", True),
        ("m:*", "C.f", False),
        ("m:*", "f.<locals>.g", False),
        ("m:*.*", "C.f", True),
        ("m:*.*", "C.__init__", False),
        ("m:C.__*", "C.__init__", True),
        ("m:C.__init__", "C.__init__", True),
        ("m:*.<locals>.*", "f.<locals>.g", True),
        ("m:**", "f", True),
        ("m:**", "C.D.f", True),
        ("m:**", "f.<locals>.g", True),
        ("m:**", "C.__repr__", False),
        ("m:**.g", "g", True),
        ("m:**.g", "f.<locals>.g", True),
        ("m:**.g", "f.<locals>.h", False),
        ("m:get_*", "get_all", True),
        ("m:get_*", "forget_all", False),
        ("m:C.__f", "C.__f", True),
        ("m:C._C__f", "C.__f", True),
        ("m:_C._C__f", "_C.__f", True),
        ("m:C._D__f", "C.__f", False),
        ("m:C.*", "C.__f", True),
    ],
)
def test_target_matches_definitions_by_its_second_part(target, name, is_matched):
    assert parse_target(target).matches(name) is is_matched


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop.rank.Ranker.score", "it has no colon. Write 'shop.rank:Ranker.score'"),
        ("shop.rank.score", "it has no colon. Write 'shop.rank:score'"),
        ("shop/rank/score", "it has no colon. Write 'shop.rank:score'"),
        ("score", "it has no colon. Write 'package.module:score'"),
        ("*:f", "'*' is no package. Begin with the name of one, without a glob"),
        (":f", "'' is no package"),
        ("a b:f", "'a b' is no package"),
        ("a.b c:f", "'b c' is no part of a module's name"),
        ("a:", "a function's name is missing"),
        ("a:C.", "a function's name is missing"),
        ("a:f()", "'f()' is no function's name"),
        ("a:b:c", "'b:c' is no function's name"),
        ("a:<lambda>", "a lambda has no name. Name the function around it, or make it a def."),
    ],
)
def test_invalid_target_is_refused_with_what_to_write(target, message):
    with pytest.raises(ValueError, match=r"^Cannot read the target ") as caught:
        parse_target(target)
    assert message in str(caught.value)


def test_a_target_tells_whether_it_stands_for_several_functions():
    assert parse_target("m:f").is_exact
    assert parse_target("m:f#2").is_exact
    assert not parse_target("m:f*").is_exact
    assert not parse_target("m.*:f").is_exact
    assert parse_target("m.*:f").has_module_glob
    assert not parse_target("m.*:f").has_name_glob
    assert parse_target("m.*:f").root == "m"


@pytest.mark.slow
@pytest.mark.parametrize("module", [ast, dataclasses, enum, functools])
def test_definition_name_as_a_target_matches_it_alone(module):
    tables = calls_in_code(compile(Path(module.__file__).read_bytes(), module.__file__, "exec"))
    names = [name for name in tables if name != "<module>" and "<lambda>" not in name]
    assert len(names) > 20
    for name in names:
        plain, number = without_number(name)
        matched = [other for other in names if parse_target(f"m:{plain}").matches(other)]
        assert {without_number(other)[0] for other in matched} == {plain}
        assert [other for other in names if parse_target(f"m:{plain}#{number}").matches(other)] == [name]


def test_package_name_covers_itself_and_its_submodules():
    assert is_within("foo", "foo")
    assert is_within("foo.bar", "foo")
    assert not is_within("foobar", "foo")
    assert not is_within("foo", "foo.bar")
