"""Loaders that other tools bring: modules that they load are rewritten before they run, or wrapped and reported."""

import ast
import importlib
import importlib.util
import sys
import traceback
from functools import partial
from importlib.machinery import ExtensionFileLoader, FrozenImporter, ModuleSpec, PathFinder, SourceFileLoader

import pytest

from spearmint.errors import SpearmintWarning
from spearmint.proxy.proxy import ExperimentProxy

SHOP = {
    "shop/__init__.py": "",
    "shop/rank.py": """
        kept = []

        def keep(function):
            kept.append(function)
            return function

        @keep
        def score(text: str = "ab", boost: int = 1) -> int:
            return len(text) * boost
    """,
    "shop/broken.py": "1 / 0",
}


class Delegating:
    """A loader as scikit-build-core's: all but one method is another loader's, by ``__getattr__``."""

    def __init__(self, loader):
        self._skbuild_loader = loader

    def __getattr__(self, name):
        return getattr(self._skbuild_loader, name)

    def rebuild(self):
        return "rebuilt"


class Subclassed(SourceFileLoader):
    """A loader as meson-python's: it saves no bytecode and knows its tree."""

    def __init__(self, loader):
        super().__init__(loader.name, loader.path)
        self._tree = {}

    def set_data(self, path, data, *, _mode=0o666):
        pass


class FrozenArchive:
    """A loader as of frozen applications: no stock one, with an ``exec_module`` of its own that asks for the code."""

    def __init__(self, loader):
        self.inner = loader
        self.name = loader.name

    def create_module(self, spec):
        return None

    def get_code(self, fullname):
        if self.name != fullname:
            raise ImportError(fullname)
        return self.inner.get_code(fullname)

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)


class InstanceMethod:
    """A loader whose ``get_code`` is a function on the instance."""

    def __init__(self, loader):
        self.get_code = partial(loader.get_code)

    def create_module(self, spec):
        return None

    exec_module = SourceFileLoader.exec_module


class Slotted:
    """A loader without a ``__dict__``: its class cannot be told apart by module."""

    __slots__ = ("inner",)

    def __init__(self, loader):
        self.inner = loader

    def create_module(self, spec):
        return None

    def get_code(self, fullname):
        return self.inner.get_code(fullname)

    exec_module = SourceFileLoader.exec_module


class Recompiling:
    """A loader as logfire's: it reads the source, compiles it anew, and asks for no code."""

    def __init__(self, loader):
        self.plain_loader = loader

    def create_module(self, spec):
        return None

    def get_code(self, fullname):
        return compile("raise AssertionError", "<never>", "exec")

    def exec_module(self, module):
        source = self.plain_loader.get_source(module.__name__)
        exec(compile(ast.parse(source), self.plain_loader.path, "exec"), module.__dict__)


class Finder:
    """An editable install's: it stands first, and knows where its modules are."""

    def __init__(self, make):
        self._make = make

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith("shop"):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = self._make(spec.loader)
        return spec


REWRITTEN = [Delegating, Subclassed, FrozenArchive, InstanceMethod]
WRAPPED = [Slotted, Recompiling]


@pytest.fixture
def serve(project):
    """Have a finder in front load ``shop`` with a kind of loader."""
    before = list(sys.meta_path)
    project.write(SHOP)

    def insert(kind):
        sys.meta_path.insert(0, Finder(kind))

    yield insert
    sys.meta_path[:] = before


@pytest.mark.parametrize("kind", REWRITTEN)
@pytest.mark.parametrize("order", ["before", "after"])
def test_module_is_rewritten_before_it_runs(project, serve, kind, order):
    if order == "before":
        serve(kind)
    handle = project.install("shop.rank:score")
    if order == "after":
        serve(kind)
        project.load("colorsys")  # Any import: our finder moves in front of theirs.
    rank = project.load("shop.rank")
    assert rank.kept[0]("ab") == 6  # The decorator has been given the experiment.
    assert isinstance(rank.__loader__, kind)
    assert rank.__spec__.loader is rank.__loader__
    assert "shop.rank  rewritten" in str(handle.report())


def test_finder_behind_ours_has_its_modules_rewritten(project):
    class Behind:
        @staticmethod
        def find_spec(fullname, path=None, target=None):
            loader = Subclassed(SourceFileLoader(fullname, str(project.folder / "hidden" / "foreign.py")))
            return importlib.util.spec_from_loader(fullname, loader) if fullname == "foreign" else None

    project.write({"hidden/foreign.py": SHOP["shop/rank.py"]})
    handle = project.install("foreign:score", packages=["foreign"])
    sys.meta_path.append(Behind)
    try:
        foreign = project.load("foreign")
    finally:
        sys.meta_path.remove(Behind)
    assert foreign.kept[0]("ab") == 6
    assert isinstance(foreign.__loader__, Subclassed)
    assert dict(handle.skipped) == {}


