import functools
import importlib
import os
import py_compile
import re
import subprocess
import sys
import textwrap

import pytest

import spearmint
from spearmint import Config, code_version, experiment

STEP = {
    "step_one": "import step_two\n\ndef first(x):\n    return step_two.second(x) + 1\n",
    "step_two": "def second(x):\n    return x * 2\n",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Import modules of some source, of a name of their own, and tell of their functions."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)

    def forget():
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
        importlib.invalidate_caches()

    def load(main, *, is_compiled=False, **files):
        forget()
        for name, text in {"main_module": main, **files}.items():
            path = tmp_path / f"{name}.py"
            path.write_text(textwrap.dedent(text), encoding="utf-8")
            if is_compiled:
                py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), doraise=True)
                path.unlink()
        return importlib.import_module("main_module")

    yield load
    forget()


MAIN = "from step_one import first\n\ndef f(x):\n    return first(x)\n"


def test_code_version_is_public_and_short():
    assert spearmint.code_version is code_version
    version = code_version(textwrap.dedent)
    assert len(version) == 16
    assert version == code_version(textwrap.dedent)
    int(version, 16)


def test_comments_docstrings_and_lines_change_no_version(modules):
    source = """
    class Box:
        size = 2

        def get(self):
            try:
                return self.size
            except ValueError as error:
                raise KeyError from error

    def f(x):
        return [Box().get() + i for i in range(x) if i > 1]
    """
    again = """
    # Of boxes.


    class Box:
        '''A box.'''

        size = 2  # meters

        def get(self):
            '''Get it.'''

            try:

                return self.size
            except ValueError as error:
                # Not found.
                raise KeyError from error

    def f(
        x,
    ):
        '''Return a list.'''
        return [
            Box().get() + i
            for i in range(x)
            if i > 1
        ]
    """
    if sys.version_info[:2] == (3, 12):  # It jumps otherwise in a comprehension that is split over lines.
        again = re.sub(r"return \[\s+(.*)\s+(for .*)\s+(if .*)\s+\]", r"return [\1 \2 \3]", again)
    before = code_version(modules(source).f)
    assert code_version(modules(again).f) == before


DECORATED = """
import functools

def d(g):
    @functools.wraps(g)
    def w(x):
        return g(x)
    return w

@d
def f(x):
    return {}
"""


@pytest.mark.parametrize("is_compiled", [False, True], ids=["source", "pyc"])
def test_helper_two_calls_deep_changes_the_version(modules, is_compiled):
    before = code_version(modules(MAIN, **STEP).f)
    assert code_version(modules(MAIN, is_compiled=is_compiled, **STEP).f) == before
    edited = {**STEP, "step_two": "def second(x):\n    return x * 3\n"}
    assert code_version(modules(MAIN, is_compiled=is_compiled, **edited).f) != before


@pytest.mark.parametrize(
    ("source", "edited"),
    [
        ("def f(x, k=1):\n    return k", "def f(x, k=2):\n    return k"),
        ("def f(x, *, k=1):\n    return k", "def f(x, *, k=2):\n    return k"),
        ("K = 1\ndef f(x):\n    return K", "K = 2\ndef f(x):\n    return K"),
        ("K = {'a': [1]}\ndef f(x):\n    return K", "K = {'a': [2]}\ndef f(x):\n    return K"),
        ("class C:\n    k = 1\ndef f(x):\n    return C.k", "class C:\n    k = 2\ndef f(x):\n    return C.k"),
        (
            "class C:\n    def g(self):\n        return 1\ndef f(x):\n    c = C()\n    return c.g()",
            "class C:\n    def g(self):\n        return 2\ndef f(x):\n    c = C()\n    return c.g()",
        ),
        (
            "class B:\n    k = 1\nclass C(B):\n    pass\ndef f(x):\n    return C",
            "class B:\n    k = 2\nclass C(B):\n    pass\ndef f(x):\n    return C",
        ),
        (
            "class C:\n    def __init__(self, k):\n        self.k = k\nc = C(1)\ndef f(x):\n    return c.k",
            "class C:\n    def __init__(self, k):\n        self.k = k\nc = C(2)\ndef f(x):\n    return c.k",
        ),
        (
            "TABLE = {'a': lambda x: 1}\ndef f(x):\n    return TABLE[x]()",
            "TABLE = {'a': lambda x: 2}\ndef f(x):\n    return TABLE[x]()",
        ),
        (
            "def g(x):\n    return 1\ndef h(x):\n    return 2\na = g\ndef f(x):\n    return a(x)",
            "def g(x):\n    return 1\ndef h(x):\n    return 2\na = h\ndef f(x):\n    return a(x)",
        ),
        (
            "def make(k):\n    def inner(x):\n        return k\n    return inner\nf = make(1)",
            "def make(k):\n    def inner(x):\n        return k\n    return inner\nf = make(2)",
        ),
        (
            DECORATED.format(1),
            DECORATED.format(2),
        ),
        (
            "import functools\n@functools.lru_cache\ndef g(x):\n    return 1\ndef f(x):\n    return g(x)",
            "import functools\n@functools.lru_cache\ndef g(x):\n    return 2\ndef f(x):\n    return g(x)",
        ),
        (
            "import enum\nclass E(enum.Enum):\n    A = 1\ndef f(x):\n    return E.A.value",
            "import enum\nclass E(enum.Enum):\n    A = 2\ndef f(x):\n    return E.A.value",
        ),
        (
            "from pydantic import BaseModel\nclass M(BaseModel):\n    a: int = 1\ndef f(x):\n    return M()",
            "from pydantic import BaseModel\nclass M(BaseModel):\n    a: int = 2\ndef f(x):\n    return M()",
        ),
        ("def f(x):\n    return x and 1", "def f(x):\n    return x or 1"),
        (
            "def f(x):\n    try:\n        g()\n    except ValueError:\n        pass",
            "def f(x):\n    try:\n        g()\n    except KeyError:\n        pass",
        ),
    ],
    ids=[
        "default",
        "keyword default",
        "global",
        "container",
        "class attribute",
        "method",
        "base class",
        "instance",
        "function in a dict",
        "alias",
        "closure",
        "decorated",
        "cached",
        "enum",
        "model",
        "operator",
        "handler",
    ],
)
def test_what_the_result_depends_on_changes_the_version(modules, source, edited):
    before = code_version(modules(source).f)
    assert code_version(modules(source).f) == before
    assert code_version(modules(edited).f) != before


