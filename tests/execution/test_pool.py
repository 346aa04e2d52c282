"""The pool: its bounds, its account, who waits for it, and what it does when it is full."""

import asyncio
import gc
import logging
import threading
from time import monotonic, sleep

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.errors import ConfigError
from spearmint.execution import workers
from spearmint.execution.pool import variant_pool
from spearmint.native import Waiter
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

SECONDS = 10
LOSS = "Variants are lost"


class Gated:
    """An experiment whose variants begin, tell so, and wait to be let go."""

    def __init__(self, variants: int = 1) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []
        configs = [{"n": n} for n in range(variants + 1)]
        self.call = Spearmint(configs=configs, strategy=ShadowStrategy).experiment(self._function)

    def _function(self, config: Config) -> int:
        if config["n"]:
            self.threads.append(threading.current_thread())
            self.begun.release()
            assert self.gate.wait(SECONDS)
        return config["n"]

    def occupy(self, workers: int) -> None:
        """Call until that many variants run."""
        for _ in range(workers):
            self.call()
            assert self.begun.acquire(timeout=SECONDS)


def test_a_full_queue_drops_the_newest_counts_and_warns_once(account, caplog) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 2})
    gated = Gated()
    gated.occupy(1)
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        for _ in range(5):
            assert gated.call() == 0
    assert account() == {"submitted": 6, "dropped": 3, "pending": 3}
    assert [record.message for record in caplog.records if LOSS in record.message] == [
        (
            "Variants are lost: the queue of 2 is full; background_stats() counts what is lost, "
            "configure(background=...) sets the limits. This is said once."
        )
    ]
    with Spearmint.run(gated.call) as runner:
        assert runner().variant_results[0].status == "dropped"
    gated.gate.set()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 7, "dropped": 4, "finished": 3}


def test_block_holds_the_caller_until_there_is_room(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "block"})
    gated = Gated()
    gated.occupy(1)
    gated.call()
    blocked = threading.Thread(target=gated.call)
    blocked.start()
    while not variant_pool.workers.blocked:
        blocked.join(0.001)
        assert blocked.is_alive()
    assert account() == {"submitted": 2, "pending": 2}
    gated.gate.set()
    blocked.join(SECONDS)
    assert not blocked.is_alive()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 3, "finished": 3}


def test_a_larger_queue_lets_blocked_callers_go(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "block"})
    gated = Gated()
    gated.occupy(1)
    gated.call()
    blocked = threading.Thread(target=gated.call)
    blocked.start()
    while not variant_pool.workers.blocked:
        blocked.join(0.001)
    spearmint.configure(background={"queue_size": 2})
    blocked.join(SECONDS)
    assert not blocked.is_alive()
    gated.gate.set()


def test_interrupted_wait_for_room_cancels_remaining_variants(account, monkeypatch) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "block"})
    gated = Gated(variants=3)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    holder = Gated()
    holder.occupy(1)
    runner = Spearmint.run(gated.call)
    monkeypatch.setattr(Waiter, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runner()
    monkeypatch.undo()
    assert [one.status for one in runner.results] == ["success", "pending", "cancelled", "cancelled"]
    assert variant_pool.workers.blocked == []
    holder.gate.set()
    gated.gate.set()
    assert runner.results.wait(SECONDS)
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 4, "finished": 2, "cancelled": 2}


def test_run_in_caller_runs_the_variant_there(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "run_in_caller"})
    gated = Gated()
    gated.occupy(1)
    gated.call()
    ran_on = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def where(config: Config) -> int:
        ran_on.append(threading.current_thread())
        if config["n"]:
            raise SystemExit
        return 4

    assert where() == 4
    assert ran_on == [threading.current_thread()] * 2
    gated.gate.set()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 3, "finished": 2, "failed": 1}


def test_awaited_run_may_have_more_variants_than_the_queue(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1})

    @Spearmint(configs=[{"n": n} for n in range(30)], strategy=MultiBranchStrategy).experiment
    def many(config: Config) -> int:
        return config["n"]

    assert [one.result for one in many()] == list(range(30))
    assert account() == {"submitted": 29, "finished": 29}


