"""Values of all kinds: what is kept of them, and that none of them harms the call."""

import math
import threading
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, SecretStr

import spearmint
from spearmint import RuntimeContext, Spearmint
from spearmint.redaction import Redactor
from spearmint.tracing.serialize import Renderer
from spearmint.tracing.snapshot import Truncated, snapshot

MAX_CHARS = 1000
MAX_ITEMS = 10
WAIT_SECONDS = 10


def shown(value, **options):
    return Renderer(Redactor([]), MAX_CHARS, **options).render(snapshot(value, MAX_CHARS, MAX_ITEMS)[0])


class Point(BaseModel):
    x: int
    tags: list[str] = []


@dataclass
class Pair:
    left: int
    right: list[int]


@dataclass(slots=True)
class Slotted:
    left: int


@dataclass
class Many:
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0
    f: int = 0
    g: int = 0
    h: int = 0
    i: int = 0
    j: int = 0
    k: int = 0


class Raising:
    def __repr__(self):
        raise RuntimeError("no repr")


class Exiting:
    def __repr__(self):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (2**70, str(2**70)),
        (10**5000, hex(10**5000)[:MAX_CHARS]),
        (1.5, 1.5),
        (math.inf, "inf"),
        (math.nan, "nan"),
        ("text", "text"),
        (b"raw", "b'raw'"),
        ((1, [2, {3}]), [1, [2, [3]]]),
        ({"a": {1: None}}, {"a": {"1": None}}),
        (Point(x=1, tags=["a"]), {"x": 1, "tags": ["a"]}),
        (Pair(1, [2]), {"left": 1, "right": [2]}),
        (Slotted(1), {"left": 1}),
        (SimpleNamespace(a=1), "namespace(a=1)"),
        (np.arange(3), "array([0, 1, 2])"),
        (Raising(), "<Raising whose repr raised RuntimeError>"),
        (Exiting(), "<Exiting whose repr raised SystemExit>"),
        ({Raising(): 1}, {"<Raising whose repr raised RuntimeError>": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_shown_as_json(value, expected) -> None:
    found = shown(value)
    assert found == expected or (isinstance(expected, str) and found.startswith(expected))


def test_large_values_are_cut_and_say_by_how_much() -> None:
    assert shown("a" * 1500) == "a" * 1000 + "… (500 more characters)"
    assert shown(b"a" * 1500).endswith("… (500 more bytes)")
    assert shown(list(range(12))) == [*range(10), "… (2 more items)"]
    assert shown({number: number for number in range(12)})["…"] == "2 more items"
    assert shown(np.zeros((1000, 1000))) == "… (ndarray of shape (1000, 1000) and dtype float64)"
    assert shown(pd.DataFrame({"a": range(100_000)})) == "… (DataFrame of shape (100000, 1))"
    assert len(shown(["a" * 900, "b" * 900])[1]) < 200


def test_cyclic_and_deep_values_end() -> None:
    cyclic = [1]
    cyclic.append(cyclic)
    assert shown(cyclic) == [1, "… (a list beyond what is kept)"]
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert "beyond what is kept" in str(shown(deep))
    wide = [[[[[0] * 10] * 10] * 10] * 10] * 10
    assert "beyond what is kept" in str(shown(wide))


def test_large_value_is_not_kept_alive_by_its_record() -> None:
    text = "a" * 10_000_000
    kept, is_complete = snapshot(text, MAX_CHARS, MAX_ITEMS)
    assert (len(kept.part), is_complete) == (MAX_CHARS, False)
    array = np.zeros(10_000_000)
    kept, _ = snapshot(array, MAX_CHARS, MAX_ITEMS)
    assert isinstance(kept, Truncated)
    assert kept.part is None


def test_small_arrays_and_models_are_copied() -> None:
    array, point, pair = np.zeros(2), Point(x=1, tags=["a"]), Pair(1, [2])
    kept, _ = snapshot([array, point, pair], MAX_CHARS, MAX_ITEMS)
    array[0], point.x, pair.right = 1, 2, []
    point.tags.append("b")
    assert Renderer(Redactor([]), MAX_CHARS).render(kept) == [
        "array([0., 0.])",
        {"x": 1, "tags": ["a"]},
        {"left": 1, "right": [2]},
    ]


@pytest.mark.parametrize("value", [1, "a", [1, {"a": (2, {3})}], {"a": [None, 1.5]}, b"a"])
def test_a_plain_value_is_kept_whole(value) -> None:
    kept, is_complete = snapshot(value, MAX_CHARS, MAX_ITEMS)
    assert is_complete
    assert kept == value
    assert type(kept) is type(value)


def test_users_code_never_runs_while_the_caller_waits() -> None:
    assert shown([Raising()], runs_code=False) == [f"<{__name__}.Raising>"]


class Hostile:
    """Does something bad wherever Python lets it, but not where the function looks at it."""

    def __getattribute__(self, name):
        if name == "__class__":
            return type(self)
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        raise RuntimeError("eq")

    __hash__ = object.__hash__


def test_a_hostile_value_reaches_the_function_and_harms_nothing(traces) -> None:
    @Spearmint(configs=[{"n": 1}]).experiment()
    def hand_on(value, config):
        return value

    hostile = Hostile()
    assert hand_on(hostile) is hostile
    assert hand_on([hostile, {"a": hostile}])[0] is hostile
    assert [trace.info.state for trace in traces()] == ["OK", "OK"]


def test_lone_surrogates_anywhere_are_written_escaped(traces) -> None:
    @Spearmint(configs=[{"n": "\ud801"}, {"n": "b"}]).experiment()
    def hand_on(value, config):
        if value is None:
            raise KeyError("\udcff.txt")
        return value

    with RuntimeContext(attributes={"file": "\udcfe"}):
        assert hand_on({"é\ud800": "half \ud83d"}) == {"é\ud800": "half \ud83d"}
        with pytest.raises(KeyError):
            hand_on(None)
    failed, done = sorted(traces(), key=lambda trace: trace.info.state)
    assert done.data.spans[0].outputs == {"é\\ud800": "half \\ud83d"}
    assert done.data.spans[0].inputs["config"] == {"n": "\\ud801"}
    assert done.info.tags["spearmint.attribute.file"] == "\\udcfe"
    assert "udcff.txt" in failed.data.spans[0].events[0].attributes["exception.message"]
    assert spearmint.tracing_stats().written == 2


def test_a_repr_that_takes_long_holds_up_the_worker_only(traces) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow:
        def __repr__(self):
            begun.set()
            assert may_end.wait(WAIT_SECONDS)
            return "slow"

    @Spearmint(configs=[{"n": 1}]).experiment()
    def hand_on(value, config):
        return value

    slow = Slow()
    assert hand_on(slow) is slow
    assert begun.wait(WAIT_SECONDS)
    assert hand_on(1) == 1
    assert not spearmint.flush(0)
    assert spearmint.tracing_stats().pending == 2
    may_end.set()
    assert [trace.data.spans[0].outputs for trace in traces()] == ["slow", 1]


def test_what_a_repr_calls_on_the_worker_is_not_traced(traces) -> None:
    @Spearmint(configs=[{"n": 1}]).experiment()
    def hand_on(value, config):
        return None

    class Calling:
        def __repr__(self):
            return str(hand_on(self))

    hand_on(Calling())
    assert len(traces()) == 1
    assert spearmint.tracing_stats().recorded == 1


def test_exception_with_a_raising_str_is_recorded(traces) -> None:
    class Odd(Exception):
        def __init__(self, code):
            super().__init__()
            self.code = code

        def __str__(self):
            return f"code {self.code}"

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    @Spearmint(configs=[{"n": 1}]).experiment()
    def fail(error, config):
        raise error

    errors = [Odd(7), Silent("a", 1), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), OSError(2, "gone", "f.txt")]
    for error in errors:
        with pytest.raises(type(error)):
            fail(error)
    messages = [trace.data.spans[0].events[0].attributes["exception.message"] for trace in traces()]
    unicode = "'utf-8' codec can't decode byte 0xff in position 0: bad"
    assert sorted(messages) == sorted(["code 7", "a, 1", unicode, "[Errno 2] gone: 'f.txt'"])


def test_what_raised_is_not_kept_alive_by_its_trace(traces) -> None:
    import gc
    import weakref

    class Large:
        pass

    references = []

    @Spearmint(configs=[{"n": 1}]).experiment()
    def fail(config):
        local = Large()
        references.append(weakref.ref(local))
        raise ValueError("no")

    may_go_on = threading.Event()

    class Blocking:
        def __repr__(self):
            assert may_go_on.wait(WAIT_SECONDS)
            return "blocking"

    @Spearmint(configs=[{"n": 1}]).experiment()
    def block(value, config):
        return None

    block(Blocking())
    with pytest.raises(ValueError, match="no"):
        fail()
    gc.collect()
    alive = references[0]()
    may_go_on.set()
    assert alive is None
    assert len(traces()) == 2


def told(value):
    renderer = Renderer(Redactor(), MAX_CHARS)
    rendered, losses = renderer.render_items({"it": snapshot(value, MAX_CHARS, MAX_ITEMS)[0], "next": 1})
    assert rendered["next"] == 1
    return losses


@pytest.mark.parametrize("value", [1, "a", None, 2.5, [1, (2, {"a": {3}})], {"a": "b" * 900}, Point(x=1)])
def test_value_that_is_there_whole_is_not_lost(value) -> None:
    assert told(value) == {}


@pytest.mark.parametrize(
    ("value", "way"),
    [
        ("password=hunter22", "masked"),
        ({"a": [{"token": "x"}, "y" * 2000]}, "masked"),
        (["Authorization", "x"], "masked"),
        (SecretStr("x"), "masked"),
        ("y" * 2000, "cut"),
        (list(range(11)), "cut"),
        ({"k" * 2000: 1}, "cut"),
        ({str(n): n for n in range(11)}, "cut"),
        (Many(), "cut"),
        (object(), "text"),
        (math.nan, "text"),
        (2**70, "text"),
        ("half \ud83d", "text"),
        ({1: 2}, "text"),
    ],
)
def test_value_that_is_lost_is_told_with_the_way(value, way) -> None:
    assert told(value) == {"it": way}


def test_names_stay_whole_where_values_are_cut() -> None:
    rendered = shown({"note": "x" * 2000, "another": 5, "k" * 100: 6})
    assert rendered["another"] == 5
    assert rendered["k" * 64] == 6
    assert rendered["…"] == "the ends of 1 keys"
