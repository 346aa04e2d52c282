"""`install`, its handle, and that nothing of it is left behind."""

import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import spearmint
from spearmint.discovery.reach.table_store import table_store
from spearmint.errors import SettingsError, SpearmintWarning
from spearmint.execution.pool import variant_pool
from spearmint.instrument.importing.finder import SpearmintFinder
from spearmint.proxy.proxy import ExperimentProxy
from spearmint.tracing.exporter import exporter

SHOP = {
    "shop/__init__.py": "",
    "shop/rank.py": """
        ROUTES = {}


        def route(function):
            ROUTES[function.__name__] = function
            return function


        @route
        def score(text, boost=1):
            return len(text) * boost


        class Ranker:
            def rank(self, boost=1):
                return boost

            @staticmethod
            def still(boost=1):
                return boost

            @classmethod
            def whole(cls, boost=1):
                return cls.__name__, boost

            @property
            def plain(self):
                return 1


        def other(boost=1):
            return boost
    """,
}


def finders():
    return [one for one in sys.meta_path if isinstance(one, SpearmintFinder)]


def test_named_function_becomes_an_experiment_at_import(project):
    project.write(SHOP)
    project.install("shop.rank:score", packages=["shop"])
    rank = project.load("shop.rank")
    assert rank.score("ab") == 6
    assert rank.other() == 1
    assert isinstance(rank.score, ExperimentProxy)
    assert type(rank.other) is type(finders)


def test_a_decorator_that_registers_gets_the_experiment(project):
    project.write(SHOP)
    project.install("shop.rank:score")
    assert project.load("shop.rank").ROUTES["score"]("ab") == 6


def test_the_finder_stands_directly_before_path_finder(project):
    project.install("shop.rank:score")
    names = [getattr(one, "__name__", type(one).__name__) for one in sys.meta_path]
    assert names.index("PathFinder") - names.index("SpearmintFinder") == 1


def test_installing_twice_gives_one_handle_and_one_finder(project):
    first = project.install("shop.rank:score")
    assert project.install("shop.rank:score") is first
    assert len(finders()) == 1


def test_end_of_an_inner_with_leaves_the_outer_installation(project):
    with project.install("shop.rank:score") as outer:
        with project.install("shop.rank:score"):
            pass
        assert outer.is_installed
        assert finders()
    assert not outer.is_installed
    assert finders() == []


def test_uninstalling_twice_does_no_more_than_once(project):
    handle = project.install("shop.rank:score")
    handle.uninstall()
    handle.uninstall()
    spearmint.uninstall()
    assert finders() == []
    assert not handle.is_installed


def test_two_settings_are_in_force_at_once_with_one_finder(project):
    project.write(SHOP)
    first = project.install("shop.rank:score")
    project.install("shop.rank:other", "shop.rank:Ranker.*")
    rank = project.load("shop.rank")
    assert (rank.score("a"), rank.other(), rank.Ranker().rank()) == (3, 3, 3)
    assert len(finders()) == 1
    first.uninstall()
    assert (rank.score("a"), rank.other()) == (1, 3)
    assert len(finders()) == 1


def test_uninstall_leaves_modules_and_loaders_untouched(project):
    project.write(SHOP)
    handle = project.install("shop.rank:score", "shop.rank:Ranker.*", packages=["shop"])
    rank = project.load("shop.rank")
    kept = rank.ROUTES["score"]
    assert table_store.is_instrumented("shop.rank")
    assert rank.Ranker().rank() == rank.Ranker.still() == 3
    handle.uninstall()
    assert type(rank.score) is type(rank.Ranker.__dict__["rank"]) is type(finders)
    assert isinstance(rank.Ranker.__dict__["still"], staticmethod)
    assert not isinstance(rank.Ranker.__dict__["still"].__func__, ExperimentProxy)
    assert type(rank.__loader__).__name__ == type(rank.__spec__.loader).__name__ == "SourceFileLoader"
    assert rank.Ranker.whole() == ("Ranker", 1)
    assert kept("ab") == 2, "who kept the experiment calls the function"
    assert not table_store.is_instrumented("shop.rank")
    assert table_store.get("shop.rank", rank.score.__code__) == ()


def test_installing_again_after_uninstall_wraps_what_is_there(project):
    project.write(SHOP)
    project.install("shop.rank:score").uninstall()
    rank = project.load("shop.rank")
    with pytest.warns(SpearmintWarning, match="Modules were imported"):
        handle = project.install("shop.rank:score")
    assert rank.score("ab") == 6
    handle.uninstall()
    assert rank.score("ab") == 2


