"""The CPython versions that are known, and what happens on others."""

import dis
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spearmint import discovery
from spearmint.discovery import calls_in_code, calls_in_source, is_supported
from spearmint.discovery import cpython as versions
from spearmint.discovery.bytecode import interpreter as flow
from spearmint.discovery.bytecode.opcodes import VERSIONS
from spearmint.discovery.bytecode.stack_effects import STEPS
from spearmint.discovery.bytecode.symbolic_stack import SymbolicStack
from spearmint.discovery.cpython import COMPILERS
from spearmint.discovery.table_builder import ScopeCalls

# In the table of opcodes, but in no code object that the compiler makes.
NEVER_EMITTED = frozenset(
    {"BINARY_OP_INPLACE_ADD_UNICODE", "ENTER_EXECUTOR", "EXIT_INIT_CHECK", "INTERPRETER_EXIT", "TRACE_RECORD"}
)
# These have effects that depend on more than the argument, or that the interpreter counts in another way.
COUNTED_OTHERWISE = frozenset({"CALL", "CALL_KW", "KW_NAMES", "PRECALL", "RETURN_GENERATOR"})


def test_the_running_version_is_known():
    assert is_supported()


@pytest.mark.parametrize(
    ("implementation", "version", "named"),
    [("cpython", (3, 99, 0), "cpython 3.99"), ("pypy", (3, 11, 0), "pypy 3.11")],
)
def test_another_interpreter_is_refused(monkeypatch, implementation, version, named):
    stand_in = SimpleNamespace(implementation=SimpleNamespace(name=implementation), version_info=version)
    monkeypatch.setattr(versions, "sys", stand_in)
    assert not is_supported()
    for extract in (lambda: calls_in_source("f()", "sample.py"), lambda: calls_in_code(compile("f()", "s", "exec"))):
        with pytest.raises(NotImplementedError, match=rf"Cannot read calls on {named}.*3.11, 3.12, 3.13, 3.14, 3.15"):
            extract()


def test_compilers_and_opcodes_cover_the_same_versions():
    assert COMPILERS.keys() == VERSIONS.keys()


def test_every_opcode_of_the_running_version_is_described():
    real = {name for name, number in dis.opmap.items() if number < 256 and not name.startswith(("INSTRUMENTED_", "<"))}
    effects = VERSIONS[sys.version_info[:2]]
    assert real - effects.keys() - NEVER_EMITTED <= {"RESERVED"}
    assert effects.keys() <= real


@pytest.mark.parametrize("argument", [1, 2, 3, 5])
def test_effects_agree_with_the_interpreter(argument):
    wrong = []
    for name, effect in VERSIONS[sys.version_info[:2]].items():
        opcode = dis.opmap[name]
        if name in COUNTED_OTHERWISE or effect.flow in ("end", "jump"):
            continue
        if name == "BUILD_SLICE" and argument not in (2, 3):
            continue
        code = compile("a.b.c.d.e.f.g", "sample.py", "exec")
        stack = SymbolicStack(code.replace(co_varnames=tuple("abcdef"), co_nlocals=6), ScopeCalls("f", 1, (1, 0)))
        stack.consts = (None,) * 8
        stack.values = [None] * 20
        STEPS[opcode](stack, argument)
        expected = dis.stack_effect(opcode, argument if opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        if len(stack.values) - 20 != expected:
            wrong.append((name, len(stack.values) - 20, expected))
    assert wrong == []


def test_variables_share_one_index():
    def outer(a, b):
        def inner(c):
            d = a + c
            return d, b, lambda: (c, d, a)

        return inner

    for code in (outer.__code__, outer(1, 2).__code__):
        names = SymbolicStack(code, ScopeCalls("f", 1, (1, 0))).locals
        assert names == tuple(code._varname_from_oparg(index) for index in range(len(names)))


def test_an_opcode_that_is_not_described_is_refused(monkeypatch):
    described = set(VERSIONS[sys.version_info[:2]])
    other = next(number for number, name in enumerate(dis.opname) if name not in described)
    monkeypatch.setattr(flow, "STEPS", [STEPS[other]] * 256)
    with pytest.raises(ValueError, match="Cannot read '<module>': opcode RESUME is not described"):
        calls_in_code(compile("f()", "sample.py", "exec"))


@pytest.mark.slow
def test_the_room_needs_the_standard_library_only(tmp_path):
    shutil.copytree(Path(discovery.__file__).parent, tmp_path / "spearmint" / "discovery")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import spearmint.discovery as d;"
        "print(sorted(d.calls_in_source('f(g())', 's')['<module>'].targets))"
    )
    # -S leaves site-packages out; a folder without __init__ is a package too.
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['f', 'g']"
