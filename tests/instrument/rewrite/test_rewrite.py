"""Both rewriters: the same definitions wrapped, in the same order, with no line, flag or name of the module changed."""

import textwrap
from types import CodeType

import pytest

from spearmint.instrument.rewrite import injected as entry_module
from spearmint.instrument.rewrite.bytecode_rewrite import rewrite_code
from spearmint.instrument.rewrite.injected import entry, module_name
from tests.instrument.shapes import DECLARED, DOORS, SHAPES, codes, every, facts, lines_of, rewritten, run


@pytest.fixture
def declared(monkeypatch):
    """Collect what is declared, in order; every function is left as it is."""
    names = []

    def declare(function, module, name):
        names.append(f"{module}:{name}")
        return function

    monkeypatch.setattr(entry, "on_function", declare)
    return names


@pytest.mark.parametrize("door", DOORS)
def test_definitions_are_declared_by_their_numbered_names(door, declared):
    module = run(rewritten(SHAPES, door, every)[0])
    module.outer(1)(2)
    assert declared == DECLARED


@pytest.mark.parametrize("door", DOORS)
def test_a_module_behaves_as_without_and_gains_no_name(door, declared):
    plain = run(compile(textwrap.dedent(SHAPES), "<m>", "exec", dont_inherit=True))
    module = run(rewritten(SHAPES, door, every)[0])
    assert module.keys() == plain.keys()
    child = module.Child()
    child.size = 5
    assert (child.size, child.once, child.still(2), module.Child.options) == (5, "Child", 2, {"flag": 1})
    assert module.Child.whole() is module.Child
    assert module.Base[3] == 3
    assert module.plain(1, d=0) == 6
    assert module.plain.__annotations__ == {"d": "int", "return": "int"}
    assert module.plain.__doc__ == "Adds."
    assert module["__doc__"] == "A docstring."
    assert vars(module.Child).keys() == vars(plain.Child).keys()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("optimize", [0, 1, 2])
def test_names_lines_and_flags_are_unchanged_at_every_level(door, optimize):
    plain = compile(SHAPES, "<m>", "exec", dont_inherit=True, optimize=optimize)
    code, _ = rewritten(SHAPES, door, every, optimize=optimize)
    removed = {one for one in facts(plain) if one[0] == "chosen" and one[3] == ()}  # Unreachable, kept as a constant.
    assert facts(plain) - removed == facts(code) - removed


@pytest.mark.parametrize("door", DOORS)
def test_only_code_on_the_way_to_a_target_is_another(door):
    plain = compile(SHAPES, "<m>", "exec", dont_inherit=True)
    code, wrapped = rewritten(SHAPES, door, lambda name, parameters: name == "Child.Inner.deep")
    assert wrapped == ("Child.Inner.deep",)
    old = {(one.co_qualname, one.co_firstlineno): one.co_code for one in codes(plain)}
    changed = {one.co_qualname for one in codes(code) if old[one.co_qualname, one.co_firstlineno] != one.co_code}
    assert "Child.Inner" in changed
    assert changed <= ({"Child.Inner"} if door == "code" else {"Child.Inner", "Child", "<module>"})


@pytest.mark.parametrize("door", DOORS)
def test_both_rewriters_read_the_parameters_of_a_definition(door):
    asked = {}

    def note(name, parameters):
        asked[name] = list(parameters)
        return False

    rewritten(SHAPES, door, note)
    assert asked["plain"] == ["a", "b", "c", "d"]
    assert asked["outer.<locals>.inner"] == ["a", "b"]
    assert asked["Child.size#2"] == ["self", "value"]


@pytest.mark.parametrize("door", DOORS)
def test_decorated_implicit_class_method_stays_as_it_is(door, declared):
    source = """
        class C:
            @classmethod
            def __init_subclass__(cls):
                cls.seen = 1


        class D(C):
            pass
    """
    assert run(rewritten(source, door, every)[0]).D.seen == 1
    assert declared == []


DECORATED = """
    import functools


    def double(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return 2 * function(*args, **kwargs)

        return inner


    @double
    @functools.lru_cache(
        maxsize=None,
    )
    def cached(x):
        return x


    class C:
        @staticmethod
        @double
        def still(x):
            return x

        def plain(self, x):
            return x


    def outer():
        @double
        def inner(x):
            return x

        return inner
"""