def test_import_in_a_function_is_followed(modules):
    main = "def f(x):\n    from step_two import second\n    return second(x)\n"
    before = code_version(modules(main + "import step_two", **STEP).f)
    edited = {**STEP, "step_two": "def second(x):\n    return x * 3\n"}
    assert code_version(modules(main + "import step_two", **edited).f) != before


STATE = """
count = 0
calls = []
cache = {}
seen = set()

class Client:
    total = 0

    def __init__(self, k):
        self.k, self.calls, self.log = k, 0, []

    def ask(self, x):
        self.calls += 1
        self.log.append(x)
        Client.total += 1
        return self.k

client = Client(1)

def make():
    n = 0
    def inner():
        nonlocal n
        n += 1
        return n
    return inner

tick = make()

def f(x):
    global count
    count += 1
    calls.append(x)
    cache[str(x)] = x
    cache[str(x) + "+"] = cache.get("y", 0)
    seen.add(x)
    tick()
    return client.ask(x)
"""


def test_what_the_code_itself_changes_is_no_version(modules):
    module = modules(STATE)
    before = code_version(module.f)
    assert [module.f(x) for x in range(3)] == [1, 1, 1]
    assert len(module.cache) == 6
    assert code_version(module.f) == before
    assert code_version(modules(STATE.replace("Client(1)", "Client(2)")).f) != before


@pytest.mark.slow
def test_version_of_a_dependency_counts(modules, monkeypatch):
    main = "import yaml\n\ndef f(x):\n    return yaml.safe_load(x)\n"
    before = code_version(modules(main).f)
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0.1" if "yaml" in name.lower() else real(name))
    assert code_version(modules(main).f) != before


def test_experiments_and_partials_count_as_their_functions():
    def plain(x, config: Config):
        return x

    class Model:
        def __init__(self, k):
            self.k = k

        @experiment(configs=[{"k": 1}])
        def f(self, x, config: Config):
            return self.k

    assert code_version(experiment(plain)) == code_version(plain)
    assert code_version(Model(1).f) == code_version(Model(1).f)
    assert code_version(Model(1).f) != code_version(Model(2).f)
    assert code_version(functools.partial(plain, x=1)) != code_version(functools.partial(plain, x=2))


def test_values_without_a_canonical_form_change_no_version(modules):
    source = "import threading\nlock = threading.Lock()\nthing = object()\ndef f(x):\n    return lock, thing\n"
    assert code_version(modules(source).f) == code_version(modules(source).f)


@pytest.mark.slow
def test_version_is_the_same_in_every_process(tmp_path):
    (tmp_path / "sets.py").write_text(
        "K = {'x', 'y', 'z', ('t', 1)}\ndef f(x):\n    return x in {'p', 'q', 'r'} or K\n", encoding="utf-8"
    )
    program = "import sets, spearmint; print(spearmint.code_version(sets.f))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_every_callable_has_a_version():
    class Judge:
        def __call__(self, outputs):
            return 1

    things = [len, print, dict, property, Judge, Judge(), functools.partial(len), lambda x: x, functools.lru_cache(len)]
    assert all(len(code_version(thing)) == 16 for thing in things)
