"""What one call reaches becomes one plan, as the code stands, and what only the running program knows joins the run."""

import functools
import gc
import itertools
import sys
import threading
import types
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spearmint
from spearmint import Spearmint, experiment
from spearmint.context import experiment_case_var
from spearmint.discovery.reach.call_graph import Explorer
from spearmint.discovery.reach.name_resolution import Resolver
from spearmint.planning.select import full_plan
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy
from tests.discovery.nested_programs import PROGRAMS, UNSEEN, forbid_sources, load, unload
from tests.planning.nested import KS, MODELS, ZS, called_in, known, make_hidden, make_inner, module, run, short, values


@pytest.fixture
def no_sources(monkeypatch):
    forbid_sources(monkeypatch)
    yield
    monkeypatch.undo()
    unload()


# What is found is what is called


@pytest.mark.parametrize("leaves_tables", [True, False], ids=["tables", "code"])
@pytest.mark.parametrize("title", [*PROGRAMS, *UNSEEN])
@pytest.mark.usefixtures("no_sources")
def test_search_and_running_agree_on_what_a_program_calls(title, leaves_tables):
    source, names = {**PROGRAMS, **UNSEEN}[title]
    root = load(source, leaves_tables=leaves_tables).root
    called, _, seen = names.partition("|")
    in_code = (seen if "|" in names else called).split()
    assert short(known(root)) == sorted(in_code)
    result = run(root).main_result
    assert short(called_in(result.experiment_case)) == sorted(called.split())
    assert set(called_in(result.experiment_case)) <= set(known(root))
    assert short(known(root)) == sorted(called.split())


CALLS = {
    "name": "{0}()",
    "alias": "alias_{0}()",
    "module attribute": "here.{0}()",
    "method": "Thing().m_{0}()",
    "method of a held instance": "thing.m_{0}()",
    "class method": "Thing.c_{0}()",
    "closure": "closed_{0}()",
    "partial": "partial({0})()",
    "held partial": "partial_{0}()",
    "table": "table['{0}']()",
    "argument": "call({0})",
    "lambda": "(lambda: {0}())()",
    "nested function": "nested({0})",
    "getattr": "getattr(here, '{0}')()",
    "comprehension": "[{0}() for _ in 'x']",
    "default": "default_{0}()",
    "local": "local_{0}()",
    "super": "sub.m_{0}()",
}


HEAD = """
import sys
from functools import partial
here = sys.modules[__name__]
def call(function): return function()
def nested(function):
    def one(): return function()
    return one()
"""
AROUND = """
alias_{0} = {0}
partial_{0} = partial({0})
def make_{0}(function):
    def inner(): return function()
    return inner
closed_{0} = make_{0}({0})
def default_{0}(function={0}): return function()
def local_{0}():
    name = {0}
    return name()
"""
METHODS = """
    def m_{0}(self): return {0}()
    @classmethod
    def c_{0}(cls): return {0}()
"""
OVERRIDES = """
    def m_{0}(self): return super().m_{0}()
"""


@st.composite
def programs(draw):
    """Programs of a few functions, some of them experiments, each of which calls later ones in some way."""
    names = [f"f{number}" for number in range(draw(st.integers(2, 6)))]
    parts = [HEAD]
    for position, name in reversed(list(enumerate(names))):
        callees = st.sampled_from(names[position + 1 :] or [""])
        calls = draw(st.lists(st.tuples(st.sampled_from(list(CALLS)), callees), max_size=3))
        body = [CALLS[how].format(callee) for how, callee in calls if callee]
        decorator = "@experiment\n" if not position or draw(st.booleans()) else ""
        parts.append("\n    ".join([f"{decorator}def {name}():", f"seen.add({name!r})", *body]) + AROUND.format(name))
    table = f"table = dict({', '.join(f'{name}={name}' for name in names)})\n"
    methods, overrides = ("".join(map(text.format, names)) for text in (METHODS, OVERRIDES))
    return "".join([*parts, table, f"class Thing:{methods}class Sub(Thing):{overrides}thing, sub = Thing(), Sub()\n"])


@given(programs())
def test_discovered_and_dynamic_calls_cover_every_real_call(source):
    module = types.ModuleType("spearmint_tests_program")
    sys.modules[module.__name__] = module
    seen = vars(module)["seen"] = set()
    vars(module)["experiment"] = experiment
    with pytest.MonkeyPatch.context() as patch:
        forbid_sources(patch)
        exec(compile(source, "program", "exec"), vars(module))
        result = run(module.f0).main_result
        assert result.status == "success"
        called = set(called_in(result.experiment_case))
        experiments = {name for name, one in vars(module).items() if name[1:].isdigit() and hasattr(one, "__wrapped__")}
        assert {one.name.partition(":")[2] for one in called} == (seen & experiments) - {"f0"}
        assert called <= set(known(module.f0))
        again = run(module.f0).main_result
        assert called == set(called_in(again.experiment_case))
    del sys.modules[module.__name__]


# One plan, on the first call


