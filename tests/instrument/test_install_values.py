"""Values under experiment, from the settings to what calls, plans and evaluations make of them."""

import asyncio
import json
import sys

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.errors import SettingsError, SpearmintWarning
from spearmint.registry.registry import registry
from spearmint.testing import override

SHOP = {
    "shop/__init__.py": "from shop.prompts import SYSTEM",
    "shop/prompts.py": """
        SYSTEM = "Be kind."
        LIMITS = [1, 2]
        """,
    "shop/settings.py": """
        class Search:
            top_k = 5

            def limit(self):
                return self.top_k

            @classmethod
            def of_class(cls):
                return cls.top_k

        class Wide(Search):
            pass

        class Own(Search):
            top_k = 50
        """,
    "shop/nested.py": """
        class Search:
            top_k = 5

            def inside(self):
                found = [self.top_k for _ in "a"]
                found += list(map(lambda _: self.top_k, "a"))

                class Local:
                    def read(_self):
                        return (lambda: self.top_k)()

                return [*found, *(self.top_k for _ in "a"), Local().read()]

            def other(self):
                return (lambda self: self.top_k)(Other())

        class Other:
            top_k = 5

        def imported():
            from shop import prompts
            return [(lambda: prompts.SYSTEM)(), *[prompts.SYSTEM for _ in "a"]]

        def start():
            return Search().inside(), Search().other(), imported()
        """,
    "shop/rank.py": """
        def score(x):
            return x * 0.75 + 0.75

        def label(x):
            try:
                return "high"
            finally:
                x.append("high")
        """,
    "shop/starred.py": """
        from shop.rank import *
        from shop.reexported import *
        from shop.settings import *

        try:
            from shop.fast import SYSTEM as FAST
        except ImportError:
            from shop.prompts import SYSTEM as FAST

        def start():
            return SYSTEM, Search.top_k, FAST
        """,
    "shop/reexported.py": "from shop.prompts import *",
    "shop/api.py": """
        import shop.prompts
        import shop.prompts as p
        from shop import SYSTEM as EXPORTED, prompts
        from .prompts import SYSTEM, SYSTEM as OTHER

        def answer(q):
            return f"{SYSTEM} {q}"

        def ways():
            inner = lambda: SYSTEM
            return [
                SYSTEM, OTHER, EXPORTED, p.SYSTEM, prompts.SYSTEM, shop.prompts.SYSTEM, inner(),
                [SYSTEM for _ in "a"][0], next(SYSTEM for _ in "a"), SYSTEM.format(), *helper(),
            ]

        def helper():
            yield SYSTEM

        def imported():
            from shop.prompts import SYSTEM as LOCAL
            from shop import prompts as local
            import shop.prompts
            return LOCAL, local.SYSTEM, shop.prompts.SYSTEM

        def defaults(q, system=SYSTEM, *, other=prompts.SYSTEM, plain="Be kind."[:]):
            return [system, other, plain, (lambda: system)()]

        def stream(system=SYSTEM):
            yield system

        async def ask():
            return SYSTEM

        def local():
            SYSTEM = "local"
            return SYSTEM
        """,
}
FORMS = ("source", "pyc", "zip", "zip-pyc")


def value(name, configs, path="v", **rest):
    return {"value": name, "configs": configs, "path": path, **rest}


def system(**rest):
    return value("shop.prompts:SYSTEM", [{"v": "Be brief."}], **{"within": ["shop.api:answer"], **rest})


@pytest.fixture
def shop(project):
    """Install settings about the shop, and give a module of it."""
    project.write(SHOP)

    def install(*values, load="shop.api", form="source", **rest):
        if form != "source":
            project.pack(form)
        handle = spearmint.install({"packages": ["shop"], "experiments": list(values), **rest})
        return project.load(load), handle

    yield install
    spearmint.uninstall()


