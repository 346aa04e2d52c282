"""Every form in which Python imports modules, and every way in which it comes to import one."""

import importlib
import importlib.resources
import importlib.util
import inspect
import pkgutil
import py_compile
import runpy
import sys
import threading
import traceback
from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest

from spearmint.discovery.reach.table_store import table_store
from spearmint.errors import SpearmintWarning
from spearmint.instrument.rewrite import module_rewriter as rewriting

FORMS = ("source", "pyc", "zip", "zip of pyc")

LIBRARY = {
    "lib/__init__.py": '"""A library."""\n\nfrom lib.deep import tools\n',
    "lib/deep/__init__.py": "",
    "lib/deep/tools.py": '''
        """Tools."""

        from __future__ import annotations


        class Tool:
            """A tool."""

            def use(self, boost=1):
                """Use it."""
                return helper(boost), __class__.__name__

            def __hidden(self, boost=1):
                return boost

            def shown(self):
                return self.__hidden()


        def helper(boost):
            return boost


        def fails(boost=1):
            raise ValueError(boost)


        async def later(boost=1):
            return boost


        def counts(boost=1):
            yield boost
    ''',
}


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def test_a_module_of_every_form_is_instrumented(project, form):
    project.write(LIBRARY)
    project.pack(form)
    project.install("lib.deep.tools:Tool.*", "lib.deep.tools:counts", "lib.deep.tools:Tool.__hidden", packages=["lib"])
    tools = project.load("lib").tools
    assert tools.Tool().use() == (3, "Tool")
    assert tools.Tool().shown() == 3
    assert list(tools.counts()) == [3]
    assert inspect.iscoroutinefunction(tools.later)
    assert tools.__doc__ == "Tools."
    assert tools.Tool.use.__doc__ == "Use it."
    assert type(tools.helper) is type(form_of)


def test_the_call_tables_of_every_form_are_left_and_equal(project, form):
    project.write(LIBRARY)
    project.pack(form)
    project.install("lib.deep.tools:Tool.use", packages=["lib"])
    tools = project.load("lib.deep.tools")
    (table,) = table_store.get("lib.deep.tools", tools.Tool.use.__code__)
    assert table.targets == {"helper"}
    (shown,) = table_store.get("lib.deep.tools", tools.Tool.shown.__code__)
    assert shown.targets == {"self._Tool__hidden"}


def form_of(module):
    return type(module.__loader__).__mro__[1].__name__


def test_a_loader_is_one_of_the_kind_that_it_stands_for(project, form):
    project.write(LIBRARY)
    project.pack(form)
    project.install(packages=["lib"])
    expected = {"source": "SourceFileLoader", "pyc": "SourcelessFileLoader"}.get(form, "zipimporter")
    assert form_of(project.load("lib.deep.tools")) == expected


def test_specs_and_module_attributes_are_as_without(project, form):
    def facts(module):
        spec = module.__spec__
        names = ("__file__", "__package__", "__name__", "__path__", "__cached__")
        own = {name: getattr(module, name, None) for name in names}
        places = spec.submodule_search_locations
        return own, spec.name, spec.origin, spec.cached, spec.has_location, spec.parent, places and list(places)

    project.write(LIBRARY)
    project.pack(form)
    names = ("lib.deep.tools", "lib.deep", "lib")
    plain = {name: facts(importlib.import_module(name)) for name in names}
    for name in names:
        del sys.modules[name]
    project.install(packages=["lib"])
    assert {name: facts(importlib.import_module(name)) for name in names} == plain
    assert form_of(sys.modules["lib"]) in ("SourceFileLoader", "SourcelessFileLoader", "zipimporter")


def test_reloaded_module_is_instrumented_and_old_ones_live_on(project, form):
    project.write(LIBRARY)
    project.pack(form)
    project.install("lib.deep.tools:Tool.use")
    tools = project.load("lib.deep.tools")
    old = tools.Tool
    importlib.reload(tools)
    assert tools.Tool is not old
    assert old().use() == tools.Tool().use() == (3, "Tool")


def test_source_can_be_read_where_it_exists(project):
    project.write(LIBRARY)
    project.install("lib.deep.tools:Tool.use")
    tools = project.load("lib.deep.tools")
    assert tools.__loader__.get_source("lib.deep.tools") == inspect.getsource(tools)
    assert "def use(self" in inspect.getsource(tools.Tool.use)


