"""What one look along a simple body tells is what the extractor tells."""

import os
from pathlib import Path

import pytest

from spearmint.discovery.reach.fast_scan import fast_scan
from tests.discovery.fast_scan_oracle import REACHED, disagreements, reached


def test_fast_scan_finds_every_call_that_names_resolve():
    paths = sorted(Path(os.__file__).parent.glob("[a-h]*.py"))
    functions, seen, wrong = disagreements((path.name, path.read_bytes()) for path in paths)
    assert wrong == []
    assert functions > 1000
    assert seen > functions / 2


def test_a_small_program_reaches_what_it_names():
    assert reached() == REACHED


def function(source):
    namespace = {}
    exec(compile(source, "code", "exec"), namespace)
    return namespace["f"].__code__


@pytest.mark.parametrize(
    ("body", "calls", "mentions"),
    [
        ("g(x)", {"g"}, {"x"}),
        ("m.a.g(k=1)", {"m.a.g"}, set()),
        ("x.g(y); y.g()", {"x.g"}, set()),
        ("h(g, m.g)", {"h"}, {"g", "m.g"}),
        ("m.g(*y)", set(), {"m.g"}),
        ("y = g; y()", set(), {"g"}),
    ],
)
def test_names_are_seen_as_calls_or_otherwise(body, calls, mentions):
    glance = fast_scan(function(f"def f(x, y): {body}"))
    names = [{".".join((root, *path)) for root, path in chains} for chains in (glance.calls, glance.other_names)]
    assert names == [calls, mentions]


@pytest.mark.parametrize(
    "body",
    [
        "return (g or h)()",
        "return lambda: g()",
        "import g",
        "return super().g()",
        "return super(C, x).g()",
        "return type(x).g()",
        "global g; from m import g",
    ],
)
def test_code_that_needs_stack_order_is_left_to_the_extractor(body):
    assert fast_scan(function(f"class C:\n def f(x, y): {body}\nf = C.f")) is None
