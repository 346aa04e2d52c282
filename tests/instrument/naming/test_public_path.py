"""Targets as users name them: through imports and bases, to the definition."""

import importlib
import py_compile
import sys
from pathlib import Path

import pytest

import spearmint
from spearmint.errors import SettingsError, SpearmintWarning
from spearmint.instrument.naming.public_path import Definition, PublicPaths
from spearmint.proxy.proxy import ExperimentProxy

SHOP = {
    "shop/__init__.py": """
        from .rank import Ranker, score as public_score
        from .models import *
        from . import rank as ranking
        import shop.base as ground
        alias = ranking.score
    """,
    "shop/rank.py": """
        import shop.base
        from shop.base import Mixin
        from typing import Generic, TypeVar
        T = TypeVar("T")

        def score(boost=1):
            return boost

        class Ranker(shop.base.Base, Mixin, Generic[T], metaclass=type):
            def own(self, boost=1):
                return boost

            def __hidden(self, boost=1):
                return boost

            def tell(self):
                return self.__hidden()

            class Inner:
                def deep(self, boost=1):
                    return boost
    """,
    "shop/base.py": """
        class Root:
            def fit(self, boost=1):
                return "root", boost

        class Base(Root):
            def __init__(self, boost=1):
                self.boost = boost

        class Mixin(Root):
            def fit(self, boost=1):
                return "mixin", boost

        class Other(Mixin):
            pass
    """,
    "shop/models.py": """
        from dataclasses import dataclass
        from typing import NamedTuple

        @dataclass
        class Item:
            name: str
            boost: int = 1

        class Point(NamedTuple):
            x: int
            boost: int = 1

        class Plain:
            pass

        def made(boost=1):
            return boost

        twice = made
        factory = (lambda: made)()
        nameless = lambda boost=1: boost
    """,
    "shop/lazy.py": """
        def __getattr__(name):
            import shop.rank
            return getattr(shop.rank, name)
    """,
}


def binding(**options):
    return {"configs": [{"b": 3}], "bindings": {"boost": {"path": "b", **options}}}


@pytest.fixture
def shop(project):
    """Write the package, install one target of it, and import it."""

    def load(target, **options):
        project.write(SHOP)
        handle = spearmint.install({"experiments": [{"target": target, **binding(**options)}]})
        return importlib.import_module("shop"), handle

    return load


@pytest.mark.parametrize("form", ["source", "pyc", "zip"])
@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        ("shop:public_score", "shop.rank", "score"),
        ("shop:alias", "shop.rank", "score"),
        ("shop:ranking.score", "shop.rank", "score"),
        ("shop:Ranker.own", "shop.rank", "Ranker.own"),
        ("shop:Ranker.fit", "shop.base", "Mixin.fit"),
        ("shop:Ranker.__init__", "shop.base", "Base.__init__"),
        ("shop:Ranker.__hidden", "shop.rank", "Ranker.__hidden"),
        ("shop:Ranker.Inner.deep", "shop.rank", "Ranker.Inner.deep"),
        ("shop:ground.Other.fit", "shop.base", "Mixin.fit"),
        ("shop:made", "shop.models", "made"),
        ("shop:twice", "shop.models", "made"),
    ],
)
def test_path_leads_to_the_definition(project, form, path, module, name):
    project.write(SHOP)
    project.pack(form)
    assert PublicPaths().definitions_of(*path.split(":")) == (Definition(module, name),)


NOWHERE = ["shop:nothing", "shop:Ranker.nothing", "shop.gone:f", "shop:Ranker", "shop:Plain.fit", "shop:nameless"]


@pytest.mark.parametrize("path", NOWHERE)
def test_path_that_leads_to_no_function_has_no_definition(project, path):
    project.write(SHOP)
    assert PublicPaths().definitions_of(*path.split(":")) == ()


def test_order_of_bases_is_that_of_python(project):
    names = ["A", "B", "C", "D", "E"]
    project.write(
        {
            "order.py": """
                class A:
                    def f(self): ...
                    def g(self): ...
                class B(A): ...
                class C(A):
                    def f(self): ...
                class D(B, C): ...
                class E(dict, D): ...
            """
        }
    )
    module = project.load("order")
    for name in names:
        for method in ("f", "g"):
            (found,) = PublicPaths().definitions_of("order", f"{name}.{method}")
            assert found.name == getattr(getattr(module, name), method).__qualname__


def test_circular_imports_end(project):
    project.write({"one.py": "from two import f", "two.py": "from one import f", "me.py": "class A(A): ..."})
    assert PublicPaths().definitions_of("one", "f") == ()
    assert PublicPaths().definitions_of("me", "A.f") == ()


def test_places_between_which_a_condition_decides_are_all_found(project):
    both = "try:\n    from fast import f\nexcept ImportError:\n    def f(): ..."
    project.write({"fast.py": "def f(): ...", "both.py": both})
    assert PublicPaths().definitions_of("both", "f") == (Definition("fast", "f"), Definition("both", "f"))


def test_inherited_method_is_wrapped_where_it_is_defined(shop):
    package, handle = shop("shop:Ranker.fit")
    base = sys.modules["shop.base"]
    assert package.Ranker().fit() == ("mixin", 3)
    assert base.Other().fit() == ("mixin", 3)  # Of other subclasses, too.
    assert base.Root().fit() == ("root", 1)
    assert handle.report().targets[0].functions == ("shop.base:Mixin.fit",)
    assert str(handle.report()).splitlines()[-1] == "shop:Ranker.fit  1 function (shop.base:Mixin.fit)"


def test_public_function_is_an_experiment_for_all_who_import_it(shop):
    package, handle = shop("shop:public_score")
    assert package.public_score() == package.alias() == package.ranking.score() == 3
    assert [one.name for one in handle.report().modules] == ["shop", "shop.rank"]


