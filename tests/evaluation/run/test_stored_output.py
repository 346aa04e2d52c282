import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr

from spearmint.evaluation.run.stored_output import decode_output, encode_output


class Color(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Answer(BaseModel):
    text: str
    scores: tuple[float, ...] = ()
    parts: list["Answer"] = []


class Open(BaseModel, extra="allow"):
    k: int = 1


class Hidden(BaseModel):
    k: int = 1
    _cache: int = PrivateAttr(2)


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    url: str
    rank: int


@dataclasses.dataclass
class Loose:
    k: int


VALUES = [
    None,
    True,
    -3,
    2.5,
    -0.0,
    math.inf,
    "text \ud800 \0",
    b"\xff\0",
    [1, [2, (3, {"a"})]],
    {"a": {"b": [1]}, "$type": "float"},
    {1: "a", (2, 3): frozenset({4})},
    dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
    dt.date(2026, 1, 2),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    Color.RED,
    Access.READ | Access.WRITE,
    Access(0),
    Answer(text="a", scores=(0.5,), parts=[Answer(text="b")]),
    Open(k=2, more=[3]),
    Hit("u", 1),
    Loose(1),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_output_is_made_again_exactly(value):
    text = encode_output(value)
    text.encode()  # what a file takes
    made = decode_output(text)
    assert type(made) is type(value)
    assert made == value
    assert repr(made) == repr(value)


def test_fields_that_were_set_are_known_again():
    assert decode_output(encode_output(Answer(text="a"))).model_fields_set == {"text"}


def test_nan_is_made_again():
    assert math.isnan(decode_output(encode_output([math.nan]))[0])


@pytest.mark.parametrize(
    "value",
    [np.float32(0.1), np.int64(3), np.bool_(True), np.arange(6.0).reshape(2, 3), np.zeros((0, 2)), np.array("ab")],
    ids=["float32", "int64", "bool", "matrix", "empty", "text"],
)
def test_numpy_is_made_again(value):
    made = decode_output(encode_output(value))
    assert type(made) is type(value)
    assert made.dtype == value.dtype
    assert np.array_equal(made, value)


def local_class():
    @dataclasses.dataclass
    class Local:
        k: int

    return Local(1)


def looped():
    loop = []
    loop.append(loop)
    return loop


def loose_with_more():
    value = Loose(1)
    value.other = 2
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [lambda: 1],
        collections.OrderedDict(a=1),
        collections.defaultdict(list),
        local_class(),
        looped(),
        loose_with_more(),
        Hidden(),
        np.array([object()]),
        Hit,
    ],
    ids=["object", "function", "ordered", "default", "local", "loop", "attribute", "private", "objects", "class"],
)
def test_what_could_not_be_made_again_is_not_stored(value):
    assert encode_output(value) is None


def test_class_that_is_gone_is_an_error():
    text = encode_output(Hit("u", 1)).replace(":Hit", ":Gone")
    with pytest.raises(AttributeError, match="Gone"):
        decode_output(text)


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_keys = st.text() | st.integers() | st.tuples(st.text())


@given(
    st.recursive(
        _leaves, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(_keys, inner), max_leaves=20
    )
)
def test_every_value_of_plain_types_is_made_again(value):
    made = decode_output(encode_output(value))
    assert made == value
    assert repr(made) == repr(value)