def test_no_more_threads_than_workers_are_started() -> None:
    spearmint.configure(background={"max_workers": 2})
    gated = Gated(variants=5)
    gated.call()
    for _ in range(2):
        assert gated.begun.acquire(timeout=SECONDS)
    assert not gated.begun.acquire(blocking=False)
    assert variant_pool.workers.count == 2
    gated.gate.set()
    assert spearmint.flush(SECONDS)
    assert len(set(gated.threads)) == 2


def test_variants_of_several_calls_run_at_once() -> None:
    spearmint.configure(background={"max_workers": 3})
    gated = Gated()
    gated.occupy(3)
    assert len(set(gated.threads)) == variant_pool.workers.count == 3
    gated.gate.set()


def test_an_idle_worker_is_used_again() -> None:
    threads = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def quick(config: Config) -> None:
        threads.append(threading.current_thread())

    for _ in range(5):
        quick()
        assert spearmint.flush(SECONDS)
    assert variant_pool.workers.count <= 2  # The first may not be back yet when the second is handed over.


@pytest.mark.parametrize("strategy", [MultiBranchStrategy, ShadowStrategy])
def test_variants_waiting_for_own_runs_do_not_block_a_full_pool(account, strategy) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1})

    @Spearmint(configs=[{"n": n} for n in range(4)], strategy=strategy).experiment
    def inner(x: int, config: Config) -> int:
        return x * 10 + config["n"]

    @Spearmint(configs=[{"n": n} for n in range(4)], strategy=MultiBranchStrategy).experiment
    def outer(config: Config) -> list[int]:
        with Spearmint.run(inner, await_variants=True) as runner:
            return [one.result for one in runner(config["n"])]

    assert [one.result for one in outer()] == [[n * 10 + i for i in range(4)] for n in range(4)]
    assert account() == {"submitted": 15, "finished": 15}


def test_flush_waits_for_what_has_been_handed_over(account) -> None:
    gated = Gated()
    gated.occupy(1)
    assert not spearmint.flush(0.001)
    threading.Thread(target=gated.gate.set).start()
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 1, "finished": 1}
    assert variant_pool.flush(0)


def test_flush_in_a_variant_waits_neither_for_itself_nor_others() -> None:
    spearmint.configure(background={"max_workers": 2})
    both = threading.Barrier(2)
    flushed = []

    @Spearmint(configs=[{"n": n} for n in range(3)], strategy=ShadowStrategy).experiment
    def flushes(config: Config) -> None:
        if config["n"]:
            both.wait(SECONDS)
            flushed.append(spearmint.flush())

    flushes()
    assert spearmint.flush(SECONDS)
    assert flushed == [True, True]


def test_flush_in_a_variant_waits_for_its_own_submissions() -> None:
    order = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def inner(config: Config) -> None:
        order.append(f"inner {config['n']}")

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def outer(config: Config) -> None:
        if config["n"]:
            Spearmint.run(inner)()
            assert spearmint.flush(SECONDS)
            order.append("flushed")

    outer()
    assert spearmint.flush(SECONDS)
    assert order == ["inner 0", "inner 1", "flushed"]


def test_flush_in_a_loop_does_not_wait_for_blocked_tasks(account) -> None:
    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    async def task(config: Config) -> None:
        pass

    async def main() -> None:
        await task()
        assert not spearmint.flush()
        assert await spearmint.aflush(SECONDS)
        assert spearmint.flush()

    asyncio.run(main())
    assert account() == {"submitted": 1, "finished": 1}


def test_aflush_in_an_async_variant_does_not_wait_for_itself() -> None:
    flushed = []

    @Spearmint(configs=[{"n": n} for n in range(3)], strategy=ShadowStrategy).experiment
    async def task(config: Config) -> None:
        if config["n"]:
            flushed.append(await spearmint.aflush())

    async def main() -> None:
        await task()
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert flushed == [True, True]


def test_aflush_gives_up_after_its_timeout() -> None:
    gated = Gated()
    gated.occupy(1)
    assert not asyncio.run(spearmint.aflush(0.001))
    gated.gate.set()


