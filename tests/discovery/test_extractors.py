"""Both extractors find the same calls: in small programs as written down here, and in the standard library."""

import sysconfig
from pathlib import Path

import pytest

from spearmint.discovery import CallTable, calls_in_code, calls_in_source

STDLIB = Path(sysconfig.get_paths()["stdlib"])

# A program, a scope of it, and the targets and references that the scope names.
PROGRAMS = {
    "name": ("def f(x):\n    return g(x)", "f", {"g"}, {"x"}),
    "module attribute": ("def f():\n    shop.rank.score()", "f", {"shop.rank.score"}, set()),
    "keyword and starred": ("def f(a, k):\n    g(*a, key=h, **k)", "f", {"g"}, {"h"}),
    "method": ("class C:\n    def f(self):\n        self.g()", "C.f", {"self.g"}, set()),
    "mangled": ("class C:\n    def f(self):\n        self.__g()", "C.f", {"self._C__g"}, set()),
    "super": ("class C(B):\n    def f(self):\n        super().f()", "C.f", {"super"}, set()),
    "decorator": ("@outer\ndef f(): pass", "<module>", {"outer"}, set()),
    "reference": ("def f(xs):\n    return map(g, xs)", "f", {"map"}, {"g", "xs"}),
    "partial": ("def f():\n    return functools.partial(g, 3)", "f", {"functools.partial"}, {"g"}),
    "either": ("def f(c):\n    return (a if c else b)()", "f", {"a", "b"}, set()),
    "comprehension": ("def f(xs):\n    return [g(x) for x in h(xs)]", "f", {"g", "h"}, {"x", "xs"}),
    "lambda": ("def f():\n    return lambda: g()", "f.<locals>.<lambda>", {"g"}, set()),
    "nested function": ("def f():\n    def n():\n        g()\n    n()", "f.<locals>.n", {"g"}, set()),
    "dead code": ("def f():\n    return\n    g()", "f", set(), set()),
    "removed branch": ("def f():\n    if 0:\n        g()\n    h()", "f", {"h"}, set()),
    "annotation of a local": ("def f():\n    x: g() = h()", "f", {"h"}, set()),
    "await": ("async def f():\n    await g()", "f", {"g"}, set()),
}


def both(source: str) -> tuple[dict[str, CallTable], dict[str, CallTable]]:
    code = compile(source, "program.py", "exec", dont_inherit=True)
    return dict(calls_in_source(source, "program.py")), dict(calls_in_code(code))


@pytest.mark.parametrize(("source", "scope", "targets", "references"), PROGRAMS.values(), ids=PROGRAMS)
def test_both_find_what_a_scope_calls(source: str, scope: str, targets: set[str], references: set[str]) -> None:
    from_source, from_code = both(source)
    assert from_source == from_code
    assert from_source[scope].targets == targets
    assert references <= from_source[scope].references


def test_a_scope_that_is_defined_twice_has_two_tables() -> None:
    from_source, from_code = both("if x:\n    def f(): g()\nelse:\n    def f(): h()\n")
    assert from_source == from_code
    assert sorted(sorted(table.targets) for name, table in from_source.items() if name.startswith("f")) == [
        ["g"],
        ["h"],
    ]


def test_call_sites_tell_line_and_column() -> None:
    (site,) = calls_in_source("def f():\n    return g()\n", "program.py")["f"].sites
    assert (site.line, site.column, site.kind, site.target) == (2, 11, "call", "g")


def test_tables_that_differ_are_not_equal() -> None:
    assert calls_in_source("f()", "program.py") != calls_in_source("g()", "program.py")


@pytest.mark.parametrize("folder", ["asyncio", "json", "email", "importlib", "unittest", "concurrent"])
def test_extractors_agree_on_a_part_of_the_standard_library(folder: str) -> None:
    files = sorted((STDLIB / folder).rglob("*.py"))
    assert files
    for file in files:
        source = file.read_bytes()
        code = compile(source, str(file), "exec", dont_inherit=True)
        assert calls_in_source(source, str(file)) == calls_in_code(code), file