def test_resources_and_data_are_found(project, form):
    project.write({**LIBRARY, "lib/data.txt": "data"})
    project.pack(form)
    if form.startswith("zip"):
        import zipfile

        with zipfile.ZipFile(sys.path[0], "a") as archive:
            archive.writestr("lib/data.txt", "data")
        importlib.invalidate_caches()
    project.install(packages=["lib"])
    project.load("lib")
    assert importlib.resources.files("lib").joinpath("data.txt").read_text() == "data"
    assert pkgutil.get_data("lib", "data.txt") == b"data"
    assert sorted(one.name for one in pkgutil.iter_modules(sys.modules["lib"].__path__)) == ["deep"]
    assert sys.modules["lib"].__loader__.is_package("lib")


def test_runpy_runs_a_module_as_main_under_its_own_name(project, form):
    project.write({"tool/__init__.py": "", "tool/__main__.py": "def go(boost=1):\n    return boost\n\nfound = go()\n"})
    project.pack(form)
    project.install("tool.__main__:go")
    assert runpy.run_module("tool", run_name="__main__")["found"] == 3


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_bytecode_of_every_mode_of_invalidation_is_instrumented(project, mode):
    project.write(LIBRARY)
    project.pack("pyc", mode)
    project.install("lib.deep.tools:Tool.use")
    assert project.load("lib.deep.tools").Tool().use() == (3, "Tool")


def test_bytecode_of_another_python_is_refused_as_without(project):
    project.write({"old.py": "def f(boost=1): return boost\n"})
    project.pack("pyc")
    path = project.folder / "old.pyc"
    path.write_bytes(b"\0\0\r\n" + path.read_bytes()[4:])
    project.install("old:f")
    with pytest.raises(ImportError, match="bad magic number in 'old'"):
        project.load("old")


def test_modules_in_a_folder_of_a_zip_file_are_instrumented(project):
    project.write({"inner/flat.py": "def f(boost=1): return boost\n"})
    project.pack("zip")
    sys.path[0] += "/inner"
    project.install("flat:f")
    assert project.load("flat").f() == 3


def test_modules_of_a_namespace_package_are_instrumented(project, tmp_path, monkeypatch):
    project.write({"space/one.py": "def f(boost=1): return boost\n"})
    other = tmp_path / "other" / "space"
    other.mkdir(parents=True)
    (other / "two.py").write_text("def f(boost=1): return boost\n")
    monkeypatch.syspath_prepend(str(other.parent))
    project.install("space.one:f", "space.two:f", packages=["space"])
    assert project.load("space.one").f() == 3
    assert project.load("space.two").f() == 3
    assert type(sys.modules["space"].__loader__).__name__ == "NamespaceLoader"


def test_editable_install_with_a_last_finder_is_instrumented(project, tmp_path, monkeypatch):
    source = tmp_path / "checkout" / "edited.py"
    source.parent.mkdir()
    source.write_text("def f(boost=1): return boost\n")

    class EditableFinder:
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            return importlib.util.spec_from_file_location(fullname, source) if fullname == "edited" else None

    finders = [*sys.meta_path, EditableFinder]
    project.install("edited:f")
    sys.meta_path.append(EditableFinder)
    try:
        assert project.load("edited").f() == 3
    finally:
        sys.meta_path.remove(EditableFinder)
    assert EditableFinder in finders


