"""Decorators that refuse an experiment, and what their error says."""

import sys
import traceback

import pytest

from spearmint.errors import SettingsError

STRICT = """
    from types import FunctionType


    def strict(*words):
        def check(function):
            if type(function) is not FunctionType:
                raise TypeError("no function")
            return function

        return check


    def plain(function):
        return function


    class Model:
        @plain
        @strict(
            "a",
        )
        def fit(self, boost=1):
            return boost
"""
BOOST = {"configs": [{"b": 3}], "bindings": {"boost": "b"}}


@pytest.mark.parametrize("form", ["source", "pyc", "zip"])
def test_error_of_a_strict_decorator_names_target_and_exclude(project, form):
    project.write({"strict.py": STRICT})
    project.pack(form)
    project.install(packages=[{"name": "strict", "auto": "named", **BOOST}])
    with pytest.raises(TypeError, match="no function") as caught:
        project.load("strict")
    (note,) = caught.value.__notes__
    assert "This was raised where strict:Model.fit is made" in note
    assert "put 'strict:Model.fit' under 'exclude'" in note
    assert "position: outermost" in note
    shown = "".join(traceback.format_exception(caught.value))
    assert "spearmint/instrument/importing" not in shown
    assert "<frozen importlib" not in shown.partition("strict.py")[2]


def test_outermost_position_and_exclude_are_ways_out(project):
    project.write({"strict.py": STRICT})
    project.install({"target": "strict:Model.fit", "position": "outermost", **BOOST})
    assert project.load("strict").Model().fit() == 3


def test_excluded_function_is_left(project):
    project.write({"strict.py": STRICT})
    project.install(packages=[{"name": "strict", "auto": "named", "exclude": ["strict:Model.fit"], **BOOST}])
    assert project.load("strict").Model().fit() == 1


@pytest.mark.parametrize("body", ["1 / 0", "def f():\n    1 / 0\nf()", "import nothing_of_that_name"])
def test_other_errors_of_a_module_are_left_as_they_are(project, body):
    project.write({"broken.py": f"def g(boost=1):\n    return boost\n{body}\n"})
    project.install({"target": "broken:g", **BOOST})
    with pytest.raises((ZeroDivisionError, ImportError)) as caught:
        project.load("broken")
    assert not hasattr(caught.value, "__notes__")


def test_error_of_the_settings_gets_no_note(project):
    project.write({"strict.py": STRICT.replace("@strict", "@plain if True else strict")})
    project.install({"target": "strict:Model.fit", **BOOST, "bindings": {"bost": "b"}})
    with pytest.raises(SettingsError) as caught:
        project.load("strict")
    assert "Cannot bind parameter 'bost'" in str(caught.value)


def test_error_of_the_settings_blames_no_decorator(project):
    project.write(
        {
            "choosers.py": """
            made = []

            class Picky:
                def __init__(self, share):
                    made.append(share)
                    raise TypeError("no such share")
        """,
            "plain.py": "def f(boost=1):\n    return boost\n",
        }
    )
    project.install({"target": "plain:f", "strategy": {"use": "choosers:Picky", "with": {"share": 2}}, **BOOST})
    with pytest.raises(SettingsError, match=r"Cannot make strategy .choosers:Picky. with \{.share.: 2\}") as caught:
        project.load("plain")
    assert getattr(caught.value, "__notes__", []) == []
    assert sys.modules["choosers"].made == [2]  # A user's constructor may cost, or do, something.
