"""From a function to the functions it reaches."""

import dis
import functools
import gc
import sys
import types
import weakref

import pytest

from spearmint.discovery.reach.call_graph import reach
from spearmint.discovery.reach.static_lookup import MISSING, Bound, Getter, Instance, attribute_of, in_class
from spearmint.discovery.reach.user_code import same_project_filter
from spearmint.proxy.proxy import ExperimentProxy
from tests.discovery.nested_programs import PROGRAMS, UNSEEN, forbid_sources, load, unload


@pytest.fixture
def no_sources(monkeypatch):
    forbid_sources(monkeypatch)
    yield
    monkeypatch.undo()
    unload()


def is_proxy(function):
    return type(function) is ExperimentProxy


def function(source, name="root"):
    module = types.ModuleType("shop.code")
    exec(compile(source, "code", "exec"), vars(module))
    return vars(module)[name]


def edges_of(found):
    return [(edge.caller.name, edge.kind, edge.target, edge.line, edge.callee.name) for edge in found.edges]


@pytest.mark.parametrize("leaves_tables", [True, False], ids=["tables", "code"])
@pytest.mark.parametrize("title", [*PROGRAMS, *UNSEEN])
@pytest.mark.usefixtures("no_sources")
def test_experiments_are_reached_under_any_name(title, leaves_tables):
    source, called = {**PROGRAMS, **UNSEEN}[title]
    root = load(source, leaves_tables=leaves_tables).root
    found = reach(root, is_followed=same_project_filter("shop"), is_kept=is_proxy)
    reached = {id(edge.callee.function): edge.callee.function for edge in found.edges if is_proxy(edge.callee.function)}
    assert sorted(one.__qualname__ for one in reached.values()) == sorted(called.rpartition("|")[2].split())


# Edges


def test_graph_has_nodes_in_call_order_and_edges_with_places():
    root = function("""
def last(): pass
def inner(): last()
def handed(): pass
def root():
    inner()
    max([], key=handed)
    last()
""")
    found = reach(root)
    assert [node.name for node in found.nodes] == [f"shop.code:{name}" for name in ("root", "inner", "last", "handed")]
    assert edges_of(found) == [
        ("shop.code:root", "call", "inner", 6, "shop.code:inner"),
        ("shop.code:inner", "call", "last", 3, "shop.code:last"),
        ("shop.code:root", "reference", "handed", 7, "shop.code:handed"),
        ("shop.code:root", "call", "last", 8, "shop.code:last"),
    ]


def test_a_decorated_function_wraps_the_one_inside():
    root = function("""
import functools
def logged(function):
    @functools.wraps(function)
    def wrapper(): return function()
    return wrapper
@logged
def inner(): pass
def root(): inner()
""")
    (_, first), (_, second), _ = [(edge.caller.name, (edge.kind, edge.callee.function)) for edge in reach(root).edges]
    assert first == ("call", root.__globals__["inner"])
    assert second == ("wraps", root.__globals__["inner"].__wrapped__)


def test_a_function_reached_with_two_receivers_is_two_nodes():
    root = function("""
class Base:
    def run(self): return self.step()
class One(Base):
    def step(self): pass
class Two(Base):
    def step(self): pass
one, two = One(), Two()
def root(): return one.run(), two.run()
""")
    names = [node.name for node in reach(root).nodes]
    assert names.count("shop.code:Base.run") == 2
    assert {"shop.code:One.step", "shop.code:Two.step"} < set(names)


def test_library_functions_appear_only_on_a_path_to_user_code():
    root = function("""
import functools, json, inspect
@functools.lru_cache
def inner(): pass
def root(): return json.dumps(inner()), inspect.signature(root), functools.reduce(max, [])
""")
    assert [node.name for node in reach(root).nodes] == ["shop.code:root", "shop.code:inner", "shop.code:inner"]


def test_a_method_is_found_through_what_it_is_bound_to():
    namespace = function("""
class Base:
    def root(self): return self.step()
class Shop(Base):
    def step(self): pass
root = Shop()
""")
    assert [node.name for node in reach(namespace.root).nodes] == ["shop.code:Base.root", "shop.code:Shop.step"]
    assert [node.name for node in reach(type(namespace).root, Instance(type(namespace))).nodes][1:] == [
        "shop.code:Shop.step"
    ]


def test_receiver_is_reported_where_its_attributes_mattered():
    shop = function("""
def helper(): pass
class Shop:
    def __init__(self): self.part = helper
    def one(self): return helper()
    def two(self): return self.one()
    def three(self): return self.part()
root = Shop()
""")
    assert reach(shop.one).receiver is None
    assert not reach(shop.two).receiver.own_names
    assert reach(shop.three).receiver.own_names == {"part"}


def test_a_search_keeps_no_receiver_alive():
    shop = function("""
class Shop:
    def step(self): pass
    def root(self): return self.step()
root = Shop
""")()
    found = reach(shop.root)
    gone = weakref.ref(shop)
    del shop
    gc.collect()
    assert gone() is None
    assert len(found.nodes) == 2


@pytest.mark.parametrize(
    "value", [len, functools.partial(len), 3, None, object(), types.ModuleType("m"), int, str.upper]
)
def test_what_has_no_code_reaches_nothing(value):
    assert [node.function for node in reach(value).nodes] != []
    assert reach(value).edges == ()


