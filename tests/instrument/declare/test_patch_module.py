"""Code that is not rewritten: extension modules, and any module on a Python that is not known."""

import importlib
import subprocess
import sys
import sysconfig
import textwrap

import pytest

import spearmint
from spearmint.discovery import cpython as versions
from spearmint.errors import SettingsError, SpearmintWarning
from spearmint.instrument import install as install_module
from spearmint.instrument.importing import hook as hook_module
from spearmint.proxy.proxy import ExperimentProxy

EXTENSION = """
    import functools


    def score(text, boost=1):
        return len(text) * boost


    def total(texts):
        return sum(score(text) for text in texts)


    class Ranker:
        def rank(self, boost=1):
            return boost

        @staticmethod
        def still(boost=1):
            return boost


    cdef class Fixed:
        def rank(self, boost=1):
            return boost
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    """Build an extension module with Cython, and return the folder that it is in."""
    pytest.importorskip("Cython")
    if not sysconfig.get_config_var("CC"):
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("extension")
    (folder / "quick.pyx").write_text(textwrap.dedent(EXTENSION))
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "-q", "-3", "-i", "quick.pyx"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "quick.pyx").unlink()
    (folder / "quick.c").unlink(missing_ok=True)
    return folder


@pytest.fixture
def quick(extension, project, monkeypatch):
    monkeypatch.syspath_prepend(str(extension))
    yield lambda: project.load("quick")
    sys.modules.pop("quick", None)


@pytest.mark.slow
def test_extension_module_functions_are_wrapped_after_it_ran(project, quick):
    handle = project.install("quick:score", "quick:Ranker.*")
    module = quick()
    assert module.score("ab") == 6
    assert (module.Ranker().rank(), module.Ranker.still()) == (3, 3)
    assert isinstance(module.score, ExperimentProxy)
    assert type(module.__loader__).__name__ == type(module.__spec__.loader).__name__ == "ExtensionFileLoader"
    assert "ExtensionFileLoader" in handle.skipped["quick"]
    handle.uninstall()
    assert module.score("ab") == 2
    assert not isinstance(module.score, ExperimentProxy)


def test_calls_inside_an_extension_module_reach_what_is_wrapped(project, quick):
    project.install("quick:score")
    assert quick().total(["a", "b"]) == 6


def test_methods_of_an_extension_type_are_refused(project, quick):
    project.install("quick:Fixed.rank")
    with pytest.warns(SpearmintWarning, match=r"Cannot make an experiment of quick:Fixed\.rank: it belongs to a type"):
        module = quick()
    assert module.Fixed().rank() == 1


def test_missing_target_of_an_extension_module_is_an_error(project, quick):
    project.install("quick:nothing")
    with pytest.raises(SettingsError, match=r"Cannot find the target 'quick:nothing'"):
        quick()


def test_extension_module_without_targets_keeps_its_loader(project, quick):
    handle = project.install(packages=["quick"])
    assert type(quick().__loader__).__name__ == "ExtensionFileLoader"
    assert set(handle.skipped) == {"quick"}


@pytest.fixture
def unknown_python(monkeypatch):
    """Pretend that the running Python is none that the extractors and rewriters know."""
    monkeypatch.setattr(versions, "COMPILERS", {})
    assert not versions.is_supported()
    assert hook_module.is_supported is install_module.is_supported is versions.is_supported


SOURCE = {
    "plain/__init__.py": "",
    "plain/work.py": """
        def score(text, boost=1):
            return len(text) * boost + other()


        def other(boost=1):
            return boost


        class Ranker:
            @classmethod
            def rank(cls, boost=1):
                return cls.__name__, boost

            @property
            def size(self):
                return 1


        async def later(boost=1):
            return boost
    """,
}


@pytest.mark.parametrize("form", ["source", "pyc", "zip"])
def test_unknown_python_wraps_functions_after_the_module_ran(project, unknown_python, form):
    project.write(SOURCE)
    project.pack(form)
    with pytest.warns(SpearmintWarning) as caught:
        handle = project.install("plain.work:score", "plain.work:Ranker.rank", "plain.work:later", packages=["plain"])
    work = project.load("plain.work")
    assert (work.score("ab"), work.Ranker.rank()) == (7, ("Ranker", 3))
    (message,) = (str(one.message) for one in caught)
    assert message.startswith(
        f"Cannot rewrite code on cpython {sys.version_info[0]}.{sys.version_info[1]}, whose compil"
    )
    assert project.caches() == []
    handle.uninstall()
    assert (work.score("ab"), work.Ranker.rank()) == (3, ("Ranker", 1))


def test_on_an_unknown_python_runs_and_variants_work(project, unknown_python):
    project.write(SOURCE)
    entry = {"target": "plain.work:other", "configs": [{"b": 1}, {"b": 2}], "bindings": {"boost": "b"}}
    with pytest.warns(SpearmintWarning, match="Cannot rewrite code"):
        project.install({**entry, "strategy": "shadow"})
    work = project.load("plain.work")
    with spearmint.Spearmint.run(work.other, await_variants=True) as runner:
        assert [one.result for one in runner()] == [1, 2]
    importlib.reload(work)
    assert work.other() == 1