def test_constructor_of_a_dataclass_is_a_target(shop):
    package, handle = shop("shop:Item.__init__")
    assert package.Item("a").boost == 3
    assert package.Item("a", 2).boost == 2
    assert handle.report().targets[0].functions == ("shop.models:Item.__init__",)
    handle.uninstall()
    assert package.Item("a").boost == 1
    assert not isinstance(vars(package.Item)["__init__"], ExperimentProxy)


@pytest.mark.parametrize("name", ["__init__", "__new__"])
def test_constructor_of_a_named_tuple_is_a_target(shop, name):
    package, handle = shop(f"shop:Point.{name}")
    assert package.Point(1) == (1, 3)
    assert package.Point(1, 2) == (1, 2)
    assert package.Point(1)._replace(x=5) == (5, 3)
    handle.uninstall()
    assert package.Point(1) == (1, 1)


def test_constructor_of_an_attrs_class_is_a_target(project):
    pytest.importorskip("attrs")
    project.write({"made.py": "import attrs\n\n@attrs.define\nclass Item:\n    boost: int = 1\n"})
    spearmint.install({"experiments": [{"target": "made:Item.__init__", **binding()}]})
    assert importlib.import_module("made").Item().boost == 3


def test_constructor_that_a_class_has_from_object_is_refused(shop):
    with pytest.warns(SpearmintWarning, match=r"Cannot make an experiment of shop\.models:Plain\.__init__: it"):
        shop("shop:Plain.__init__")


def test_function_bound_by_a_call_is_wrapped_once_it_is_there(shop):
    package, handle = shop("shop:factory")
    assert package.factory() == 3
    assert handle.report().targets[0].functions == ("shop.models:factory",)


def test_function_of_a_lazy_module_is_wrapped_where_defined(project):
    project.write(SHOP)
    spearmint.install({"experiments": [{"target": "shop.lazy:score", **binding()}]})
    importlib.import_module("shop.lazy")
    assert importlib.import_module("shop.rank").score() == 3


def test_glob_below_a_public_class_means_its_methods(shop):
    package, _ = shop("shop:Ranker.*")
    assert package.Ranker().own() == 3
    assert package.Ranker().tell() == 3


def test_target_whose_folder_is_on_the_path_later_is_followed(project, tmp_path):
    project.write({f"later/{path}": text for path, text in SHOP.items()})
    handle = spearmint.install({"experiments": [{"target": "shop:Ranker.fit", **binding()}]})
    sys.path.insert(0, str(project.folder / "later"))
    try:
        package = importlib.import_module("shop")
        assert package.Ranker().fit() == ("mixin", 3)
    finally:
        handle.uninstall()
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]


def test_base_in_another_package_is_instrumented(project):
    project.write({**SHOP, "mine.py": "from shop import Ranker\n\nclass Own(Ranker):\n    pass\n"})
    spearmint.install({"experiments": [{"target": "mine:Own.fit", **binding()}]})
    importlib.import_module("shop")
    assert importlib.import_module("mine").Own().fit() == ("mixin", 3)


def test_followed_target_of_an_imported_package_is_wrapped(project):
    project.write(SHOP)
    package = importlib.import_module("shop")
    entries = [{"target": f"shop:{name}", **binding()} for name in ("Ranker.fit", "Item.__init__")]
    with pytest.warns(SpearmintWarning, match="imported before"):
        spearmint.install({"experiments": entries})
    assert package.Ranker().fit() == ("mixin", 3)
    assert package.Item("a").boost == 3


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop:nothing", "Cannot find the target 'shop:nothing': module 'shop' defines no such function"),
        ("shop:Ranker", "Cannot find the target 'shop:Ranker': it is a class; a target names a function. Write "),
    ],
)
def test_path_that_leads_nowhere_is_an_error_of_its_module(shop, target, message):
    with pytest.raises(SettingsError) as caught:
        shop(target)
    assert message in str(caught.value)


def test_path_without_its_source_is_followed(project):
    project.write(SHOP)
    for path in sorted(Path(project.folder).rglob("*.py")):
        py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), doraise=True)
        path.unlink()
    importlib.invalidate_caches()
    spearmint.install({"experiments": [{"target": "shop:Ranker.fit", **binding()}]})
    assert importlib.import_module("shop").Ranker().fit() == ("mixin", 3)


REAL = [
    ("pandas", "Series.rolling", "pandas.core.generic", "NDFrame.rolling"),
    ("sqlalchemy.orm", "Session.execute", "sqlalchemy.orm.session", "Session.execute"),
    ("fastapi", "FastAPI.get", "fastapi.applications", "FastAPI.get"),
    ("click", "Group.invoke", "click.core", "Group.invoke"),
    ("click", "Group.get_params", "click.core", "Command.get_params"),
    ("sklearn.cluster", "KMeans.fit", "sklearn.cluster._kmeans", "KMeans.fit"),
    ("sklearn.cluster", "KMeans.get_params", "sklearn.base", "BaseEstimator.get_params"),
    (
        "openai.resources.chat.completions",
        "Completions.create",
        "openai.resources.chat.completions.completions",
        "Completions.create",
    ),
    ("httpx", "Client.__init__", "httpx._client", "Client.__init__"),
]


@pytest.mark.parametrize(("module", "name", "home", "definition"), REAL, ids=[f"{one[0]}:{one[1]}" for one in REAL])
def test_public_paths_of_real_packages_are_followed(module, name, home, definition):
    paths = PublicPaths()
    if not paths.has_module(module):
        pytest.skip(f"{module} is not installed")
    assert paths.definitions_of(module, name) == (Definition(home, definition),)
