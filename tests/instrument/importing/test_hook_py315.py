"""Lazy imports (PEP 810): what looks at a module imports none of those that it names."""

import sys

import pytest

from spearmint import Spearmint, code_version

pytestmark = pytest.mark.skipif(sys.version_info < (3, 15), reason="PEP 810: lazy imports are new in CPython 3.15")

HOST = """
    lazy import heavy_module
    lazy from heavy_module import answer as given
    from typing import Annotated
    from spearmint import Bind, experiment

    def plain(x, boost=1):
        return heavy_module.answer(x) + given(x) + boost

    @experiment(configs=[{"k": 1}, {"k": 2}], strategy="shadow")
    def outer(x, k: Annotated[int, Bind("k")]):
        return heavy_module.answer(x) + k if x else k

    class Ranker:
        def rank(self, boost=1):
            return given(boost)
"""
HEAVY = """
    from spearmint import experiment

    @experiment(configs=[{"z": 0}])
    def answer(x, config=None):
        return x
"""


@pytest.fixture
def load(project):
    project.write({"lazy_host.py": HOST, "heavy_module.py": HEAVY})
    return lambda: project.load("lazy_host")


def test_lazy_imports_are_left_alone_by_planning(load):
    host = load()
    with Spearmint.run(host.outer, await_variants=True) as runner:
        results = runner(0)
    assert [one.result for one in results] == [1, 2]
    assert len(code_version(host.outer)) == 16
    assert "heavy_module" not in sys.modules


@pytest.mark.parametrize("target", ["lazy_host:plain", "lazy_host:p*", "lazy_host:Ranker.rank"])
def test_lazy_imports_are_left_alone_by_the_hook(project, load, target):
    project.install(target, packages=["lazy_host"])
    load()
    assert "heavy_module" not in sys.modules


@pytest.mark.parametrize("target", ["lazy_host:plain", "lazy_host:Ranker.rank"])
def test_lazy_imports_are_left_alone_in_place(project, load, target):
    host = load()
    with pytest.warns(Warning, match="lazy_host"):
        handle = project.install(target, packages=["lazy_host"])
    assert "heavy_module" not in sys.modules
    assert host.plain(1) in (3, 5)
    handle.uninstall()
    assert host.plain(1) == 3


def test_experiment_behind_a_lazy_import_joins_the_case(load):
    host = load()
    with Spearmint.run(host.outer, await_variants=True) as runner:
        assert [one.result for one in runner(5)] == [6, 7]
    assert "heavy_module" in sys.modules