def test_a_worker_survives_whatever_a_job_raises(account, monkeypatch) -> None:
    spearmint.configure(background={"max_workers": 1})

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def quick(config: Config) -> None:
        pass

    def broken(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("spearmint.execution.call.Call.begin_main", broken)
        with pytest.raises(SystemExit):
            Spearmint.run(quick)()
        patch.undo()
        patch.setattr("spearmint.execution.call.Call.variant_arguments", broken)
        quick()
        assert spearmint.flush(SECONDS)
    quick()
    assert spearmint.flush(SECONDS)
    assert account()["finished"] == 1
    assert account()["failed"] == 1
    assert variant_pool.workers.count == 1


def test_pool_without_threads_drops_or_runs_in_the_caller(account, monkeypatch) -> None:
    def start(*_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    ran_on = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def where(config: Config) -> int:
        ran_on.append(threading.current_thread())
        return config["n"]

    with monkeypatch.context() as patch:
        patch.setattr(workers, "start_thread", start)
        assert where() == 0
        assert account() == {"submitted": 1, "dropped": 1}
        with Spearmint.run(where, await_variants=True) as runner:
            assert [one.result for one in runner()] == [0, 1]
    assert ran_on == [threading.current_thread()] * 3


def test_stream_collected_under_the_lock_neither_runs_nor_waits(account) -> None:
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "run_in_caller"})
    gated = Gated()
    gated.occupy(1)
    gated.call()
    ran_on = []

    @Spearmint(configs=[{"n": 0}, {"n": 1}], strategy=ShadowStrategy).experiment
    def counts(config: Config):
        ran_on.append(config["n"])
        yield config["n"]

    stream = counts()
    assert next(stream) == 0
    with variant_pool.account.lock:
        del stream
        gc.collect()
        assert ran_on == [0]
    assert account() == {"submitted": 3, "dropped": 1, "pending": 2}
    gated.gate.set()


@pytest.mark.slow
def test_the_account_may_change_while_a_flush_reads_it(account) -> None:
    gated = Gated(variants=3)
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            gated.call()

    gated.gate.set()
    caller = threading.Thread(target=call)
    caller.start()
    for _ in range(200):
        spearmint.flush(SECONDS)
    stop.set()
    caller.join()
    assert spearmint.flush(SECONDS)
    assert "pending" not in account()


def test_fewer_workers_are_kept_when_the_limit_falls() -> None:
    gated = Gated(variants=3)
    spearmint.configure(background={"max_workers": 3})
    gated.call()
    for _ in range(3):
        assert gated.begun.acquire(timeout=SECONDS)
    spearmint.configure(background={"max_workers": 1})
    gated.gate.set()
    deadline = monotonic() + SECONDS
    while variant_pool.workers.count > 1 and monotonic() < deadline:
        sleep(0.001)
    assert variant_pool.workers.count == 1


def test_worker_too_many_wakes_another_for_what_waits() -> None:
    gated = Gated(variants=2)
    gated.call()
    for _ in range(2):
        assert gated.begun.acquire(timeout=SECONDS)
    gated.gate.set()
    deadline = monotonic() + SECONDS
    while variant_pool.workers._idle < 2 and monotonic() < deadline:
        sleep(0.001)
    spearmint.configure(background={"max_workers": 1})
    second = Gated()
    second.gate.set()
    second.call()
    assert second.begun.acquire(timeout=SECONDS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_workers": 0}, "Cannot set background limit 'max_workers' to 0"),
        ({"max_workers": True}, "Give a whole number from 1"),
        ({"queue_size": 0.5}, "Cannot set background limit 'queue_size' to 0.5"),
        ({"exit_timeout": -1}, "Give a number of seconds from 0"),
        ({"exit_timeout": float("inf")}, "Give a number of seconds from 0"),
        ({"overflow": "explode"}, "Give one of 'drop', 'block', 'run_in_caller'"),
        (
            {"workers": 3},
            "Cannot set background limit 'workers': there is none. Give some of max_workers, max_tasks, queue_size",
        ),
    ],
)
def test_a_limit_out_of_range_is_refused_and_changes_nothing(changes, message) -> None:
    before = variant_pool.limits
    with pytest.raises(ConfigError, match=message):
        spearmint.configure(background=changes)
    assert variant_pool.limits is before


def test_a_plan_beyond_its_limit_is_counted_as_dropped(account, caplog) -> None:
    @Spearmint(configs=[{"n": n} for n in range(5)], strategy=ShadowStrategy, max_cases=4).experiment
    def wide(config: Config) -> int:
        return config["n"]

    with caplog.at_level(logging.WARNING, logger="spearmint"):
        assert wide() == 0
        assert wide() == 0
    assert account() == {"submitted": 8, "dropped": 8}
    (record,) = caplog.records
    assert "max_cases is 4, and its options are 5" in record.message