@pytest.mark.parametrize("form", FORMS)
def test_constant_is_varied_however_code_reads_it(shop, form):
    api, _ = shop(system(within=["shop.api:ways"]), form=form)

    plain = api.ways()
    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        varied = api.ways()

    assert plain == ["Be kind."] * 11
    assert varied == ["Be brief."] * 11


def test_reads_outside_a_case_and_of_other_names_stay(shop):
    api, _ = shop(system(within=["shop.api:answer", "shop.api:local"]))

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert api.answer("Why?") == "Be brief. Why?"
        assert api.local() == "local"
        assert api.ways()[0] == "Be kind."
        assert sys.modules["shop.prompts"].SYSTEM == "Be kind."


@pytest.mark.parametrize("form", FORMS)
def test_function_s_own_imports_and_defaults_are_followed(shop, form):
    api, _ = shop(system(within=["shop.api:imported", "shop.api:defaults", "shop.api:stream"]), form=form)

    plain = api.imported(), api.defaults(1), list(api.stream())
    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        varied = api.imported(), api.defaults(1), list(api.stream())
        given = api.defaults(1, "Mine.", other="Too.")

    assert plain == (("Be kind.",) * 3, ["Be kind."] * 4, ["Be kind."])
    assert varied == (("Be brief.",) * 3, ["Be brief.", "Be brief.", "Be kind.", "Be brief."], ["Be brief."])
    assert given == ["Mine.", "Too.", "Be kind.", "Mine."]


def test_value_is_a_dimension_of_the_plan(shop):
    api, _ = shop(system(strategy="multi_branch"))

    with Spearmint.run(api.answer, await_variants=True) as runner:
        results = runner("Why?")

    assert [one.result for one in results] == ["Be kind. Why?", "Be brief. Why?"]
    assert results.main_result.case_id == "original"
    assert results.variant_results[0].experiment_case.assignment["shop.prompts:SYSTEM"] == {"v": "Be brief."}
    assert "shop.prompts:SYSTEM (read in shop.api:answer, line 8): original, " in str(results.plan)


def test_evaluation_tells_what_each_value_does(shop):
    api, _ = shop(system(), value("shop.rank:score#0.75", [{"v": 0.5}]))

    def length(outputs):
        return len(outputs)

    report = Spearmint().evaluate(api.answer, [{"q": "a"}, {"q": "bc"}], scorers=[length], progress=False)

    assert {(one.parameter, one.value): one.estimate.value for one in report.effects("length")} == {
        ("SYSTEM: v", "Be kind."): 10.5,
        ("SYSTEM: v", "Be brief."): 11.5,
    }


def test_value_may_be_named_by_where_it_is_imported(shop):
    api, _ = shop(value("shop:SYSTEM", [{"v": "Be brief."}], within=["shop.api:answer"]))

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert api.answer("?") == "Be brief. ?"


def test_round_robin_alternates_between_values(shop):
    api, _ = shop(system(strategy="round_robin"))

    assert [api.answer("?") for _ in range(3)] == ["Be kind. ?", "Be brief. ?", "Be kind. ?"]


def test_value_reaches_async_functions(shop):
    api, _ = shop(system(within=["shop.api:ask"]))

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert asyncio.run(api.ask()) == "Be brief."


@pytest.mark.parametrize("form", FORMS)
def test_class_attribute_is_varied_where_it_is_the_class_s(shop, form):
    name = "shop.settings:Search"
    settings, _ = shop(
        value(f"{name}.top_k", [{"v": 9}], within=[f"{name}.limit", f"{name}.of_class"]),
        load="shop.settings",
        form=form,
    )
    own = settings.Search()
    own.top_k = 7

    with override("shop.settings:Search.top_k", {"v": 9}):
        assert settings.Search().limit() == 9
        assert settings.Wide().limit() == 9
        assert settings.Search.of_class() == settings.Wide.of_class() == 9
        assert own.limit() == 7
        assert settings.Own().limit() == settings.Own.of_class() == 50
    assert settings.Search().limit() == 5


