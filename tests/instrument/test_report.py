"""The account of what became of modules and targets."""

import asyncio
import sys
from importlib.machinery import PathFinder

import pytest

import spearmint
from spearmint.errors import SettingsError, SpearmintWarning
from spearmint.instrument.importing.finder import SpearmintFinder

SHOP = {
    "shop/__init__.py": "",
    "shop/rank.py": "def score(boost=1):\n    return boost\n\n\ndef other(boost=1):\n    return boost\n",
    "shop/page.py": "def render(boost=1):\n    return boost\n",
}


class Greedy:
    """A finder that asks nobody else."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith("shop") else None


@pytest.fixture
def in_front():
    """Put a finder first on `sys.meta_path`."""
    meta_path = list(sys.meta_path)
    yield lambda finder: sys.meta_path.insert(0, finder)
    sys.meta_path[:] = meta_path


def lines(handle):
    return str(handle.report(raises=False)).splitlines()


def test_report_tells_what_ran_and_what_it_became(project):
    project.write(SHOP)
    handle = project.install("shop.rank:*", "shop.page:render", "shop.web:serve", packages=["shop"])
    assert lines(handle)[:4] == [
        "shop  not_imported",
        "shop.page  not_imported",
        "shop.rank  not_imported",
        "shop.web  not_imported",
    ]
    project.load("shop.rank")
    assert lines(handle) == [
        "shop  rewritten",
        "shop.page  not_imported",
        "shop.rank  rewritten",
        "shop.web  not_imported",
        "shop.rank:*  2 functions",
        "shop.page:render  0 functions",
        "shop.web:serve  0 functions",
    ]
    assert handle.report().targets[0].functions == ("shop.rank:score", "shop.rank:other")


def test_report_tells_code_of_an_earlier_import(project):
    project.write(SHOP)
    handle = project.install("shop.rank:score")
    project.load("shop.rank")
    assert lines(handle)[0] == "shop.rank  rewritten"
    project.load("shop.rank")
    assert lines(handle)[0] == "shop.rank  cached"


def test_report_does_not_count_code_that_was_only_read(project):
    project.write(SHOP)
    handle = project.install("shop.rank:score")
    project.load("shop")
    finder = next(one for one in sys.meta_path if isinstance(one, SpearmintFinder))
    spec = finder.find_spec("shop.rank", sys.modules["shop"].__path__)
    spec.loader.get_code("shop.rank")
    assert lines(handle) == ["shop.rank  not_imported", "shop.rank:score  0 functions"]


def test_report_names_modules_that_were_imported_before(project):
    project.write(SHOP)
    project.load("shop.rank")
    with pytest.warns(SpearmintWarning, match="imported before"):
        handle = project.install("shop.rank:score", packages=["shop"])
    assert lines(handle) == [
        "shop  left (it was imported before install())",
        "shop.rank  wrapped_after (it was imported before install())",
        "shop.rank:score  1 function",
    ]


def test_report_names_modules_loaded_past_the_hook(project, in_front):
    project.write(SHOP)
    handle = project.install("shop.rank:score")
    in_front(Greedy)
    project.load("shop.rank")
    assert lines(handle)[0] == "shop.rank  left (another hook has loaded it and asked no finder behind it)"
    assert [one.name for one in handle.report().missed] == ["shop.rank"]


def test_report_says_of_a_namespace_package_that_it_has_no_code(project):
    project.write({"shop/rank.py": SHOP["shop/rank.py"]})
    handle = project.install(packages=["shop"])
    project.load("shop.rank")
    assert lines(handle) == ["shop  left (it is a folder, without code of its own)", "shop.rank  rewritten"]


def test_report_counts_functions_of_automatic_packages(project):
    project.write(SHOP)
    package = {"name": "shop", "auto": "named", "configs": [{"b": 3}], "bindings": {"boost": "b"}}
    handle = project.install(packages=[package])
    project.load("shop.rank")
    assert lines(handle)[-1] == "shop (auto: named)  2 functions"


def test_report_names_functions_of_types_that_do_not_change(project):
    with pytest.warns(SpearmintWarning):
        handle = spearmint.install({"experiments": [{"target": "datetime:datetime.now"}]})
    told = lines(handle)[-1]
    assert told.startswith("datetime:datetime.now  0 functions; datetime:datetime.now is left: it belongs to a type")


def test_glob_skips_functions_of_types_that_do_not_change(project, recwarn):
    handle = spearmint.install({"on_missed": "ignore", "experiments": [{"target": "datetime:timed*.*"}]})
    assert "0 functions; datetime:timedelta.total_seconds is left: it belongs to a type" in lines(handle)[-1]
    assert list(recwarn) == []


def test_glob_skips_what_is_no_function(project, recwarn):
    source = """
        from functools import partial

        class A:
            @property
            def f(self):
                return 1

            f = f.setter(partial(print))
    """
    project.write({"made.py": source})
    made = project.load("made")
    handle = spearmint.install({"on_missed": "ignore", "experiments": [{"target": "made:A.*"}]})
    assert "made:A.f#2 is left: Cannot make an experiment of functools.partial" in lines(handle)[-1]
    assert made.A().f == 1


@pytest.mark.parametrize("choice", ["warn", "error", "ignore"])
def test_on_missed_decides_about_earlier_imports(project, choice, recwarn):
    project.write(SHOP)
    rank = project.load("shop.rank")
    settings = {"on_missed": choice, "experiments": [{"target": "shop.rank:score"}]}
    if choice == "error":
        with pytest.raises(SettingsError, match=r"imported before spearmint\.install\(\): shop\.rank\. Call install"):
            spearmint.install(settings)
        assert type(rank.score) is type(lines)
        return
    if choice == "warn":
        with pytest.warns(SpearmintWarning, match=r"imported before spearmint\.install\(\): shop\.rank"):
            spearmint.install(settings)
    else:
        spearmint.install(settings)
    assert type(rank.score) is not type(lines)


def test_on_missed_error_is_raised_by_the_report(project, in_front):
    project.write(SHOP)
    handle = spearmint.install({"on_missed": "error", "experiments": [{"target": "shop.rank:score"}]})
    in_front(Greedy)
    assert project.load("shop.rank").score() == 1  # A later import never raises.
    with pytest.raises(SettingsError, match=r"on_missed: .* shop\.rank \(another hook"):
        handle.report()
    assert lines(handle)[0].startswith("shop.rank  left")


MISSED = """
    import sys
    from importlib.machinery import PathFinder
    import spearmint

    class Greedy:
        @staticmethod
        def find_spec(fullname, path=None, target=None):
            return PathFinder.find_spec(fullname, path, target) if fullname == "rank" else None

    spearmint.install({"on_missed": sys.argv[1], "experiments": [{"target": "rank:score"}]})
    sys.meta_path.insert(0, Greedy)
    import rank