def test_a_chain_of_thousands_is_no_matter_of_recursion():
    count = sys.getrecursionlimit() * 3
    lines = [f"def f{number}(): return f{number + 1}()" for number in range(count)]
    assert len(reach(function("\n".join([*lines, f"def f{count}(): pass"]), "f0")).nodes) == count + 1


def test_an_end_is_in_the_result_and_not_looked_into():
    root = function("""
import functools
def inner(): pass
@functools.lru_cache
def end(): return inner()
def root(): end()
""")
    end = root.__globals__["end"]
    assert [node.function for node in reach(root, is_end=lambda one: one is end).nodes] == [root, end]


def test_code_that_no_compiler_emits_reaches_nothing():
    root = function("def inner(): pass\ndef root(x): return [inner for _ in x], inner")
    code = root.__code__
    # Not any number: CPython 3.14 dies of numbers that are no opcodes as soon as such code is copied.
    strange = code.replace(co_code=bytes([dis.opmap.get("INTERPRETER_EXIT", 255), 0]) + code.co_code[2:])
    changed = types.FunctionType(strange, root.__globals__)
    assert reach(changed).edges == ()


# Whether it still holds


def watched(source, change):
    """Return whether a result holds before and after a change of the module."""
    root = function(source)
    found = reach(root)
    before = found.dependencies.is_valid()
    exec(change, root.__globals__)
    return before, found.dependencies.is_valid(), found.dependencies.spot_check()


INNER = "def inner(): pass\ndef other(): pass\n"
CLOSURE = """
def make():
    def outer(): return held()
    def put():
        nonlocal held
        held = inner
    held = 1
    return outer, put
root, put = make()
"""


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("def root(): return inner()", "inner = other"),
        ("def plain(): return inner()\ndef root(): return plain()", "inner = other"),
        ("def root(): return later()", "later = inner"),
        ("def root(): return len([])", "len = inner"),
        ("def root(): return inner()", "del inner"),
        ("import json as m\ndef root(): return m.dumps(1)", "import pickle as m"),
        ("class S:\n def f(self): pass\ns = S()\ndef root(): return s.f()", "S.f = inner"),
        ("class S:\n def f(self): pass\ns = S()\ndef root(): return s.f()", "s = 1"),
        (CLOSURE, "put()"),
    ],
)
def test_a_change_of_a_name_that_mattered_is_noticed(source, change):
    assert watched(INNER + source, change) == (True, False, False)


@pytest.mark.parametrize("change", ["unrelated = 1", "def another(): pass", "inner = inner"])
def test_a_change_that_does_not_matter_is_none(change):
    assert watched(INNER + "def root(): return inner()", change) == (True, True, True)


def test_dependencies_are_checked_in_batches_in_turn():
    lines = [f"def f{number}(): return f{number + 1}()" for number in range(1000)]
    root = function("\n".join([*lines, "def f1000(): pass"]), "f0")
    dependencies = reach(root).dependencies
    assert all(dependencies.spot_check() for _ in range(100))
    root.__globals__["f777"] = None
    assert not dependencies.is_valid()
    verdicts = [dependencies.spot_check() for _ in range(20)]
    assert verdicts.count(True) > 10
    assert False in verdicts


# Attributes


class Meta(type):
    of_meta = 1

    @property
    def answer(cls):
        raise AssertionError


class Thing(metaclass=Meta):
    __slots__ = ("__dict__", "slot")
    plain = (1,)

    def method(self): ...

    @property
    def read(self):
        raise AssertionError

    @property
    def __class__(self):
        raise AssertionError

    def __getattr__(self, name):
        raise AssertionError

    def __getattribute__(self, name):
        raise AssertionError


def test_attributes_are_found_and_nothing_runs():
    thing = Thing()
    object.__getattribute__(thing, "__dict__").update(own=1, read=2, method=3)
    assert attribute_of(thing, "own") == 1
    assert attribute_of(thing, "method") == 3
    assert attribute_of(thing, "plain") is Thing.plain
    assert attribute_of(thing, "nothing") is MISSING
    assert attribute_of(thing, "slot") is MISSING
    read = attribute_of(thing, "read")
    assert isinstance(read, Getter)
    assert (read.function, read.receiver is thing) == (Thing.__dict__["read"].fget, True)
    assert attribute_of(Instance(Thing), "method") == Bound(Thing.method, Instance(Thing))
    assert attribute_of(Thing, "method") == Bound(Thing.method, Instance(Thing))
    assert attribute_of(Thing, "of_meta") == 1
    assert in_class(Thing, "nothing") is MISSING
    assert isinstance(attribute_of(Thing, "answer"), Getter)


def test_what_wraps_itself_ends():
    wrapper = functools.partial(len)
    wrapper.__wrapped__ = wrapper
    holder = types.SimpleNamespace()
    holder.__wrapped__ = holder
    module = types.ModuleType("shop.code")
    vars(module).update(wrapper=wrapper, holder=holder)
    exec("def root(): return wrapper(), holder(), holder.nothing()", vars(module))
    assert reach(module.root).nodes[0].name == "shop.code:root"
    assert reach(holder).nodes[0].name == "types:SimpleNamespace"
