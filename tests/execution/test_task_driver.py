"""Variants of async functions: tasks beside main on its loop."""

import asyncio
import gc
import logging
import sys
import threading
import time
import weakref
from contextvars import ContextVar

import pytest

import spearmint
from spearmint import Config, Spearmint
from spearmint.execution import task_queue as tasks
from spearmint.execution.loop_lag import loop_lag
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

CONFIGS = [{"n": 0}, {"n": 1}]
SECONDS = 10
SHORT = 0.02


def test_main_answers_before_its_variant_begins() -> None:
    order = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def task(config: Config) -> int:
        order.append(config["n"])
        return config["n"]

    async def main() -> None:
        assert await task() == 0
        order.append("answered")
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert order == [0, "answered", 1]


def test_variant_that_blocks_the_loop_starts_after_main() -> None:
    answered = threading.Event()
    waited = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def task(config: Config) -> int:
        if config["n"]:
            waited.append(answered.wait(SECONDS))
        return config["n"]

    async def main() -> None:
        assert await task() == 0
        answered.set()
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert waited == [True]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_an_eager_loop_does_not_run_variants_in_the_callers_time() -> None:
    order = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def task(config: Config) -> None:
        order.append(config["n"])

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await task()
        order.append("answered")
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert order == [0, "answered", 1]


def test_variants_that_start_with_main_run_while_it_does() -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy(start="with_main")).experiment
    async def beside(begun: asyncio.Event, config: Config) -> bool:
        if config["n"]:
            begun.set()
        return await asyncio.wait_for(begun.wait(), SECONDS)

    async def main() -> None:
        assert await beside(asyncio.Event())
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())


def test_multi_branch_awaits_every_outcome_in_plan_order() -> None:
    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=MultiBranchStrategy).experiment
    async def inverse(barrier: asyncio.Barrier, config: Config) -> float:
        await barrier.wait()
        return 1 / (1 - config["n"])

    async def main() -> None:
        results = await inverse(asyncio.Barrier(3))
        assert [one.status for one in results] == ["success", "failed", "success"]
        assert [one.result for one in results] == [1.0, None, -1.0]

    asyncio.run(main())


def test_a_waiting_variant_is_not_lost_to_the_collector(account) -> None:
    kept = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def task(config: Config) -> None:
        if config["n"]:
            future = asyncio.get_running_loop().create_future()
            kept.append(weakref.ref(future))
            await future

    async def main() -> None:
        await task()
        await asyncio.sleep(0)
        gc.collect()
        kept[0]().set_result(None)
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 1, "finished": 1}


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, RecursionError])
def test_variants_exception_reaches_neither_loop_nor_caller(account, error) -> None:
    told = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy, on_variant_error=told.append).experiment
    async def fails(config: Config) -> int:
        if config["n"]:
            raise error
        return 5

    async def main() -> None:
        assert await fails() == 5
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert [type(one) for one in told] == [error]
    assert account() == {"submitted": 1, "failed": 1}


def test_mains_exception_is_the_same_object_and_starts_variants(account) -> None:
    original = KeyError("orig")

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def fails(config: Config) -> None:
        if config["n"] == 0:
            raise original

    async def main() -> None:
        with pytest.raises(KeyError) as caught:
            await fails()
        assert caught.value is original
        assert len(caught.traceback) <= 4
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 1, "finished": 1}


def test_a_cancelled_main_stays_cancelled_and_so_do_its_variants(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(config: Config) -> None:
        assert config["n"] == 0
        await asyncio.Event().wait()

    async def main() -> None:
        async with Spearmint.arun(waits) as runner:
            running = asyncio.ensure_future(runner())
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert running.cancelled()
        assert [one.status for one in runner.results] == ["cancelled", "cancelled"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waits(), SHORT)

    asyncio.run(main())
    assert account() == {"submitted": 2, "cancelled": 2}


def test_variants_cancelled_by_the_loops_end_warn_once(account, caplog) -> None:
    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=ShadowStrategy).experiment
    async def waits(config: Config) -> int:
        if config["n"]:
            await asyncio.Event().wait()
        return 3

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(waits()) == 3
    assert account() == {"submitted": 2, "cancelled": 2}
    (record,) = caplog.records
    assert record.message.startswith("Variants are lost: their event loop ended, or other code cancelled them;")


def test_variants_on_a_closed_loop_are_cancelled(account, caplog) -> None:
    has_cleaned_up = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(config: Config) -> None:
        if config["n"]:
            try:
                await asyncio.Event().wait()
            finally:
                has_cleaned_up.append(True)

    async def main() -> None:
        await waits()
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    assert not spearmint.flush(), "a loop that does not run could run again"
    assert account() == {"submitted": 1, "pending": 1}
    loop.run_until_complete(waits())
    loop.close()
    assert spearmint.flush()
    assert account() == {"submitted": 2, "cancelled": 2}
    assert all(has_cleaned_up)
    assert has_cleaned_up
    gc.collect()
    assert [record.name for record in caplog.records] == ["spearmint"]
    assert asyncio.run(spearmint.aflush(0))