@pytest.mark.parametrize("door", DOORS)
def test_outermost_wrapper_gets_what_decorators_have_made(door, monkeypatch):
    got = {}

    def declare(function, module, name):
        got[name] = type(function).__name__, getattr(function, "__wrapped__", None) is not None
        return function

    monkeypatch.setattr(entry, "on_function", declare)
    code, wrapped = rewritten(DECORATED, door, lambda name, _parameters: "outermost" if "double" not in name else False)
    module = run(code)
    assert (module.cached(1), module.C.still(2), module.C().plain(3), module.outer()(4)) == (2, 4, 3, 8)
    assert sorted(wrapped) == sorted(["cached", "C.still", "C.plain", "outer", "outer.<locals>.inner"])
    assert got == {
        "cached": ("function", True),
        "C.still": ("staticmethod", True),
        "C.plain": ("function", False),
        "outer": ("function", False),
        "outer.<locals>.inner": ("function", True),
    }
    plain = compile(textwrap.dedent(DECORATED), "<m>", "exec", dont_inherit=True)
    assert lines_of(code) == lines_of(plain)
    lines = {(one.co_qualname, one.co_firstlineno) for one in codes(code)}
    assert lines == {(one.co_qualname, one.co_firstlineno) for one in codes(plain)}


TYPE_CHECKING = """
    import typing
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        def a(): ...

        class A:
            def f(self):
                def g(): ...
    else:
        def b(): ...
    if typing.TYPE_CHECKING:
        def c(): ...
    elif not TYPE_CHECKING:
        def d(): ...

    def e():
        if TYPE_CHECKING:
            def f(): ...
        def g(): ...
"""


@pytest.mark.parametrize("door", DOORS)
def test_what_only_type_checkers_read_is_no_target(door):
    assert sorted(rewritten(TYPE_CHECKING, door, every)[1]) == ["b", "d", "e", "e.<locals>.g"]


STRIPPED = """
    class A:
        def f(self):
            return 1

    class B:
        def f(self):
            return 2

        def g(self):
            def f():
                return 3
            return f

    def f():
        return 4
"""


def without_lines(code):
    """Return a code object as obfuscators leave it: everything on line 1."""
    constants = tuple(without_lines(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_consts=constants, co_firstlineno=1, co_linetable=b"")


@pytest.mark.parametrize("name", ["A.f", "B.f", "B.g.<locals>.f", "f"])
def test_bytecode_without_lines_is_matched_by_qualified_name(name, declared):
    plain = without_lines(compile(textwrap.dedent(STRIPPED), "<m>", "exec", dont_inherit=True))
    found = rewrite_code(plain, lambda one, _parameters: one == name)
    assert found.wrapped == (name,)
    module = run(found.code)
    assert (module.A().f(), module.B().f(), module.B().g()(), module.f()) == (1, 2, 3, 4)
    assert declared == [f"{module.__name__}:{name}"]


@pytest.mark.parametrize("door", DOORS)
def test_a_traceback_has_the_lines_of_the_source(door, declared):
    source = "def f(a):\n    return g(a)\n\n\n@staticmethod\ndef g(a):\n    raise ValueError(a)\n"
    module = run(rewritten(source, door, every)[0])
    with pytest.raises(ValueError, match="1") as caught:
        module.f(1)
    trace = caught.value.__traceback__.tb_next
    lines = []
    while trace is not None:
        lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    assert lines == [("f", 2), ("g", 7)]


@pytest.mark.parametrize("door", DOORS)
def test_the_lines_that_run_are_those_that_run_without(door, declared):
    plain = compile(SHAPES, "<m>", "exec", dont_inherit=True)
    assert lines_of(rewritten(SHAPES, door, every)[0]) == lines_of(plain)


@pytest.mark.parametrize("door", DOORS)
def test_rewritten_code_without_installation_gives_functions(door, monkeypatch):
    monkeypatch.setattr(entry, "on_function", None)
    module = run(rewritten(SHAPES, door, every)[0])
    assert type(module.plain) is type(run)


@pytest.mark.parametrize("door", DOORS)
def test_a_module_without_targets_keeps_its_code(door):
    plain = compile(SHAPES, "<m>", "exec", dont_inherit=True)
    code, wrapped = rewritten(SHAPES, door, lambda name, parameters: False)
    assert wrapped == ()
    assert code == plain


def test_main_module_is_named_by_its_spec_also_when_spawned():
    spec = type("Spec", (), {"name": "shop.app"})
    assert module_name({"__name__": "shop.rank", "__spec__": spec}) == "shop.rank"
    assert module_name({"__name__": "__main__", "__spec__": spec}) == "shop.app"
    assert module_name({"__name__": "__main__", "__spec__": None}) == "__main__"
    assert module_name({"__name__": "__mp_main__"}) == "__main__"


def test_what_injected_code_reaches_imports_nothing_of_spearmint():
    names = {name for name, value in vars(entry_module).items() if getattr(value, "__module__", "").startswith("spear")}
    assert {vars(entry_module)[name].__module__ for name in names} == {"spearmint.instrument.rewrite.injected"}
