"""Plans follow the code: a name that is bound anew, a reload, a new experiment, a lesson."""

import importlib
import itertools
import sys

import pytest

from spearmint import experiment
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.state import epoch
from spearmint.strategies import ShadowStrategy, SingleConfigStrategy
from tests.planning.nested import KS, MODELS, ZS, make_inner, module, values

STALE = """
@experiment(configs=KS, strategy=Shadow)
def inner(config): return config["k"]
@experiment(configs=ZS, strategy=Shadow)
def other(config): return config["z"]
def helper(): return inner()
@experiment(configs=MODELS, strategy=Shadow)
def outer(config): return config["model"], helper()
"""
INNER, OTHER = list(itertools.product("ab", (1, 2, 3))), list(itertools.product("ab", "xy"))


@pytest.mark.parametrize("change", ["helper = other", "inner = other", "def helper(): return other()"])
def test_a_name_that_is_bound_anew_changes_the_next_plan(change):
    program = module(STALE)
    assert values(program.outer) == INNER
    exec(change, vars(program))
    assert values(program.outer) == OTHER
    exec("helper = lambda: 0", vars(program))
    assert values(program.outer) == [("a", 0), ("b", 0)]


def test_direct_call_after_a_change_follows_the_new_code():
    program = module(STALE.replace("strategy=Shadow", ""))
    assert program.outer() == program.outer() == ("a", 1)
    program.inner = program.other
    assert program.outer() == program.outer() == ("a", "x")
    assert values(program.outer) == [("a", "x")]


def test_experiment_replacing_a_function_joins_the_plan():
    program = module(STALE.replace("return inner()", "return deep()") + "\ndef deep(): return 0")
    assert values(program.outer) == [("a", 0), ("b", 0)]
    program.deep = experiment(configs=ZS, strategy=ShadowStrategy, bindings={"z": "z"})(lambda z: z)
    assert values(program.outer) == OTHER


def test_a_reload_changes_the_plans_that_reach_the_module(tmp_path, monkeypatch):
    header = "from spearmint import experiment\nfrom spearmint.strategies import ShadowStrategy as Shadow\n"
    header += f"KS, ZS, MODELS = {KS!r}, {ZS!r}, {MODELS!r}\n"
    package = tmp_path / "reloaded_shop"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    parts = package / "parts.py"
    parts.write_text(header + STALE, encoding="utf-8")
    ask = "import reloaded_shop.parts as parts\n@experiment(configs=MODELS, strategy=Shadow)\n"
    ask += "def ask(config): return config['model'], parts.helper()\n"
    (package / "main.py").write_text(header + ask, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    main = importlib.import_module("reloaded_shop.main")
    assert values(main.ask) == values(main.parts.outer) == INNER
    parts.write_text(header + STALE.replace("return inner()", "return other()"), encoding="utf-8")
    importlib.reload(main.parts)
    assert values(main.ask) == values(main.parts.outer) == OTHER
    for name in [name for name in sys.modules if name.partition(".")[0] == "reloaded_shop"]:
        del sys.modules[name]


def test_experiment_declared_elsewhere_leaves_plans_unchanged():
    inner = make_inner(strategy=SingleConfigStrategy)

    @experiment(configs=MODELS)
    def outer(config):
        return inner()

    assert outer() == 1
    root = experiment_of(outer)[0]
    before = root.state.reachabilities[None]
    make_inner()
    assert root.state.cached_case == [None]
    assert outer() == 1
    assert root.state.reachabilities[None] is before
    assert root.state.cached_case != [None]


def test_call_without_dynamic_calls_keeps_its_case():
    @experiment
    def inner():
        return 1

    @experiment
    def outer():
        return inner(), table["inner"]()

    table = {"inner": inner}
    outer()
    outer()
    kept = experiment_of(outer)[0].state.cached_case[0]
    changes = epoch.changes
    assert outer() == (1, 1)
    assert kept is not None
    assert experiment_of(outer)[0].state.cached_case[0] is kept
    assert epoch.changes == changes


def test_runs_without_number_leave_nothing_behind():
    inner = make_inner(strategy=SingleConfigStrategy)

    @experiment(configs=MODELS)
    def outer(config):
        return inner()

    values(outer)
    kept = len(epoch._tracked)
    for _ in range(50):
        assert values(outer) == [1]
    assert len(epoch._tracked) == kept
    assert len(experiment_of(outer)[0].state.reachabilities) == 1