@pytest.mark.parametrize("form", FORMS)
def test_stars_and_imports_in_place_of_others_are_followed(shop, form):
    within = ["shop.starred:start"]
    top_k = value("shop.settings:Search.top_k", [{"v": 9}], within=within)
    starred, handle = shop(system(within=within), top_k, load="shop.starred", form=form)

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}), override("shop.settings:Search.top_k", {"v": 9}):
        varied = starred.start()

    assert starred.start() == ("Be kind.", 5, "Be kind.")
    assert varied == ("Be brief.", 9, "Be brief.")
    assert [len(one.reads) for one in handle.report().values] == [2, 3]


@pytest.mark.parametrize("form", FORMS)
def test_variables_of_functions_around_are_followed(shop, form):
    within = ["shop.nested:start"]
    top_k = value("shop.nested:Search.top_k", [{"v": 9}], within=within)
    nested, _ = shop(system(within=within), top_k, load="shop.nested", form=form)

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}), override("shop.nested:Search.top_k", {"v": 9}):
        inside, other, imported = nested.start()

    assert inside == [9, 9, 9, 9]
    assert other == 5
    assert imported == ["Be brief."] * 2


@pytest.mark.parametrize("form", FORMS)
def test_literals_are_told_apart_by_their_place(shop, form):
    rank, _ = shop(
        value("shop.rank:score#0.75", [{"v": 2}], within=["shop.rank:score"]),
        value("shop.rank:score#0.75[1]", [{"v": 100.0}]),
        value('shop.rank:label#"high"[1]', [{"v": "low"}], within=["shop.rank:label"]),
        load="shop.rank",
        form=form,
    )
    seen = []

    with override("shop.rank:score#0.75", {"v": 2}):
        assert rank.score(4) == 8.75
    with override("shop.rank:score#0.75[1]", {"v": 100.0}):
        assert rank.score(4) == 103.0
    with override('shop.rank:label#"high"[1]', {"v": "low"}):
        assert rank.label(seen) == "high"
    assert seen == ["low"]


