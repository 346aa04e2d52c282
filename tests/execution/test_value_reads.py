"""What rewritten code reads values by, in functions that are pickled by value and in other processes."""

import contextvars
import copy
import pickle
import subprocess
import sys
import textwrap

import pytest

import spearmint
from spearmint.execution.value_reads import reader_of
from spearmint.testing import override

cloudpickle = pytest.importorskip("cloudpickle")

TEXTS = {
    "texts/__init__.py": "",
    "texts/prompts.py": """
        SYSTEM = 'Be kind.'

        class Search:
            top_k = 3

            def width(self):
                return self.top_k
    """,
    "texts/api.py": """
        from texts.prompts import SYSTEM, Search

        def make():
            def inner(q):
                return f"{SYSTEM} {q} {Search.top_k} {0.75}"
            return inner

        def answer(function, given="a"):
            return function(given)
    """,
}
VALUES = {
    "texts.prompts:SYSTEM": "Be brief.",
    "texts.prompts:Search.top_k": 4,
    "texts.api:make.<locals>.inner#0.75": 0.5,
}
SETTINGS = {
    "packages": ["texts"],
    "experiments": [
        {"value": name, "within": "texts.api:answer", "configs": [{"v": config}], "path": "v"}
        for name, config in VALUES.items()
    ],
}


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A module whose functions read values under experiment."""
    for name, text in TEXTS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with spearmint.install(SETTINGS):
        import texts.api

        yield texts.api
    for name in [one for one in sys.modules if one.partition(".")[0] == "texts"]:
        del sys.modules[name]


def test_function_pickled_by_value_reads_as_it_did(api):
    there = pickle.loads(cloudpickle.dumps(api.make()))

    plain = api.answer(there)
    with (
        override("texts.prompts:SYSTEM", {"v": "Be brief."}),
        override("texts.prompts:Search.top_k", {"v": 4}),
        override("texts.api:make.<locals>.inner#0.75", {"v": 0.5}),
    ):
        varied = api.answer(there)

    assert plain == "Be kind. a 3 0.75"
    assert varied == "Be brief. a 4 0.5"


@pytest.mark.slow
@pytest.mark.parametrize("is_installed", [True, False])
def test_pickled_function_reads_in_another_process(api, tmp_path, is_installed):
    (tmp_path / "function").write_bytes(cloudpickle.dumps(api.make()))
    child = f"""
        import contextlib, pathlib, pickle, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import spearmint
        from spearmint.testing import override
        if {is_installed}:
            spearmint.install({SETTINGS!r})
        function = pickle.loads(pathlib.Path({str(tmp_path / "function")!r}).read_bytes())
        import texts.api
        with contextlib.ExitStack() as stack:
            for name, value in {VALUES if is_installed else {}!r}.items():
                stack.enter_context(override(name, {{"v": value}}))
            print(texts.api.answer(function))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(child)], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == ("Be brief. a 4 0.5\n" if is_installed else "Be kind. a 3 0.75\n")
    told = "A function that reads texts.prompts:SYSTEM was pickled by value"
    assert (told in done.stderr) is not is_installed


@pytest.mark.parametrize("kind", ["constant", "default", "literal", "attribute"])
def test_reader_is_pickled_by_name(api, kind):
    reader = reader_of("texts.prompts:SYSTEM", kind)

    assert pickle.loads(pickle.dumps(reader)) is reader
    assert api.make()("a") == "Be kind. a 3 0.75"


def test_attribute_varies_where_a_class_has_it_from_its_owner(api):
    class Odd(type):
        def __eq__(cls, other):
            return False

        __hash__ = None

    search = sys.modules["texts.prompts"].Search
    inheriting = type("Inheriting", (search,), {})
    kinds = [search, inheriting, Odd("Unhashable", (search,), {})]
    own = type("Own", (search,), {"top_k": 3})
    with override("texts.prompts:Search.top_k", {"v": 4}):
        for _ in range(2):  # A class that was seen before is known.
            assert [api.answer(search.width, kind()) for kind in kinds] == [4, 4, 4]
            assert api.answer(search.width, own()) == 3
        single = inheriting()
        single.top_k = 3
        assert api.answer(search.width, single) == 3
        inheriting.top_k = 9
        assert api.answer(search.width, inheriting()) == 9


def test_other_context_variables_are_as_they_were():
    other = contextvars.ContextVar("other")

    with pytest.raises(TypeError, match=r"cannot pickle '_contextvars.ContextVar' object"):
        pickle.dumps(other)
    with pytest.raises(TypeError, match=r"cannot pickle '_contextvars.ContextVar' object"):
        copy.copy(other)