def test_a_package_on_the_path_of_a_pth_file_is_instrumented(project, tmp_path, monkeypatch):
    import site

    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "linked.py").write_text("def f(boost=1): return boost\n")
    (project.folder / "linked.pth").write_text(f"{checkout}\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    site.addsitedir(str(project.folder))
    project.install("linked:f")
    assert project.load("linked").f() == 3


def test_circular_modules_get_experiments_of_each_other(project):
    project.write(
        {
            "ring/__init__.py": "",
            "ring/a.py": "def f(boost=1):\n    return boost\n\n\nfrom ring import b\n",
            "ring/b.py": "from ring.a import f\n\n\ndef g():\n    return f()\n",
        }
    )
    project.install("ring.a:f")
    ring = project.load("ring.a")
    assert ring.b.g() == 3
    assert ring.b.f is ring.f


def test_a_lazily_loaded_module_is_instrumented_when_it_runs(project):
    project.write({"lazy.py": "RAN = []\nRAN.append(1)\n\n\ndef f(boost=1):\n    return boost\n"})
    project.install("lazy:f")
    spec = importlib.util.find_spec("lazy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["lazy"] = module
    spec.loader.exec_module(module)
    assert object.__getattribute__(module, "__dict__").get("RAN") is None
    assert module.f() == 3


def test_lazy_module_found_before_install_is_instrumented(project):
    project.write({"lazy.py": "def f(boost=1):\n    return boost\n"})
    spec = importlib.util.find_spec("lazy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["lazy"] = module
    spec.loader.exec_module(module)
    project.install("lazy:f")
    assert "f" not in object.__getattribute__(module, "__dict__")
    assert module.f() == 3


def test_module_with_getattr_is_not_asked_for_attributes(project):
    project.write({"shy.py": "def __getattr__(name):\n    raise RuntimeError(name)\n"})
    shy = project.load("shy")
    with pytest.warns(SpearmintWarning, match="imported before"):
        project.install(packages=["shy"])
    assert isinstance(shy, ModuleType)


def test_module_that_replaces_itself_is_tolerated(project):
    project.write(
        {
            "swap.py": """
                import sys

                class Thing:
                    def f(self, boost=1):
                        return boost

                sys.modules[__name__] = Thing()
            """
        }
    )
    handle = project.install("swap:Thing.f")
    assert project.load("swap").f() == 3
    project.install(packages=["swap"])  # What stands there now is no module, and nothing is said of it.
    handle.uninstall()


def test_threads_importing_at_once_all_get_experiments(project):
    names = [f"m{index}" for index in range(24)]
    project.write({f"many/{name}.py": "def f(boost=1):\n    return boost\n" for name in names})
    project.write({"many/__init__.py": ""})
    project.install(*(f"many.{name}:f" for name in names), packages=["many"])
    barrier = threading.Barrier(8)
    found = {}

    def load(number):
        barrier.wait()
        for name in names[number:] + names[:number]:
            found[number, name] = importlib.import_module(f"many.{name}").f()

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 * 24
    assert set(found.values()) == {3}


def test_a_module_may_import_in_a_thread_that_it_waits_for(project):
    project.write(
        {
            "busy/__init__.py": """
                import threading

                def load():
                    import busy_other

                thread = threading.Thread(target=load)
                thread.start()
                thread.join()
            """,
            "busy_other.py": "def f(boost=1):\n    return boost\n",
        }
    )
    project.install("busy_other:f", packages=["busy"])
    project.load("busy")
    assert sys.modules["busy_other"].f() == 3


def test_a_syntax_error_is_the_users_own(project):
    project.write({"bad/__init__.py": "", "bad/text.py": "def f(:\n    pass\n", "bad/scope.py": "x = 1\nreturn x\n"})

    def errors():
        for name in ("bad.text", "bad.scope"):
            with pytest.raises(SyntaxError) as caught:
                project.load(name)
            yield traceback.format_exception_only(caught.value)

    plain = list(errors())
    del sys.modules["bad"]
    project.install(packages=["bad"])
    assert list(errors()) == plain
    assert "def f(:" in plain[0][1]


def test_a_source_that_is_not_text_fails_as_without(project):
    project.write({"odd.py": ""})
    (project.folder / "odd.py").write_bytes(b"x = '\xff'\n")
    project.install(packages=["odd"])
    with pytest.raises(SyntaxError, match=r"(?i)utf-8"):  # Since CPython 3.15: Non-UTF-8
        project.load("odd")


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfdef f(boost=1):\n    return boost, '\xc3\xa9'\n",
        b"# coding: latin-1\r\ndef f(boost=1):\r\n    return boost, '\xe9'\r\n",
    ],
)
def test_encodings_and_line_ends_are_those_of_the_source(project, source):
    (project.folder / "coded.py").write_bytes(source)
    importlib.invalidate_caches()
    project.install("coded:f")
    assert project.load("coded").f() == (3, "é")


def test_a_traceback_of_a_failing_import_has_no_frame_of_ours(project):
    project.write({"fails/__init__.py": "", "fails/now.py": "def f(boost=1): pass\n\n\n1 / 0\n"})
    project.install("fails.now:f")
    with pytest.raises(ZeroDivisionError) as caught:
        project.load("fails.now")
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == str(project.folder / "fails" / "now.py")
    assert not [name for name in files if "spearmint/instrument" in name and "tests" not in name]


def test_failing_rewriter_warns_once_and_the_module_runs(project, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("out of order")

    monkeypatch.setattr(rewriting, "rewrite_tree", fail)
    project.write({"frail.py": "def f(boost=1): return boost\n"})
    project.install(packages=[{"name": "frail", "auto": "named", "configs": [{"b": 2}], "bindings": {"boost": "b"}}])
    with pytest.warns(SpearmintWarning) as caught:
        frail = project.load("frail")
    (warning,) = caught
    assert "Cannot instrument module 'frail': RuntimeError: out of order. It runs as if" in str(warning.message)
    assert warning.filename == str(project.folder / "frail.py")
    assert frail.f() == 1
    assert project.caches() == []


def test_rewritten_tree_that_does_not_compile_warns_and_runs(project, monkeypatch):
    import ast

    real = rewriting.rewrite_tree

    def spoil(tree, is_target, **options):
        found = real(tree, is_target, **options)
        tree.body.append(ast.Expr(ast.Name("no line", ast.Load())))
        return found

    monkeypatch.setattr(rewriting, "rewrite_tree", spoil)
    project.write({"frail.py": "def f(boost=1): return boost\n"})
    project.install(packages=["frail"])
    with pytest.warns(SpearmintWarning, match="Cannot instrument module 'frail'"):
        assert project.load("frail").f() == 1


def test_modules_own_error_is_not_taken_for_one_of_ours(project):
    project.write({"raises.py": "ran = []\nraise ImportError('mine')\n"})
    project.install(packages=["raises"])
    with pytest.raises(ImportError, match=r"^mine$"):
        project.load("raises")


def test_module_with_the_prefix_of_a_package_is_not_touched(project):
    project.write({"foo/__init__.py": "", "foobar.py": "", "foo/bar.py": ""})
    project.install(packages=["foo.bar"])
    assert type(project.load("foobar").__loader__) is SourceFileLoader
    assert type(project.load("foo").__loader__) is SourceFileLoader
    assert type(project.load("foo.bar").__loader__) is not SourceFileLoader


def test_unmatched_module_costs_no_file_system_access(project, monkeypatch):
    from spearmint.instrument.importing.finder import SpearmintFinder

    project.install(packages=["foo"])
    (finder,) = (one for one in sys.meta_path if isinstance(one, SpearmintFinder))

    class Unasked:
        def find_spec(self, *arguments):
            raise AssertionError("asked")

    sys.meta_path.insert(sys.meta_path.index(finder) + 1, Unasked())
    try:
        assert finder.find_spec("bar.baz") is None
        assert finder.find_spec("foobar") is None
    finally:
        sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, Unasked)]