def test_already_imported_modules_warn_once_and_are_wrapped(project):
    project.write(SHOP)
    rank = project.load("shop.rank")
    registered = rank.ROUTES["score"]
    with pytest.warns(SpearmintWarning) as caught:
        project.install("shop.rank:score", "shop.rank:Ranker.*", packages=["shop"])
    (warning,) = caught
    assert "Modules were imported before spearmint.install(): shop, shop.rank. " in str(warning.message)
    assert rank.score("ab") == 6
    assert (rank.Ranker().rank(), rank.Ranker.still(), rank.Ranker.whole()) == (3, 3, ("Ranker", 3))
    assert rank.other() == 1
    assert registered("ab") == 2, "what a decorator has kept stays as it was"


def test_what_was_wrapped_in_place_is_put_back(project):
    project.write(SHOP)
    rank = project.load("shop.rank")
    before = {**vars(rank)}, {**vars(rank.Ranker)}
    with pytest.warns(SpearmintWarning), project.install("shop.rank:score", "shop.rank:Ranker.*"):
        assert rank.score("ab") == 6
    assert ({**vars(rank)}, {**vars(rank.Ranker)}) == before


def test_missing_target_is_an_error_when_its_module_is_imported(project):
    project.write({**SHOP, "spearmint.yaml": "experiments:\n  - target: shop.rank:scor\n    configs: [{b: 1}]\n"})
    spearmint.install(project.folder / "spearmint.yaml")
    with pytest.raises(SettingsError, match=r"spearmint.yaml:2:\d+: Cannot find the target 'shop.rank:scor'.*'score'"):
        project.load("shop.rank")
    with pytest.raises(SettingsError):
        project.load("shop.rank")  # From the cache it is no less wrong.


def test_missing_target_of_an_imported_module_undoes_install(project):
    project.write(SHOP)
    rank = project.load("shop.rank")
    with pytest.raises(SettingsError, match=r"Cannot find the target 'shop\.rank:nothing'"):
        project.install("shop.rank:score", "shop.rank:nothing")
    assert finders() == []
    assert rank.score("ab") == 2


def test_unknown_parameter_is_an_error_at_import(project):
    project.write(SHOP)
    project.install({"target": "shop.rank:score", "configs": [{"b": 1}], "bindings": {"bost": "b"}})
    with pytest.raises(SettingsError, match="bost"):
        project.load("shop.rank")


def test_whole_package_with_auto_shares_one_config(project):
    project.write(
        {
            "pipe/__init__.py": "",
            "pipe/steps.py": """
                def outer(boost=1):
                    return boost, inner()

                def inner(boost=1, depth=0):
                    return boost

                def neither(text):
                    return text
            """,
        }
    )
    bindings = {"boost": "b"}
    project.install(packages=[{"name": "pipe", "auto": "named", "configs": [{"b": 5}, {"b": 6}], "bindings": bindings}])
    steps = project.load("pipe.steps")
    assert steps.outer() == (5, 5)
    assert not isinstance(steps.neither, ExperimentProxy)
    with spearmint.Spearmint.run(steps.outer) as runner:
        assert runner().main_result.result == (5, 5)


def test_settings_of_the_process_hold_until_uninstall(project):
    before = variant_pool.limits, exporter.options
    settings = {"background": {"queue_size": 7}, "tracing": {"enabled": False, "sample_rate": 0.5}}
    with spearmint.install({"packages": ["shop"], **settings}):
        assert variant_pool.limits.queue_size == 7
        assert (exporter.options.enabled, exporter.options.sample_rate) == (False, 0.5)
    assert (variant_pool.limits, exporter.options) == before


def test_threads_keep_the_case_where_install_is_asked_to(project):
    project.write(
        {
            "work.py": """
                from concurrent.futures import ThreadPoolExecutor

                def outer(boost=1):
                    with ThreadPoolExecutor(1) as pool:
                        return boost, pool.submit(inner).result()

                def inner(boost=1):
                    return boost
            """
        }
    )
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    shared = {"configs": [{"b": 5}, {"b": 6}], "strategy": "multi_branch", "bindings": {"boost": "b"}}
    with project.install(packages=[{"name": "work", "auto": "named", **shared}], propagate_threads=True):
        outcomes = [one.result for one in project.load("work").outer()]
    assert outcomes == [(5, 5), (6, 6)]
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)