@pytest.mark.parametrize("form", FORMS)
def test_literals_in_comprehensions_count_to_their_function(shop, project, form):
    project.write(
        {
            "shop/parts.py": """
            def parts(xs):
                listed = [x * 0.75 for x in xs if (lambda y: y > 0.75)(x)]
                return listed, list(x + 0.75 for x in xs), sorted({x * 0.75 for x in xs}), 0.75

            scaled = [0.75 for _ in "a"]
            """
        }
    )
    names = ["shop.parts:parts#0.75", *[f"shop.parts:parts#0.75[{number}]" for number in range(1, 5)]]
    values = [value(name, [{"v": 2.0}], within=["shop.parts:parts"]) for name in names]
    parts, _ = shop(*values, load="shop.parts", form=form)
    found = []

    for name in names:
        with override(name, {"v": 2.0}):
            found.append(parts.parts([1]))

    assert parts.parts([1]) == ([0.75], [1.75], [0.75], 0.75)
    assert found == [
        ([2.0], [1.75], [0.75], 0.75),
        ([], [1.75], [0.75], 0.75),
        ([0.75], [3.0], [0.75], 0.75),
        ([0.75], [1.75], [2.0], 0.75),
        ([0.75], [1.75], [0.75], 2.0),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_names_of_annotated_parameters_are_no_literals(shop, project, form):
    project.write(
        {
            "shop/typed.py": """
            def outer(key):
                def inner(text: str) -> str:
                    return text
                return key + "text", inner.__annotations__
            """
        }
    )
    typed, _ = shop(
        value('shop.typed:outer#"text"', [{"v": "x"}], within=["shop.typed:outer"]), load="shop.typed", form=form
    )

    with override('shop.typed:outer#"text"', {"v": "x"}):
        assert typed.outer("") == ("x", {"text": str, "return": str})


def test_mutable_value_is_one_copy_for_each_execution(shop, project):
    project.write(
        {
            "shop/lists.py": """
            from shop.prompts import LIMITS

            def grow():
                LIMITS.append(3)
                return LIMITS
        """
        }
    )
    lists, _ = shop(value("shop.prompts:LIMITS", [{"v": [7]}], within=["shop.lists:grow"]), load="shop.lists")

    with override("shop.prompts:LIMITS", {"v": [7]}):
        first, second = lists.grow(), lists.grow()

    assert first == second == [7, 3]
    assert first is not second


def test_cached_code_reads_as_fresh_code_does(shop, project):
    _, handle = shop(system())
    handle.uninstall()
    caches = project.caches()
    for name in [one for one in sys.modules if one.partition(".")[0] == "shop"]:
        del sys.modules[name]
    api, handle = shop(system())

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert api.answer("?") == "Be brief. ?"
    assert project.caches() == caches != []
    assert "shop.api  cached" in str(handle.report())


def test_other_values_make_the_code_anew(shop):
    _, handle = shop(system())
    handle.uninstall()
    for name in [one for one in sys.modules if one.partition(".")[0] == "shop"]:
        del sys.modules[name]
    _, handle = shop(value("shop.prompts:LIMITS", [{"v": [1]}]))

    assert "shop.api  rewritten" in str(handle.report())


def test_uninstalling_lets_reads_be_what_the_code_says(shop):
    api, handle = shop(system(strategy="round_robin"))
    assert [api.answer("?"), api.answer("?")] == ["Be kind. ?", "Be brief. ?"]

    handle.uninstall()

    assert [api.answer("?"), api.answer("?")] == ["Be kind. ?"] * 2


def test_pause_gives_the_original_and_resume_the_rest(shop):
    api, handle = shop(system(strategy="round_robin"))

    handle.pause()
    assert [api.answer("?") for _ in range(2)] == ["Be kind. ?"] * 2
    handle.resume()
    assert {api.answer("?") for _ in range(2)} == {"Be kind. ?", "Be brief. ?"}


def test_original_false_leaves_the_configs_alone(shop):
    api, _ = shop(system(original=False))

    assert api.answer("?") == "Be brief. ?"
    assert [one.config_id for one in registry.get("shop.prompts:SYSTEM").options] != ["original"]


def test_config_that_equals_the_code_is_no_second_option(shop):
    shop(value("shop.rank:score#0.75", [{"v": 0.5}, {"v": 0.75}]), load="shop.rank")

    options = registry.get("shop.rank:score#0.75").options
    assert [one.config["v"] for one in options] == [0.75, 0.5]
    assert options[0].config_id == "original"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (value("shop.prompts:SYTEM", [{"v": "a"}]), ["module 'shop.prompts' has no 'SYTEM'", "'SYSTEM'?"]),
        (value("shop.api:answer", [{"v": "a"}]), ["it is a function", "'target: shop.api:answer'"]),
        (value("shop.api:p", [{"v": "a"}]), ["it is a module"]),
        (value("shop.prompts:SYSTEM", [{"v": 3}]), ["it is of type str", "has a value of type int at 'v'"]),
        (value("shop.prompts:SYSTEM", [{"v": "a"}], path="w"), ["has nothing at 'w'"]),
        (value("shop.prompts:SYSTEM", [{"v": "a"}], path=""), ["path: v"]),
        (value("shop.settings:Search.top_k", [{"v": True}]), ["it is of type int", "of type bool"]),
        (value("shop.rank:score#0.8", [{"v": 0.5}]), ["'score' of module 'shop.rank' has no such literal"]),
        (value("shop.broken:LIMIT", [{"v": 2}]), ["shop.broken:raised, line 6, binds it anew at run time"]),
        (value("shop.broken:raised#3", [{"v": 2}]), ["One in an annotation, in a default"]),
    ],
)
def test_what_cannot_be_varied_is_refused_with_its_place(project, entry, words):
    project.write(
        {
            **SHOP,
            "shop/broken.py": """
            LIMIT = 1

            def raised(by: 3 = 3):
                global LIMIT
                LIMIT += by
        """,
        }
    )
    with (
        spearmint.install({"packages": ["shop"], "experiments": [entry]}),
        pytest.raises(SettingsError, match="Cannot vary") as caught,
    ):
        project.load(entry["value"].partition(":")[0])

    assert "experiments[0]" in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"value": "shop.prompts:SYSTEM"}, "it has no configs"),
        ({"value": "prompts", "configs": [{"v": 1}]}, "it names no module"),
        ({"value": "shop:A", "configs": [{"v": 1}], "bindings": {"x": "v"}}, "a value has none"),
        ({"value": "shop:A", "configs": [{"v": 1}], "whithin": "shop:f"}, "Did you mean 'within'"),
        ({"value": "shop:A", "configs": [{"v": 1}], "within": "shop:*"}, "it may be several functions"),
        ({"value": "spearmint:A", "configs": [{"v": 1}]}, "it is Spearmint's own"),
    ],
)
def test_entry_that_says_nothing_sensible_is_refused(entry, words):
    with pytest.raises(SettingsError) as caught:
        spearmint.install({"packages": ["shop"], "experiments": [entry]})

    assert words in str(caught.value)
    assert "experiments[0]" in str(caught.value)


