"""Other hooks in the same process, installed before ours and after."""

import importlib
import sys
import warnings
from importlib.machinery import PathFinder

import pytest
import wrapt

from spearmint.instrument.importing.finder import FrontFinder, SpearmintFinder
from spearmint.proxy.proxy import ExperimentProxy

SHOP = {
    "shop/__init__.py": "",
    "shop/rank.py": "def score(text: str = 'ab', boost: int = 1) -> int:\n    return len(text) * boost\n",
}

ORDERS = ("ours first", "ours last")


@pytest.fixture(params=ORDERS)
def in_order(request, project):
    """Install another hook and ours in one order or the other."""
    project.write(SHOP)

    def install(other):
        if request.param == "ours first":
            project.install("shop.rank:score", packages=["shop"])
            return other()
        found = other()
        project.install("shop.rank:score", packages=["shop"])
        return found

    return install


@pytest.fixture
def clean_finders():
    """Take off what other hooks leave on `sys.meta_path` and `sys.path_hooks`."""
    meta_path, path_hooks = list(sys.meta_path), list(sys.path_hooks)
    yield
    sys.meta_path[:] = meta_path
    sys.path_hooks[:] = path_hooks
    sys.path_importer_cache.clear()


def test_wrapt_import_hook_gets_the_instrumented_module(project, in_order, clean_finders, monkeypatch):
    monkeypatch.setattr(wrapt.importer, "_post_import_hooks_init", False)  # The test before has taken its finder off.
    seen = []
    in_order(lambda: wrapt.register_post_import_hook(lambda module: seen.append(module.score("ab")), "shop.rank"))
    assert project.load("shop.rank").score("ab") == 6
    assert seen == [6]


class WatchdogLoader:
    def __init__(self, inner, ran):
        self.inner = inner
        self.ran = ran

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def create_module(self, spec):
        return self.inner.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.inner
        self.inner.exec_module(module)
        self.ran.append(module.__name__)


class Watchdog:
    """A finder at the front that lets the others find, and wraps their loaders, as ddtrace's does."""

    def __init__(self):
        self.ran = []

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith("shop"):
            return None
        position = sys.meta_path.index(self)
        for finder in sys.meta_path[position + 1 :]:
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = WatchdogLoader(spec.loader, self.ran)
                return spec
        return None


def test_wrapping_finder_in_front_wraps_our_loader(project, in_order, clean_finders):
    watchdog = Watchdog()
    in_order(lambda: sys.meta_path.insert(0, watchdog))
    assert project.load("shop.rank").score("ab") == 6
    assert watchdog.ran == ["shop", "shop.rank"]


def test_typeguard_checks_its_packages_and_ours_the_others(project, clean_finders):
    typeguard = pytest.importorskip("typeguard")
    project.write({**SHOP, "other.py": SHOP["shop/rank.py"]})
    project.install("shop.rank:score", packages=["shop"])
    with typeguard.install_import_hook(["other"]):
        other = project.load("other")
        assert project.load("shop.rank").score("ab") == 6
    with pytest.raises(typeguard.TypeCheckError):
        other.score(5)


def test_beartype_keeps_its_loader_and_its_checks(project, clean_finders):
    claw = pytest.importorskip("beartype.claw")
    project.write(SHOP)
    handle = project.install("shop.rank:score")
    claw.beartype_package("shop")
    try:
        importlib.invalidate_caches()
        sys.path_importer_cache.clear()
        rank = project.load("shop.rank")
    finally:
        sys.path_importer_cache.clear()
    assert rank.score("ab") == 6
    assert "beartype" in type(rank.__loader__).__module__
    assert "shop.rank  rewritten" in str(handle.report())
    with pytest.raises(Exception, match="violates type hint"):
        rank.score(5)


