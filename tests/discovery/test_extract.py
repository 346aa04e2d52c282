"""Both extractors on small programs, whose calls are known."""

import ast
import builtins
import inspect
import linecache
import marshal
import subprocess
import sys

import pytest

from spearmint.discovery import CallSite, calls_in_code, calls_in_source, calls_in_tree
from tests.discovery import samples


def both_ways(source):
    tables = calls_in_source(source, "sample.py")
    assert tables == calls_in_code(compile(source, "sample.py", "exec", dont_inherit=True))
    return tables


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # Some samples are what no one should write.
@pytest.mark.parametrize("sample", samples.every(), ids=lambda sample: sample.name)
def test_calls_are_found(sample):
    assert list(samples.problems(sample)) == []


def test_every_scope_has_a_table_even_if_it_calls_nothing():
    tables = both_ways("class A:\n  def f(self): pass\n  x = lambda: 0")
    assert list(tables) == ["<module>", "A", "A.f", "A.<lambda>"]
    assert all(table.sites == () for table in tables.values())


def test_a_table_knows_the_line_on_which_its_scope_starts():
    tables = both_ways("\n@a\n@b\ndef f():\n  pass\n\n@c\nclass C:\n  x = (\n    lambda: 0)")
    lines = {name: table.first_line for name, table in tables.items()}
    assert lines == {"<module>": 1, "f": 2, "C": 7, "C.<lambda>": 10}


def test_call_sites_keep_line_column_and_kind():
    source = "x = f(g)\n@h\ndef k():\n  é.l(\n    m()).n()\n"
    tables = both_ways(source)
    assert tables["<module>"].sites == (
        CallSite(1, 4, "call", "f"),
        CallSite(1, 4, "reference", "g"),
        CallSite(2, 1, "decorator", "h"),
    )
    assert tables["k"].sites == (
        CallSite(4, 2, "call", "é.l"),
        CallSite(5, 4, "call", "m"),
        CallSite(5, 9, "chained", "é.l().n"),
    )


def test_a_method_call_stands_where_its_name_stands():
    source = "import numpy\n(frame\n  .sort()\n  .head())\n(numpy\n  .sort())"
    lines = {site.target: site.line for site in both_ways(source)["<module>"].sites}
    assert lines == {"frame.sort": 3, "frame.sort().head": 4, "numpy.sort": 5}


def test_references_are_told_apart_from_calls():
    table = both_ways("map(f, xs)")["<module>"]
    assert table.targets == {"map"}
    assert table.references == {"f", "xs"}


def test_the_code_of_a_function_is_read_alone():
    def outer():
        def inner(x):
            return hash(x)

        return [inner(x) for x in range(3)]

    tables = calls_in_code(outer.__code__)
    prefix = "test_the_code_of_a_function_is_read_alone.<locals>.outer"
    assert {name: table.targets for name, table in tables.items()} == {
        prefix: {"inner", "range"},
        f"{prefix}.<locals>.inner": {"hash"},
    }


@pytest.mark.slow
def test_code_without_columns_gives_an_equal_table(tmp_path):
    source = "f(g(), lambda: h(), lambda: i())"
    path = tmp_path / "out.bin"
    program = f"import marshal; marshal.dump(compile({source!r}, 'sample.py', 'exec'), open({str(path)!r}, 'wb'))"
    subprocess.run([sys.executable, "-X", "no_debug_ranges", "-c", program], check=True)
    tables = calls_in_code(marshal.loads(path.read_bytes()))
    assert tables == calls_in_source(source, "sample.py")
    assert {site.column for site in tables["<module>"].sites} == {-1}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="PEP 649: CPython 3.14 evaluates annotations later")
def test_annotations_are_run_where_they_stand():
    tables = both_ways("x: a() = b()\nclass C:\n  y: c()\n  z.w: d()\ndef f(v: e()) -> g(): pass")
    assert tables["<module>"].targets == {"a", "b", "e", "g"}
    assert tables["C"].targets == {"c", "d"}


def test_bytes_say_their_encoding():
    tables = calls_in_source("# coding: latin-1\né()".encode("latin-1"), "sample.py")
    assert tables["<module>"].targets == {"é"}


def test_a_tree_is_left_as_it_is():
    tree = ast.parse("def f(): return g(-1, [x for x in y])")
    before = ast.dump(tree, include_attributes=True)
    assert calls_in_tree(tree) == calls_in_source(ast.unparse(tree).replace("\n    ", " "), "sample.py")
    assert ast.dump(tree, include_attributes=True) == before


def test_source_that_cannot_be_parsed_names_the_file():
    with pytest.raises(SyntaxError) as caught:
        calls_in_source("f(", "broken.py")
    assert caught.value.filename == "broken.py"


def test_optimisation_level_defaults_to_the_interpreters():
    source = "assert a()\nif __debug__: b()"
    code = compile(source, "sample.py", "exec", dont_inherit=True)
    assert calls_in_source(source, "sample.py") == calls_in_code(code)
    assert calls_in_source(source, "sample.py", optimize=2)["<module>"].targets == set()


def test_nothing_is_read_from_files(monkeypatch):
    def fail(*_args, **_kwargs):
        raise AssertionError("a file was read")

    for module, name in ((builtins, "open"), (inspect, "getsource"), (linecache, "getline"), (linecache, "getlines")):
        monkeypatch.setattr(module, name, fail)
    both_ways("def f(): return g(-1, not 0)")