def test_deep_source_is_rewritten_from_its_bytecode(project):
    branches = "".join(f"    elif x == {number}:\n        return {number} * boost\n" for number in range(1500))
    project.write({"deep.py": f"def f(x, boost=1):\n    if x == -1:\n        return -1\n{branches}"})
    handle = project.install("deep:f")
    assert project.load("deep").f(5) == 15
    assert dict(handle.skipped) == {}
    assert project.load("deep").f(7) == 21  # From the cache.


STRICT = """
    from types import FunctionType

    def strict(function):
        if type(function) is not FunctionType:
            raise TypeError(f"{function!r} is no function")
        return function

    @strict
    def f(boost=1):
        return boost

    class C:
        @strict
        def g(self, boost=1):
            return boost

    def h(boost=1):
        return boost
"""


def test_excluded_functions_of_a_package_stay_plain(project):
    project.write({"strict.py": STRICT})
    package = {"name": "strict", "auto": "named", "configs": [{"b": 3}], "bindings": {"boost": "b"}}
    project.install(packages=[{**package, "exclude": ["strict:f", "strict:C.*"]}])
    module = project.load("strict")
    assert (module.f(), module.C().g(), module.h()) == (1, 1, 3)
    assert type(module.f) is type(module.C.g) is type(project.load)