"""


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["warn", "error", "ignore"])
def test_missed_modules_are_told_at_exit(project, run, choice):
    project.write({"rank.py": "def score():\n    return 1\n", "program.py": MISSED})
    done = run("program.py", choice)
    expected = (
        "spearmint: Modules that the settings name are not instrumented from their first line on: "
        "rank (another hook has loaded it and asked no finder behind it).\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "" if choice == "ignore" else expected)


CALLED = """
    import functools

    def score(text, boost=1, limit=1):
        return text, boost, limit


    def loose(**kwargs):
        return kwargs.get("boost")


    def kept(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return function(*args, **kwargs)

        return inner


    @kept
    def decorated(boost=1):
        return boost


    async def later(boost=1):
        return boost


    def stream(boost=1):
        yield boost
"""
BOTH = {"configs": [{"b": 3, "l": 5}], "bindings": {"boost": "b", "limit": "l"}}
ALWAYS = "the binding of {!r} has never taken effect: callers pass it in every call. Write 'override: true' to"


@pytest.fixture
def called(project):
    """Install one entry about a module, and import it."""
    project.write({"called.py": CALLED})

    def load(target, **entry):
        handle = project.install({"target": f"called:{target}", **BOTH, **entry})
        return project.load("called"), handle

    return load


def test_binding_that_callers_always_pass_is_told(called):
    module, handle = called("score")
    assert module.score("a", 1, 2) == ("a", 1, 2)
    assert ALWAYS.format("boost") in lines(handle)[-1]
    assert module.score("a", limit=2) == ("a", 3, 2)
    assert module.score("a", limit=2) == ("a", 3, 2)
    assert "'boost'" not in lines(handle)[-1]
    assert ALWAYS.format("limit") in lines(handle)[-1]
    assert module.score("a") == ("a", 3, 5)
    assert lines(handle)[-1] == "called:score  1 function"


def test_binding_of_an_experiment_without_calls_is_not_told(called):
    assert lines(called("score")[1])[-1] == "called:score  1 function"


def test_binding_that_overrides_is_not_told(called):
    overriding = {"boost": {"path": "b", "override": True}, "limit": {"path": "l", "override": True}}
    module, handle = called("score", bindings=overriding)
    assert module.score("a", 1, 2) == ("a", 3, 5)
    assert lines(handle)[-1] == "called:score  1 function"


def test_binding_among_keywords_is_told_when_always_passed(called):
    module, handle = called("loose", bindings={"boost": "b"})
    assert module.loose(boost=2) == 2
    assert ALWAYS.format("boost") in lines(handle)[-1]
    assert module.loose() == 3
    assert lines(handle)[-1] == "called:loose  1 function"


def test_binding_of_no_parameter_of_a_glob_is_told(called):
    module, handle = called("s*", bindings={"boost": "b", "lmit": "l"})
    assert module.score("a") == ("a", 3, 1)
    assert "the binding of 'lmit' has never taken effect: none of the functions has such a para" in lines(handle)[-1]
    assert "'boost'" not in lines(handle)[-1]


def test_binding_of_variants_and_kinds_of_functions_is_seen(called):
    module, handle = called("*", bindings={"boost": "b"}, configs=[{"b": 3}, {"b": 4}], strategy="shadow")
    asyncio.run(module.later(2))
    assert ALWAYS.format("boost") in lines(handle)[-1]
    assert list(module.stream()) == [3]
    assert "boost" not in lines(handle)[-1]


def test_signature_of_a_decorated_function_counts_in_place(project):
    project.write({"called.py": CALLED})
    module = project.load("called")
    with pytest.warns(SpearmintWarning, match="imported before"):
        project.install({"target": "called:dec*", "configs": [{"b": 3}], "bindings": {"boost": "b"}})
    assert (module.decorated(), module.decorated(2)) == (3, 2)


@pytest.mark.slow
def test_binding_without_effect_is_told_once_at_exit(project, run):
    source = """
        import spearmint
        spearmint.install({"experiments": [
            {"target": "called:score", "configs": [{"b": 3}], "bindings": {"boost": "b"}},
            {"target": "called:decorated", "configs": [{"b": 3}], "bindings": {"boost": "b"}},
        ]})
        import called
        called.score("a", 1)
        called.score("a", 2)
    """
    project.write({"called.py": CALLED, "program.py": source})
    done = run("program.py")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"spearmint: called:score: {ALWAYS.format('boost')} let the config win.\n"


def test_binding_that_a_callers_config_fills_is_not_told(project):
    project.write({"fills.py": "def outer(k=1):\n    return inner()\n\n\ndef inner(lower=False):\n    return lower\n"})
    entry = {"name": "fills", "auto": "named", "configs": [{"lower": True, "k": 2}]}
    handle = spearmint.install({"packages": [{**entry, "bindings": {"lower": "lower", "k": "k"}}]})
    assert project.load("fills").outer() is True
    assert lines(handle)[-1] == "fills (auto: named)  2 functions"
