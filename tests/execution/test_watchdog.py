"""What takes too long is told, once, and nothing else waits for it."""

import gc
import math
import threading
import weakref
from time import perf_counter

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.execution.pool import variant_pool
from spearmint.execution.watchdog import Watchdog
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

SECONDS = 10
SHORT = 0.02


class Thing:
    """Something with a deadline."""


def test_a_thing_expires_when_its_deadline_has_passed() -> None:
    expired = threading.Event()
    things = []
    deadlines = Watchdog(lambda thing: (things.append(thing), expired.set()))
    thing, other = Thing(), Thing()
    deadlines.watch(other, math.inf)
    deadlines.watch(thing, perf_counter() + SHORT)
    assert expired.wait(SECONDS)
    assert things == [thing]


def test_an_earlier_deadline_is_not_kept_waiting_by_a_later_one() -> None:
    order = []
    both = threading.Semaphore(0)
    deadlines = Watchdog(lambda thing: (order.append(thing), both.release()))
    now = perf_counter()
    deadlines.watch("later", now + 4 * SHORT)
    deadlines.watch("earlier", now + SHORT)
    for _ in range(2):
        assert both.acquire(timeout=SECONDS)
    assert order == ["earlier", "later"]


def test_what_is_forgotten_does_not_expire_and_is_not_kept_alive() -> None:
    expired = []
    told = threading.Event()
    deadlines = Watchdog(lambda thing: (expired.append(thing), told.set()))
    thing = Thing()
    gone = weakref.ref(thing)
    deadlines.watch(thing, perf_counter() + SHORT)
    deadlines.cancel(thing)
    deadlines.cancel(thing)
    del thing
    gc.collect()
    assert gone() is None
    deadlines.watch("marker", perf_counter() + 2 * SHORT)
    assert told.wait(SECONDS)
    assert expired == ["marker"]


def test_a_deadline_beyond_what_a_lock_can_wait_is_no_harm() -> None:
    told = threading.Event()
    deadlines = Watchdog(lambda thing: told.set())
    deadlines.watch("never", perf_counter() + 1e12)
    deadlines.watch("soon", perf_counter() + SHORT)
    assert told.wait(SECONDS)


def test_variant_beyond_its_time_is_timed_out_and_warns_once(account) -> None:
    gate = threading.Event()
    told = []

    def function(config: Config) -> int:
        assert config["n"] == 0 or gate.wait(SECONDS)
        return config["n"]

    mint = Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=MultiBranchStrategy)
    hangs = mint.experiment(variant_timeout=SHORT, on_variant_error=told.append)(function)
    main, variant = hangs()
    assert main.result == 0
    assert variant.status == "timed_out"
    assert isinstance(variant.exception, TimeoutError)
    assert str(variant.exception) == f"the variant took longer than {SHORT} s; its thread runs on"
    assert variant.duration == SHORT
    assert variant.result is None
    assert told == [variant.exception]
    assert account() == {"submitted": 1, "timed_out": 1}
    gate.set()  # What it returns after that changes nothing.
    assert spearmint.flush(SECONDS)
    assert variant.status == "timed_out"
    assert account() == {"submitted": 1, "timed_out": 1}


def test_a_variant_within_its_time_is_not_timed_out(account) -> None:
    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=MultiBranchStrategy, variant_timeout=1e12).experiment
    def quick(config: Config) -> int:
        return config["n"]

    assert [one.result for one in quick()] == [0, 1]
    assert variant_pool.workers._watchdog._watched == {}


def test_a_hung_worker_is_replaced_until_it_returns(account) -> None:
    spearmint.configure(background={"max_workers": 1})
    gate, hangs = threading.Event(), threading.Event()
    threads = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=MultiBranchStrategy, variant_timeout=SHORT).experiment
    def hung(config: Config) -> None:
        if config["n"]:
            threads.append(threading.current_thread())
            hangs.set()
            assert gate.wait(SECONDS)

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=MultiBranchStrategy).experiment
    def quick(config: Config) -> int:
        if config["n"]:
            threads.append(threading.current_thread())
        return config["n"]

    assert hung().variant_results[0].status == "timed_out"
    assert [one.result for one in quick()] == [0, 1]
    assert threads[0] is not threads[1]
    assert (variant_pool.workers.count, variant_pool.workers.stuck) == (2, 1)
    gate.set()
    while variant_pool.workers.count > 1:
        threading.Event().wait(0.001)
    assert (variant_pool.workers.count, variant_pool.workers.stuck) == (1, 0)
    assert [one.result for one in quick()] == [0, 1]
    assert account() == {"submitted": 3, "finished": 2, "timed_out": 1}


def test_pool_of_hung_threads_drops_its_queue(account, caplog) -> None:
    spearmint.configure(background={"max_workers": 1})
    gate = threading.Event()

    @Spearmint(configs=[{"n": n} for n in range(6)], strategy=MultiBranchStrategy, variant_timeout=SHORT).experiment
    def hung(config: Config) -> None:
        assert config["n"] == 0 or gate.wait(SECONDS)

    results = hung()
    assert [one.status for one in results] == ["success", "timed_out", "timed_out", "dropped", "dropped", "dropped"]
    assert [one.status for one in hung().variant_results] == ["dropped"] * 5
    assert "every worker is held by a variant beyond its time" in caplog.text
    gate.set()
    while variant_pool.workers.stuck:
        threading.Event().wait(0.001)
    assert [one.status for one in hung()] == ["success"] * 6
    assert account() == {"submitted": 15, "finished": 5, "timed_out": 2, "dropped": 8}


def test_a_hung_variant_in_the_caller_takes_no_worker_away(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "run_in_caller"})
    gate, begun = threading.Event(), threading.Semaphore(0)

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def holds(config: Config) -> None:
        if config["n"]:
            begun.release()
            assert gate.wait(SECONDS)

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy, variant_timeout=SHORT).experiment
    def late(config: Config) -> None:
        while config["n"] and spearmint.background_stats().timed_out == 0:
            gate.wait(0.001)

    holds()
    assert begun.acquire(timeout=SECONDS)
    holds()
    late()
    assert variant_pool.workers.stuck == 0
    gate.set()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 3, "finished": 2, "timed_out": 1}
