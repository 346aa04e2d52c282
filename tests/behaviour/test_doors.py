"""One suite of behaviour, through every door: the decorator, the source rewritten, the bytecode rewritten, in place."""

import asyncio
import copy
import functools
import importlib
import inspect
import linecache
import pickle
import py_compile
import sys
import traceback
import typing
from pathlib import Path
from unittest import mock

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.errors import SpearmintWarning

DOORS = ("decorator", "source", "bytecode", "in place")

HEAD = "from __future__ import annotations\n\nimport functools\nimport typing\n"

DECORATED = """
from spearmint import Spearmint
from spearmint.strategies import MultiBranchStrategy, RoundRobinStrategy, ShadowStrategy

mint = Spearmint(configs=[{"boost": 3}, {"boost": 4}])
shadow = Spearmint(configs=[{"boost": 3}, {"boost": 4}], strategy=ShadowStrategy)
turns = Spearmint(configs=[{"boost": 3}, {"boost": 4}], strategy=RoundRobinStrategy)
every = Spearmint(configs=[{"boost": 3}, {"boost": 4}], strategy=MultiBranchStrategy)
"""

# A comment with a name stands for that instance's decorator, or for nothing.
BODY = '''
SEEN = []
KEPT = {}


def keep(function):
    KEPT[function.__name__] = function
    return function


@keep
#mint
def plain(text: str = "", boost: int = 1) -> tuple[str, int]:
    """Says it."""
    return text, boost


#mint
def nested(boost=1):
    return boost, plain()[1], [other(boost=None) for _ in range(1)]


def other(boost):
    return leaf()


#mint
def leaf(boost=1):
    return boost


class Base:
    def hello(self, boost=1):
        return "base", boost


class Ranker(Base):
    #mint
    def rank(self, boost=1):
        return self.__own(), boost

    #mint
    def hello(self, boost=1):
        return super().hello(boost)

    @staticmethod
    #mint
    def still(boost=1):
        return boost

    @classmethod
    #mint
    def whole(cls, boost=1):
        return cls.__name__, boost

    @property
    #mint
    def size(self, boost=1):
        return boost

    def __own(self):
        return "own"


#mint
async def later(boost=1):
    return boost


#mint
def stream(boost=1):
    received = yield boost
    yield received
    return "end"


#mint
async def astream(boost=1):
    yield boost
    yield leaf()


#mint
def down(depth, boost=1):
    return boost if depth == 0 else down(depth - 1)


#mint
def fails(boost=1):
    raise KeyError(boost)


#shadow
def watched(boost=1):
    SEEN.append(boost)
    return boost


#turns
def turned(boost=1):
    return boost


#every
def counted(boost=1):
    return boost


#mint
def keyword_only(*args, boost=1, **rest):
    return args, boost, rest


@functools.lru_cache
#mint
def cached(text, boost=1):
    SEEN.append(text)
    return boost
'''

NAMES = [
    "plain",
    "nested",
    "leaf",
    "Ranker.rank",
    "Ranker.hello",
    "Ranker.still",
    "Ranker.whole",
    "Ranker.size",
    "later",
    "stream",
    "astream",
    "down",
    "fails",
    "keyword_only",
    "cached",
]
STRATEGIES = {"watched": "shadow", "turned": "round_robin", "counted": "multi_branch"}
CONFIGS = [{"boost": 3}, {"boost": 4}]


def settings():
    """Name one by one what the decorator stands on; what it stands on with one instance shares its configs."""
    shared = {"configs": CONFIGS, "bindings": {"boost": "boost"}}
    named = [{"target": f"doors:{name}", **shared} for name in NAMES]
    chosen = [{"target": f"doors:{name}", "strategy": how, **shared} for name, how in STRATEGIES.items()]
    return {"experiments": [*named, *chosen]}


@pytest.fixture(params=DOORS)
def door(request):
    return request.param