@pytest.mark.parametrize("kind", WRAPPED)
def test_module_whose_code_is_out_of_reach_is_wrapped(project, serve, kind):
    serve(kind)
    handle = project.install("shop.rank:score")
    with pytest.warns(
        SpearmintWarning, match=rf"Cannot rewrite module 'shop\.rank': its loader is a .*{kind.__name__}"
    ):
        rank = project.load("shop.rank")
    assert isinstance(rank.score, ExperimentProxy)
    assert isinstance(rank.__loader__, kind)
    assert "shop.rank  wrapped_after (its loader is a " in str(handle.report())


@pytest.mark.parametrize("kind", REWRITTEN)
def test_uninstalling_gives_loader_and_module_back(project, serve, kind):
    serve(kind)
    handle = project.install("shop.rank:score")
    rank = project.load("shop.rank")
    handle.uninstall()
    assert rank.score("ab") == 2
    assert type(rank.__loader__) is kind
    assert importlib.reload(rank).score("ab") == 2
    assert not isinstance(rank.kept[0], ExperimentProxy)


@pytest.mark.parametrize("kind", REWRITTEN)
def test_module_is_rewritten_again_when_reloaded(project, serve, kind):
    serve(kind)
    project.install("shop.rank:score")
    rank = importlib.reload(project.load("shop.rank"))
    assert rank.score("ab") == 6
    assert isinstance(rank.kept[0], ExperimentProxy)


@pytest.mark.parametrize("kind", [Delegating, Subclassed, InstanceMethod])
def test_traceback_of_a_module_has_no_frame_of_ours(project, serve, kind):
    serve(kind)
    project.install("shop.rank:score", packages=["shop"])
    with pytest.raises(ZeroDivisionError) as caught:
        project.load("shop.broken")
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1].endswith("broken.py")
    assert not [name for name in files if "spearmint" in name and "tests" not in name]


@pytest.mark.parametrize("kind", [*REWRITTEN, *WRAPPED])
def test_module_loaded_before_is_wrapped_where_it_stands(project, serve, kind):
    serve(kind)
    rank = project.load("shop.rank")
    with pytest.warns(SpearmintWarning, match=r"Modules were imported before spearmint\.install\(\): shop\.rank\."):
        handle = project.install("shop.rank:score")
    assert rank.score("ab") == 6
    assert "shop.rank  wrapped_after (it was imported before install())" in str(handle.report())
    handle.uninstall()
    assert rank.score("ab") == 2
    assert type(rank.__loader__) is kind


def test_lazy_loader_in_front_loads_what_is_rewritten(project, serve):
    serve(importlib.util.LazyLoader)
    handle = project.install("shop.rank:score")
    rank = project.load("shop.rank")
    assert "shop.rank  not_imported" in str(handle.report())
    assert rank.kept[0]("ab") == 6
    assert "shop.rank  rewritten" in str(handle.report())


def test_loader_shared_by_modules_rewrites_each_as_its_own(project, serve):
    class Shared:
        def __init__(self):
            self.inner = {}

        def create_module(self, spec):
            return None

        def get_code(self, fullname):
            return self.inner[fullname].get_code(fullname)

        exec_module = SourceFileLoader.exec_module

    shared = Shared()

    def share(loader):
        shared.inner[loader.name] = loader
        return shared

    serve(share)
    project.write({"shop/other.py": SHOP["shop/rank.py"]})
    project.install("shop.rank:score", "shop.other:score")
    assert project.load("shop.rank").score("ab") == 6
    assert project.load("shop.other").score("ab") == 6
    assert shared.get_code("shop").co_names == ()


@pytest.fixture
def frozen():
    """The name of a module that is frozen into every CPython, and free to be imported anew."""
    before = sys.modules.pop("__hello__", None)
    yield "__hello__"
    sys.modules.pop("__hello__", None)
    if before is not None:
        sys.modules["__hello__"] = before


def test_module_frozen_into_the_interpreter_is_rewritten(project, frozen, capsys):
    entry = {"target": "__hello__:main", "configs": [{}]}
    handle = project.install(entry)
    module = importlib.import_module(frozen)
    module.main()
    assert isinstance(module.main, ExperimentProxy)
    assert "Hello world!" in capsys.readouterr().out
    assert "__hello__  rewritten" in str(handle.report())
    handle.uninstall()
    assert module.__loader__ is FrozenImporter
    assert not isinstance(module.main, ExperimentProxy)


def test_extension_module_behind_a_wrapper_gives_no_warning(project, serve, monkeypatch):
    known = importlib.util.find_spec("_json")
    if not isinstance(known.loader, ExtensionFileLoader):
        pytest.skip("_json is built into this interpreter")

    class Front:
        @staticmethod
        def find_spec(fullname, path=None, target=None):
            if fullname != "_json":
                return None
            return ModuleSpec("_json", Delegating(ExtensionFileLoader("_json", known.origin)), origin=known.origin)

    monkeypatch.delitem(sys.modules, "_json")
    sys.meta_path.insert(0, Front)
    handle = project.install({"target": "_json:encode_basestring"})
    module = importlib.import_module("_json")
    assert module.encode_basestring("a") == '"a"'
    assert handle.report().modules[0].state == "wrapped_after"