def test_a_sync_call_works_after_the_loop_was_closed(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def quick(config: Config) -> int:
        return 1

    async def main() -> int:
        return quick()

    assert asyncio.run(main()) == 1
    assert quick() == 1
    assert spearmint.flush(SECONDS)
    assert account() == {"submitted": 2, "finished": 2}


def test_a_variant_beyond_its_time_is_cancelled(account) -> None:
    seen = []
    told = []

    @Spearmint(
        configs=CONFIGS, strategy=MultiBranchStrategy, variant_timeout=SHORT, on_variant_error=told.append
    ).experiment
    async def waits(config: Config) -> int:
        if config["n"]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
        return 3

    async def main() -> None:
        first, variant = await waits()
        assert first.result == 3
        assert (variant.status, variant.result) == ("timed_out", None)
        assert str(variant.exception) == f"the variant took longer than {SHORT} s"
        assert told == [variant.exception]
        await asyncio.sleep(0)

    asyncio.run(main())
    assert seen == ["cancelled"]
    assert account() == {"submitted": 1, "timed_out": 1}


def test_variant_that_swallows_cancellation_is_not_waited_for(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy, variant_timeout=SHORT).experiment
    async def stubborn(gate: asyncio.Event, config: Config) -> int:
        while config["n"] and not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                gc.collect()
        return 3

    async def main() -> None:
        gate = asyncio.Event()
        results = await stubborn(gate)
        assert [one.status for one in results] == ["success", "timed_out"]
        await asyncio.sleep(0)
        (lingering,) = tasks._lingering
        gate.set()
        await lingering
        assert results.variant_results[0].result is None

    asyncio.run(main())
    assert tasks._lingering == set()
    assert account() == {"submitted": 1, "timed_out": 1}


def test_a_variant_within_its_time_keeps_its_result() -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy, variant_timeout=SECONDS).experiment
    async def quick(config: Config) -> int:
        return config["n"]

    async def main() -> None:
        assert [one.result for one in await quick()] == [0, 1]

    asyncio.run(main())


def test_a_full_background_drops_the_newest_task(account) -> None:
    spearmint.configure(background={"max_tasks": 1, "queue_size": 1})

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(gate: asyncio.Event, config: Config) -> int:
        if config["n"]:
            await gate.wait()
        return config["n"]

    async def main() -> None:
        gate = asyncio.Event()
        for _ in range(5):
            assert await waits(gate) == 0
        assert account() == {"submitted": 5, "dropped": 3, "pending": 2}
        gate.set()
        assert await spearmint.aflush(SECONDS)
        assert await waits(gate) == 0
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 6, "dropped": 3, "finished": 3}


def held_up(account, overflow: str) -> dict[str, int]:
    """Return what became of the variant of a call that is made just after its loop was held up."""
    spearmint.configure(background={"max_lag": 0.01, "overflow": overflow})

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(gate: asyncio.Event, config: Config) -> int:
        if config["n"]:
            await gate.wait()
        return config["n"]

    async def main() -> None:
        gate = asyncio.Event()
        await waits(gate)
        time.sleep(0.1)  # noqa: ASYNC251 - what a loop should not meet
        for _ in range(2):  # What waited runs, then what was due.
            await asyncio.sleep(0)
        assert await waits(gate) == 0
        gate.set()
        async with Spearmint.arun(waits, await_variants=True) as runner:
            results = await asyncio.wait_for(runner(gate), SECONDS)
        assert [one.status for one in results] == ["success", "success"]
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    return account()


def test_loop_that_lags_sheds_what_nobody_awaits(account, caplog) -> None:
    assert held_up(account, "drop") == {"submitted": 3, "finished": 2, "dropped": 1}
    assert "Variants are lost: the event loop lags by more than 0.01 s (max_lag); background_stats()" in caplog.text


@pytest.mark.parametrize("overflow", ["block", "run_in_caller"])
def test_loop_that_lags_sheds_nothing_where_all_must_run(account, overflow) -> None:
    assert held_up(account, overflow) == {"submitted": 3, "finished": 3}


def test_variants_wait_for_a_busy_loop_unless_awaited(account) -> None:
    spearmint.configure(background={"max_lag": 1.0})

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def computes(config: Config) -> int:
        return config["n"]

    async def main() -> None:
        await computes()
        assert await spearmint.aflush(SECONDS)
        lag = loop_lag(asyncio.get_running_loop())
        lag._average, lag._sampled = 0.5, time.monotonic() + SECONDS  # Late by less than max_lag, and a busy loop.
        assert await computes() == 0
        async with Spearmint.arun(computes, await_variants=True) as runner:
            assert [one.status for one in await runner()] == ["success", "success"]
        assert account() == {"submitted": 3, "finished": 2, "pending": 1}
        lag._sampled = 0.0
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 3, "finished": 3}