@pytest.fixture
def doors(door, tmp_path, monkeypatch):
    """Import the program through one of the doors."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "doors.py"
    body = BODY
    for name in ("mint", "shadow", "turns", "every"):
        decorator = f'@{name}.experiment(bindings={{"boost": "boost"}})' if door == "decorator" else ""
        lines = []
        for line in body.splitlines():
            if line.strip() == f"#{name}":
                if decorator:
                    lines.append(line.replace(f"#{name}", decorator))
            else:
                lines.append(line)
        body = "\n".join(lines) + "\n"
    path.write_text(HEAD + (DECORATED if door == "decorator" else "") + body)
    if door == "bytecode":
        py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), doraise=True)
        path.unlink()
    importlib.invalidate_caches()
    if door == "in place":
        module = importlib.import_module("doors")
        with pytest.warns(SpearmintWarning, match="imported before"):
            spearmint.install(settings())
    else:
        if door != "decorator":
            spearmint.install(settings())
        module = importlib.import_module("doors")
    yield module
    spearmint.uninstall()
    del sys.modules["doors"]
    linecache.clearcache()


def test_a_function_gets_its_config_and_the_caller_s_value_wins(doors):
    assert doors.plain("a") == ("a", 3)
    assert doors.plain("a", 7) == ("a", 7)
    assert doors.plain(boost=8) == ("", 8)


def test_a_decorator_outside_has_the_experiment(doors, door):
    assert doors.KEPT["plain"]("a") == ("a", 1 if door == "in place" else 3)


def test_methods_of_every_kind(doors):
    ranker = doors.Ranker()
    assert ranker.rank() == ("own", 3)
    assert ranker.hello() == ("base", 3)
    assert (doors.Ranker.still(), ranker.still()) == (3, 3)
    assert (doors.Ranker.whole(), ranker.whole()) == (("Ranker", 3), ("Ranker", 3))
    assert ranker.size == 3
    assert doors.Base().hello() == ("base", 1)


def test_async_functions_and_streams(doors):
    async def everything():
        return await doors.later(), [item async for item in doors.astream()]

    assert asyncio.run(everything()) == (3, [3, 3])
    stream = doors.stream()
    assert next(stream) == 3
    assert stream.send("sent") == "sent"
    with pytest.raises(StopIteration, match="end"):
        next(stream)


def test_kinds_signatures_and_documentation_stay(doors):
    assert inspect.iscoroutinefunction(doors.later)
    assert inspect.isgeneratorfunction(doors.stream)
    assert inspect.isasyncgenfunction(doors.astream)
    assert inspect.isfunction(doors.plain)
    assert str(inspect.signature(doors.plain)) == "(text: 'str' = '', boost: 'int' = 1) -> 'tuple[str, int]'"
    assert typing.get_type_hints(doors.plain)["boost"] is int
    assert (doors.plain.__doc__, doors.plain.__name__, doors.plain.__qualname__) == ("Says it.", "plain", "plain")
    assert doors.plain.__module__ == "doors"
    assert mock.create_autospec(doors.plain)("a") is not None


def test_pickling_and_copying_give_the_same_object(doors):
    assert pickle.loads(pickle.dumps(doors.plain)) is doors.plain
    assert copy.deepcopy(doors.plain) is doors.plain
    assert functools.partial(doors.plain, "a")() == ("a", 3)


def test_an_exception_is_main_s_own_with_the_lines_of_the_source(doors):
    with pytest.raises(KeyError) as caught:
        doors.fails()
    assert caught.value.args == (3,)
    frames = [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if Path(frame.filename).name == "doors.py"
    ]
    assert [frame.name for frame in frames] == ["fails"]
    if frames[0].line:
        assert frames[0].line == "raise KeyError(boost)"


def test_recursion_runs_under_one_config(doors):
    assert doors.down(5) == 3


def test_arguments_of_every_kind_pass(doors):
    assert doors.keyword_only(1, 2, other=4) == ((1, 2), 3, {"other": 4})
    assert doors.keyword_only(boost=5) == ((), 5, {})


def test_a_cache_outside_holds_what_the_experiment_gave(doors, door):
    assert [doors.cached("a"), doors.cached("a")] == [3, 3]
    assert doors.SEEN == ["a"]


def test_strategies_choose(doors):
    assert [doors.turned() for _ in range(3)] == [3, 4, 3]
    assert [one.result for one in doors.counted()] == [3, 4]
    with Spearmint.run(doors.watched, await_variants=True) as runner:
        assert [one.result for one in runner()] == [3, 4]
    assert sorted(doors.SEEN) == [3, 4]


def test_what_a_plain_function_in_between_calls_is_reached(doors):
    assert doors.nested() == (3, 3, [3])


def test_experiments_of_the_program_are_those_that_were_named(doors, door):
    names = {one.name.partition(":")[2] for one in spearmint.registry.registry if one.name.startswith("doors:")}
    assert names == {*NAMES, *STRATEGIES}