def test_first_run_covers_the_product_without_earlier_calls():
    first, second = make_inner(), make_inner(ZS, key="z")

    def plain():
        return second()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], first(), plain()

    results = run(outer)
    assert [one.result for one in results] == list(itertools.product("ab", (1, 2, 3), "xy"))
    assert not experiment_of(outer)[0].state.dynamic_callees


def test_experiments_come_in_the_order_of_their_calls():
    first, second, third = make_inner(), make_inner(ZS, key="z"), make_inner(KS[:2])

    @experiment(configs=MODELS[:1])
    def middle(config):
        return first()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return third(), middle(), second()

    names = [experiment_of(one)[0] for one in (outer, third, middle, first, second)]
    assert [dimension.experiment for dimension in run(outer).plan.dimensions] == names


def test_direct_call_shadows_the_product_from_the_first_call():
    lock, seen = threading.Lock(), []
    inner = make_inner()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        pair = config["model"], inner()
        with lock:
            seen.append(pair)
        return pair

    assert outer() == ("a", 1)
    assert spearmint.flush(10)
    assert sorted(seen) == list(itertools.product("ab", (1, 2, 3)))


def test_multi_branch_collects_the_product():
    inner = make_inner()

    @experiment(configs=MODELS, strategy=MultiBranchStrategy)
    def outer(config):
        return config["model"], inner()

    assert [one.result for one in outer()] == list(itertools.product("ab", (1, 2, 3)))


def test_each_strategy_is_asked_once_for_a_call():
    asked = []

    def choose(configs):
        asked.append(1)
        return configs[0], configs[1:]

    inner = make_inner(strategy=choose)

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return inner(), inner()

    assert len(run(outer)) == 6
    assert len(asked) == 1


def test_experiment_called_by_spearmint_has_its_own_plan():
    inner, other = make_inner(), make_inner(ZS, key="z")

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        with Spearmint.run(inner, await_variants=True) as runner:
            got = [one.result for one in runner()]
        case = experiment_case_var.get()
        return got, other(), case.get_config(other)["z"]

    assert values(outer) == [([1, 2, 3], z, z) for _ in "ab" for z in "xy"]


# Who inherits


def test_shared_configs_of_the_root_add_no_dimension():
    mint = Spearmint(configs=MODELS, strategy=ShadowStrategy)

    @mint.experiment
    def inner(config):
        return config["model"]

    @experiment(configs=KS[:2], strategy=ShadowStrategy)
    def middle(config):
        return config["k"], inner()

    @mint.experiment
    def outer(config):
        return middle()

    assert values(outer) == [(1, "a"), (2, "a"), (1, "b"), (2, "b")]


def test_shared_configs_add_a_dimension_when_called_alone():
    mint = Spearmint(configs=MODELS, strategy=ShadowStrategy)

    @mint.experiment
    def inner(config):
        return config["model"]

    @mint.experiment
    def middle(config):
        return config["model"], inner()

    @experiment(configs=ZS[:1])
    def through(config):
        return middle()

    @experiment(configs=ZS[:1])
    def both(config):
        return middle(), inner()

    assert values(through) == [("a", "a"), ("b", "b")]
    assert values(both) == [((m, m), n) for m in "ab" for n in "ab"]