def test_value_that_is_named_twice_is_refused():
    entries = [value("shop.rank:score#0.75", [{"v": 1.0}]), value("shop.rank:score#0.75[0]", [{"v": 2.0}])]

    with pytest.raises(SettingsError, match="twice"):
        spearmint.install({"packages": ["shop"], "experiments": entries})


def test_report_counts_the_reads_of_each_value(shop):
    api, handle = shop(system(), value("shop.settings:Search.top_k", [{"v": 9}]))
    system_reads, top_k = handle.report().values

    assert str(system_reads) == f"shop.prompts:SYSTEM  {len(system_reads.reads)} reads"
    assert "shop.api:answer, line 8" in system_reads.reads
    assert len(system_reads.reads) == 19
    assert str(top_k) == "shop.settings:Search.top_k  0 reads; its module is not imported"

    sys.modules["shop.api"].SYSTEM = "Rebound."
    assert api.answer("?") == "Rebound. ?"
    assert "met what was bound" not in str(handle.report())
    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert api.answer("?") == "Rebound. ?"
    assert str(handle.report().values[0]).endswith("; 1 read met what was bound to it at run time")


def test_value_of_a_module_imported_before_is_varied(project, recwarn):
    project.write(SHOP)
    project.load("shop.prompts")
    rank = project.load("shop.rank")
    literal = value("shop.rank:score#0.75", [{"v": 9.0}], within=["shop.rank:score"])

    with spearmint.install({"packages": ["shop"], "experiments": [system(), literal]}) as handle:
        api = project.load("shop.api")
        with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
            assert api.answer("?") == "Be brief. ?"
        assert rank.score(1) == 1.5
        assert str(handle.report().values[1]).endswith("0 reads; its module's code is not rewritten")
    assert "imported before" in str(recwarn.pop().message)


def test_values_vary_on_when_a_reload_brings_new_targets(project):
    project.write(SHOP)
    entries = [system(), value("shop.rank:score#0.75", [{"v": 9.0}], within=["shop.rank:score"])]
    path = project.folder / "spearmint.yaml"
    path.write_text(json.dumps({"packages": ["shop"], "experiments": entries}))

    with spearmint.install(path) as handle:
        api, rank = project.load("shop.api"), project.load("shop.rank")
        entries.append({"target": "shop.rank:label"})
        path.write_text(json.dumps({"packages": ["shop"], "experiments": entries}))
        handle.reload()

        with override("shop.prompts:SYSTEM", {"v": "Be brief."}), override("shop.rank:score#0.75", {"v": 9.0}):
            assert api.answer("?") == "Be brief. ?"
            assert rank.score(1) == 9.75


