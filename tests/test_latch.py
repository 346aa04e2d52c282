"""Who waits goes on when the last execution has ended, and whoever tells of one may be interrupted."""

import asyncio

from spearmint.latch import Latch


def test_latch_forgets_who_has_given_up_waiting() -> None:
    latch = Latch(1)
    assert not asyncio.run(latch.wait_async(0))
    assert latch._wakers == []


def test_latch_opens_although_the_loop_of_a_waiter_was_closed() -> None:
    latch = Latch(1)
    loop = asyncio.new_event_loop()
    latch._wakers.append(lambda: loop.call_soon_threadsafe(print))
    loop.close()
    latch.count_down("the only one")
    assert latch.wait(0)


def test_telling_of_an_execution_twice_counts_it_once() -> None:
    latch = Latch(2)
    latch.count_down("first")
    latch.count_down("first")
    assert not latch.wait(0)
    latch.count_down("second")
    assert latch.wait(0)
