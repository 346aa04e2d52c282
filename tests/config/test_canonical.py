"""The canonical form: ids of what JSON cannot say, the same in every process."""

import dataclasses
import datetime as dt
import functools
import operator
import os
import re
import subprocess
import sys
import typing
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, HttpUrl, SecretBytes, SecretStr

from spearmint.config import generate_config_id
from spearmint.errors import ConfigError


class Colour(Enum):
    RED = 1
    BLUE = 2


class Size(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 3


class Model(BaseModel):
    name: str = "tiny"
    path: Path = Path("x")


@dataclasses.dataclass
class Point:
    x: object = 1
    y: object = 2


@dataclasses.dataclass
class Place(Point):
    pass


class Scorer:
    def score(self):
        return 0


def rank(x):
    return x


def order(x):
    return x


@functools.lru_cache
def cached(x):
    return x


def ranker(weight, factor=2):
    def inner(x, power=factor):
        return x * weight**power

    return inner


def endless():
    def again(n):
        return again(n - 1)

    return again


def id_of(value):
    return generate_config_id({"value": value})


DIFFERENT = [
    None,
    "x",
    Path("x"),
    Path("y"),
    b"x",
    bytearray(b"x"),
    "Colour.RED",
    Colour.RED,
    Colour.BLUE,
    Size.RED,
    1,
    "1",
    1.0,
    True,
    Decimal(1),
    Fraction(1),
    1 + 0j,
    range(1),
    range(2),
    {1},
    {1, 2},
    [1],
    [[1]],
    dt.date(2024, 1, 1),
    dt.datetime(2024, 1, 1),  # noqa: DTZ001
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    dt.time(1, 2),
    dt.timedelta(days=1),
    UUID(int=1),
    ip_address("127.0.0.1"),
    re.compile("x"),
    re.compile("x", re.IGNORECASE),
    re.compile(b"x"),
    rank,
    order,
    cached,
    len,
    [].append,
    [1].append,
    str.lower,
    bytes.lower,
    int,
    Point,
    list[int],
    list[str],
    typing.Optional[int],  # noqa: UP045
    functools.partial(rank, 1),
    functools.partial(rank, 2),
    functools.partial(rank, x=1),
    ranker(1),
    ranker(2),
    ranker(1, factor=3),
    Point(),
    Point(y=3),
    Place(),
    Point(1, 2).__eq__,
    Model(),
    Model(name="small"),
    Model(path="y"),
    SecretStr("a"),
    SecretStr("b"),
    SecretBytes(b"a"),
    HttpUrl("https://example.org"),
    {"a": Path("x")},
    {1: "a", "b": "c"},
    {(1, 2): "a"},
    {Colour.RED: 1},
    MappingProxyType({"a": 1}),
    np.array([1, 2]),
    np.array([1, 3]),
    np.array([[1], [2]]),
    np.array([1.0, 2.0]),
    np.array(["a", None], dtype=object),
    np.datetime64("2024-01-01"),
    endless(),
]


def test_different_values_have_different_ids():
    ids = [id_of(value) for value in DIFFERENT]
    twice = [(DIFFERENT[ids.index(one)], DIFFERENT[at]) for at, one in enumerate(ids) if ids.index(one) != at]
    assert twice == []


def test_a_tagged_value_cannot_be_imitated_by_what_json_can_say():
    from spearmint.config.canonical import _Writer

    imitation = _Writer().form(Path("x"), ())
    assert id_of(imitation) != id_of(Path("x"))
    assert id_of([imitation, Path("y")]) != id_of([Path("x"), Path("y")])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array(3), 3),
        (Level.LOW, 3),
        (PurePosixPath("x"), Path("x")),
        ({1, 2, 3}, frozenset({3, 2, 1})),
        ({"b": Path("x"), "a": 1}, {"a": 1, "b": Path("x")}),
        (ranker(1), ranker(1)),
        (np.array([[1, 2], [3, 4]]).T, np.array([[1, 3], [2, 4]])),
    ],
)
def test_one_content_has_one_id(one, other):
    if isinstance(one, np.generic):
        assert id_of({"deep": [one]}) == id_of({"deep": [other]})
    assert id_of(one) == id_of(other)


@pytest.mark.slow
def test_ids_are_the_same_in_every_process():
    code = (
        "import datetime, re, functools, enum, pathlib\n"
        "from spearmint.config import generate_config_id\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "def rank(x): return x\n"
        "print(generate_config_id({'s': {'a', 'b', 'c', pathlib.PurePosixPath('x')}, 'c': Colour.RED, 'f': rank,\n"
        "  'p': functools.partial(rank, k={'u', 'v'}), 'd': datetime.date(2024, 1, 1), 'b': len, 't': Colour,\n"
        "  'm': {Colour.RED: 1, (1, 'x'): 2}}))\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(seen) == 1
    assert re.fullmatch("[0-9a-f]{16}\n", seen.pop())


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (object(), "its type object has no form"),
        (lambda: 0, "a lambda has no name"),
        (functools.partial(lambda: 0), "a lambda has no name"),
        ((x for x in ()), "its type generator has no form"),
        (operator.itemgetter(1), "its type itemgetter has no form"),
        (Scorer().score, "its type Scorer has no form"),
    ],
)
def test_what_has_no_form_is_named_with_its_path(value, cause):
    with pytest.raises(ConfigError, match=rf"value at 'llm\.clients\.1.*{cause}.*\"__config_id__\"") as caught:
        generate_config_id({"llm": {"clients": [1, value]}})
    assert "0x" not in str(caught.value)


def test_the_path_leads_into_models_and_closures():
    with pytest.raises(ConfigError, match=r"'p\.x\.client'"):
        generate_config_id({"p": Point(x={"client": object()})})
    with pytest.raises(ConfigError, match=r"'f\.closure\.weight'"):
        generate_config_id({"f": ranker(object())})


def test_a_config_that_contains_itself_has_no_id():
    circle = {"a": {}}
    circle["a"]["b"] = circle["a"]
    with pytest.raises(ConfigError, match=r"'a\.b': it contains itself"):
        generate_config_id(circle)


def test_what_nests_too_deeply_has_no_id():
    deep = Path("x")
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ConfigError, match="nested deeper than 100 levels"):
        generate_config_id({"a": deep})


def test_a_value_that_is_there_twice_does_not_contain_itself():
    shared = [Path("x")]
    assert id_of([shared, shared]) == id_of([[Path("x")], [Path("x")]])


def test_an_integer_beyond_the_limit_of_digits_has_no_id():
    with pytest.raises(ConfigError, match="Exceeds the limit"):
        generate_config_id({"n": 10**5000})


texts = st.dictionaries(st.text().filter(lambda key: key != "__config_id__"), st.integers())


@given(texts, texts)
def test_paths_and_text_never_meet(one, other):
    assert generate_config_id({**one, "p": Path("x")}) != generate_config_id({**other, "p": "x"})