def test_value_that_a_reload_names_first_is_told(project):
    project.write(SHOP)
    path = project.folder / "spearmint.yaml"
    path.write_text(json.dumps({"packages": ["shop"], "experiments": [system()]}))

    with spearmint.install(path) as handle:
        api, rank = project.load("shop.api"), project.load("shop.rank")
        literal = value("shop.rank:score#0.75", [{"v": 9.0}], within=["shop.rank:score"])
        path.write_text(json.dumps({"packages": ["shop"], "experiments": [system(), literal]}))
        with pytest.warns(SpearmintWarning, match=r"for the first time: shop\.rank:score#0\.75\. Modules"):
            handle.reload()

        with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
            assert api.answer("?") == "Be brief. ?"
        assert rank.score(1) == 1.5
        assert str(handle.report().values[1]).endswith("0 reads; its module's code is not rewritten")


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_module_that_a_case_imports_runs_outside_it(shop, project, form, is_lazy):
    late = """
        from shop.prompts import SYSTEM

        def read():
            return SYSTEM

        MADE = [*[SYSTEM for _ in "a"], *tuple(SYSTEM for _ in "a"), read()]
        """
    lazily = """
        import importlib.util
        import sys

        def late_module():
            spec = importlib.util.find_spec("shop.late")
            spec.loader = importlib.util.LazyLoader(spec.loader)
            sys.modules["shop.late"] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        def answer():
            late = late_module()
            return late.MADE, late.read()
        """
    at_once = """
        def answer():
            from shop import late
            return late.MADE, late.read()
        """
    project.write({"shop/late.py": late, "shop/asks.py": lazily if is_lazy else at_once})
    asks, _ = shop(system(within=["shop.asks:answer"]), load="shop.asks", form=form)

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert asks.answer() == (["Be kind."] * 3, "Be brief.")
    assert sys.modules["shop.late"].MADE == ["Be kind."] * 3


@pytest.mark.parametrize("form", FORMS)
def test_locals_keep_their_order_where_values_are_read(shop, project, form):
    ordered = """
        from shop.prompts import SYSTEM

        def answer(pair):
            first, second = pair[0], SYSTEM
            return list(locals())
        """
    project.write({"shop/ordered.py": ordered})
    module, _ = shop(system(within=["shop.ordered:answer"]), load="shop.ordered", form=form)

    assert module.answer([1]) == ["pair", "first", "second"]


@pytest.mark.parametrize("form", FORMS)
def test_exceptions_are_handled_where_values_are_read(shop, project, form):
    handling = """
        from shop.prompts import SYSTEM

        def answer(items):
            done = []
            for item in items:
                try:
                    try:
                        done.append(SYSTEM)
                        raise ValueError(item)
                    except:
                        done.append("inner")
                        raise
                except:
                    done.append(item)
            return done
        """
    project.write({"shop/handling.py": handling})
    module, _ = shop(system(within=["shop.handling:answer"]), load="shop.handling", form=form)

    with override("shop.prompts:SYSTEM", {"v": "Be brief."}):
        assert module.answer([1, 2]) == ["Be brief.", "inner", 1, "Be brief.", "inner", 2]


def test_shared_step_that_reads_a_value_unseen_is_run_for_each(shop, project):
    project.write(
        {
            "shop/pipeline.py": """
            import importlib
            from shop.prompts import SYSTEM

            def pipeline(q):
                return step(q) + SYSTEM[:0]

            def step(q, k=1):
                api = importlib.import_module("shop." + "api")
                return getattr(api, "ans" + "wer")(q) * k
            """
        }
    )
    pipeline, _ = shop(
        system(within=["shop.pipeline:pipeline"]),
        {"target": "shop.pipeline:step", "configs": [{"k": 1}], "bindings": {"k": "k"}},
        load="shop.pipeline",
    )

    def length(outputs):
        return len(outputs)

    report = Spearmint().evaluate(pipeline.pipeline, [{"q": "a"}, {"q": "bc"}], scorers=[length], progress=False)

    assert {(one.parameter, one.value): one.estimate.value for one in report.effects("length")} == {
        ("SYSTEM: v", "Be kind."): 10.5,
        ("SYSTEM: v", "Be brief."): 11.5,
    }