def test_local_function_is_one_experiment_in_the_plan(project):
    project.write(
        {
            "work.py": """
                def outer(boost=1):
                    def inner(limit=1):
                        return limit
                    return boost, inner()
            """
        }
    )
    entries = [
        {"target": "work:outer", "configs": [{"b": 5}, {"b": 6}], "bindings": {"boost": "b"}, "strategy": "shadow"},
        {
            "target": "work:outer.<locals>.inner",
            "configs": [{"n": 1}, {"n": 2}],
            "bindings": {"limit": "n"},
            "strategy": "shadow",
        },
    ]
    with project.install(*entries):
        outer = project.load("work").outer
        for _ in range(2):
            with spearmint.Spearmint.run(outer, await_variants=True) as runner:
                results = runner()
            assert [one.result for one in results] == [(5, 1), (5, 2), (6, 1), (6, 2)]


def test_thread_without_propagation_is_outside_and_warns_once(project):
    project.write(
        {
            "work.py": """
                from threading import Thread

                def outer(boost=1):
                    got = []
                    for _ in range(2):
                        thread = Thread(target=lambda: got.append(inner()))
                        thread.start()
                        thread.join()
                    return boost, got

                def inner(boost=1):
                    return boost
            """
        }
    )
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    shared = {"configs": [{"b": 5}, {"b": 6}], "bindings": {"boost": "b"}}
    with (
        project.install(packages=[{"name": "work", "auto": "named", **shared}]),
        pytest.warns(SpearmintWarning, match="work:inner runs outside the case of work:outer") as caught,
    ):
        assert project.load("work").outer() == (5, [5, 5])
    assert len(caught) == 1
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)


def test_an_instrumented_function_is_pickled_by_its_name(project):
    project.write(SHOP)
    project.install("shop.rank:score")
    rank = project.load("shop.rank")
    assert pickle.loads(pickle.dumps(rank.score)) is rank.score


def test_unresponsive_objects_do_not_disturb_wrapping_in_place(project):
    text = """


        class Mute:
            def __getattribute__(self, name):
                raise RuntimeError(name)


        mute = Mute()
    """
    project.write({**SHOP, "shop/rank.py": SHOP["shop/rank.py"] + text})
    rank = project.load("shop.rank")
    with pytest.warns(SpearmintWarning):
        project.install("shop.rank:score")
    assert rank.score("ab") == 6


def test_non_modules_in_sys_modules_are_skipped(project):
    class Odd:
        __slots__ = ()
        __class__ = type(sys)

        def __getattr__(self, name):
            raise RuntimeError(name)

    sys.modules["odd.one"], sys.modules["odd.two"] = Odd(), None
    try:
        project.install(packages=["odd"])
    finally:
        del sys.modules["odd.one"], sys.modules["odd.two"]