@pytest.mark.slow
def test_pytest_rewrites_tests_and_ours_the_packages_under_test(project, run):
    project.write(
        {
            **SHOP,
            "conftest.py": """
                import spearmint

                entry = {"target": "shop.rank:score", "configs": [{"b": 3}], "bindings": {"boost": "b"}}
                spearmint.install({"packages": ["shop"], "experiments": [entry]})
            """,
            "test_shop.py": """
                from shop import rank


                def test_score():
                    assert rank.score("ab") == 6


                def test_message():
                    left, right = [1], [2]
                    assert left == right
            """,
        }
    )
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:spearmint", "--override-ini", "addopts=", ".")
    assert "1 failed, 1 passed" in done.stdout
    assert "At index 0 diff: 1 != 2" in done.stdout


def test_finder_replacing_path_finder_is_asked(project, clean_finders):
    asked = []

    class Standing(PathFinder):
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):
            asked.append(fullname)
            return super().find_spec(fullname, path, target)

    project.write(SHOP)
    sys.meta_path[sys.meta_path.index(PathFinder)] = Standing
    project.install("shop.rank:score")
    assert project.load("shop.rank").score("ab") == 6
    assert "shop.rank" in asked


def test_finder_of_the_old_kind_is_passed_over(project, clean_finders):
    class Old:
        def find_module(self, fullname, path=None):
            return None

    project.write(SHOP)
    project.install("missing:f")
    sys.meta_path.append(Old())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.11 itself warns of such a finder.
        with pytest.raises(ModuleNotFoundError, match="missing"):
            importlib.import_module("missing")


def test_uninstalling_takes_only_our_finder_off(project, in_order, clean_finders):
    watchdog = Watchdog()
    in_order(lambda: sys.meta_path.insert(0, watchdog))
    before = [one for one in sys.meta_path if not isinstance(one, SpearmintFinder | FrontFinder)]
    project.install("shop.rank:score", packages=["shop"]).uninstall()
    assert sys.meta_path == before
    assert watchdog in sys.meta_path


class Greedy:
    """Finds as `PathFinder` does, and asks nobody behind it."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith("shop") else None


def test_module_found_in_front_of_us_is_rewritten(project, clean_finders):
    project.write(SHOP)
    sys.meta_path.insert(0, Greedy)
    handle = project.install("shop.rank:score")
    assert project.load("shop.rank").score("ab") == 6
    assert dict(handle.skipped) == {}


def test_finder_moves_in_front_of_a_later_one(project, clean_finders):
    project.write({**SHOP, "other.py": ""})
    handle = project.install("shop.rank:score")
    sys.meta_path.insert(0, Greedy)
    project.load("other")
    assert isinstance(sys.meta_path[0], FrontFinder)
    assert project.load("shop.rank").score("ab") == 6
    assert dict(handle.skipped) == {}


def test_module_found_by_a_later_hook_is_wrapped_late(project, clean_finders):
    project.write({**SHOP, "other.py": ""})
    handle = project.install("shop.rank:score")
    sys.meta_path.insert(0, Greedy)
    rank = project.load("shop.rank")
    assert not isinstance(rank.score, ExperimentProxy)
    assert dict(handle.skipped) == {"shop.rank": "another hook has loaded it and asked no finder behind it"}
    project.load("other")  # With the next import, our finder finds out.
    assert isinstance(rank.score, ExperimentProxy)
    assert "shop.rank  wrapped_after (another hook has loaded it" in str(handle.report())


def test_finder_that_asks_all_others_ends(project, clean_finders):
    class AsksAll:
        def find_spec(self, fullname, path=None, target=None):
            if fullname.startswith("shop"):
                for finder in sys.meta_path:
                    if finder is not self and (spec := finder.find_spec(fullname, path, target)) is not None:
                        return spec
            return None

    project.write(SHOP)
    project.install("shop.rank:score")
    sys.meta_path.insert(0, AsksAll())
    assert project.load("shop.rank").score("ab") == 6
    assert project.load("shop.rank").score("ab") == 6
    with pytest.raises(ModuleNotFoundError):
        project.load("shop.missing")