def test_variants_of_long_turns_begin_one_after_another(account) -> None:
    spearmint.configure(background={"max_lag": 0.5})
    turns, begun = [0], []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def computes(config: Config) -> int:
        if config["n"]:
            begun.append(turns[0])
            time.sleep(0.01)  # noqa: ASYNC251 - a variant that computes
        return config["n"]

    async def main() -> None:
        for _ in range(5):
            await computes()
        while len(begun) < 5:
            await asyncio.sleep(0)
            turns[0] += 1
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert len(set(begun)) == 5


def test_awaited_variants_begin_in_the_order_of_their_calls(account) -> None:
    spearmint.configure(background={"max_tasks": 1})
    begun = []

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    async def answers(call: int, config: Config) -> int:
        if config["n"]:
            begun.append(call)
        await asyncio.sleep(0)
        return call

    async def main() -> None:
        await asyncio.gather(*(answers(call) for call in range(5)))

    asyncio.run(main())
    assert begun == [0, 1, 2, 3, 4]


def test_loop_without_variants_has_no_timer_of_ours(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def quick(config: Config) -> int:
        return config["n"]

    async def main() -> list[asyncio.TimerHandle]:
        await quick()
        assert await spearmint.aflush(SECONDS)
        return [one for one in asyncio.get_running_loop()._scheduled if not one.cancelled()]

    assert asyncio.run(main()) == []


@pytest.mark.parametrize("overflow", ["block", "run_in_caller"])
def test_full_blocking_pool_holds_the_calling_task_only(account, overflow) -> None:
    spearmint.configure(background={"max_tasks": 1, "queue_size": 1, "overflow": overflow})
    ended = []

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def waits(name: str, gate: asyncio.Event, config: Config) -> None:
        if config["n"]:
            await gate.wait()
            ended.append(name)

    async def main() -> None:
        gates = {name: asyncio.Event() for name in ("runs", "waits", "finds no room")}
        await waits("runs", gates["runs"])
        await waits("waits", gates["waits"])
        caller = asyncio.ensure_future(waits("finds no room", gates["finds no room"]))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not caller.done()
        freed = "runs" if overflow == "block" else "finds no room"
        gates[freed].set()
        await asyncio.wait_for(caller, SECONDS)
        assert ended == [freed]
        for gate in gates.values():
            gate.set()
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 3, "finished": 3}


def test_cancelled_wait_for_room_cancels_the_remaining_variants(account) -> None:
    spearmint.configure(background={"max_tasks": 1, "queue_size": 1, "overflow": "block"})

    @Spearmint(configs=[{"n": n} for n in range(4)], strategy=ShadowStrategy).experiment
    async def waits(gate: asyncio.Event, config: Config) -> None:
        if config["n"]:
            await gate.wait()

    async def main() -> None:
        gate = asyncio.Event()
        async with Spearmint.arun(waits) as runner:
            caller = asyncio.ensure_future(runner(gate))
            for _ in range(5):
                await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert [one.status for one in runner.results] == ["success", "pending", "pending", "cancelled"]
        gate.set()
        assert await runner.results.await_variants(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 3, "finished": 2, "cancelled": 1}


def test_awaited_run_may_have_more_variants_than_the_queue(account) -> None:
    spearmint.configure(background={"queue_size": 2})

    @Spearmint(configs=[{"n": n} for n in range(20)], strategy=MultiBranchStrategy).experiment
    async def many(config: Config) -> int:
        await asyncio.sleep(0)
        return config["n"]

    async def main() -> None:
        assert [one.result for one in await many()] == list(range(20))

    asyncio.run(main())
    assert account() == {"submitted": 19, "finished": 19}


def test_variants_see_a_copy_of_the_callers_context_variables() -> None:
    user = ContextVar("user", default="nobody")
    seen = []

    @Spearmint(configs=[*CONFIGS, {"n": 2}], strategy=ShadowStrategy).experiment
    async def reads(config: Config) -> None:
        if config["n"]:
            seen.append(user.get())
            user.set("variant")

    async def main() -> None:
        user.set("ann")
        await reads()
        assert await spearmint.aflush(SECONDS)
        assert user.get() == "ann"

    asyncio.run(main())
    assert seen == ["ann", "ann"]


def test_main_arguments_that_cannot_be_filled_raise_an_error() -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def takes(x: int, config: Config) -> None:
        pass

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        asyncio.run(takes())


def test_tasks_are_accounted_for_over_many_calls(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    async def quick(config: Config) -> None:
        pass

    async def main() -> None:
        for number in range(2_000):
            await quick()
            if number % 500 == 0:
                assert await spearmint.aflush(SECONDS)
        assert await spearmint.aflush(SECONDS)

    asyncio.run(main())
    assert account() == {"submitted": 2_000, "finished": 2_000}