def test_install_without_any_settings_says_where_it_has_looked(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPEARMINT_CONFIG", raising=False)
    with pytest.raises(SettingsError, match="Cannot find settings"):
        spearmint.install()
    assert finders() == []


STRICT = """
import warnings
warnings.simplefilter("error")
import json.decoder
import spearmint

handle = spearmint.install({"packages": ["json"], "experiments": [{"target": "json.decoder:JSONDecoder.decode"}]})
assert json.loads("[1]") == [1]
"""


@pytest.mark.slow
def test_warnings_as_errors_end_no_install(run):
    done = run("-W", "error", source=STRICT)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Modules were imported before spearmint.install(): json" in done.stderr
    assert "Traceback" not in done.stderr


ROUND = {"configs": [{"b": 3}, {"b": 5}], "bindings": {"boost": "b"}, "strategy": "round_robin"}


def test_pause_gives_the_first_config_to_kept_references_too(project):
    project.write(SHOP)
    handle = project.install({"target": "shop.rank:*", **ROUND}, {"target": "shop.rank:Ranker.*", **ROUND})
    rank = project.load("shop.rank")
    kept, method = rank.ROUTES["score"], rank.Ranker().rank
    assert [kept("ab"), kept("ab")] == [6, 10]
    handle.pause()
    handle.pause()
    assert [kept("ab"), rank.score("ab"), rank.other(), method(), method()] == [6, 6, 3, 3, 3]
    handle.resume()
    assert {kept("ab"), kept("ab")} == {6, 10}
    handle.resume()


def test_pause_starts_no_variants(project):
    project.write(SHOP)
    handle = project.install({"target": "shop.rank:score", **ROUND, "strategy": "shadow"})
    rank = project.load("shop.rank")
    handle.pause()
    with spearmint.Spearmint.run(rank.score, await_variants=True) as runner:
        results = runner("ab")
    assert (results.main_result.result, len(results.variant_results)) == (6, 0)


def test_pause_holds_for_modules_that_are_imported_later(project):
    project.write(SHOP)
    handle = project.install({"target": "shop.rank:score", **ROUND})
    handle.pause()
    rank = project.load("shop.rank")
    assert [rank.score("ab"), rank.score("ab")] == [6, 6]
    handle.resume()
    assert {rank.score("ab"), rank.score("ab")} == {6, 10}


def test_kept_references_become_experiments_again(project):
    project.write(SHOP)
    handle = project.install("shop.rank:score")
    rank = project.load("shop.rank")
    kept = rank.ROUTES["score"]
    handle.uninstall()
    assert (kept("ab"), rank.score("ab")) == (2, 2)
    with pytest.warns(SpearmintWarning, match="imported before"):
        again = project.install("shop.rank:score")
    assert (kept("ab"), rank.score("ab")) == (6, 6)
    again.uninstall()
    assert (kept("ab"), rank.score("ab")) == (2, 2)


def test_reload_takes_what_the_file_says_now(project):
    project.write(SHOP)
    entry = "{{target: 'shop.rank:{}', configs: [{{b: {}}}], bindings: {{boost: b}}}}"
    project.write({"s.yaml": f"experiments: [{entry.format('score', 3)}]"})
    handle = spearmint.install(project.folder / "s.yaml")
    rank = project.load("shop.rank")
    kept = rank.ROUTES["score"]
    project.write({"s.yaml": f"experiments: [{entry.format('score', 4)}, {entry.format('other', 7)}]"})
    handle.reload()
    assert (kept("ab"), rank.score("ab"), rank.other()) == (8, 8, 7)
    project.write({"s.yaml": "experiments: [{target: shop}]"})
    with pytest.raises(SettingsError, match="it has no colon"):
        handle.reload()
    assert (kept("ab"), rank.other()) == (8, 7)
    project.write({"s.yaml": "experiments: [{target: 'shop.rank:nothing'}]"})
    with pytest.raises(SettingsError, match="defines no such function"):
        handle.reload()
    assert (kept("ab"), rank.score("ab"), rank.other()) == (8, 8, 7)
    assert str(handle.report()).splitlines()[0] == "shop.rank  rewritten"
    handle.uninstall()
    assert (kept("ab"), rank.score("ab"), rank.other()) == (2, 2, 1)


OUTER = """
    import functools


    def double(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return 2 * function(*args, **kwargs)

        return inner


    @double
    def score(boost=1):
        return boost


    class Ranker:
        @classmethod
        @double
        def whole(cls, boost=1):
            return boost

        @property
        @double
        def size(self):
            return 1


    class Command:
        def __init__(self, function):
            self.function = function


    @Command
    def command(boost=1):
        return boost
"""
BOOST = {"configs": [{"b": 3}], "bindings": {"boost": "b"}, "position": "outermost"}


@pytest.mark.parametrize("form", ["source", "pyc", "zip"])
def test_outermost_experiment_stands_around_decorators(project, form):
    project.write({"outer.py": OUTER})
    project.pack(form)
    handle = project.install({"target": "outer:score", **BOOST}, {"target": "outer:Ranker.*", **BOOST})
    outer = project.load("outer")
    assert isinstance(outer.score, ExperimentProxy)
    assert outer.score.__wrapped__() == 1  # What the decorator has got is the plain function.
    assert (outer.score(), outer.Ranker.whole(), outer.Ranker().size) == (6, 6, 2)
    assert [len(one.functions) for one in handle.report().targets] == [1, 2]
    handle.uninstall()
    assert (outer.score(), outer.Ranker.whole()) == (2, 2)


def test_outermost_target_that_is_no_function_is_an_error(project):
    project.write({"outer.py": OUTER})
    project.install({"target": "outer:command", **BOOST})
    with pytest.raises(SettingsError, match=r"experiments\[0\].*Cannot make an experiment of <outer\.Command"):
        project.load("outer")


def test_sink_that_cannot_be_imported_is_told_with_its_line(project):
    project.write({"s.yaml": "online:\n  sink: 'json:nothing'\n"})
    with pytest.raises(SettingsError, match=r"s\.yaml:2.*has no attribute 'nothing'"):
        spearmint.install(project.folder / "s.yaml")
