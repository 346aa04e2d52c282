"""Template strings (PEP 750) in a module without source, whose code is assembled anew."""

import importlib
import py_compile
import sys

import pytest

import spearmint

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="PEP 750: template strings are new in CPython 3.14")

# Both where a target is made, as plain strings and template strings in any order, and in the target itself.
SOURCE = """
before = f"{1}{2}-{3}", t"{1}{2!r:>10}{3:{4}}"

def answer(x, k=1):
    return t"{x!s}{k!r:>10}", f"<{x}>{k}"

after = t"{answer(0)[1]!a}", f"{4}{5}-"
"""


def test_module_with_template_strings_and_no_source_is_rewritten(tmp_path, monkeypatch):
    (tmp_path / "templates.py").write_text(SOURCE)
    py_compile.compile(str(tmp_path / "templates.py"), cfile=str(tmp_path / "templates.pyc"), doraise=True)
    (tmp_path / "templates.py").unlink()
    monkeypatch.syspath_prepend(tmp_path)
    experiments = [{"target": "templates:answer", "configs": [{"k": 5}], "bindings": {"k": "k"}}]
    with spearmint.install({"packages": ["templates"], "experiments": experiments}):
        templates = importlib.import_module("templates")
        del sys.modules["templates"]
        template, text = templates.answer(7)
    found = [(part.value, part.expression, part.conversion, part.format_spec) for part in template.interpolations]
    assert found == [(7, "x", "s", ""), (5, "k", "r", ">10")]
    assert text == "<7>5"
    plain, made = templates.before
    assert plain == "12-3"
    assert [(part.value, part.conversion, part.format_spec) for part in made.interpolations] == [
        (1, None, ""),
        (2, "r", ">10"),
        (3, None, "4"),
    ]
    made, plain = templates.after
    assert [(part.value, part.conversion) for part in made.interpolations] == [("<0>5", "a")]
    assert plain == "45-"