def test_experiment_without_configs_takes_its_callers():
    @experiment
    def inner(config):
        return config["model"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return inner()

    results = run(outer)
    assert [one.result for one in results] == ["a", "b"]
    assert [part.option_ids for part in results.plan.parts[1:]] == [()]


# Methods


class Base:
    def __init__(self, part=None):
        self.part = part

    @experiment(configs=KS[:2], strategy=ShadowStrategy)
    def score(self, config):
        return config["k"]

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def ask(self, config):
        return config["model"], self.score()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def ask_part(self, config):
        return config["model"], self.part.score()


class Derived(Base):
    @experiment(configs=ZS, strategy=ShadowStrategy)
    def score(self, config):
        return config["z"]


class Plain(Base):
    def score(self):
        return 0


@pytest.mark.parametrize("order", [(Base, Derived, Plain), (Plain, Derived, Base)])
def test_a_method_has_a_plan_for_each_class_that_it_is_called_on(order):
    expected = {Base: (1, 2), Derived: ("x", "y"), Plain: (0,)}
    for _ in range(2):
        for owner in order:
            assert values(owner().ask) == list(itertools.product("ab", expected[owner]))
            assert owner().ask() == ("a", expected[owner][0])


def test_a_method_has_a_plan_for_what_its_instance_holds():
    for _ in range(2):
        for part, expected in ((Base(), (1, 2)), (Derived(), ("x", "y")), (Plain(), (0,))):
            assert values(Base(part).ask_part) == list(itertools.product("ab", expected))


def test_a_plan_keeps_no_instance_alive():
    thing = Base(Base())
    gone = weakref.ref(thing), weakref.ref(thing.part)
    assert len(values(thing.ask_part)) == 4
    assert len(values(thing.ask)) == 4
    del thing
    gc.collect()
    assert [one() for one in gone] == [None, None]


# Full plans


def test_full_plan_has_every_config_whatever_the_strategies():
    single, shadow = make_inner(strategy=spearmint.strategies.SingleConfigStrategy), make_inner(ZS, key="z")

    @experiment(configs=MODELS)
    def outer(config):
        return config["model"], single(), shadow()

    plan = full_plan(experiment_of(outer)[0])
    assert plan.sizes == {one.name: size for one, size in zip(plan_order(plan), (2, 3, 2), strict=True)}
    assert [case.config["model"] for case in (plan.main, *plan.variants())] == ["a"] * 6 + ["b"] * 6
    one = full_plan(experiment_of(outer)[0], varies=lambda one: one.name.endswith("outer"))
    assert [len(dimension.options) for dimension in one.dimensions] == [2, 1, 1]


def plan_order(plan):
    return [dimension.experiment for dimension in plan.dimensions]


def test_a_full_plan_takes_other_configs():
    outer = make_hidden(make_inner())
    configs = [spearmint.Config(model="c"), spearmint.Config(model="b")]
    plan = full_plan(experiment_of(outer)[0], configs)
    assert [case.config["model"] for case in (plan.main, *plan.variants())] == ["c", "b"]
    case = next(iter(plan.variants()))
    with spearmint.RuntimeContext(case):
        assert outer() == ("b", 1)


# For people


def test_plan_shows_edges_and_added_cases_of_each_experiment():
    program = module(
        """
@experiment(configs=[{"__config_id__": f"r{k}", "k": k} for k in range(8)], strategy=Shadow)
def rank(x, config): return config["k"]
@experiment(configs=[{"__config_id__": "h", "k": 0}])
def hidden(config): return 1
@experiment
def shared(config): return config
table = [hidden]
def helper(): return shared(), list(map(rank, "x")), table[0]()
@experiment(configs=[{"__config_id__": "s"}, {"__config_id__": "l", "k": 1}], strategy=Shadow)
def root(config):
    return helper()
""",
        "shop",
    )
    results = run(program.root)
    assert str(results.plan).splitlines() == [
        "shop:root: s, l",
        "├─ shop:shared (call in shop:helper, line 9): under a caller's config",
        "├─ shop:rank (reference in shop:helper, line 9): r0, r1, r2, r3, r4, r5 and 2 more",
        "└─ shop:hidden (dynamic in shop:helper, line 9): h",
        "16 cases",
    ]
    assert [(part.name, part.caller, part.how, part.depth) for part in results.plan.parts] == [
        ("shop:root", "", "root", 0),
        ("shop:shared", "shop:root", "call", 1),
        ("shop:rank", "shop:root", "reference", 1),
        ("shop:hidden", "shop:root", "dynamic", 1),
    ]
    html = results.plan._repr_html_()
    assert html.count("<tr>") == 5
    assert "under a caller&#x27;s config" in html


def test_a_tree_draws_its_branches():
    program = module(
        """
@experiment
def a(): return b(), c()
@experiment
def b(): return d()
@experiment
def c(): return 1
@experiment
def d(): return 1
@experiment
def e(): return f()
@experiment
def f(): return 1
@experiment
def root(): return a(), e()
""",
        "m",
    )
    lines = [line.partition(" (")[0] for line in str(run(program.root).plan).splitlines()]
    assert lines == [
        "m:root: no configs",
        "├─ m:a",
        "│  ├─ m:b",
        "│  │  └─ m:d",
        "│  └─ m:c",
        "└─ m:e",
        "   └─ m:f",
        "1 case",
    ]


def test_partials_and_methods_run_with_their_plans():
    inner = make_inner()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(x, config):
        return x, config["model"], inner()

    assert values(functools.partial(outer, 5)) == [(5, m, k) for m in "ab" for k in (1, 2, 3)]


def test_code_that_cannot_be_read_costs_no_call(monkeypatch, caplog):
    def refuse(self, function, receiver):
        raise RuntimeError("odd")

    inner = make_inner()

    @experiment(configs=MODELS, strategy=ShadowStrategy)
    def outer(config):
        return config["model"], inner()

    monkeypatch.setattr(Explorer, "reach", refuse)
    assert values(outer) == list(itertools.product("ab", (1, 2, 3)))
    (message,) = {record.getMessage() for record in caplog.records}
    assert message == f"Cannot find what {experiment_of(outer)[0].name} calls: RuntimeError: odd."


def test_each_body_is_read_once_for_all_experiments_of_a_plan(monkeypatch):
    program = module("""
@experiment
def a(): return deep()
@experiment
def b(): return deep()
def deep(): return 1
@experiment
def root(): return a(), b(), deep()
""")
    read = []
    calls_of = Resolver.calls_of
    monkeypatch.setattr(
        Resolver,
        "calls_of",
        lambda self, function, receiver: read.append(function.__name__) or calls_of(self, function, receiver),
    )
    assert values(program.root) == [(1, 1, 1)]
    assert sorted(read) == ["a", "b", "deep", "root"]
