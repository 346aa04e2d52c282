"""What nested experiments cost: a call of two, the plan of a large package, and a call over 27,000 cases.

The floor of a nested call is two closures, each of which does what `call_overhead.py` says, one around the other. That
of a call over many cases is the same call with one config each; where they are not dropped for being too many, with two
configs each, of which the second is tried alone. The plan of a package has limits in time: 50 ms for the
first, 20 µs for the next ones; beside it stands what compiling the package takes.
"""

import functools
import gc
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from floor import Row, compare, report, summary, without_gc

import spearmint
from spearmint import Bind, Spearmint, experiment
from spearmint.discovery import calls_in_source
from spearmint.discovery.reach.table_store import table_store
from spearmint.planning.select import full_plan, select
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import ShadowStrategy

CASE: ContextVar[object] = ContextVar("case", default=None)
CONFIG = {"limit": 10}
OPTIONS = [{"limit": limit} for limit in range(30)]

FUNCTIONS = 1000
FIRST_MS, NEXT_US = 50, 20
CASES_RATIO = 5
LIMIT_HELD = 4000  # The queue holds 1,000; those that have run have two views each, until they are collected.
ROUNDS = 9


def floor(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plainest wrapper that injects a number and sets one context variable."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["limit"] = 10
        token = CASE.set(function)
        try:
            return function(*args, **kwargs)
        finally:
            CASE.reset(token)

    return call


Limit = Annotated[int, Bind("limit")]
one = Spearmint(configs=[CONFIG])


@floor
def floor_inner(limit: int) -> int:
    """Take a number."""
    return limit


@floor
def floor_outer(limit: int) -> int:
    """Call another."""
    return limit + floor_inner()  # type: ignore[no-any-return]


@one.experiment(configs=[CONFIG])
def inner(limit: Limit) -> int:
    """Take a number."""
    return limit


@one.experiment(configs=[CONFIG])
def outer(limit: Limit) -> int:
    """Call another."""
    return limit + inner()  # type: ignore[call-arg]


@one.experiment
def inheriting(limit: Limit) -> int:
    """Take the caller's number."""
    return limit


@one.experiment
def propagating(limit: Limit) -> int:
    """Call one that shares the configs."""
    return limit + inheriting()  # type: ignore[call-arg]


class FloorPair:
    """Two methods, as the floor has them."""

    inner = floor(lambda self, limit: limit)  # noqa: ARG005 - it gives the number back
    outer = floor(lambda self, limit: limit + self.inner())


class Pair:
    """The same as experiments: what the outer one reaches depends on the class of its instance."""

    @experiment(configs=[CONFIG])
    def inner(self, limit: Limit) -> int:
        """Take a number."""
        return limit

    @experiment(configs=[CONFIG])
    def outer(self, limit: Limit) -> int:
        """Call another."""
        return limit + self.inner()  # type: ignore[call-arg]


def nested_calls() -> bool:
    """Print what calls cost, and return whether the limits hold."""
    floor_pair, pair = FloorPair(), Pair()
    return compare(
        [
            Row(name="two experiments, nested", floor=floor_outer, ours=outer, limit=1.6),
            Row(name="two that share configs", floor=floor_outer, ours=propagating, limit=1.6),
            Row(name="two methods, nested", floor=floor_pair.outer, ours=pair.outer, limit=2),
        ]
    )


SOURCE = """
from spearmint import experiment
from spearmint.strategies import ShadowStrategy


{functions}


class Step:
    def run(self, x):
        return f0(x)


step = Step()


@experiment(configs=[{{"k": 1}}, {{"k": 2}}], strategy=ShadowStrategy)
def score(x, config):
    return x * config["k"]


@experiment(configs=[{{"m": 1}}, {{"m": 2}}], strategy=ShadowStrategy)
def ask(x, config):
    return step.run(x) + config["m"]
"""
FUNCTION = """
def f{number}(x, scale=1.0, *, names=()):
    total = 0
    for name in names:
        total += len(name)
    if x > {number}:
        return f{next_one}(x - 1, scale) + f{other}(total)
    return {last}
"""


def package_source(count: int) -> str:
    """Return a module of so many functions, each of which calls two others and the last an experiment."""
    functions = [
        FUNCTION.format(
            number=number,
            next_one=min(number + 1, count - 1),
            other=number * 7 % count,
            last="score(x)" if number == count - 1 else "max(total, x) * scale",
        )
        for number in range(count)
    ]
    return SOURCE.format(functions="\n".join(functions))


@contextmanager
def package(name: str, source: str) -> Iterator[Any]:
    """Write a package and import it."""
    folder = Path(tempfile.mkdtemp())
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(source, encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        del sys.modules[name]
        shutil.rmtree(folder)


def large_package(*, leaves_tables: bool) -> bool:
    """Print how long the plan of a large package takes, and return whether the limits hold."""
    source = package_source(FUNCTIONS)
    firsts, nexts, compiling = [], [], []
    for number in range(ROUNDS):
        name = f"spearmint_benchmark_{number}"
        # A line more each time: CPython would find equal code objects, and what is kept of them.
        text = "\n" * (number + leaves_tables * ROUNDS) + source
        compiling.append(seconds(functools.partial(compile, text, name, "exec")))
        if leaves_tables:
            table_store.put(name, calls_in_source(text, name))
        with package(name, text) as module, without_gc():
            ask = experiment_of(module.ask)[0]
            firsts.append(seconds(functools.partial(full_plan, ask)))
            assert len(full_plan(ask)) == 4  # noqa: S101 - else there is nothing to measure
            select(ask)
            nexts.extend(seconds(functools.partial(select, ask)) for _ in range(200))
        table_store.forget_tables(name)
    first, after, floor_ms = min(firsts) * 1e3, median(nexts) * 1e6, min(compiling) * 1e3  # others were disturbed
    how = "tables from import time" if leaves_tables else "from bytecode"
    print(
        f"plan of {FUNCTIONS} functions, {how}: first {first:.1f} ms (limit {FIRST_MS}; compiling {floor_ms:.1f} ms),",
        end="",
    )
    print(f" then {after:.1f} µs (limit {NEXT_US})")
    return first <= FIRST_MS and after <= NEXT_US


def seconds(function: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def make_three(options: list[dict[str, int]], **settings: Any) -> Callable[..., Any]:
    """Return an experiment that calls two others, each with so many options."""

    @experiment(configs=options, strategy=ShadowStrategy)
    def first(limit: Limit) -> int:
        return limit

    @experiment(configs=options, strategy=ShadowStrategy)
    def second(limit: Limit) -> int:
        return limit

    @experiment(configs=options, strategy=ShadowStrategy, **settings)
    def ask(limit: Limit) -> int:
        return limit + first() + second()  # type: ignore[call-arg]

    return ask


def many_cases() -> bool:
    """Print what a call over 27,000 cases costs, and return whether the limits hold."""
    lone, bounded, whole = make_three(OPTIONS[:1]), make_three(OPTIONS), make_three(OPTIONS, max_cases=None)
    single = make_three(OPTIONS[:2], combine="one_at_a_time")
    row = Row(name="30 x 30 x 30 options", floor=lone, ours=bounded, limit=CASES_RATIO)
    passed = compare([row])
    # Workers make the variants of this one, and would take their time from what is measured: one call at a time. It
    # hands over one job, as a call with one variant does.
    samples = []
    for _ in range(ROUNDS):
        spearmint.flush()
        below = seconds(single)
        spearmint.flush()
        samples.append((below, seconds(whole)))
    passed = report([summary("all of them handed over", samples, CASES_RATIO)]) and passed
    gc.collect()
    held = sum(isinstance(each, spearmint.ExperimentCase) for each in gc.get_objects())
    print(f"cases held while they run: {held}")
    return passed and held < LIMIT_HELD


def main() -> int:
    """Print all of it; return 1 when a limit is missed."""
    results = [nested_calls(), large_package(leaves_tables=False), large_package(leaves_tables=True), many_cases()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
